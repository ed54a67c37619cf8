import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tracking.core.boxes import xyxy_to_cxcywh
from tracking.core.kalman import (
    COVARIANCE,
    POSITION,
    POSITION_VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    KalmanState,
    MotionModel,
    initialise,
    predict,
    update,
)

MOTION = MotionModel()


def filterpy_twin(state: KalmanState, row: int, axis: int) -> KalmanFilter:
    one = state[:, axis, row]
    twin = KalmanFilter(dim_x=2, dim_z=1)
    twin.x = one[[POSITION, VELOCITY]].reshape(2, 1)
    variances = [[POSITION_VARIANCE, COVARIANCE], [COVARIANCE, VELOCITY_VARIANCE]]
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
    return xyxy_to_cxcywh(random_boxes(seed)).T


def test_every_row_and_axis_is_the_filter_of_filterpy():
    first = random_centres(0)
    state = initialise(first, MOTION)
    acceleration = MOTION.acceleration(first[3])
    variance = MOTION.measurement_variance(first[3])
    twins = {
        (row, axis): filterpy_twin(state, row, axis) for row in range(5) for axis in range(4)
    }
    for step, seconds in enumerate([1 / 30, 0.5, 1 / 30, 1.0], start=1):
        measured = random_centres(step)
        state = update(predict(state, seconds, acceleration), measured, variance)
        for (row, axis), twin in twins.items():
            twin.predict(
                F=np.array([[1, seconds], [0, 1]]),
                Q=noise_matrix(acceleration[axis, row], seconds),
            )
            twin.update(measured[axis, row], R=variance[axis, row])
            ours = filterpy_twin(state, row, axis)
            np.testing.assert_allclose(ours.x, twin.x, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(ours.P, twin.P, rtol=1e-9, atol=1e-9)


def test_two_short_predictions_equal_a_long_one():
    start = initialise(random_centres(1), MOTION)
    start[VELOCITY] = 1.0
    noise = MOTION.acceleration(start[POSITION, 3])
    twice = predict(predict(start, 0.3, noise), 0.7, noise)
    once = predict(start, 1.0, noise)
    assert twice == pytest.approx(once)


def test_a_larger_image_gives_the_same_track_larger():
    boxes = [random_centres(seed) for seed in range(3)]

    def filtered(scale: float) -> np.ndarray:
        state = initialise(boxes[0] * scale, MOTION)
        for measured in boxes[1:]:
            heights = boxes[0][3] * scale
            state = predict(state, 0.1, MOTION.acceleration(heights))
            state = update(state, measured * scale, MOTION.measurement_variance(heights))
        return state[POSITION]

    assert filtered(3.0) == pytest.approx(filtered(1.0) * 3)


def test_a_constant_velocity_is_estimated():
    walk = np.array([[100.0], [100], [40], [80]])
    state = initialise(walk, MOTION)
    for step in range(1, 60):
        state = predict(state, 1 / 30, MOTION.acceleration(walk[3]))
        here = walk + np.array([[2.0 * step], [0], [0], [0]])
        state = update(state, here, MOTION.measurement_variance(walk[3]))
    assert state[VELOCITY, 0, 0] == pytest.approx(60, rel=0.02)


def test_a_track_without_a_detection_stays_as_predicted():
    expected = predict(initialise(random_centres(2), MOTION), 0.1, np.ones((4, 5)))
    variance = np.where(np.arange(5) == 3, 9.0, np.inf) * np.ones((4, 1))
    after = update(expected, np.zeros((4, 5)), variance)
    undetected = [0, 1, 2, 4]
    assert np.array_equal(after[..., undetected], expected[..., undetected])
    assert (after[POSITION, :, 3] < expected[POSITION, :, 3]).all()


def test_no_tracks_are_normal_input():
    none, nothing = initialise(np.empty((4, 0)), MOTION), np.empty((4, 0))
    assert update(predict(none, 1.0, nothing), nothing, nothing).shape == (5, 4, 0)
