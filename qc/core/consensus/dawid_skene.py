"""Dawid-Skene (1979): answers and error rates of annotators, estimated together by EM.

Expectation maximisation starts from each item's shares of votes. Every annotator has a
confusion matrix: how often they say class j of what truly is class i. With the rates of many
items one can tell what the few votes on a single item are worth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import counts_as_vote

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MAX_ITER = 500
TOLERANCE = 1e-7  # change of a probability below which the fit has converged
FLOOR = 1e-300  # stands in for an error rate of 0 under the logarithm
SMOOTHING = 0.5  # without it, new items get probabilities that are too certain


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
        n_iter: Rounds of expectation and maximisation.
        is_converged: Whether no probability changed by more than TOLERANCE in the last one.
    """

    classes: tuple[Any, ...]
    labels: Mapping[Any, Any]
    posterior: Mapping[Any, Floats]
    confusion: Mapping[Any, Floats]
    prior: Floats
    n_iter: int
    is_converged: bool


class ErrorRates(NamedTuple):
    """What the votes of annotators are worth, of any items.

    Attributes:
        prior: The share of each class, shape `(K,)`.
        confusion: Of each annotator, shape `(K, K)`: row the truth, column the answer.
        n_iter: Rounds of the fit.
        is_converged: Whether it ended before MAX_ITER.
    """

    prior: Floats
    confusion: Mapping[str, Floats]
    n_iter: int = 0
    is_converged: bool = True

    def posterior(self, votes: Mapping[str, int]) -> Floats:
        """The probability of each class, from the classes that annotators voted for.

        Votes of annotators whose rates nobody knows are left out.
        """
        logs = np.log(np.maximum(self.prior, FLOOR))
        for who, vote in votes.items():
            if who in self.confusion:
                logs = logs + np.log(np.maximum(self.confusion[who][:, vote], FLOOR))
        likelihood = np.exp(logs - logs.max())
        result: Floats = likelihood / likelihood.sum()
        return result


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

    >>> votes_cast = [(1, "ann", "a"), (1, "bob", "a"), (1, "eve", "b"),
    ...         (2, "ann", "b"), (2, "bob", "b"), (2, "eve", "b")]
    >>> dawid_skene(votes_cast).labels
    {1: 'a', 2: 'b'}
    """
    votes_cast = [triple for triple in labels if counts_as_vote(triple[2])]
    items = {item: row for row, item in enumerate(dict.fromkeys(one[0] for one in votes_cast))}
    annotators = {
        who: row for row, who in enumerate(dict.fromkeys(one[1] for one in votes_cast))
    }
    names = _classes([one[2] for one in votes_cast], classes)
    places = {name: place for place, name in enumerate(names)}
    item = np.array([items[one[0]] for one in votes_cast], dtype=np.int64)
    who = np.array([annotators[one[1]] for one in votes_cast], dtype=np.int64)
    label = np.array([places[one[2]] for one in votes_cast], dtype=np.int64)
    votes = _Votes(
        item, who, label, np.ones(len(items)), (len(items), len(annotators), len(names))
    )
    posterior, confusion, prior, n_iter, is_converged = _fit(votes)
    best = posterior.argmax(axis=1) if items else np.empty(0, dtype=np.int64)
    return DawidSkene(
        classes=names,
        labels={one: names[best[row]] for one, row in items.items()},
        posterior={one: posterior[row] for one, row in items.items()},
        confusion={one: confusion[row] for one, row in annotators.items()},
        prior=prior,
        n_iter=n_iter,
        is_converged=is_converged,
    )


def fit_error_rates(
    blocks: Sequence[tuple[Sequence[str], Codes]], *, size: int, smoothing: float = SMOOTHING
) -> ErrorRates:
    """Error rates from all items of a dataset.

    Args:
        blocks: Annotators, and their classes as codes `(annotators, items)`; below 0 missing.
        size: How many classes there are, at least 1.
        smoothing: Counts added to each cell of a confusion matrix; 0 is the estimate of 1979.

    >>> codes = np.array([[0, 0, 1, 1] * 9, [0, 0, 1, 1] * 9, [0, 1, 1, 0] * 9])
    >>> rates = fit_error_rates([(("ann", "bob", "eve"), codes)], size=2)
    >>> rates.confusion["eve"].round(1).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    names = sorted({who for annotators, _ in blocks for who in annotators})
    items, whos, labels, weights = [np.empty(0, np.int64)], [], [], [np.empty(0)]
    count = 0
    for annotators, codes in blocks:
        # Items with the same answers are the same to the estimate: one of them, weighted.
        patterns, times = np.unique(np.maximum(codes, -1), axis=1, return_counts=True)
        answered = (patterns >= 0).any(axis=0)
        patterns, times = patterns[:, answered], times[answered]
        row, column = np.nonzero(patterns >= 0)
        items.append(column + count)
        whos.append(np.array([names.index(who) for who in annotators])[row])
        labels.append(patterns[row, column])
        weights.append(times.astype(np.float64))
        count += len(times)
    votes = _Votes(
        np.concatenate(items),
        np.concatenate([np.empty(0, np.int64), *whos]),
        np.concatenate([np.empty(0, np.int64), *labels]),
        np.concatenate(weights),
        (count, len(names), size),
    )
    _, confusion, prior, n_iter, is_converged = _fit(votes, smoothing=smoothing)
    return ErrorRates(prior, dict(zip(names, confusion, strict=True)), n_iter, is_converged)


