"""Annotation time: an upper bound from when tasks were assigned and submitted.

The time since the annotator's last answers, or since the task was assigned, is the most that
the work can have taken. Answers that are submitted together share the time before them.
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

BATCH_SECONDS = 120.0  # between answers that count as submitted together
MIN_TASKS = 5  # tasks, for a median


class SubmittedTask(NamedTuple):
    """A task of one annotator; times in seconds since any moment."""

    task: Any
    assigned_at: float
    submitted_at: float


def seconds_spent(submitted: Iterable[SubmittedTask]) -> dict[Any, float]:
    """The most that each task of one annotator can have taken, in seconds.

    >>> moments = [("a", 0, 600), ("b", 0, 900), ("c", 0, 930)]
    >>> seconds_spent(SubmittedTask(*one) for one in moments)
    {'a': 600.0, 'b': 165.0, 'c': 165.0}
    """
    spent: dict[Any, float] = {}
    before = float("-inf")
    for batch in batches(sorted(submitted, key=lambda one: (one.submitted_at, str(one.task)))):
        start = max(before, min(one.assigned_at for one in batch))
        before = batch[-1].submitted_at
        share = max(before - start, 0.0) / len(batch)
        spent |= {one.task: share for one in batch}
    return spent


def median_seconds(spent: Mapping[Any, float]) -> float | None:
    """The median; None of fewer than five tasks.

    >>> median_seconds({"a": 60.0, "b": 70.0, "c": 80.0, "d": 90.0, "e": 2.0})
    70.0
    >>> median_seconds({"a": 60.0}) is None
    True
    """
    return median(spent.values()) if len(spent) >= MIN_TASKS else None


def batches(submitted: list[SubmittedTask]) -> list[list[SubmittedTask]]:
    """Tasks that were submitted together, from those of one annotator in their order.

    >>> [len(some) for some in batches([SubmittedTask("a", 0, 10), SubmittedTask("b", 0, 99)])]
    [2]
    """
    found: list[list[SubmittedTask]] = []
    for one in submitted:
        if found and one.submitted_at - found[-1][-1].submitted_at <= BATCH_SECONDS:
            found[-1].append(one)
        else:
            found.append([one])
    return found
