import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracking.core.association import cascade_match, hungarian

gains = arrays(
    np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1)
)


def best_total(gain: np.ndarray, least: float) -> float:
    """By trying everything."""
    allowed = np.where(gain >= least, gain, 0.0)
    if gain.shape[0] > gain.shape[1]:
        allowed = allowed.T
    rows, columns = allowed.shape
    orders = itertools.permutations(range(columns), rows)
    return max(
        sum(allowed[row, column] for row, column in enumerate(order)) for order in orders
    )


def test_the_best_sum_wins_over_the_best_pair():
    found = hungarian(np.array([[0.9, 0.8], [0.8, 0.1]]), min_gain=0.3)
    assert list(zip(found.rows, found.columns, strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_below_the_bar_stays_apart_and_pushes_nobody():
    found = hungarian(np.array([[0.5, 0.29], [0.29, 0.0]]), min_gain=0.3)
    assert (found.rows.tolist(), found.columns.tolist()) == ([0], [0])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape):
    found = hungarian(np.zeros(shape), min_gain=0.3)
    assert len(found.rows) == len(found.columns) == 0


@given(gains)
def test_no_other_assignment_gains_more(gain):
    found = hungarian(gain, min_gain=0.3)
    assert gain[found.rows, found.columns].sum() == pytest.approx(best_total(gain, 0.3))
    assert len(set(found.rows)) == len(found.rows)
    assert len(set(found.columns)) == len(found.columns)


@given(gains, st.randoms())
def test_a_later_turn_takes_nothing_from_an_earlier_one(gain, random):
    rows, columns = (gain >= 0.3).nonzero()
    turns = np.array([random.randint(0, 1) for _ in rows], dtype=np.int64)
    found = cascade_match(rows, columns, gain[rows, columns], turns)
    first = np.zeros_like(gain)
    early = turns == 0
    first[rows[early], columns[early]] = gain[rows[early], columns[early]]
    at = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), turns, strict=True))
    pairs = list(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    total = sum(gain[pair] for pair in pairs if at[pair] == 0)
    assert total == pytest.approx(best_total(first, 0.3))
