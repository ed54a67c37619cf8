"""Control limits of a series, so that a change is told apart from what always varies.

An individuals chart (Shewhart; Wheeler, Understanding Variation, 1993): the limits lie 2.66
mean moving ranges from the mean. They come from how much the values really vary from one to the
next; limits from counts of keyframes, which resemble each other, would be far too narrow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FACTOR = 2.66
FEWEST = 6


class Limits(NamedTuple):
    """Where values of a steady series lie; `low` and `high` within 0 to 1."""

    mean: float
    low: float
    high: float


def control_limits(values: Sequence[float]) -> Limits | None:
    """The limits of shares in the order they came in; None of fewer than six.

    >>> control_limits([0.8, 0.9, 0.8, 0.9, 0.8, 0.9])
    Limits(mean=0.85, low=0.584, high=1.0)
    >>> control_limits([0.8, 0.9]) is None
    True
    """
    if len(values) < FEWEST:
        return None
    series = np.asarray(values, dtype=np.float64)
    mean, moving = float(series.mean()), float(np.abs(np.diff(series)).mean())
    low, high = mean - FACTOR * moving, mean + FACTOR * moving
    return Limits(round(mean, 6), round(max(low, 0.0), 6), round(min(high, 1.0), 6))
