import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tracking.core.boxes import xyxy_to_cxcywh
from tracking.core.kalman import MotionModel
from tracking.core.smoothing import smooth
from tracking.core.tracks_file import Track

MOTION = MotionModel()


def a_walk(
    frames: list[int], *, speed: float = 3.0, noise: float = 0.0, number: int = 1
) -> Track:
    random = np.random.default_rng(number)
    left = np.array(frames) * speed
    boxes = np.stack(
        [left, np.full(len(frames), 50.0), left + 40, np.full(len(frames), 150.0)], 1
    )
    boxes = boxes + random.normal(0, noise, boxes.shape) if noise else boxes
    return Track(number, np.array(frames), boxes, np.full(len(frames), 0.8))


def smoothed_by_filterpy(track: Track, axis: int, fps: float) -> np.ndarray:
    height = float(np.median(track.boxes[:, 3] - track.boxes[:, 1]))
    seconds = 1 / fps
    density = MOTION.acceleration(np.array([height]))[axis, 0]
    variance = MOTION.measurement_variance(np.array([height]))[axis, 0]
    seen = dict(zip(track.frames.tolist(), xyxy_to_cxcywh(track.boxes)[:, axis], strict=True))
    first, last = int(track.frames[0]), int(track.frames[-1])
    twin = KalmanFilter(dim_x=2, dim_z=1)
    twin.x = np.array([seen[first], 0.0])
    twin.P = np.diag([variance, MOTION.initial_velocity_variance(np.array([height]))[axis, 0]])
    twin.F = np.array([[1, seconds], [0, 1]])
    twin.H = np.array([[1.0, 0.0]])
    twin.R = np.array([[variance]])
    twin.Q = density * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
    means, covariances = [twin.x.copy()], [twin.P.copy()]
    for frame in range(first + 1, last + 1):
        twin.predict()
        twin.update(seen.get(frame))
        means.append(twin.x.copy())
        covariances.append(twin.P.copy())
    smoothed = twin.rts_smoother(np.array(means), np.array(covariances))[0]
    return smoothed[:, 0]


def test_the_smoother_is_the_one_of_filterpy():
    frames = [3, 4, 5, 6, 9, 10, 15, 16, 17]
    track = a_walk(frames, noise=4.0)
    other = a_walk(list(range(40)), noise=4.0, number=2)
    ours = smooth([track, other], fps=10, motion=MOTION, max_gap_seconds=9)
    for axis in range(4):
        for mine, raw in zip(ours, [track, other], strict=True):
            theirs = smoothed_by_filterpy(raw, axis, 10)
            assert xyxy_to_cxcywh(mine.boxes)[:, axis] == pytest.approx(
                theirs, abs=1e-9, rel=1e-9
            )


def test_smoothing_brings_noisy_boxes_nearer_to_the_truth():
    frames = list(range(90))
    truth, noisy = a_walk(frames), a_walk(frames, noise=5.0)
    (ours,) = smooth([noisy], fps=30, motion=MOTION, max_gap_seconds=1)
    before = np.abs(noisy.boxes - truth.boxes).mean()
    assert np.abs(ours.boxes - truth.boxes).mean() < before / 2


def test_a_short_gap_is_filled_on_the_way_and_a_long_one_is_not():
    track = a_walk([*range(10), *range(20, 30), *range(70, 80)])
    (ours,) = smooth([track], fps=30, motion=MOTION, max_gap_seconds=1.0)
    assert ours.frames.tolist() == [*range(30), *range(70, 80)]
    filled = np.isnan(ours.scores)
    assert ours.frames[filled].tolist() == list(range(10, 20))
    assert ours.boxes[filled, 0] == pytest.approx(np.arange(10, 20) * 3.0, abs=1.5)


def test_a_gap_of_exactly_the_limit_is_filled():
    (ours,) = smooth([a_walk([0, 30])], fps=30, motion=MOTION, max_gap_seconds=1.0)
    assert len(ours.frames) == 31


def test_a_track_does_not_depend_on_its_neighbours():
    one, other = a_walk(list(range(20)), noise=3.0), a_walk(list(range(50)), number=2)
    alone = smooth([one], fps=30, motion=MOTION, max_gap_seconds=1)[0]
    beside = smooth([other, one], fps=30, motion=MOTION, max_gap_seconds=1)[1]
    assert np.array_equal(alone.boxes, beside.boxes)


def test_a_single_detection_stays_where_it_was_and_no_tracks_are_normal_input():
    track = a_walk([7])
    (ours,) = smooth([track], fps=30, motion=MOTION, max_gap_seconds=1)
    assert ours.boxes == pytest.approx(track.boxes)
    assert smooth([], fps=30, motion=MOTION, max_gap_seconds=1) == []
