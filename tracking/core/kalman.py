"""Where people are and how fast they move: Kalman filters for all tracks at once, as arrays.

A box is followed in its centre form `(cx, cy, width, height)`, pixels. Each of the four numbers
has a position and a velocity and moves on its own: constant velocity, disturbed by white noise
acceleration. So a filter is four filters of two states, and every formula is written out for
two states over arrays of shape `(T, 4)`; no matrix is ever inverted. Times are seconds, noise
is in box heights, so neither the frame rate nor the picture size changes the behaviour.

Two predictions of t seconds are the same as one of 2t: frames not looked at cost nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """How people move and how well detectors see them; all in box heights and seconds."""

    place_noise: float = 0.055  # standard deviation of a detected centre, heights
    size_noise: float = 0.199  # the same of a detected width or height
    start_speed: float = 0.974  # standard deviation of a new track's velocity, heights / s
    place_acceleration: float = 0.489  # noise density of the centre, heights / s^1.5
    size_acceleration: float = 0.248  # the same of width and height

    def measurement_variance(self, heights: Array) -> Array:
        """Variance of detected `(cx, cy, width, height)`, pixels squared, shape `(T, 4)`."""
        return _spread(heights, self.place_noise, self.size_noise)

    def start_variance(self, heights: Array) -> Array:
        """Variance of a new track's velocities, shape `(T, 4)`."""
        return _spread(heights, self.start_speed, self.start_speed)

    def acceleration(self, heights: Array) -> Array:
        """Spectral density of the acceleration noise, pixels^2 / s^3, shape `(T, 4)`."""
        return _spread(heights, self.place_acceleration, self.size_acceleration)


def _spread(heights: Array, place: float, size: float) -> Array:
    return np.square(np.maximum(heights, 1.0))[..., None] * _squares(place, size)


@lru_cache(maxsize=64)
def _squares(place: float, size: float) -> Array:
    return np.square(np.array([place, place, size, size]))


class Beliefs(NamedTuple):
    """Normal beliefs about `T` boxes in centre form; every array has shape `(T, 4)`."""

    place: Array
    velocity: Array  # pixels / s
    place_variance: Array
    covariance: Array  # of place and velocity
    velocity_variance: Array

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Beliefs":
        """The chosen tracks, by mask or index."""
        return Beliefs(*(array[which] for array in self))


def begin(measured: Array, motion: Motion) -> Beliefs:
    """Beliefs after one detection of each box: at rest, as far as we know.

    >>> begin(np.array([[5.0, 5, 4, 10]]), Motion()).velocity
    array([[0., 0., 0., 0.]])
    """
    heights = measured[..., 3]
    nothing = np.zeros_like(measured)
    return Beliefs(
        measured.copy(),
        nothing,
        motion.measurement_variance(heights),
        nothing,
        motion.start_variance(heights),
    )


def predict(beliefs: Beliefs, seconds: float, acceleration: Array) -> Beliefs:
    """Beliefs `seconds` later; `acceleration` is the noise density, shape `(T, 4)`.

    >>> walker = begin(np.array([[5.0, 5, 4, 10]]), Motion())._replace(velocity=np.ones((1, 4)))
    >>> predict(walker, 2.0, np.zeros((1, 4))).place
    array([[ 7.,  7.,  6., 12.]])
    """
    place, velocity, variance, covariance, velocity_variance = beliefs
    gained = covariance + seconds * velocity_variance
    return Beliefs(
        place + seconds * velocity,
        velocity,
        variance + seconds * (covariance + gained) + acceleration * seconds**3 / 3,
        gained + acceleration * seconds**2 / 2,
        velocity_variance + acceleration * seconds,
    )


def update(beliefs: Beliefs, measured: Array, variance: Array) -> Beliefs:
    """Beliefs after seeing the boxes `measured`, with measurement `variance`.

    >>> once = begin(np.array([[5.0, 5, 4, 10]]), Motion())
    >>> update(once, np.array([[7.0, 5, 4, 10]]), once.place_variance).place
    array([[ 6.,  5.,  4., 10.]])
    """
    total = beliefs.place_variance + variance
    gain = beliefs.place_variance / total
    velocity_gain = beliefs.covariance / total
    surprise = measured - beliefs.place
    return Beliefs(
        beliefs.place + gain * surprise,
        beliefs.velocity + velocity_gain * surprise,
        (1 - gain) * beliefs.place_variance,
        (1 - gain) * beliefs.covariance,
        beliefs.velocity_variance - velocity_gain * beliefs.covariance,
    )


def choose(mask: NDArray[np.bool_], yes: Beliefs, no: Beliefs) -> Beliefs:
    """Row by row `yes` where `mask`, else `no`."""
    rows = mask[:, None]
    return Beliefs(*(np.where(rows, a, b) for a, b in zip(yes, no, strict=True)))


def look_back(
    filtered: Beliefs, predicted: Beliefs, later: tuple[Array, Array], seconds: float
) -> tuple[Array, Array]:
    """One Rauch-Tung-Striebel step: place and velocity, knowing what came `seconds` later.

    Args:
        filtered: Beliefs after the update at this time.
        predicted: `filtered` carried to the later time, before its update.
        later: Smoothed place and velocity of the later time.
        seconds: Between the two times.
    """
    cross_place = filtered.place_variance + seconds * filtered.covariance
    cross_velocity = filtered.covariance + seconds * filtered.velocity_variance
    a, b, c = predicted.place_variance, predicted.covariance, predicted.velocity_variance
    determinant = a * c - b * b
    place_off, velocity_off = later[0] - predicted.place, later[1] - predicted.velocity
    pull_place = (c * place_off - b * velocity_off) / determinant
    pull_velocity = (a * velocity_off - b * place_off) / determinant
    place = filtered.place + cross_place * pull_place + filtered.covariance * pull_velocity
    velocity = (
        filtered.velocity
        + cross_velocity * pull_place
        + filtered.velocity_variance * pull_velocity
    )
    return place, velocity
