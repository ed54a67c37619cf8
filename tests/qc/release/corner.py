"""The dataset `corner` of the release tests, its consensus and its release files."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from demo.world.frame_number import draw_frame_number
from qc.core.annotator_keys import annotator_key
from qc.core.release.packing import PARTS
from qc.models import (
    Consensus,
    ConsensusBox,
    Review,
)
from qc.services.release.make_release import make_release, request_release
from qc.services.release.release_storage import opener, zip_of
from tests import make
from tests.core.qc.release.tiny_release import make_video_file

SIZE = (192, 96)


def numbered_video(path, frame_count):
    frames = []
    for number in range(frame_count):
        shade = 60 + frame_count % 64  # another place for each video
        frame = np.full((SIZE[1], SIZE[0], 3), shade, dtype=np.uint8)
        draw_frame_number(frame, number)
        frames.append(frame)
    return make_video_file(path, frames)


def believe(clip, *, annotators=("ann", "ben"), actions=("walk", "wave"), verdict="approved"):
    """Tasks, answers, verdicts, and a consensus in which everybody is seen to walk and wave."""
    run = make.make_run(clip, persons=1)
    run.proposals.update(x1=20, y1=20, x2=60, y2=80)
    reviewer = make.make_user()
    versions = []
    for name in annotators:
        annotator = clip.video.dataset.annotators.filter(name=name).first()
        task = make.make_task(run, annotator or make.make_annotator(clip.video.dataset, name))
        versions.append(make.make_version(task))
        if verdict:
            Review.objects.create(
                task=task, version=versions[-1], verdict=verdict, reviewer=reviewer
            )
    consensus = Consensus.objects.create(
        clip=clip, versions=[version.pk for version in versions], open_count=0,
        stage=Stage.DONE,
    )  # fmt: skip
    for second in clip.keyframes():
        add_person(consensus, second, 1, actions=actions)
    return consensus


def add_person(
    consensus, second, person_id, *, actions=("walk",), status="agreed", left=20, rules=None
):
    annotators = consensus.clip.video.dataset.annotators.order_by("pk")
    keys = [annotator_key(pk) for pk in annotators.values_list("pk", flat=True)]
    box = ConsensusBox.objects.create(
        consensus=consensus, second=second, person_id=person_id, status=status,
        x1=left, y1=20, x2=left + 40, y2=80, drawn_by=["ann"],
    )  # fmt: skip
    for group, of_group in (
        ("posture", {"walk", "sit", "stand"}),
        ("doing", {"wave", "carry"}),
    ):
        chosen = [a for a in actions if a in of_group]
        answer = chosen if group == "doing" else (chosen or ["unknown"])[0]
        box.labels.create(
            group=group, actions=chosen, votes=dict.fromkeys(keys, answer),
            rule=(rules or {}).get(group, "unanimous"),
        )  # fmt: skip
    return box


def consensus_of(name):
    return Consensus.objects.get(clip__name=name)


def made(dataset):
    release = make_release(request_release(dataset).pk)
    assert release.error == ""
    return release


def files_of(release):
    """What the zip of a release holds, as a download gives it."""
    layout, folder = zip_of(release, PARTS)
    content = b"".join(layout.read(0, layout.size, opened=opener(folder)))
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        top = f"{release.folder_name}/"
        assert all(name.startswith(top) for name in archive.namelist())
        return {name.removeprefix(top): archive.read(name) for name in archive.namelist()}


def folder_of(release):
    return Path(default_storage.path(release.folder))
