"""Scenes of boxes that walk on straight lines at a steady speed."""

from dataclasses import replace

import numpy as np
import pytest

from tracking.core.boxes import Detections, no_detections, pairwise_iou
from tracking.core.sort import TrackerParameters, track
from tracking.core.tracks_file import Track

FPS = 30
PARAMETERS = TrackerParameters.for_threshold(0.45)


def run(frames, *, fps=FPS, parameters=PARAMETERS, cuts=()) -> list[Track]:
    return track(frames, fps=fps, parameters=parameters, cuts=cuts)


def scene(
    frame_count: int,
    *people: tuple[int, float, float, int],
    score: float = 0.9,
    hidden: range = range(0),
) -> list[Detections]:
    """People `(first frame, left side, pixels a frame, how many frames)`, 40 x 100 pixels."""
    frames = []
    for frame in range(frame_count):
        boxes = [
            [left + speed * (frame - first), 50, left + speed * (frame - first) + 40, 150]
            for first, left, speed, length in people
            if first <= frame < first + length and frame not in hidden
        ]
        frames.append(
            Detections(np.array(boxes, dtype=float).reshape(-1, 4), np.full(len(boxes), score))
        )
    return frames


def test_everybody_is_tracked_from_the_first_frame_to_the_last():
    tracks = run(scene(60, (0, 0, 2, 60), (10, 300, -1, 50)), fps=FPS)
    assert [(t.track_id, t.frames[0], t.frames[-1]) for t in tracks] == [
        (1, 0, 59),
        (2, 10, 59),
    ]


def test_people_who_pass_each_other_keep_their_ids():
    tracks = run(scene(100, (0, 0, 4, 100), (0, 400, -4, 100)), fps=FPS)
    assert len(tracks) == 2
    assert tracks[0].boxes[-1, 0] == pytest.approx(396, abs=4)
    assert tracks[1].boxes[-1, 0] == pytest.approx(4, abs=4)


def test_a_person_hidden_for_half_a_second_is_the_same_and_the_gap_is_filled():
    (track,) = run(scene(90, (0, 0, 2, 90), hidden=range(40, 55)), fps=FPS)
    assert track.frames.tolist() == list(range(90))
    assert np.isnan(track.scores[40:55]).all()
    assert track.boxes[40:55, 0] == pytest.approx(2.0 * np.arange(40, 55), abs=3)


def test_a_person_who_returns_after_three_seconds_is_another():
    seen = scene(200, (0, 0, 0, 50), (150, 0, 0, 50))
    assert len(run(seen, fps=FPS)) == 2


def test_low_scores_continue_a_track_but_start_none():
    fading = scene(60, (0, 0, 1, 60))
    faint = scene(60, (0, 0, 1, 60), score=0.2)
    (track,) = run(fading[:30] + faint[30:], fps=FPS)
    assert track.frames[-1] == 59
    assert run(faint, fps=FPS) == []


def test_scores_below_the_low_score_are_ignored():
    nothing = scene(60, (0, 0, 1, 60), score=PARAMETERS.low_score / 2)
    assert run(scene(30, (0, 0, 1, 30)) + nothing[30:], fps=FPS)[0].frames[-1] == 29


def test_a_short_track_is_dropped():
    seen = scene(60, (0, 0, 1, 60), (20, 300, 0, 3))
    assert len(run(seen, fps=FPS)) == 1


def test_the_briefer_a_track_the_higher_its_scores_must_be():
    people = (0, 0, 2, 100), (0, 300, 2, 30)
    assert len(run(scene(100, *people, score=0.9))) == 2
    (kept,) = run(scene(100, *people, score=0.65))
    assert kept.frames[-1] == 99


def test_in_a_short_scene_a_track_of_its_length_is_not_brief():
    seen = scene(100, (0, 0, 2, 100), score=0.65)
    assert [len(one.frames) for one in run(seen, cuts=[30])] == [30, 70]


