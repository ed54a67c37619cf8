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
        least: Pairs of a smaller gain stay apart, and do not weigh on the others.

    >>> pairs = associate(np.array([[0.9, 0.0], [0.8, 0.1]]), least=0.3)
    >>> pairs.rows, pairs.columns, pairs.free_rows
    (array([0]), array([0]), array([1]))
    """
    possible = gain >= least
    rows, columns = linear_sum_assignment(np.where(possible, gain, 0.0), maximize=True)
    good = possible[rows, columns]
    rows, columns = rows[good].astype(np.int64), columns[good].astype(np.int64)
    return Association(
        rows, columns, _others(rows, gain.shape[0]), _others(columns, gain.shape[1])
    )


def _others(taken: Indices, count: int) -> Indices:
    free = np.ones(count, dtype=bool)
    free[taken] = False
    return np.flatnonzero(free)
