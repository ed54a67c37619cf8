import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tracking.core.boxes import to_centres
from tracking.core.kalman import (
    COVARIANCE,
    PLACE,
    PLACE_VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    Beliefs,
    Motion,
    begin,
    predict,
    update,
)

MOTION = Motion()


def filterpy_twin(beliefs: Beliefs, row: int, axis: int) -> KalmanFilter:
    one = beliefs[:, axis, row]
    twin = KalmanFilter(dim_x=2, dim_z=1)
    twin.x = one[[PLACE, VELOCITY]].reshape(2, 1)
    variances = [[PLACE_VARIANCE, COVARIANCE], [COVARIANCE, VELOCITY_VARIANCE]]
    twin.P = one[np.array(variances)]
    twin.H = np.array([[1.0, 0.0]])
    return twin


def noise_matrix(density: float, seconds: float) -> np.ndarray:
    t = seconds
    return density * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])


def random_boxes(seed: int, count: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 500, (count, 2))
    return np.concatenate([low, low + random.uniform(20, 200, (count, 2))], axis=1)


def random_centres(seed: int) -> np.ndarray:
    """Centre forms of five boxes, shape `(4, 5)`."""
    return to_centres(random_boxes(seed)).T


def test_every_row_and_axis_is_the_filter_of_filterpy():
    first = random_centres(0)
    beliefs = begin(first, MOTION)
    acceleration = MOTION.acceleration(first[3])
    variance = MOTION.measurement_variance(first[3])
    twins = {
        (row, axis): filterpy_twin(beliefs, row, axis) for row in range(5) for axis in range(4)
    }
    for step, seconds in enumerate([1 / 30, 0.5, 1 / 30, 1.0], start=1):
        measured = random_centres(step)
        beliefs = update(predict(beliefs, seconds, acceleration), measured, variance)
        for (row, axis), twin in twins.items():
            twin.predict(
                F=np.array([[1, seconds], [0, 1]]),
                Q=noise_matrix(acceleration[axis, row], seconds),
            )
            twin.update(measured[axis, row], R=variance[axis, row])
            ours = filterpy_twin(beliefs, row, axis)
            np.testing.assert_allclose(ours.x, twin.x, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(ours.P, twin.P, rtol=1e-9, atol=1e-9)


def test_two_short_predictions_equal_a_long_one():
    start = begin(random_centres(1), MOTION)
    start[VELOCITY] = 1.0
    noise = MOTION.acceleration(start[PLACE, 3])
    twice = predict(predict(start, 0.3, noise), 0.7, noise)
    once = predict(start, 1.0, noise)
    assert twice == pytest.approx(once)


def test_a_larger_picture_gives_the_same_track_larger():
    boxes = [random_centres(seed) for seed in range(3)]

    def followed(scale: float) -> np.ndarray:
        beliefs = begin(boxes[0] * scale, MOTION)
        for measured in boxes[1:]:
            heights = boxes[0][3] * scale
            beliefs = predict(beliefs, 0.1, MOTION.acceleration(heights))
            beliefs = update(beliefs, measured * scale, MOTION.measurement_variance(heights))
        return beliefs[PLACE]

    assert followed(3.0) == pytest.approx(followed(1.0) * 3)


def test_a_steady_walk_is_learned():
    walk = np.array([[100.0], [100], [40], [80]])
    beliefs = begin(walk, MOTION)
    for step in range(1, 60):
        beliefs = predict(beliefs, 1 / 30, MOTION.acceleration(walk[3]))
        here = walk + np.array([[2.0 * step], [0], [0], [0]])
        beliefs = update(beliefs, here, MOTION.measurement_variance(walk[3]))
    assert beliefs[VELOCITY, 0, 0] == pytest.approx(60, rel=0.02)


def test_somebody_who_was_not_seen_is_believed_to_be_where_expected():
    expected = predict(begin(random_centres(2), MOTION), 0.1, np.ones((4, 5)))
    variance = np.where(np.arange(5) == 3, 9.0, np.inf) * np.ones((4, 1))
    after = update(expected, np.zeros((4, 5)), variance)
    unseen = [0, 1, 2, 4]
    assert np.array_equal(after[..., unseen], expected[..., unseen])
    assert (after[PLACE, :, 3] < expected[PLACE, :, 3]).all()


def test_nobody_is_normal_input():
    none, nothing = begin(np.empty((4, 0)), MOTION), np.empty((4, 0))
    assert update(predict(none, 1.0, nothing), nothing, nothing).shape == (5, 4, 0)
