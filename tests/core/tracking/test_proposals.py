import numpy as np
import pytest

from tracking.core.proposals import clip_to_image, sample_at_keyframes
from tracking.core.tracks_file import Track

IMAGE = {"width": 640, "height": 360}


def standing(number: int, frames: list[int], box: list[float], scores: list[float]) -> Track:
    return Track(
        number, np.array(frames), np.tile(np.array(box, dtype=float), (len(frames), 1)),
        np.array(scores, dtype=float),
    )  # fmt: skip


def test_a_track_is_proposed_at_the_keyframes_it_reaches():
    track = standing(3, list(range(30, 95)), [10, 20, 50, 120], [0.8] * 65)
    found = sample_at_keyframes([track], [0, 1, 2, 3, 4], fps=30, **IMAGE)
    assert [(box.second, box.track_id) for box in found] == [(1, 3), (2, 3), (3, 3)]
    assert found[0][2:] == (10.0, 20.0, 50.0, 120.0, 0.8)


def test_a_frame_beside_the_keyframe_is_not_the_keyframe():
    track = standing(1, [29, 31], [10, 20, 50, 120], [0.8, 0.8])
    assert sample_at_keyframes([track], [1], fps=30, **IMAGE) == []


def test_boxes_come_by_second_and_then_by_track():
    tracks = [standing(n, [0, 30], [10, 20, 50, 120], [0.8, 0.8]) for n in (2, 1)]
    found = sample_at_keyframes(tracks, [1, 0], fps=30, **IMAGE)
    assert [(box.second, box.track_id) for box in found] == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_boxes_are_cut_at_the_edge_of_the_image():
    track = standing(1, [0], [-10, -10, 50, 400], [0.8])
    assert sample_at_keyframes([track], [0], fps=30, **IMAGE)[0][2:6] == (0.0, 0.0, 50.0, 360.0)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([-50, 0, -1, 50], id="outside"),
        pytest.param([640, 0, 700, 50], id="at the right edge"),
        pytest.param([639.5, 0, 700, 50], id="a sliver that rounding would take"),
        pytest.param([10, 10, 10, 50], id="without width"),
    ],
)
def test_boxes_without_area_in_the_image_are_dropped(box):
    track = standing(1, [0], box, [0.8])
    assert sample_at_keyframes([track], [0], fps=30, **IMAGE) == []
    assert clip_to_image([track], **IMAGE) == []


def test_a_filled_frame_has_a_score_between_its_neighbours():
    track = standing(1, [0, 30, 60], [10, 20, 50, 120], [0.8, np.nan, 0.6])
    assert sample_at_keyframes([track], [1], fps=30, **IMAGE)[0].score == pytest.approx(0.7)


def test_a_track_keeps_only_its_frames_in_the_image():
    track = standing(1, [0, 1, 2], [10, 20, 50, 120], [0.7, 0.8, 0.9])
    track.boxes[1] += 1000
    (kept,) = clip_to_image([track], **IMAGE)
    assert kept.frames.tolist() == [0, 2]
    assert kept.scores.tolist() == [0.7, 0.9]


def test_no_tracks_no_boxes():
    assert clip_to_image([], **IMAGE) == []
    assert sample_at_keyframes([], [1, 2], fps=30, **IMAGE) == []