def test_the_more_rarely_a_track_is_detected_the_higher_its_scores_must_be():
    def every_fourth(score):
        found = scene(400, (0, 0, 1, 400), score=score)
        return [one if frame % 4 == 0 else no_detections() for frame, one in enumerate(found)]

    assert len(run(every_fourth(0.7))) == 0
    assert len(run(every_fourth(0.8))) == 1
    assert len(run(every_fourth(0.7), parameters=replace(PARAMETERS, sure_share=0.0))) == 1


def test_a_skipped_frame_makes_no_track_briefer():
    seen = scene(100, (0, 0, 2, 100), score=0.65)
    every_fifth = [one if frame % 5 == 0 else None for frame, one in enumerate(seen)]
    assert len(run(every_fifth)) == 1


def test_a_second_box_over_a_tracked_person_is_not_a_second_person():
    seen = scene(60, (0, 0, 1, 60))
    doubled = [
        Detections(np.concatenate([one.boxes, one.boxes + 2]), np.array([0.9, 0.6]))
        for one in seen
    ]
    assert len(run(seen[:10] + doubled[10:], fps=FPS)) == 1


@pytest.mark.parametrize("stride", [2, 3, 5, 10])
def test_skipped_frames_are_interpolated(stride):
    every = scene(91, (0, 0, 2, 91), (0, 400, -1, 91))
    some = [one if frame % stride == 0 else None for frame, one in enumerate(every)]
    truth, ours = run(every, fps=FPS), run(some, fps=FPS)
    last = 90 // stride * stride
    assert [track.frames.tolist() for track in ours] == [list(range(last + 1))] * 2
    for mine, true in zip(ours, truth, strict=True):
        assert np.diag(pairwise_iou(mine.boxes, true.boxes[: last + 1])).min() > 0.85


def test_one_detection_a_second_still_tracks_a_slow_person():
    every = scene(151, (0, 0, 0.3, 151))
    some = [one if frame % 30 == 0 else None for frame, one in enumerate(every)]
    (track,) = run(some, fps=FPS)
    assert track.frames.tolist() == list(range(151))


def test_half_the_frame_rate_finds_the_same_people():
    every = scene(120, (0, 0, 2, 120), (20, 400, -2, 80))
    full, half = run(every, fps=FPS), run(every[::2], fps=FPS / 2)
    assert len(full) == len(half) == 2
    assert half[1].frames[0] * 2 == full[1].frames[0]


def test_a_frame_without_people_differs_from_a_skipped_frame():
    person = scene(100, (0, 0, 0, 100))
    empty = [*person[:30], *[no_detections()] * 50, *person[80:]]
    unseen = [*person[:30], *[None] * 50, *person[80:]]
    assert len(run(empty, fps=FPS)) == 2
    assert len(run(unseen, fps=FPS)) == 1


@pytest.mark.parametrize(
    "frames",
    [[], [None, None], [no_detections()] * 5],
    ids=["no frames", "no detections", "no people"],
)
def test_no_detections_give_no_tracks(frames):
    assert run(frames, fps=FPS) == []


def test_the_clip_before_does_not_matter():
    seen = scene(60, (0, 0, 2, 60), (5, 300, 0, 50))
    first = run(seen, fps=FPS)
    run(scene(60, (0, 100, 3, 60)), fps=FPS)
    again = run(seen, fps=FPS)
    for a, b in zip(first, again, strict=True):
        assert a.track_id == b.track_id
        assert np.array_equal(a.boxes, b.boxes)


def test_no_track_continues_over_a_cut():
    seen = scene(100, (0, 0, 2, 100), (20, 300, 1, 60))
    before, other, after, still_other = run(seen, fps=FPS, cuts=iter([50]))
    assert [(one.frames[0], one.frames[-1]) for one in (before, after)] == [(0, 49), (50, 99)]
    assert [(one.frames[0], one.frames[-1]) for one in (other, still_other)] == [
        (20, 49),
        (50, 79),
    ]


def test_a_gap_is_not_filled_over_a_cut():
    seen = scene(90, (0, 0, 0, 90), hidden=range(40, 55))
    before, after = run(seen, fps=FPS, cuts=[47])
    assert (before.frames[-1], after.frames[0]) == (39, 55)


