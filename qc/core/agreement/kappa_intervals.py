"""Jackknife intervals of Cohen's and Fleiss' kappa, from sums over clips that are left out.

Cohen's kappa of two annotators needs of the units that both answered how many there are, how
many have the same answer, and how often each of the two gave each value; that of an action
alone also needs how often both chose it. These add up over units, and over clips. A clip is
left out of all pairs at once, so that the mean over pairs has an interval, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from qc.core.agreement.coefficient_counts import (
    Block,
    CategorySums,
    Floats,
    Pair,
    PairSums,
    mean_of_defined,
    rated_clusters,
    unit_agreement,
)
from qc.core.agreement.coefficients import FLEISS, KAPPA
from qc.core.agreement.jackknife import Estimate, estimates

DENSE_CELLS = 1_000_000  # above, sums are kept sparse: most clips have few of many values
ROWS_AT_ONCE = 50  # to bound memory


class KappaIntervals(NamedTuple):
    """95 % intervals, or why there are none.

    Attributes:
        mean: Of the mean over pairs.
        actions: Of the mean over pairs for each action, in the order of the columns.
    """

    mean: Estimate
    actions: list[Estimate]


def kappa_intervals(
    blocks: Sequence[Block], member: NDArray[np.bool_], shared: Sequence[int]
) -> KappaIntervals:
    """Intervals of the mean of Cohen's kappa over pairs of annotators.

    Args:
        blocks: The units.
        member: Which value (row) holds which action (column), shape `(V, K)`.
        shared: Clusters in which two annotators gave the same answer, other than the
            commonest; then those in which two chose each action, `1 + K` in all.
    """
    size, actions = member.shape
    numbers = rated_clusters([(block.codes, block.clusters) for block in blocks])
    sums = PairSumsOfClusters(numbers, size, member)
    for block in blocks:
        sums.add(block)
    matrix, width = sums.matrix(), 2 + 2 * size + actions
    total = np.asarray(matrix.sum(axis=0)).reshape(1, -1)
    columns = np.arange(len(sums.pairs)) * width  # of how many units each pair has
    left_out, has_units = [np.empty((0, 1 + actions))], [np.empty((0, 1), dtype=bool)]
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        rows = matrix[start : start + ROWS_AT_ONCE]
        rows = rows if isinstance(rows, np.ndarray) else rows.toarray()
        left_out.append(means_over_pairs((total - rows).reshape(len(rows), -1, width), member))
        has_units.append(np.any(np.asarray(rows)[:, columns] > 0, axis=1, keepdims=True))
    found = estimates(
        means_over_pairs(total.reshape(1, -1, width), member)[0],
        np.concatenate(left_out),
        has_units=np.concatenate(has_units),
        is_rate=False,
        shared=shared,
    )
    return KappaIntervals(found[0], found[1:])


def fleiss_interval(
    blocks: Sequence[Block], raters: int, *, size: int, shared: int
) -> Estimate:
    """The interval of Fleiss' kappa of the units that `raters` annotators answered.

    Args:
        blocks: The units.
        raters: Two or more.
        size: How many values there are.
        shared: As of `kappa_intervals`.
    """
    kept = [(block.codes >= 0).sum(axis=0) == raters for block in blocks]
    parts = [
        (block.codes[:, here], block.clusters[here])
        for block, here in zip(blocks, kept, strict=True)
    ]
    numbers = rated_clusters(parts)
    sums = np.zeros((len(numbers), 1 + size))  # pairs that agree, ratings of each value
    for codes, clusters in parts:
        place = np.searchsorted(numbers, clusters)
        np.add.at(sums[:, 0], place, unit_agreement(codes))
        who, unit = np.nonzero(codes >= 0)
        np.add.at(sums, (place[unit], 1 + codes[who, unit]), 1)
    total = sums.sum(axis=0)
    rows = np.concatenate([total[None], total - sums])
    values = FLEISS.formula(CategorySums(rows[:, 0], rows[:, 1:], raters))[:, None]
    has_units = np.ones((len(numbers), 1), dtype=bool)
    return estimates(values[0], values[1:], has_units=has_units, is_rate=False, shared=shared)[
        0
    ]


class PairSumsOfClusters:
    """Sums over the units of each cluster: `[units, same, a, b, both chose]` of each pair."""

    def __init__(
        self, numbers: NDArray[np.int64], size: int, member: NDArray[np.bool_]
    ) -> None:
        self.numbers = numbers
        self.size = size
        self.member = member
        self.pairs: dict[Pair, int] = {}
        self.rows = [np.empty(0, np.int64)]
        self.columns = [np.empty(0, np.int64)]

    def add(self, block: Block) -> None:
        size, (_, actions) = self.size, self.member.shape
        for i, first in enumerate(block.annotators):
            for j in range(i + 1, len(block.annotators)):
                pair = (first, block.annotators[j])
                start = self.pairs.setdefault(pair, len(self.pairs)) * (2 + 2 * size + actions)
                both = (block.codes[i] >= 0) & (block.codes[j] >= 0)
                place = np.searchsorted(self.numbers, block.clusters[both])
                a, b = block.codes[i, both], block.codes[j, both]
                same = np.flatnonzero(a == b)
                unit, action = np.nonzero(self.member[a] & self.member[b])
                self.rows += [place, place[same], place, place, place[unit]]
                self.columns += [
                    np.full(len(place), start), np.full(len(same), start + 1), start + 2 + a,
                    start + 2 + size + b, start + 2 + 2 * size + action,
                ]  # fmt: skip

    def matrix(self) -> Any:
        """A row for each cluster, the columns of one pair after those of another."""
        rows, columns = np.concatenate(self.rows), np.concatenate(self.columns)
        width = len(self.pairs) * (2 + 2 * self.size + self.member.shape[1])
        shape = (len(self.numbers), width)
        if shape[0] * shape[1] > DENSE_CELLS:
            return coo_array((np.ones(len(rows)), (rows, columns)), shape).tocsr()
        flat = np.bincount(rows * width + columns, minlength=shape[0] * shape[1])
        return flat.reshape(shape).astype(np.float64)


def means_over_pairs(table: Floats, member: NDArray[np.bool_]) -> Floats:
    """Of each row of sums `(rows, pairs, width)`: the mean over pairs, and of each action."""
    pairs, actions = _kappas(table, member)
    return np.concatenate([mean_of_defined(pairs)[:, None], mean_of_defined(actions)], axis=1)


def _kappas(table: Floats, member: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Kappa of each row and pair, and of each action; nan where it is undefined."""
    size, _ = member.shape
    units, same = table[..., 0], table[..., 1]
    a, b = table[..., 2 : 2 + size], table[..., 2 + size : 2 + 2 * size]
    pairs = KAPPA.formula(PairSums(units, units - same, units**2 - (a * b).sum(axis=-1)))
    holds = member.astype(np.float64)
    first, second, both = a @ holds, b @ holds, table[..., 2 + 2 * size :]
    units = units[..., None]
    expected = first * (units - second) + (units - first) * second
    return pairs, KAPPA.formula(PairSums(units, first + second - 2 * both, expected))
