"""Invalid detections and unusual scenes."""

from itertools import pairwise

import numpy as np
import pytest

from tests.core.tracking.test_sort import PARAMETERS, run, scene
from tracking.core.association import best_matching
from tracking.core.boxes import Detections, no_detections
from tracking.core.sort import track_causal
from tracking.core.tracklet_merging import merge_tracklets

FPS = 30
PERSON = np.array([20, 50])  # pixels


def with_extra(frames, boxes, scores):
    """The same frames with further detections in each."""
    return [
        Detections(np.concatenate([one.boxes, boxes]), np.concatenate([one.scores, scores]))
        for one in frames
    ]


WALK = scene(60, (0, 0, 2, 60))
NO_BOXES = np.array(
    [[np.nan] * 4, [np.inf, 0, np.inf, 5], [5.0, 5, 5, 5], [9.0, 9, 2, 2], [0, 0, np.inf, 9]]
)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(with_extra(WALK, NO_BOXES, np.full(5, 0.9)), id="boxes that are none"),
        pytest.param(
            with_extra(WALK, NO_BOXES[3:4] + 200, [np.nan]), id="a score that is none"
        ),
        pytest.param([f._replace(boxes=f.boxes - 5000) for f in WALK], id="outside"),
        pytest.param([f._replace(boxes=f.boxes / 100) for f in WALK], id="less than a pixel"),
        pytest.param([f._replace(boxes=f.boxes * 1e7) for f in WALK], id="enormous"),
        pytest.param(
            [Detections(f.boxes.astype("f4"), f.scores.astype("f4")) for f in WALK],
            id="single precision",
        ),
        pytest.param(
            [Detections(np.repeat(f.boxes, 3, 0), np.repeat(f.scores, 3)) for f in WALK],
            id="everything three times",
        ),
    ],
)
def test_one_walker_stays_one_track(frames):
    (track,) = run(frames, fps=FPS)
    assert track.frames.tolist() == list(range(60))
    assert np.isfinite(track.boxes).all()


@pytest.mark.parametrize("fps", [1, 2, 7.5, 60, 240])
def test_four_seconds_are_four_seconds_at_any_rate(fps):
    count = round(4 * fps) + 1
    people = (0, 0, 40 / fps, count), (0, 300, -20 / fps, count)
    tracks = run(scene(count, *people), fps=fps)
    assert [(track.frames[0], track.frames[-1]) for track in tracks] == [(0, count - 1)] * 2


def test_equal_scores_lose_no_track():
    people = [(0, 45.0 * number, 0.3, 90) for number in range(6)]
    assert len(run(scene(90, *people, score=1.0), fps=FPS)) == 6


def test_a_person_who_stands_still_keeps_the_id_through_a_gap():
    random = np.random.default_rng(0)
    box = np.array([[100.0, 100, 140, 200]])
    frames = [
        Detections(box + random.normal(0, 1.5, (1, 4)), np.array([0.9])) for _ in range(450)
    ]
    frames[200:220] = [no_detections()] * 20
    (track,) = run(frames, fps=FPS)
    assert track.frames.tolist() == list(range(450))
    assert np.abs(track.boxes - box).max() < 3


def test_two_who_cross_keep_their_ids_though_only_the_nearer_is_detected():
    frames = scene(120, (0, 0, 4, 120), (0, 476, -4, 120))
    near = [abs(one.boxes[0, 0] - one.boxes[1, 0]) < 30 for one in frames]
    seen = [
        Detections(one.boxes[:1], one.scores[:1]) if is_near else one
        for one, is_near in zip(frames, near, strict=True)
    ]
    first, second = run(seen, fps=FPS)
    assert first.boxes[-1, 0] == pytest.approx(476, abs=5)
    assert second.boxes[-1, 0] == pytest.approx(0, abs=5)


def test_a_swaying_camera_changes_no_id():
    crowd = scene(240, *[(0, 90.0 * number, 0.5, 240) for number in range(6)])
    sway = np.outer(np.sin(np.arange(240) / 8) * 60, [1, 0.3])
    seen = [
        Detections(one.boxes + np.tile(off, 2), one.scores)
        for one, off in zip(crowd, sway, strict=True)
    ]
    tracks = run(seen, fps=FPS)
    assert [(track.frames[0], track.frames[-1]) for track in tracks] == [(0, 239)] * 6


def test_five_hundred_people_are_five_hundred_tracks():
    random = np.random.default_rng(0)
    places = np.stack(np.divmod(np.arange(500), 25), 1) * 60 + random.uniform(0, 20, (500, 2))
    sides = np.concatenate([places, places + PERSON], axis=1)
    frames = [Detections(sides + number, np.full(500, 0.8)) for number in range(20)]
    assert len(run(frames, fps=FPS)) == 500


def noise(frame_count: int, per_frame: int) -> list[Detections]:
    random = np.random.default_rng(0)
    frames = []
    for _ in range(frame_count):
        places = random.uniform(0, 2000, (per_frame, 2))
        boxes = np.concatenate([places, places + PERSON], axis=1)
        frames.append(Detections(boxes, np.full(per_frame, 0.8)))
    return frames


def test_random_detections_are_merged_in_order():
    parts = track_causal(noise(30, 60), fps=FPS, parameters=PARAMETERS)
    assert len(parts) > 1500
    whole = merge_tracklets(parts, fps=FPS, merging=PARAMETERS.merging)
    assert sum(len(track.frames) for track in whole) == sum(len(part.frames) for part in parts)
    for track in whole:
        assert all(a < b for a, b in pairwise(track.frames.tolist()))


def test_too_many_possible_pairs_are_matched_greedily(monkeypatch):
    monkeypatch.setattr("tracking.core.association.MAX_ASSIGNMENT_SIZE", 3)
    rows, columns = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2])
    found = best_matching(rows, columns, np.array([0.9, 0.8, 0.8, 0.1, 0.3]))
    assert found.rows.tolist() == [0, 1, 2]
    assert found.columns.tolist() == [0, 1, 2]


@pytest.mark.parametrize("frame", [0, 29])
def test_a_detection_in_one_frame_is_dropped(frame):
    frames = [no_detections()] * 30
    frames[frame] = WALK[0]
    assert run(frames, fps=FPS) == []
