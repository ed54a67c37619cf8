"""How long annotators took, as far as that can be told from when answers came.

Nobody sees them work. What is known is when a task was given out and when its answers came, so
the time since the annotator's last answers, or since the task was given out, is the most that
the work can have taken. Answers that come together share the time before them.
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

TOGETHER = 120.0  # seconds between answers that were brought in one go
FEWEST = 5  # tasks, for a median that says something


class Delivered(NamedTuple):
    """A task of one annotator; times in seconds since any moment."""

    task: Any
    given: float
    came: float


def seconds_spent(delivered: Iterable[Delivered]) -> dict[Any, float]:
    """The most that each task of one annotator can have taken, in seconds.

    >>> seconds_spent([Delivered("a", 0, 600), Delivered("b", 0, 900), Delivered("c", 0, 930)])
    {'a': 600.0, 'b': 165.0, 'c': 165.0}
    """
    spent: dict[Any, float] = {}
    before = float("-inf")
    for batch in _batches(sorted(delivered, key=lambda one: (one.came, str(one.task)))):
        start = max(before, min(one.given for one in batch))
        before = batch[-1].came
        share = max(before - start, 0.0) / len(batch)
        spent |= {one.task: share for one in batch}
    return spent


def usual_seconds(spent: Mapping[Any, float]) -> float | None:
    """The median; None of fewer than five tasks.

    >>> usual_seconds({"a": 60.0, "b": 70.0, "c": 80.0, "d": 90.0, "e": 2.0})
    70.0
    >>> usual_seconds({"a": 60.0}) is None
    True
    """
    return median(spent.values()) if len(spent) >= FEWEST else None


def _batches(delivered: list[Delivered]) -> list[list[Delivered]]:
    batches: list[list[Delivered]] = []
    for one in delivered:
        if batches and one.came - batches[-1][-1].came <= TOGETHER:
            batches[-1].append(one)
        else:
            batches.append([one])
    return batches
