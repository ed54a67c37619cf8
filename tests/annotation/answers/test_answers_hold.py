"""Answers hold until they are changed: jittery tracks, edited as CVAT's own client does."""

import numpy as np
import pytest

from annotation.models import AnswerVersion, CvatJob
from datasets.models import ActionGroup, Dataset
from tests.cvat_double.steps import (
    TASK,
    job_named,
    make_world,
    read_all,
    reconciled,
    send_all,
    set_up,
    task_named,
)
from tests.stored_files import put
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import Proposal
from tracking.services.proposal_rows import proposals_of

pytestmark = pytest.mark.django_db

CLIP = "aisle-c0000"
FIRST, LAST = 2, 14  # AVA keyframes of a clip of 15 s


def jitter(seed: int) -> Track:
    """A person who shakes as detections do: nearly every second is a CVAT keyframe."""
    frames = np.arange(450)
    random = np.random.default_rng(seed)
    still = np.array([100.0 * seed, 100, 100.0 * seed + 40, 200])
    boxes = still + np.repeat(random.normal(0, 6, (75, 4)), 6, axis=0)
    return Track(seed, frames, boxes, np.full(450, 0.9))


def sent(cvat, tracks: list[Track], **fields: str) -> Dataset:
    """A world whose pre-annotation are these tracks; `fields` change the group "doing"."""
    dataset = make_world(cvat)
    ActionGroup.objects.filter(name="doing").update(**fields)
    run = task_named(TASK).run
    file = TracksFile(CLIP, 640, 360, 450, tracks)
    run.tracks.name = put(f"shop/tracks/jitter/{CLIP}.gz", dump(file))
    run.save()
    run.persons.all().delete()
    run.proposals.all().delete()
    ids = {track.track_id: track.track_id for track in tracks}
    for number in ids:
        run.persons.create(person_id=number, track_id=number)
    Proposal.objects.bulk_create(proposals_of(run, file, ids))
    set_up(dataset)
    send_all(dataset)
    assert not CvatJob.objects.exclude(stage="done").exists(), CvatJob.objects.values("error")
    return dataset


def finished(cvat, dataset: Dataset) -> AnswerVersion:
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    (version,) = read_all()
    assert version.stage == "done", version.error
    return version


def answers(version: AnswerVersion, person: int, group: str) -> list[object]:
    rows = version.annotations.filter(person_id=person).order_by("second")
    return [row.answers[group] for row in rows]


def keyframes(cvat) -> list[list[int]]:
    tracks = cvat.state.annotations[job_named(TASK).cvat_task_id]["tracks"]
    return [[shape["frame"] for shape in track["shapes"]] for track in tracks]


def test_an_answer_given_once_holds_over_all_cvat_keyframes(cvat):
    dataset = sent(cvat, [jitter(1), jitter(2)])
    assert all(len(frames) > 10 for frames in keyframes(cvat))
    cvat.answer(TASK, 0, 0, {"posture": "sit", "doing": "wave"})
    cvat.answer(TASK, 0, 5 * 6, {"posture": "walk"})
    cvat.answer(TASK, 0, 5 * 9, {"doing": "none"})
    cvat.answer(TASK, 1, 5 * 4, {"posture": "stand"})
    version = finished(cvat, dataset)
    assert answers(version, 1, "posture") == ["sit"] * 4 + ["walk"] * 8
    assert answers(version, 1, "doing") == [["wave"]] * 7 + [[]] * 5
    assert answers(version, 2, "posture") == ["unset"] * 2 + ["stand"] * 10
    assert answers(version, 2, "doing") == ["unset"] * 12  # nobody's silence is a "none"
    assert version.unfinished == 2  # person 2 at the seconds 2 and 3