def segments(codes: Codes, persons: NDArray[np.int64]) -> Codes:
    """Units of which each is one judgement: a label that is held over keyframes counts once.

    Frame by frame, errors that last make annotators look surer of each other than they are.

    Args:
        codes: Shape `(annotators, units)`; the units of a person in the order of time.
        persons: Of each unit, shape `(units,)`.

    Returns:
        The units at which a person's answers differ from those before, shape
        `(annotators, segments)`.

    >>> segments(np.array([[0, 0, 1, 1], [0, 0, 0, 1]]), np.array([7, 7, 7, 8])).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    order = np.argsort(persons, kind="stable")
    codes, persons = codes[:, order], persons[order]
    starts = np.ones(len(persons), dtype=bool)
    changes = (codes[:, 1:] != codes[:, :-1]).any(axis=0)
    starts[1:] = changes | (persons[1:] != persons[:-1])
    found: Codes = codes[:, starts]
    return found


class _Votes(NamedTuple):
    """Annotator, item and class of each vote, and the weight of each item."""

    item: NDArray[np.int64]
    who: NDArray[np.int64]
    label: NDArray[np.int64]
    weight: Floats
    shape: tuple[int, int, int]  # items, annotators, classes


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


def _fit(votes: _Votes, *, smoothing: float = 0.0) -> tuple[Floats, Floats, Floats, int, bool]:
    """Posterior (items, K), confusion (annotators, K, K), prior (K,), n_iter, converged."""
    items, annotators, size = votes.shape
    flat = np.bincount(votes.item * size + votes.label, minlength=items * size).reshape(
        items, size
    )
    posterior = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1)
    confusion, prior = np.zeros((annotators, size, size)), np.zeros(size)
    for n_iter in range(1, MAX_ITER + 1):
        confusion, prior = _maximise(posterior, votes, smoothing)
        previous, posterior = posterior, _expect(confusion, prior, votes)
        if np.abs(posterior - previous).max(initial=0.0) < TOLERANCE:
            return posterior, confusion, prior, n_iter, True
    return posterior, confusion, prior, MAX_ITER, False


def _maximise(posterior: Floats, votes: _Votes, smoothing: float) -> tuple[Floats, Floats]:
    """The maximisation step: equations 2.3 and 2.4 of the paper."""
    _, annotators, size = votes.shape
    weighted = posterior * votes.weight[:, None]
    place = votes.who * size + votes.label
    sums = np.stack(
        [
            np.bincount(place, weighted[votes.item, true], minlength=annotators * size)
            for true in range(size)
        ]
    ).reshape(size, annotators, size) if size else np.zeros((0, annotators, 0))  # fmt: skip
    confusion = sums.transpose(1, 0, 2) + smoothing
    totals = confusion.sum(axis=2, keepdims=True)
    rates = np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0)
    return rates, weighted.sum(axis=0) / max(votes.weight.sum(), 1)


def _expect(confusion: Floats, prior: Floats, votes: _Votes) -> Floats:
    """The expectation step: equation 2.5 of the paper, in logarithms."""
    logs = np.log(np.maximum(confusion, FLOOR))
    scores = np.tile(np.log(np.maximum(prior, FLOOR)), (votes.shape[0], 1))
    for true in range(len(prior)):
        scores[:, true] += np.bincount(
            votes.item, logs[votes.who, true, votes.label], minlength=votes.shape[0]
        )
    if not scores.size:
        return scores
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Floats = likelihood / likelihood.sum(axis=1, keepdims=True)
    return result
