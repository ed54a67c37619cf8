"""Bootstrap intervals of Cohen's and Fleiss' kappa, from sums over persons that are resampled.

Cohen's kappa of two annotators needs of the units that both answered how many there are, how
many have the same answer, and how often each of the two gave each value; that of an action
alone also needs how often both chose it. These add up over units, and over persons. All pairs
are drawn together, so that the mean over pairs has an interval, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from qc.core.agreement.coefficients import FLEISS, KAPPA
from qc.core.agreement.figures import Interval
from qc.core.agreement.resampling import bounds, draws, mean_of_defined
from qc.core.agreement.tables import (
    Block,
    CategorySums,
    Floats,
    Pair,
    PairSums,
    rated_persons,
    unit_agreement,
)

DENSE_CELLS = 1_000_000  # above, sums are kept sparse: most persons have few of many values


class KappaIntervals(NamedTuple):
    """95 % intervals; None where there is too little to draw from.

    Attributes:
        mean: Of the mean over pairs.
        pairs: Of each pair.
        actions: Of the mean over pairs for each action, in the order of the columns.
    """

    mean: Interval | None
    pairs: dict[Pair, Interval | None]
    actions: list[Interval | None]


def kappa_intervals(
    blocks: Sequence[Block], member: NDArray[np.bool_], *, seed: int, resamples: int
) -> KappaIntervals:
    """Intervals of Cohen's kappa, of each pair of annotators and of the means over pairs.

    Resamples in which a kappa is undefined are left out of its interval, and out of the mean.

    Args:
        blocks: The units.
        member: Which value (row) holds which action (column), shape `(V, K)`.
        seed: Of the resampling.
        resamples: How many; 0 for no intervals.
    """
    size, actions = member.shape
    numbers = rated_persons([(block.codes, block.persons) for block in blocks])
    sums = _PairSums(numbers, size, member)
    for block in blocks:
        sums.add(block)
    if resamples < 1 or sums.persons_compared() < 2:
        return KappaIntervals(None, dict.fromkeys(sums.pairs), [None] * actions)
    matrix, width = sums.matrix(), 2 + 2 * size + actions
    drawn: list[Floats] = []
    for times in draws(len(numbers), seed=seed, resamples=resamples):
        table = _weighted(times, matrix).reshape(len(times), -1, width)
        pairs, each = _kappas(table, member)
        means = np.concatenate([mean_of_defined(pairs)[:, None], mean_of_defined(each)], axis=1)
        drawn.append(np.concatenate([means, pairs], axis=1))
    found = bounds(np.concatenate(drawn))
    of_pairs = dict(zip(sums.pairs, found[1 + actions :], strict=True))
    return KappaIntervals(found[0], of_pairs, found[1 : 1 + actions])


def fleiss_interval(
    blocks: Sequence[Block], raters: int, *, size: int, seed: int, resamples: int
) -> Interval | None:
    """The interval of Fleiss' kappa of the units that `raters` annotators answered.

    Args:
        blocks: The units.
        raters: Two or more.
        size: How many values there are.
        seed: Of the resampling.
        resamples: How many; 0 for no interval.
    """
    kept = [(block.codes >= 0).sum(axis=0) == raters for block in blocks]
    parts = [
        (block.codes[:, here], block.persons[here])
        for block, here in zip(blocks, kept, strict=True)
    ]
    numbers = rated_persons(parts)
    if resamples < 1 or len(numbers) < 2:
        return None
    sums = np.zeros((len(numbers), 1 + size))  # pairs that agree, ratings of each value
    for codes, persons in parts:
        place = np.searchsorted(numbers, persons)
        np.add.at(sums[:, 0], place, unit_agreement(codes))
        who, unit = np.nonzero(codes >= 0)
        np.add.at(sums, (place[unit], 1 + codes[who, unit]), 1)
    drawn = []
    for times in draws(len(numbers), seed=seed, resamples=resamples):
        agreement, ratings = np.split(times @ sums, [1], axis=1)
        drawn.append(FLEISS.formula(CategorySums(agreement[:, 0], ratings, raters)))
    interval: Interval | None = bounds(np.concatenate(drawn)[:, None])[0]
    return interval


def _weighted(times: Floats, matrix: Any) -> Floats:
    """`times @ matrix`, which may be sparse."""
    if isinstance(matrix, np.ndarray):
        product: Floats = times @ matrix
        return product
    return np.ascontiguousarray((matrix.T @ times.T).T)


class _PairSums:
    """Sums over the units of each person: `[units, same, a, b, both chose]` of each pair."""

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
                place = np.searchsorted(self.numbers, block.persons[both])
                a, b = block.codes[i, both], block.codes[j, both]
                same = np.flatnonzero(a == b)
                unit, action = np.nonzero(self.member[a] & self.member[b])
                self.rows += [place, place[same], place, place, place[unit]]
                self.columns += [
                    np.full(len(place), start), np.full(len(same), start + 1), start + 2 + a,
                    start + 2 + size + b, start + 2 + 2 * size + action,
                ]  # fmt: skip

    def persons_compared(self) -> int:
        return int(np.count_nonzero(np.bincount(np.concatenate(self.rows))))

    def matrix(self) -> Any:
        """A row for each person, the columns of one pair after those of another."""
        rows, columns = np.concatenate(self.rows), np.concatenate(self.columns)
        width = len(self.pairs) * (2 + 2 * self.size + self.member.shape[1])
        shape = (len(self.numbers), width)
        if shape[0] * shape[1] > DENSE_CELLS:
            return coo_array((np.ones(len(rows)), (rows, columns)), shape).tocsr()
        flat = np.bincount(rows * width + columns, minlength=shape[0] * shape[1])
        return flat.reshape(shape).astype(np.float64)


def _kappas(table: Floats, member: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Kappa of each resample and pair, and of each action; nan where it is undefined."""
    size, _ = member.shape
    units, same = table[..., 0], table[..., 1]
    a, b = table[..., 2 : 2 + size], table[..., 2 + size : 2 + 2 * size]
    pairs = KAPPA.formula(PairSums(units, units - same, units**2 - (a * b).sum(axis=-1)))
    holds = member.astype(np.float64)
    first, second, both = a @ holds, b @ holds, table[..., 2 + 2 * size :]
    units = units[..., None]
    expected = first * (units - second) + (units - first) * second
    return pairs, KAPPA.formula(PairSums(units, first + second - 2 * both, expected))
