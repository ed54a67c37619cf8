"""Builders of database rows with good defaults, in the stage `done`."""

import subprocess
import sys
from itertools import count
from typing import Any

from django.contrib.auth.models import User

from annotation.models import AnnotationTask, Annotator, AnswerVersion
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import clip_bounds
from datasets.models import Action, ActionGroup, Clip, Dataset, Member, Video, VideoName
from tracking.models import Person, Proposal, TrackingRun, VideoPerson

_numbers = count(1)


def make_user(name: str = "", *, is_superuser: bool = False) -> User:
    name = name or f"user{next(_numbers)}"
    return User.objects.create_user(name, password="a-password", is_superuser=is_superuser)


def make_dataset(name: str = "", *, owner: User | None = None, **fields: Any) -> Dataset:
    """A dataset with two groups of actions.

    posture: one of stand 1, walk 2, sit 3. doing: any of wave 4, carry 5.
    """
    dataset = Dataset.objects.create(name=name or f"dataset-{next(_numbers)}", **fields)
    if owner:
        Member.objects.create(dataset=dataset, user=owner)
    posture = ActionGroup.objects.create(
        dataset=dataset, name="posture", position=0, choice="one", required=True,
        label_type="PERSON_MOVEMENT", max_per_person=1,
    )  # fmt: skip
    doing = ActionGroup.objects.create(
        dataset=dataset, name="doing", position=1, choice="many",
        label_type="OBJECT_MANIPULATION", max_per_person=3,
    )  # fmt: skip
    for number, (group, action) in enumerate(
        [
            (posture, "stand"),
            (posture, "walk"),
            (posture, "sit"),
            (doing, "wave"),
            (doing, "carry"),
        ],
        start=1,
    ):
        Action.objects.create(dataset=dataset, group=group, name=action, action_id=number)
    return dataset


def make_video(dataset: Dataset, name: str = "", **fields: Any) -> Video:
    """A standard video of 35 s at 640x360 pixels that has no files."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "name": name or f"video-{number}",
        "original_name": f"{name or number}.mp4",
        "sha256": f"{number:064x}",
        "size": 1000,
        "width": 640,
        "height": 360,
        "frame_count": 1050,
        "stage": Stage.DONE,
    }
    video = Video.objects.create(dataset=dataset, **(defaults | fields))
    VideoName.objects.get_or_create(dataset=dataset, name=video.name)
    return video


def make_clips(video: Video, *, stage: str = Stage.DONE) -> list[Clip]:
    """All clips of `video`, without files."""
    return [
        Clip.objects.create(
            video=video, name=f"{video.name}-c{index:04d}", index=index,
            start_frame=bounds.start_frame, frame_count=bounds.frame_count, stage=stage,
        )
        for index, bounds in enumerate(
            clip_bounds(video.frame_count or 0, clip_seconds=video.dataset.clip_seconds)
        )
    ]  # fmt: skip


def make_run(
    clip: Clip, *, persons: int = 2, config_key: str = "test/1", **fields: Any
) -> TrackingRun:
    """A finished run whose persons stand side by side, a proposal at every keyframe."""
    run = TrackingRun.objects.create(
        clip=clip,
        config_key=config_key,
        track_count=persons,
        **({"stage": Stage.DONE} | fields),
    )
    for number in range(1, persons + 1):
        Person.objects.create(run=run, track_id=number, person_id=number)
        VideoPerson.objects.get_or_create(video=clip.video, person_id=number)
        left = 100.0 * number
        for second in clip.keyframes():
            Proposal.objects.create(
                run=run, second=second, person_id=number, score=0.9,
                x1=left, y1=100.0, x2=left + 50, y2=250.0,
            )  # fmt: skip
    return run


def make_annotator(dataset: Dataset, name: str = "", **fields: Any) -> Annotator:
    return Annotator.objects.create(
        dataset=dataset, name=name or f"annotator{next(_numbers)}", **fields
    )


def make_task(run: TrackingRun, annotator: Annotator, **fields: Any) -> AnnotationTask:
    return AnnotationTask.objects.create(
        clip=run.clip, run=run, annotator=annotator, **({"stage": Stage.DONE} | fields)
    )


def make_version(
    task: AnnotationTask, answers: dict[str, Any] | None = None, *, unfinished: int = 0
) -> AnswerVersion:
    """A read version that accepts every proposal and gives each the same `answers`."""
    version = AnswerVersion.objects.create(
        task=task, author=task.annotator, number=AnswerVersion.next_number(task),
        sha256=f"{next(_numbers):064x}", unfinished=unfinished, stage=Stage.DONE,
    )  # fmt: skip
    for proposal in task.run.proposals.all():
        version.annotations.create(
            second=proposal.second, person_id=proposal.person_id, track=proposal.person_id - 1,
            x1=proposal.x1, y1=proposal.y1, x2=proposal.x2, y2=proposal.y2,
            answers=answers or {"posture": "walk", "doing": []},
        )  # fmt: skip
    return version


def worker_that_is_gone() -> str:
    """The name of a process of this machine that has ended."""
    command = "from avaproject.base.processes import this_process; print(this_process())"
    name = subprocess.check_output([sys.executable, "-c", command], text=True).strip()
    return f"any-host/{name}"
