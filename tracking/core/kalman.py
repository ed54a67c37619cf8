"""Where people are and how fast they move: Kalman filters for all tracks at once, as arrays.

A box is followed in its centre form `(cx, cy, width, height)`, pixels. Each of the four numbers
has a position and a velocity and moves on its own: constant velocity, disturbed by white noise
acceleration. So a filter is four filters of two states, and every formula is written out for
two states over whole arrays; no matrix is ever inverted. Times are seconds, noise is in box
heights, so neither the frame rate nor the picture size changes the behaviour.

Two predictions of t seconds are the same as one of 2t: frames not looked at cost nothing.

Boxes are columns here: a centre form of `T` boxes has shape `(4, T)`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Normal beliefs about T boxes, shape (5, 4, T): place, velocity (pixels / s), variance of the
# place, covariance of both, variance of the velocity.
Beliefs = NDArray[np.float64]

PLACE, VELOCITY, PLACE_VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)
MEANS, GROWING, GROWTH, SHARED = slice(0, 2), slice(0, 4, 3), slice(1, 5, 3), slice(2, 4)


@dataclass(frozen=True)
class Motion:
    """How people move and how well detectors see them; all in box heights and seconds."""

    place_noise: float = 0.051  # standard deviation of a detected centre, heights
    size_noise: float = 0.34  # the same of a detected width or height
    start_speed: float = 0.9  # standard deviation of a new track's velocity, heights / s
    place_acceleration: float = 0.61  # noise density of the centre, heights / s^1.5
    size_acceleration: float = 0.35  # the same of width and height

    def measurement_variance(self, heights: Array) -> Array:
        """Variance of detected `(cx, cy, width, height)`, pixels squared, shape `(4, T)`."""
        return _spread(heights, self.place_noise, self.size_noise)

    def start_variance(self, heights: Array) -> Array:
        """Variance of a new track's velocities, shape `(4, T)`."""
        return _spread(heights, self.start_speed, self.start_speed)

    def acceleration(self, heights: Array) -> Array:
        """Spectral density of the acceleration noise, pixels^2 / s^3, shape `(4, T)`."""
        return _spread(heights, self.place_acceleration, self.size_acceleration)


def _spread(heights: Array, place: float, size: float) -> Array:
    at_least = np.maximum(heights, 1.0)
    return _squares(place, size) * (at_least * at_least)


@lru_cache(maxsize=64)
def _squares(place: float, size: float) -> Array:
    return np.square(np.array([[place], [place], [size], [size]]))


@lru_cache(maxsize=64)
def _noise_gained(seconds: float) -> Array:
    """What an acceleration noise of density 1 adds to the variances in `seconds`."""
    return np.array([seconds**3 / 3, seconds**2 / 2, seconds]).reshape(3, 1, 1)


def begin(measured: Array, motion: Motion) -> Beliefs:
    """Beliefs after one detection of each box, shape `(4, T)`: at rest, as far as we know.

    >>> begin(np.array([[5.0], [5], [4], [10]]), Motion())[VELOCITY].T
    array([[0., 0., 0., 0.]])
    """
    beliefs = np.zeros((5, *measured.shape))
    beliefs[PLACE] = measured
    beliefs[PLACE_VARIANCE] = motion.measurement_variance(measured[3])
    beliefs[VELOCITY_VARIANCE] = motion.start_variance(measured[3])
    return beliefs


def predict(beliefs: Beliefs, seconds: float, acceleration: Array) -> Beliefs:
    """Beliefs `seconds` later; `acceleration` is the noise density, shape `(4, T)`.

    >>> walker = begin(np.array([[5.0], [5], [4], [10]]), Motion())
    >>> walker[VELOCITY] = 1.0
    >>> predict(walker, 2.0, np.zeros((4, 1)))[PLACE].T
    array([[ 7.,  7.,  6., 12.]])
    """
    later = beliefs.copy()
    later[PLACE_VARIANCE] += seconds * later[COVARIANCE]
    later[GROWING] += seconds * later[GROWTH]
    later[PLACE_VARIANCE] += seconds * later[COVARIANCE]  # the later one
    later[PLACE_VARIANCE:] += _noise_gained(seconds) * acceleration
    return later


def update(beliefs: Beliefs, measured: Array, variance: Array) -> Beliefs:
    """Beliefs after seeing the boxes `measured`, with measurement `variance`, both `(4, T)`.

    A box that was not seen has an infinite variance, and any number for `measured`.

    >>> once = begin(np.array([[5.0], [5], [4], [10]]), Motion())
    >>> again = np.array([[7.0], [5], [4], [10]])
    >>> update(once, again, once[PLACE_VARIANCE])[PLACE].T
    array([[ 6.,  5.,  4., 10.]])
    """
    gains = beliefs[SHARED] / (beliefs[PLACE_VARIANCE] + variance)  # of place and velocity
    after = beliefs.copy()
    after[MEANS] += gains * (measured - beliefs[PLACE])
    after[SHARED] -= gains * beliefs[PLACE_VARIANCE]
    after[VELOCITY_VARIANCE] -= gains[1] * beliefs[COVARIANCE]
    return after


def gains_in_hindsight(filtered: Beliefs, predicted: Beliefs, seconds: float) -> Array:
    """The gains of Rauch, Tung and Striebel: what a later surprise says about earlier times.

    Args:
        filtered: Beliefs after the update at some times, shape `(L, 5, 4, T)`.
        predicted: Each carried on to the later time, before its update.
        seconds: Between the two times.

    Returns:
        What is to be added to place and velocity (second axis) for what the later place and
        velocity (third axis) turned out to be more than predicted, shape `(L, 2, 2, 4, T)`.
    """
    shared = filtered[:, COVARIANCE:]
    cross = filtered[:, SHARED] + seconds * shared
    a, b, c = (
        predicted[:, None, row] for row in (PLACE_VARIANCE, COVARIANCE, VELOCITY_VARIANCE)
    )
    gains = np.stack([cross * c - shared * b, shared * a - cross * b], axis=2)
    gains /= (a * c - b * b)[:, :, None]
    return gains
