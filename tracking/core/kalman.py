"""Constant-velocity Kalman filters of all tracks at once, as arrays.

A box is filtered in its centre form `(cx, cy, width, height)`, pixels. Each of the four numbers
has a position and a velocity and is independent of the others: constant velocity, disturbed by
white noise acceleration. So a track is four filters of two states, and every formula is written
out for two states over whole arrays; no matrix is inverted. Times are seconds, noise is in box
heights, so neither the frame rate nor the image size changes the behaviour.

Two predictions of t seconds equal one of 2t: frames without detection cost nothing.

Boxes are columns here: a centre form of `T` boxes has shape `(4, T)`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Mean and covariance of the state of T boxes, shape (5, 4, T): position, velocity (pixels / s),
# variance of the position, covariance of both, variance of the velocity.
KalmanState = NDArray[np.float64]

POSITION, VELOCITY, POSITION_VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)
MEAN = slice(0, 2)
POSITION_COVARIANCES = slice(2, 4)  # of the position with position and velocity
INTEGRALS, RATES = slice(0, 4, 3), slice(1, 5, 3)  # the rows that grow, and how fast each does


@dataclass(frozen=True)
class MotionModel:
    """Measurement and process noise of people, in box heights and seconds."""

    position_noise: float = 0.051  # standard deviation of a detected centre, heights
    size_noise: float = 0.34  # the same of a detected width or height
    initial_speed: float = 0.9  # standard deviation of a new track's velocity, heights / s
    position_acceleration: float = 0.61  # noise density of the centre, heights / s^1.5
    size_acceleration: float = 0.35  # the same of width and height

    def measurement_variance(self, heights: Array) -> Array:
        """Variance of detected `(cx, cy, width, height)`, pixels squared, shape `(4, T)`."""
        return _variances(heights, self.position_noise, self.size_noise)

    def initial_velocity_variance(self, heights: Array) -> Array:
        """Variance of a new track's velocities, shape `(4, T)`."""
        return _variances(heights, self.initial_speed, self.initial_speed)

    def acceleration(self, heights: Array) -> Array:
        """Spectral density of the acceleration noise, pixels^2 / s^3, shape `(4, T)`."""
        return _variances(heights, self.position_acceleration, self.size_acceleration)


def _variances(heights: Array, position: float, size: float) -> Array:
    at_least = np.maximum(heights, 1.0)
    return _squares(position, size) * (at_least * at_least)


@lru_cache(maxsize=64)
def _squares(position: float, size: float) -> Array:
    return np.square(np.array([[position], [position], [size], [size]]))


@lru_cache(maxsize=64)
def _process_noise(seconds: float) -> Array:
    """What an acceleration noise of density 1 adds to the three variances in `seconds`."""
    from filterpy.common import Q_continuous_white_noise  # it imports scipy.stats: 0.4 s

    q = Q_continuous_white_noise(dim=2, dt=seconds)
    return np.array([q[0, 0], q[0, 1], q[1, 1]]).reshape(3, 1, 1)


def initialise(measured: Array, motion: MotionModel) -> KalmanState:
    """State after one detection of each box, shape `(4, T)`; the expected velocity is 0.

    >>> initialise(np.array([[5.0], [5], [4], [10]]), MotionModel())[VELOCITY].T
    array([[0., 0., 0., 0.]])
    """
    state = np.zeros((5, *measured.shape))
    state[POSITION] = measured
    state[POSITION_VARIANCE] = motion.measurement_variance(measured[3])
    state[VELOCITY_VARIANCE] = motion.initial_velocity_variance(measured[3])
    return state


def predict(state: KalmanState, seconds: float, acceleration: Array) -> KalmanState:
    """State `seconds` later; `acceleration` is the noise density, shape `(4, T)`.

    >>> walker = initialise(np.array([[5.0], [5], [4], [10]]), MotionModel())
    >>> walker[VELOCITY] = 1.0
    >>> predict(walker, 2.0, np.zeros((4, 1)))[POSITION].T
    array([[ 7.,  7.,  6., 12.]])
    """
    later = state.copy()
    later[POSITION_VARIANCE] += seconds * later[COVARIANCE]
    later[INTEGRALS] += seconds * later[RATES]
    later[POSITION_VARIANCE] += seconds * later[COVARIANCE]  # the later one
    later[POSITION_VARIANCE:] += _process_noise(seconds) * acceleration
    return later


def update(state: KalmanState, measured: Array, variance: Array) -> KalmanState:
    """State after the detections `measured`, with measurement `variance`, both `(4, T)`.

    A track without a detection has an infinite variance, and any number for `measured`.

    >>> once = initialise(np.array([[5.0], [5], [4], [10]]), MotionModel())
    >>> again = np.array([[7.0], [5], [4], [10]])
    >>> update(once, again, once[POSITION_VARIANCE])[POSITION].T
    array([[ 6.,  5.,  4., 10.]])
    """
    gain = state[POSITION_COVARIANCES] / (state[POSITION_VARIANCE] + variance)
    after = state.copy()
    after[MEAN] += gain * (measured - state[POSITION])
    after[POSITION_COVARIANCES] -= gain * state[POSITION_VARIANCE]
    after[VELOCITY_VARIANCE] -= gain[1] * state[COVARIANCE]
    return after


def smoother_gain(filtered: KalmanState, predicted: KalmanState, seconds: float) -> Array:
    """The gain of the Rauch-Tung-Striebel smoother, from each time to the one before.

    Args:
        filtered: States after the update at some times, shape `(L, 5, 4, T)`.
        predicted: Each predicted for the later time, before its update.
        seconds: Between the two times.

    Returns:
        What is added to position and velocity (second axis) for each unit by which the later
        position and velocity (third axis) exceed the prediction, shape `(L, 2, 2, 4, T)`.
    """
    velocity = filtered[:, COVARIANCE:]
    cross = filtered[:, POSITION_COVARIANCES] + seconds * velocity
    a, b, c = (
        predicted[:, None, row] for row in (POSITION_VARIANCE, COVARIANCE, VELOCITY_VARIANCE)
    )
    gain = np.stack([cross * c - velocity * b, velocity * a - cross * b], axis=2)
    gain /= (a * c - b * b)[:, :, None]
    return gain
