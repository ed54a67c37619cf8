"""Which detection continues which track: the best assignment above a bar."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Indices = NDArray[np.int64]


class Association(NamedTuple):
    rows: Indices  # paired rows, ascending
    columns: Indices  # their columns
    free_rows: Indices
    free_columns: Indices


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
    is_clear = (np.bincount(rows, minlength=len(gain)) == 1)[rows]
    is_clear &= (np.bincount(columns, minlength=gain.shape[1]) == 1)[columns]
    if not is_clear.all():
        rows, columns = _best(gain, rows, columns, is_clear)
    return Association(
        rows, columns, _others(rows, gain.shape[0]), _others(columns, gain.shape[1])
    )


def _best(
    gain: NDArray[np.float64], rows: Indices, columns: Indices, is_clear: NDArray[np.bool_]
) -> tuple[Indices, Indices]:
    """The best of the possible pairs; clear ones have no rivals, so only the others compete."""
    rivals = ~is_clear
    these, those = np.unique(rows[rivals]), np.unique(columns[rivals])
    at = np.searchsorted(these, rows[rivals]), np.searchsorted(those, columns[rivals])
    contest = np.zeros((len(these), len(those)))
    contest[at] = gain[rows[rivals], columns[rivals]]
    found, other = linear_sum_assignment(contest, maximize=True)
    good = contest[found, other] > 0
    all_rows = np.concatenate([rows[is_clear], these[found[good]]])
    all_columns = np.concatenate([columns[is_clear], those[other[good]]])
    order = all_rows.argsort()
    return all_rows[order], all_columns[order]


def _others(taken: Indices, count: int) -> Indices:
    free = np.ones(count, dtype=bool)
    free[taken] = False
    return free.nonzero()[0]
