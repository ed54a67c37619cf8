import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.agreement.segments import (
    Flips,
    Overlap,
    flips,
    match_stretches,
    overlaps,
    stretches,
)

ONE_EACH = np.eye(3, dtype=bool)


def test_a_label_flips_between_keyframes_of_one_person_a_second_apart():
    codes = np.array([[0, 1, 0, 1, 1, 0]])
    persons, seconds = np.array([7, 7, 7, 7, 8, 8]), np.array([2, 3, 4, 6, 2, 3])
    # person 7: two changes of two pairs, 4 to 6 is no pair; person 8: one of one
    assert flips(codes, persons, seconds) == [Flips(3, 3)]


def test_no_answer_is_no_flip():
    codes = np.array([[0, -2, 1], [0, 0, -1]])
    found = flips(codes, np.array([7, 7, 7]), np.array([2, 3, 4]))
    assert found == [Flips(0, 0), Flips(0, 1)]


def test_no_units_flip_nowhere():
    assert flips(np.empty((2, 0), int), np.empty(0, int), np.empty(0, int)) == [Flips(0, 0)] * 2


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        pytest.param([], [], Overlap(0.0, 0), id="nothing"),
        pytest.param([(2, 5)], [], Overlap(0.0, 1), id="only one saw it"),
        pytest.param([(2, 5)], [(2, 5)], Overlap(1.0, 1), id="the same"),
        pytest.param([(2, 4)], [(3, 5)], Overlap(1 / 3, 1), id="a third in common"),
        pytest.param([(2, 10)], [(2, 4), (5, 10)], Overlap(5 / 8, 2), id="one of two matches"),
        pytest.param([(2, 3)], [(3, 4)], Overlap(0.0, 2), id="one after the other"),
    ],
)
def test_stretches_match_one_to_one(a, b, overlap):
    assert match_stretches(a, b) == match_stretches(b, a) == pytest.approx(overlap)


def test_stretches_of_each_person_and_action_are_compared_apart():
    codes = np.array([[0, 0, 1, 1], [0, 0, 0, 1]])
    persons, seconds = np.array([7, 7, 7, 8]), np.array([2, 3, 4, 2])
    # action 0 of person 7: [2, 4) and [2, 5); action 1: [4, 5) alone; person 8 the same
    assert overlaps(codes, persons, seconds, ONE_EACH) == {
        (0, 1): pytest.approx(Overlap(2 / 3 + 0 + 1, 3))
    }


def test_what_one_did_not_answer_is_not_compared():
    codes = np.array([[0, 0, 0], [0, -2, -1]])
    found = overlaps(codes, np.array([7, 7, 7]), np.array([2, 3, 4]), ONE_EACH)
    assert found == {(0, 1): Overlap(1.0, 1)}


seconds_of_one = st.lists(st.integers(0, 20), unique=True).map(sorted)


@given(seconds_of_one, seconds_of_one)
def test_overlap_is_symmetric_and_at_most_the_number_of_stretches(a, b):
    one, other = stretches(a), stretches(b)
    found = match_stretches(one, other)
    assert found == pytest.approx(match_stretches(other, one))
    assert 0 <= found.iou <= found.stretches <= len(one) + len(other)
    assert (found.iou == found.stretches) == (a == b)