def test_a_change_at_a_frame_without_a_cvat_keyframe_holds_too(cvat):
    dataset = sent(cvat, [jitter(1)])
    cvat.answer(TASK, 0, 0, {"posture": "sit"})
    cvat.answer(TASK, 0, 5 * 6 - 2, {"posture": "walk"})
    assert 5 * 6 - 2 in keyframes(cvat)[0]
    version = finished(cvat, dataset)
    assert answers(version, 1, "posture") == ["sit"] * 4 + ["walk"] * 8


def test_a_second_action_is_added_and_taken_away_alone(cvat):
    dataset = sent(cvat, [jitter(1)])
    cvat.answer(TASK, 0, 0, {"posture": "sit", "doing": "wave"})
    cvat.answer(TASK, 0, 5 * 5, {"doing 2": "carry"})
    cvat.answer(TASK, 0, 5 * 8, {"doing": "none"})
    cvat.answer(TASK, 0, 5 * 11, {"doing": "unknown"})
    version = finished(cvat, dataset)
    assert answers(version, 1, "doing") == (
        [["wave"]] * 3 + [["wave", "carry"]] * 3 + [["carry"]] * 3 + ["unknown"] * 3
    )


@pytest.mark.parametrize("scope", ["person", "clip"])
def test_what_is_asked_once_is_written_on_every_row(cvat, scope):
    dataset = sent(cvat, [jitter(1), jitter(2)], scope=scope)
    cvat.answer(TASK, 0, 0, {"doing": "carry"})
    version = finished(cvat, dataset)
    assert answers(version, 1, "doing") == [["carry"]] * 12
    assert answers(version, 2, "doing") == ([["carry"]] if scope == "clip" else ["unset"]) * 12


def test_answered_tasks_that_are_sent_again_can_be_changed(cvat):
    """No value is repeated at later CVAT keyframes, where it would end a new answer."""
    dataset = sent(cvat, [jitter(1)])
    cvat.answer(TASK, 0, 0, {"posture": "sit"})
    cvat.answer(TASK, 0, 5 * 10, {"posture": "walk"})
    finished(cvat, dataset)
    cvat.state.delete_task(job_named(TASK).cvat_task_id)
    reconciled(dataset)
    CvatJob.objects.all().start_over(
        cvat_task_id=None, job_id=None, is_deleted=False, fetched_at=None
    )
    send_all(dataset)
    cvat.answer(TASK, 0, 5 * 5, {"posture": "stand"})
    version = finished(cvat, dataset)
    assert answers(version, 1, "posture") == ["sit"] * 3 + ["stand"] * 5 + ["walk"] * 4


def test_real_tracks_hold_their_answers(cvat, shared):
    """A walk of street_1.mp4: detections of the shipped model, tracked as in production."""
    from datasets.core.media.standard_video import read_frames
    from tracking.core.sort import TrackerParameters, track
    from tracking.detectors.registry import open_detector

    weights = str(shared / "data/weights/yolox_nano_384x640.onnx")
    detector = open_detector("onnx", weights=weights, threshold=0.3)
    found = [None] * 450
    for number, rgb in read_frames(shared / "data/videos/street_1.mp4", count=450):
        if number % 6 == 0:
            (found[number],) = detector.detect([rgb])
    height, width = rgb.shape[:2]
    tracks = track(found, fps=30, parameters=TrackerParameters.for_threshold(0.3))
    scale = np.array([640 / width, 360 / height] * 2)
    longest = sorted(tracks, key=lambda one: -len(one.frames))[:4]
    dataset = sent(
        cvat,
        [
            Track(number, one.frames, one.boxes * scale, one.scores)
            for number, one in enumerate(longest, start=1)
        ],
    )
    frames = keyframes(cvat)
    assert sum(map(len, frames)) > 4 * 8  # each second is nearly a keyframe of its own
    for number, its in enumerate(frames):
        cvat.answer(TASK, number, its[0], {"posture": "walk", "doing": "carry"})
    version = finished(cvat, dataset)
    rows = list(version.annotations.all())
    assert len(rows) > 4 * 8
    assert all(row.answers == {"posture": "walk", "doing": ["carry"]} for row in rows)
    assert version.unfinished == 0
