import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tracking.core.boxes import to_centres
from tracking.core.kalman import Beliefs, Motion, begin, choose, predict, update

MOTION = Motion()


def filterpy_twin(beliefs: Beliefs, row: int, axis: int) -> KalmanFilter:
    twin = KalmanFilter(dim_x=2, dim_z=1)
    twin.x = np.array([[beliefs.place[row, axis]], [beliefs.velocity[row, axis]]])
    cross = beliefs.covariance[row, axis]
    twin.P = np.array(
        [
            [beliefs.place_variance[row, axis], cross],
            [cross, beliefs.velocity_variance[row, axis]],
        ]
    )
    twin.H = np.array([[1.0, 0.0]])
    return twin


def noise_matrix(density: float, seconds: float) -> np.ndarray:
    t = seconds
    return density * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])


def random_boxes(seed: int, count: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 500, (count, 2))
    return np.concatenate([low, low + random.uniform(20, 200, (count, 2))], axis=1)


def test_every_row_and_axis_is_the_filter_of_filterpy():
    first = to_centres(random_boxes(0))
    beliefs = begin(first, MOTION)
    acceleration = MOTION.acceleration(first[:, 3])
    variance = MOTION.measurement_variance(first[:, 3])
    twins = {
        (row, axis): filterpy_twin(beliefs, row, axis) for row in range(5) for axis in range(4)
    }
    for step, seconds in enumerate([1 / 30, 0.5, 1 / 30, 1.0], start=1):
        measured = to_centres(random_boxes(step))
        beliefs = update(predict(beliefs, seconds, acceleration), measured, variance)
        for (row, axis), twin in twins.items():
            twin.predict(
                F=np.array([[1, seconds], [0, 1]]),
                Q=noise_matrix(acceleration[row, axis], seconds),
            )
            twin.update(measured[row, axis], R=variance[row, axis])
            ours = filterpy_twin(beliefs, row, axis)
            np.testing.assert_allclose(ours.x, twin.x, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(ours.P, twin.P, rtol=1e-9, atol=1e-9)


def test_two_short_predictions_equal_a_long_one():
    start = begin(to_centres(random_boxes(1)), MOTION)._replace(velocity=np.ones((5, 4)))
    noise = MOTION.acceleration(start.place[:, 3])
    twice = predict(predict(start, 0.3, noise), 0.7, noise)
    once = predict(start, 1.0, noise)
    for ours, theirs in zip(twice, once, strict=True):
        assert ours == pytest.approx(theirs)


def test_a_larger_picture_gives_the_same_track_larger():
    boxes = [to_centres(random_boxes(seed)) for seed in range(3)]

    def followed(scale: float) -> np.ndarray:
        beliefs = begin(boxes[0] * scale, MOTION)
        for measured in boxes[1:]:
            heights = boxes[0][:, 3] * scale
            beliefs = predict(beliefs, 0.1, MOTION.acceleration(heights))
            beliefs = update(beliefs, measured * scale, MOTION.measurement_variance(heights))
        return beliefs.place

    assert followed(3.0) == pytest.approx(followed(1.0) * 3)


def test_a_steady_walk_is_learned():
    walk = np.array([[100.0, 100, 40, 80]])
    beliefs = begin(walk, MOTION)
    for step in range(1, 60):
        beliefs = predict(beliefs, 1 / 30, MOTION.acceleration(walk[:, 3]))
        here = walk + np.array([2.0 * step, 0, 0, 0])
        beliefs = update(beliefs, here, MOTION.measurement_variance(walk[:, 3]))
    assert beliefs.velocity[0, 0] == pytest.approx(60, rel=0.02)


def test_nobody_is_normal_input():
    none = begin(np.empty((0, 4)), MOTION)
    after = update(predict(none, 1.0, np.empty((0, 4))), np.empty((0, 4)), np.empty((0, 4)))
    assert all(part.shape == (0, 4) for part in after)


def test_choose_takes_whole_rows():
    a, b = begin(np.ones((2, 4)), MOTION), begin(np.zeros((2, 4)), MOTION)
    mixed = choose(np.array([True, False]), a, b)
    assert mixed.place.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]
