"""The users of a chaos run: they take a dataset from a zip to a release, and delete a video.

They do what a user would: what fails because a service is away is tried again.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError, connection, transaction

from annotation.models import AnnotationTask, AnswerVersion, CvatJob, CvatServer
from annotation.services.assign_tasks import plan_tasks
from annotation.services.cvat.connection import save_server
from annotation.services.cvat.projects import connect_dataset
from annotation.services.cvat.task_sending import request_sending
from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Dataset, Video
from datasets.services.delete import InUseError, delete
from datasets.services.upload import receive_zip
from qc.models import AgreementSummary, Consensus, ConsensusLabel, Release
from qc.selectors.clip_and_task_states import with_verdict
from qc.services.agreement.reports import newest_reports
from qc.services.consensus.adjudicate import adjudicate
from qc.services.release.make_release import request_release
from qc.services.review.verdicts import approve
from tests.chaos.services import Installation
from tests.make import make_dataset
from tests.server_process import answer
from tests.video_files import make_video_file
from tracking.detectors.detection_files import FORMAT
from tracking.models import IdentityRun
from workers.pipeline import STEPS

ANNOTATORS = ("ann", "bob", "cem")
AWAY = (OperationalError, InterfaceError, StorageError, BotoCoreError, ClientError, InUseError)
SECONDS_BETWEEN_TRIES = 1.0
SIZE = (320, 192)
VIDEOS = (("hall.mp4", "libx264", 30, 25), ("yard.avi", "mpeg4", 25, 16))

Result = TypeVar("Result")


class StuckError(RuntimeError):
    """The pipeline does not get on; the message says with what."""


def tried(action: Callable[[], Result], *, seconds: float = 300.0) -> Result:
    """What `action` returns, tried until the services that it needs are there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return action()
        except AWAY:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(SECONDS_BETWEEN_TRIES)


