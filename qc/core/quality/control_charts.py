"""Control limits of a series: an individuals chart, which shows changes beyond its variation.

Shewhart; Wheeler, Understanding Variation, 1993: the limits lie 2.66
mean moving ranges from the mean. They come from how much the values really vary from one to the
next; limits from counts of keyframes, which resemble each other, would be far too narrow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FACTOR = 2.66
MIN_VALUES = 6


class ControlLimits(NamedTuple):
    """Where values of a steady series lie; `low` and `high` within 0 to 1."""

    mean: float
    low: float
    high: float


def control_limits(values: Sequence[float]) -> ControlLimits | None:
    """The limits of shares in the order they came in; None of fewer than six.

    >>> control_limits([0.8, 0.9, 0.8, 0.9, 0.8, 0.9])
    ControlLimits(mean=0.85, low=0.584, high=1.0)
    >>> control_limits([0.8, 0.9]) is None
    True
    """
    if len(values) < MIN_VALUES:
        return None
    series = np.asarray(values, dtype=np.float64)
    mean, moving = float(series.mean()), float(np.abs(np.diff(series)).mean())
    low, high = mean - FACTOR * moving, mean + FACTOR * moving
    return ControlLimits(round(mean, 6), round(max(low, 0.0), 6), round(min(high, 1.0), 6))