def test_detections_may_come_while_a_detector_is_at_work():
    seen = scene(100, (0, 0, 4, 100), (0, 400, -4, 100))
    at_once, one_by_one = run(seen, fps=FPS), run(iter(seen), fps=FPS)
    assert [track.boxes.tolist() for track in one_by_one] == [
        track.boxes.tolist() for track in at_once
    ]


def test_the_order_of_detections_in_a_frame_does_not_matter():
    seen = scene(60, (0, 0, 2, 60), (0, 300, -2, 60), (0, 150, 0, 60))
    turned = [Detections(one.boxes[::-1], one.scores[::-1]) for one in seen]
    ours = sorted(track.boxes.tolist() for track in run(seen, fps=FPS))
    theirs = sorted(track.boxes.tolist() for track in run(turned, fps=FPS))
    assert ours == theirs


def test_the_score_of_a_new_track_is_a_parameter():
    seen = scene(60, (0, 0, 2, 60), score=0.4)
    parameters = replace(PARAMETERS, high_score=0.3, min_mean_score=0.3, brief_mean_score=0.3)
    assert run(seen, fps=FPS) == []
    assert len(run(seen, fps=FPS, parameters=parameters)) == 1


def shaken(frames: list[Detections], *, at: int, by: float) -> list[Detections]:
    """The same images after the camera was jerked to the left in frame `at`."""
    moved = [Detections(one.boxes + np.array([by, 0, by, 0]), one.scores) for one in frames]
    return frames[:at] + moved[at:]


CROWD = [(0, 90.0 * n, 0.5, 90) for n in range(6)]


def test_a_jerk_of_the_camera_changes_no_id():
    seen = shaken(scene(90, *CROWD), at=45, by=28)
    tracks = run(seen, fps=FPS)
    assert [(track.frames[0], track.frames[-1]) for track in tracks] == [(0, 89)] * 6
    assert all(track.boxes[-1, 0] - track.boxes[0, 0] > 65 for track in tracks)


def test_a_person_hidden_while_the_camera_moves_is_matched_again():
    crowd, hidden = scene(90, *CROWD), scene(90, (0, 590, 0.5, 90), hidden=range(40, 52))
    both = [
        Detections(np.concatenate([a.boxes, b.boxes]), np.concatenate([a.scores, b.scores]))
        for a, b in zip(crowd, hidden, strict=True)
    ]
    tracks = run(shaken(both, at=45, by=28), fps=FPS)
    assert [(track.frames[0], track.frames[-1]) for track in tracks] == [(0, 89)] * 7


def test_people_who_walk_at_different_speeds_are_not_camera_motion():
    walkers = [(0, 120.0 * n, 0.4 * n, 90) for n in range(6)]
    tracks = run(scene(90, *walkers), fps=FPS)
    assert len(tracks) == 6
    for one, (_, left, speed, _) in zip(tracks, walkers, strict=True):
        assert one.boxes[:, 0] == pytest.approx(left + speed * np.arange(90), abs=1.5)


def test_the_box_follows_a_person_who_bends_down():
    heights = np.interp(np.arange(90), [30, 42, 60, 72], [100, 60, 60, 100])
    boxes = [np.array([[100, 150 - height, 140, 150]]) for height in heights]
    (track,) = run([Detections(box, np.array([0.9])) for box in boxes], fps=FPS)
    assert np.diag(pairwise_iou(track.boxes, np.concatenate(boxes))).min() > 0.83


def test_a_part_behind_a_cut_that_has_only_low_scores_is_no_track():
    """The mean of no score is not computed: that warned of an empty slice."""
    box = np.array([[100.0, 100, 150, 250]])
    scores = [0.9] * 47 + [PARAMETERS.low_score] * 47
    seen = [Detections(box, np.array([score])) for score in scores]
    [before] = run(seen, fps=FPS, cuts=[47])
    assert before.frames[-1] == 46