class Users:
    """The users of `made`; `videos` is their zip, `detections` the people in the videos."""

    def __init__(self, made: Installation, videos: Path, detections: Path, limit: float):
        self.made, self.videos, self.detections = made, videos, detections
        self.limit = limit  # seconds that one stage may take
        self.said = print

    def walk(self, name: str) -> Release:
        """Take the new dataset `name` from the zip to a finished release."""
        dataset = tried(lambda: self._dataset(name))
        tried(lambda: receive_zip(dataset, self.videos, original_name="videos.zip"))
        videos = Video.objects.filter(dataset=dataset)
        self._wait("videos", lambda: IdentityRun.objects.filter(video__dataset=dataset).done()
                   .count() == len(VIDEOS) == videos.done().count())  # fmt: skip
        tried(lambda: plan_tasks(dataset, annotators=list(ANNOTATORS), overlap=1.0, seed=1))
        tried(lambda: connect_dataset(dataset, self._server()))
        tried(lambda: request_sending(dataset))
        tasks = AnnotationTask.objects.of(dataset)
        jobs = CvatJob.objects.filter(project__dataset=dataset)
        self._wait("tasks in CVAT", lambda: jobs.sent().count() == tasks.count() > 0)
        for task in tried(lambda: list(tasks.select_related("clip", "annotator"))):
            self._annotate(task)
        versions = AnswerVersion.objects.filter(task__in=tasks)
        self._wait(
            "answers", lambda: versions.done().values("task").distinct().count() == len(tasks)
        )
        clips = Clip.objects.of(dataset)
        self._wait("consensus", lambda: all(self._is_decided(clip) for clip in clips))
        for clip in tried(lambda: list(clips)):
            self._decide(clip)
        tried(lambda: self._approve(dataset))
        release = tried(lambda: request_release(dataset))
        self._wait("release", lambda: Release.objects.get(pk=release.pk).stage == Stage.DONE)
        self._wait("agreement", lambda: self._is_summarised(dataset))
        return tried(lambda: Release.objects.get(pk=release.pk))

    def delete_video(self, dataset: Dataset) -> str:
        """Delete the first video with all that comes from it; its name."""
        video = tried(lambda: dataset.videos.order_by("name").first())
        assert video
        tried(lambda: delete(video))
        return video.name

    def web_answers(self) -> bool:
        """Whether the pages answer."""
        try:
            return answer(self.made.port) == 200
        except OSError:
            return False

    @transaction.atomic
    def _dataset(self, name: str) -> Dataset:
        found = Dataset.objects.filter(name=name).first()
        return found or make_dataset(
            name, detector="imported", weights=str(self.detections), threshold=0.4
        )

    @transaction.atomic
    def _server(self) -> CvatServer:
        found = CvatServer.objects.first()
        return found or save_server(
            CvatServer(name="lab", url=self.made.cvat.url, organisation="avalab"),
            token="a-personal-token",
        )

    def _annotate(self, task: AnnotationTask) -> None:
        """All agree in the first clip of a video; in the others nobody does."""
        index, who = task.clip.index, task.annotator.name
        posture = dict(zip(ANNOTATORS, ("walk", "sit", "stand"), strict=True))[who]
        answers = {"posture": posture if index else "walk", "doing": "wave"}
        self.made.cvat.do("finish", str(task), answers)

    def _is_decided(self, clip: Clip) -> bool:
        newest = Consensus.objects.filter(clip=clip).order_by("-pk").first()
        return newest is not None and newest.stage == Stage.DONE and len(newest.versions) == 3

    def _is_summarised(self, dataset: Dataset) -> bool:
        summary = AgreementSummary.objects.filter(dataset=dataset).done().last()
        return summary is not None and summary.figures["reports"] == newest_reports(dataset)

    def _decide(self, clip: Clip) -> None:
        consensus = tried(lambda: Consensus.objects.filter(clip=clip).done().latest("pk"))
        boxes = tried(lambda: list(consensus.boxes.prefetch_related("labels")))
        for box in boxes:
            for label in box.labels.all():
                if label.rule == ConsensusLabel.Rule.OPEN:
                    actions = ["walk"] if label.group == "posture" else ["wave"]
                    tried(
                        lambda box=box, label=label, actions=actions: adjudicate(  # type: ignore[misc]
                            clip, second=box.second, person_id=box.person_id, group=label.group,
                            actions=actions, user=_reviewer(),
                        )
                    )  # fmt: skip

    def _approve(self, dataset: Dataset) -> None:
        tasks = AnnotationTask.objects.of(dataset).select_related("clip__video__dataset")
        pending = list(with_verdict(tasks).filter(verdict=""))
        overrides = dict.fromkeys((task.pk for task in pending), "a test of faults")
        approve(pending, reviewer=_reviewer(), overrides=overrides)

    def _wait(self, what: str, is_there: Callable[[], bool]) -> None:
        """Wait for a stage. A failed row is tried again, as a user would; twice at most."""
        end, retried = time.monotonic() + self.limit, 0
        while not tried(is_there):
            if failed := tried(_failed):
                if retried == 2:
                    raise StuckError(f"{what}: {failed}")
                retried += 1
                self.said(f"  tried again by hand: {failed}")
                tried(lambda: [step.rows.retry() for step in STEPS])
            if time.monotonic() > end:
                raise StuckError(f"{what} took over {self.limit:.0f} s: {tried(_open)}")
            time.sleep(SECONDS_BETWEEN_TRIES)


def make_videos(folder: Path) -> None:
    """A zip of videos, and the people in them as detections: one walks, the other stands."""
    (folder / "detections").mkdir()
    with new_zip(folder / "videos.zip") as archive:
        for place, (name, codec, rate, seconds) in enumerate(VIDEOS):
            path = make_video_file(
                folder / name, frames=rate * seconds, rate=rate, codec=codec, size=SIZE
            )
            archive.add_file(name, path)
            lower = 12 * place  # no two videos have the same boxes: a release is held to that
            frames = {
                str(frame): [
                    [
                        20 + frame * 0.2 % 200,
                        40 + lower,
                        60 + frame * 0.2 % 200,
                        140 + lower,
                        0.9,
                    ],
                    [250, 60 + lower, 290, 160 + lower, 0.8],
                ]
                for frame in range(30 * seconds)
            }
            content = json.dumps({"format": FORMAT, "frames": frames})
            (folder / "detections" / f"{path.stem}.json").write_text(content)


def files_below(folder: str) -> set[str]:
    """The names of all stored files below `folder`, a name that ends in a slash."""
    folders, files = default_storage.listdir(folder)
    found = {f"{folder}{name}" for name in files if name}
    return found.union(*(files_below(f"{folder}{one}/") for one in folders), set())


def _reviewer() -> User:
    return User.objects.get_or_create(username="reviewer")[0]


def _failed() -> str:
    rows = [
        f"{step.name} {row}: {row.error}"
        for step in STEPS
        for row in step.rows.filter(stage=Stage.FAILED)[:3]
    ]
    return "; ".join(rows)


def _open() -> str:
    rows = [
        f"{step.name} {row} ({row.stage} {row.error})"
        for step in STEPS
        for row in step.rows.open()[:3]
    ]
    return "; ".join(rows) or "no row is open"
