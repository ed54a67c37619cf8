"""What to believe when several annotators answered: votes, boxes, and Dawid-Skene.

A vote that is None, nan or the answer `unset` does not count. Nothing is picked silently: a tie
or too few votes decide nothing and give None.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotation.core.labels import UNSET
from qc.core.matching import as_boxes

Floats = NDArray[np.float64]
Answer = TypeVar("Answer", bound=Hashable)

MOST_ROUNDS = 500
STILL = 1e-7  # change of a probability below which the estimate stands still
FLOOR = 1e-300  # stands in for an error rate of 0 under the logarithm


@dataclass(frozen=True)
class DawidSkene:
    """Answers and error rates estimated together.

    Attributes:
        classes: In the order of every array here.
        labels: The likeliest class of each item; of equals, the first in `classes`.
        posterior: Each item's probabilities of the classes, shape `(K,)`.
        confusion: For each annotator, the probability of saying class j of an item that truly
            is of class i, at `[i, j]`, shape `(K, K)`; rows sum to 1, or to 0 where nothing is
            known of them.
        prior: The share of each class among the items, shape `(K,)`.
        rounds: Of expectation and maximisation.
    """

    classes: tuple[Any, ...]
    labels: Mapping[Any, Any]
    posterior: Mapping[Any, Floats]
    confusion: Mapping[Any, Floats]
    prior: Floats
    rounds: int


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

    None if fewer than `min_votes` voted, if an action is named by exactly half, or if it is
    named by more than half but by fewer than `min_votes`.

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
        if 2 * count == len(cast) or len(cast) / 2 < count < min_votes:
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


def dawid_skene(
    labels: Iterable[tuple[Any, Any, Any]], *, classes: Sequence[Any] | None = None
) -> DawidSkene:
    """Answers and annotators' error rates of largest likelihood (Dawid & Skene 1979).

    Expectation and maximisation, begun with each item's shares of votes. Worth reading with
    three annotators or more; with fewer it follows the votes.

    Args:
        labels: (item, annotator, class); an annotator may label an item more than once.
            Missing classes (None, nan, `unset`) are left out.
        classes: All there are, in order; without them, those in use, sorted.

    Raises:
        ValueError: for a class that is not one of `classes`.

    >>> said = [(1, "ann", "a"), (1, "bob", "a"), (1, "eve", "b"),
    ...         (2, "ann", "b"), (2, "bob", "b"), (2, "eve", "b")]
    >>> dawid_skene(said).labels
    {1: 'a', 2: 'b'}
    """
    said = [triple for triple in labels if counts_as_vote(triple[2])]
    items = {item: row for row, item in enumerate(dict.fromkeys(one[0] for one in said))}
    people = {who: row for row, who in enumerate(dict.fromkeys(one[1] for one in said))}
    names = _classes([one[2] for one in said], classes)
    places = {name: place for place, name in enumerate(names)}
    item = np.array([items[one[0]] for one in said], dtype=np.int64)
    who = np.array([people[one[1]] for one in said], dtype=np.int64)
    label = np.array([places[one[2]] for one in said], dtype=np.int64)
    shape = (len(items), len(people), len(names))
    posterior, confusion, prior, rounds = _estimate(item, who, label, shape)
    best = posterior.argmax(axis=1) if items else np.empty(0, dtype=np.int64)
    return DawidSkene(
        classes=names,
        labels={one: names[best[row]] for one, row in items.items()},
        posterior={one: posterior[row] for one, row in items.items()},
        confusion={one: confusion[row] for one, row in people.items()},
        prior=prior,
        rounds=rounds,
    )


def counts_as_vote(vote: Any) -> bool:
    """Whether something was answered at all.

    >>> [counts_as_vote(vote) for vote in ("walk", "unknown", "unset", None, set())]
    [True, True, False, False, True]
    """
    if vote is None or (isinstance(vote, str) and vote == UNSET):
        return False
    return not (isinstance(vote, float) and np.isnan(vote))


def _as_set(vote: Any) -> frozenset[Any]:
    if isinstance(vote, str):
        raise ValueError(f"{vote!r} is not a set of actions")
    return frozenset(vote)


def _classes(used: Sequence[Any], classes: Sequence[Any] | None) -> tuple[Any, ...]:
    found = dict.fromkeys(used)
    if classes is None:
        try:
            return tuple(sorted(found))
        except TypeError:
            return tuple(found)
    names = tuple(dict.fromkeys(classes))
    if unknown := [name for name in found if name not in set(names)]:
        raise ValueError(f"{unknown[0]!r} is not one of the classes")
    return names


def _estimate(
    item: NDArray[np.int64],
    who: NDArray[np.int64],
    label: NDArray[np.int64],
    shape: tuple[int, int, int],
) -> tuple[Floats, Floats, Floats, int]:
    """Posterior (items, K), confusion (annotators, K, K), prior (K,), rounds."""
    items, people, size = shape
    flat = np.bincount(item * size + label, minlength=items * size).reshape(items, size)
    posterior = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1)
    confusion, prior = np.zeros((people, size, size)), np.zeros(size)
    for rounds in range(1, MOST_ROUNDS + 1):
        confusion, prior = _error_rates(posterior, item, who, label, shape)
        previous, posterior = posterior, _posterior(confusion, prior, item, who, label, items)
        if np.abs(posterior - previous).max(initial=0.0) < STILL:
            return posterior, confusion, prior, rounds
    return posterior, confusion, prior, MOST_ROUNDS


def _error_rates(
    posterior: Floats,
    item: NDArray[np.int64],
    who: NDArray[np.int64],
    label: NDArray[np.int64],
    shape: tuple[int, int, int],
) -> tuple[Floats, Floats]:
    """The maximisation step: equations 2.3 and 2.4 of the paper."""
    items, people, size = shape
    place = who * size + label
    sums = np.stack(
        [
            np.bincount(place, posterior[item, true], minlength=people * size)
            for true in range(size)
        ]
    ).reshape(size, people, size) if size else np.zeros((0, people, 0))  # fmt: skip
    confusion = sums.transpose(1, 0, 2)
    totals = confusion.sum(axis=2, keepdims=True)
    rates = np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0)
    return rates, posterior.sum(axis=0) / max(items, 1)


def _posterior(
    confusion: Floats,
    prior: Floats,
    item: NDArray[np.int64],
    who: NDArray[np.int64],
    label: NDArray[np.int64],
    items: int,
) -> Floats:
    """The expectation step: equation 2.5 of the paper, in logarithms."""
    logs = np.log(np.maximum(confusion, FLOOR))
    scores = np.tile(np.log(np.maximum(prior, FLOOR)), (items, 1))
    for true in range(len(prior)):
        scores[:, true] += np.bincount(item, logs[who, true, label], minlength=items)
    if not scores.size:
        return scores
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Floats = likelihood / likelihood.sum(axis=1, keepdims=True)
    return result
