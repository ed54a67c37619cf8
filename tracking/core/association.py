"""Data association by the Hungarian method: which detection continues which track."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Indices = NDArray[np.int64]

MAX_ASSIGNMENT_SIZE = 4_000_000  # rows x columns; more would take minutes, and gigabytes


class Pairs(NamedTuple):
    rows: Indices  # ascending
    columns: Indices  # of each row


def hungarian(gain: NDArray[np.float64], *, min_gain: float) -> Pairs:
    """Pair rows with columns one to one so that the summed gain is largest.

    Args:
        gain: Shape `(N, M)`, not negative; 0 for an impossible pair. Either may be 0.
        min_gain: Pairs of a smaller gain are left out before the matching; above 0.

    >>> pairs = hungarian(np.array([[0.9, 0.0], [0.8, 0.1]]), min_gain=0.3)
    >>> pairs.rows, pairs.columns
    (array([0]), array([0]))
    """
    rows, columns = (gain >= min_gain).nonzero()
    return best_matching(rows, columns, gain[rows, columns])


def best_matching(rows: Indices, columns: Indices, gains: NDArray[np.float64]) -> Pairs:
    """Those of the possible pairs that are one to one and gain most in sum, by row.

    >>> pairs = np.array([0, 0, 1]), np.array([0, 1, 1])
    >>> best_matching(*pairs, np.array([0.5, 0.4, 0.3])).columns
    array([0, 1])
    """
    contested = is_contested(rows, columns)
    if not contested.any():
        return Pairs(rows, columns)
    # Pairs without an alternative are kept as they are; only the others are assigned.
    (these, at_row), (those, at_column) = (
        _compact(rows[contested]),
        _compact(columns[contested]),
    )
    if len(these) * len(those) > MAX_ASSIGNMENT_SIZE:
        return _greedy(rows, columns, gains)
    matrix = np.zeros((len(these), len(those)))
    matrix[at_row, at_column] = gains[contested]
    found, other = linear_sum_assignment(matrix, maximize=True)
    good = matrix[found, other] > 0
    all_rows = np.concatenate([rows[~contested], these[found[good]]])
    all_columns = np.concatenate([columns[~contested], those[other[good]]])
    order = all_rows.argsort()
    return Pairs(all_rows[order], all_columns[order])


def cascade_match(
    rows: Indices, columns: Indices, gains: NDArray[np.float64], stages: Indices
) -> Pairs:
    """The best pairs of stage 0, then of stage 1 among what is left, and so on.

    >>> both, gains = np.array([0, 1]), np.array([0.5, 0.9])
    >>> cascade_match(both, np.array([0, 0]), gains, np.array([0, 1])).rows
    array([0])
    """
    if not len(rows):
        return Pairs(rows, columns)
    is_free_row = np.ones(rows.max() + 1, dtype=bool)
    is_free_column = np.ones(columns.max() + 1, dtype=bool)
    found = []
    for stage in range(stages.max() + 1):
        now = (stages == stage) & is_free_row[rows] & is_free_column[columns]
        found.append(best_matching(rows[now], columns[now], gains[now]))
        is_free_row[found[-1].rows] = False
        is_free_column[found[-1].columns] = False
    return Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def is_contested(rows: Indices, columns: Indices) -> NDArray[np.bool_]:
    """For each possible pair whether its row or its column has another possible pair."""
    often = (np.bincount(rows) > 1)[rows]
    often |= (np.bincount(columns) > 1)[columns]
    return often


def _greedy(rows: Indices, columns: Indices, gains: NDArray[np.float64]) -> Pairs:
    """Pairs in the order of their gain, not the best sum: for too many possible pairs."""
    free_rows, free_columns, kept = set(rows.tolist()), set(columns.tolist()), []
    for place in np.argsort(-gains, kind="stable").tolist():
        row, column = int(rows[place]), int(columns[place])
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            kept.append(place)
    kept.sort(key=lambda place: rows[place])
    return Pairs(rows[kept], columns[kept])


def _compact(numbers: Indices) -> tuple[Indices, Indices]:
    """The distinct `numbers`, ascending, and the position of each number among them."""
    is_there = np.bincount(numbers) > 0
    return is_there.nonzero()[0], (np.cumsum(is_there) - 1)[numbers]
