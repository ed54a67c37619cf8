"""Votes counted: the majority of answers about a person, and the median of boxes.

A vote that is None, nan or the answer `unset` does not count. Nothing is picked silently: a tie
or too few votes decide nothing and give None.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets.core.action_groups import counts_as_vote
from qc.core.box_matching import as_boxes

Floats = NDArray[np.float64]
Answer = TypeVar("Answer", bound=Hashable)


def majority(votes: Iterable[Answer | None], *, min_votes: int) -> Answer | None:
    """The answer with most votes; None for a tie, or if it has fewer than `min_votes`.

    >>> majority(["walk", "walk", "sit"], min_votes=2)
    'walk'
    >>> majority(["walk", "sit", "unset"], min_votes=1) is None
    True
    """
    ranking = Counter(vote for vote in votes if counts_as_vote(vote)).most_common(2)
    if not ranking or ranking[0][1] < min_votes:
        return None
    if len(ranking) > 1 and ranking[1][1] == ranking[0][1]:
        return None
    return ranking[0][0]


def majority_set(
    votes: Iterable[Iterable[Answer] | None], *, min_votes: int
) -> frozenset[Answer] | None:
    """The actions that more than half of the votes name, each decided on its own.

    None if an action is named by exactly half, or if fewer than `min_votes` say what is decided
    of an action: that it is done, or that it is not.

    >>> sorted(majority_set([{"wave", "carry"}, {"wave"}, {"sit", "wave"}], min_votes=2))
    ['wave']
    >>> majority_set([set(), set(), {"wave"}], min_votes=2)
    frozenset()
    >>> majority_set([{"wave"}, set()], min_votes=1) is None
    True
    """
    cast = [_as_set(vote) for vote in votes if counts_as_vote(vote)]
    if len(cast) < max(min_votes, 1):
        return None
    named = Counter(action for vote in cast for action in vote)
    for count in named.values():
        if 2 * count == len(cast) or max(count, len(cast) - count) < min_votes:
            return None
    return frozenset(action for action, count in named.items() if 2 * count > len(cast))


def fuse_boxes(boxes: ArrayLike) -> Floats:
    """One box of several: each coordinate's median, which of two is the mean.

    Args:
        boxes: Shape `(n, 4)`, n >= 1. Boxes with an area give a box with an area.

    >>> fuse_boxes([[0, 0, 10, 10], [2, 0, 12, 10], [90, 0, 99, 10]]).tolist()
    [2.0, 0.0, 12.0, 10.0]
    """
    rows = as_boxes(boxes)
    if not len(rows):
        raise ValueError("no box to fuse")
    fused: Floats = np.median(rows, axis=0)
    return fused


def _as_set(vote: Any) -> frozenset[Any]:
    if isinstance(vote, str):
        raise ValueError(f"{vote!r} is not a set of actions")
    return frozenset(vote)
