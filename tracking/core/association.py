"""Which detection continues which track: the best assignment above a bar."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Indices = NDArray[np.int64]

LARGEST_CONTEST = 4_000_000  # rows x columns; more would take minutes, and gigabytes


class Association(NamedTuple):
    rows: Indices  # paired rows, ascending
    columns: Indices  # their columns
    free_rows: Indices
    free_columns: Indices


class Pairs(NamedTuple):
    rows: Indices
    columns: Indices


def associate(gain: NDArray[np.float64], *, least: float) -> Association:
    """Pair rows with columns one to one so that the summed gain is largest.

    Args:
        gain: Shape `(N, M)`, not negative; 0 for what does not fit at all. Either may be 0.
        least: Pairs of a smaller gain stay apart, and do not weigh on the others; above 0.

    >>> pairs = associate(np.array([[0.9, 0.0], [0.8, 0.1]]), least=0.3)
    >>> pairs.rows, pairs.columns, pairs.free_rows
    (array([0]), array([0]), array([1]))
    """
    rows, columns = (gain >= least).nonzero()
    rows, columns = best_pairs(rows, columns, gain[rows, columns])
    return Association(
        rows, columns, _others(rows, gain.shape[0]), _others(columns, gain.shape[1])
    )


def best_pairs(rows: Indices, columns: Indices, gains: NDArray[np.float64]) -> Pairs:
    """Those of the possible pairs that fit together one to one and gain most, by row.

    >>> best_pairs(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0.5, 0.4, 0.3])).columns
    array([0, 1])
    """
    rivals = has_rivals(rows, columns)
    if not rivals.any():
        return Pairs(rows, columns)
    # What has no rival is paired already; only the others compete.
    (these, at_row), (those, at_column) = _ranked(rows[rivals]), _ranked(columns[rivals])
    if len(these) * len(those) > LARGEST_CONTEST:
        return _best_first(rows, columns, gains)
    contest = np.zeros((len(these), len(those)))
    contest[at_row, at_column] = gains[rivals]
    found, other = linear_sum_assignment(contest, maximize=True)
    good = contest[found, other] > 0
    all_rows = np.concatenate([rows[~rivals], these[found[good]]])
    all_columns = np.concatenate([columns[~rivals], those[other[good]]])
    order = all_rows.argsort()
    return Pairs(all_rows[order], all_columns[order])


def pairs_in_turns(
    rows: Indices, columns: Indices, gains: NDArray[np.float64], turns: Indices
) -> Pairs:
    """The best of the possible pairs of turn 0, then of turn 1 among what is left, and so on.

    >>> both, gains = np.array([0, 1]), np.array([0.5, 0.9])
    >>> pairs_in_turns(both, np.array([0, 0]), gains, np.array([0, 1])).rows
    array([0])
    """
    if not len(rows):
        return Pairs(rows, columns)
    is_free_row = np.ones(rows.max() + 1, dtype=bool)
    is_free_column = np.ones(columns.max() + 1, dtype=bool)
    found = []
    for turn in range(turns.max() + 1):
        now = (turns == turn) & is_free_row[rows] & is_free_column[columns]
        found.append(best_pairs(rows[now], columns[now], gains[now]))
        is_free_row[found[-1].rows] = False
        is_free_column[found[-1].columns] = False
    return Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def has_rivals(rows: Indices, columns: Indices) -> NDArray[np.bool_]:
    """For each possible pair whether its row or its column might be paired otherwise."""
    often = (np.bincount(rows) > 1)[rows]
    often |= (np.bincount(columns) > 1)[columns]
    return often


def _best_first(rows: Indices, columns: Indices, gains: NDArray[np.float64]) -> Pairs:
    """Pairs taken by their gain, without looking for the best sum: when there are too many."""
    free_rows, free_columns, kept = set(rows.tolist()), set(columns.tolist()), []
    for place in np.argsort(-gains, kind="stable").tolist():
        row, column = int(rows[place]), int(columns[place])
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            kept.append(place)
    kept.sort(key=lambda place: rows[place])
    return Pairs(rows[kept], columns[kept])


def _ranked(numbers: Indices) -> tuple[Indices, Indices]:
    """The different ones of `numbers`, ascending, and the place of each among them."""
    is_there = np.bincount(numbers) > 0
    return is_there.nonzero()[0], (np.cumsum(is_there) - 1)[numbers]


def _others(taken: Indices, count: int) -> Indices:
    free = np.ones(count, dtype=bool)
    free[taken] = False
    return free.nonzero()[0]
