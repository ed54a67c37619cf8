import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.agreement.labels_over_time import (
    Flicker,
    SegmentOverlap,
    label_flicker,
    match_segments,
    over_time,
    segments_of,
)

ONE_EACH = np.eye(3, dtype=bool)


def test_a_label_flips_between_keyframes_of_one_person_a_second_apart():
    codes = np.array([[0, 1, 0, 1, 1, 0]])
    persons, seconds = np.array([7, 7, 7, 7, 8, 8]), np.array([2, 3, 4, 6, 2, 3])
    # person 7: two changes of two pairs, 4 to 6 is no pair; person 8: one of one
    assert label_flicker(codes, persons, seconds) == [Flicker(3, 3)]


def test_no_answer_is_no_flip():
    codes = np.array([[0, -2, 1], [0, 0, -1]])
    found = label_flicker(codes, np.array([7, 7, 7]), np.array([2, 3, 4]))
    assert found == [Flicker(0, 0), Flicker(0, 1)]


def test_no_units_flip_nowhere():
    assert (
        label_flicker(np.empty((2, 0), int), np.empty(0, int), np.empty(0, int))
        == [Flicker(0, 0)] * 2
    )


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        pytest.param([], [], SegmentOverlap(0.0, 0), id="nothing"),
        pytest.param([(2, 5)], [], SegmentOverlap(0.0, 1), id="only one saw it"),
        pytest.param([(2, 5)], [(2, 5)], SegmentOverlap(1.0, 1), id="the same"),
        pytest.param([(2, 4)], [(3, 5)], SegmentOverlap(1 / 3, 1), id="a third in common"),
        pytest.param(
            [(2, 10)], [(2, 4), (5, 10)], SegmentOverlap(5 / 8, 2), id="one of two matches"
        ),
        pytest.param([(2, 3)], [(3, 4)], SegmentOverlap(0.0, 2), id="one after the other"),
    ],
)
def test_segments_match_one_to_one(a, b, overlap):
    assert match_segments(a, b) == match_segments(b, a) == pytest.approx(overlap)


def test_segments_of_each_person_and_action_are_compared_apart():
    codes = np.array([[0, 0, 1, 1], [0, 0, 0, 1]])
    persons, seconds = np.array([7, 7, 7, 8]), np.array([2, 3, 4, 2])
    # action 0 of person 7: [2, 4) and [2, 5); action 1: [4, 5) alone; person 8 the same
    found = over_time(codes, persons, seconds, ONE_EACH)[0, 1]
    assert found.iou.tolist() == pytest.approx([2 / 3, 1.0])
    assert found.segments.tolist() == [2, 1]
    assert found.apart.tolist() == pytest.approx([1 - 1 / 3, 0.0])


def test_what_one_did_not_answer_is_not_compared():
    codes = np.array([[0, 0, 0], [0, -2, -1]])
    found = over_time(codes, np.array([7, 7, 7]), np.array([2, 3, 4]), ONE_EACH)[0, 1]
    assert found.summed() == [1.0, 1, 0.0, 1, 2, 2, 2, 2, 2]


def test_an_action_counts_as_agreed_within_seconds_of_the_same_person():
    codes = np.array([[0, 1, 1, 1, 1, 0], [1, 1, 1, 0, 1, 1]])
    persons, seconds = np.array([7, 7, 7, 7, 7, 8]), np.array([2, 3, 4, 5, 8, 2])
    found = over_time(codes, persons, seconds, ONE_EACH)[0, 1]
    # of 7: action 0 at 2 and at 5, action 1 at 3, 4, 5, 8 and at 2, 3, 4, 8; of 8: none agree
    assert found.labelled.tolist() == [10, 2]
    assert found.hits.tolist() == [[6, 8, 8, 10], [0, 0, 0, 0]]


def test_nobody_answers_nothing():
    none = np.empty(0, np.int64)
    assert over_time(np.empty((2, 0), np.int64), none, none, ONE_EACH)[0, 1].summed() == [0] * 9


seconds_of_one = st.lists(st.booleans(), min_size=12, max_size=12)


@given(seconds_of_one, seconds_of_one)
def test_overlap_is_symmetric_and_at_most_the_number_of_segments(a, b):
    one, other = (segments_of(np.flatnonzero(row).tolist()) for row in (a, b))
    found = match_segments(one, other)
    assert found == pytest.approx(match_segments(other, one))
    assert 0 <= found.iou <= found.segments <= len(one) + len(other)
    assert (found.iou == found.segments) == (a == b)


def seconds_with(row, value):
    return [second for second, one in enumerate(row) if one == value]


@given(seconds_of_one, seconds_of_one)
def test_a_person_has_the_segments_of_each_action(a, b):
    codes = np.where(np.array([a, b]), 1, 0)
    found = over_time(codes, np.zeros(12, np.int64), np.arange(12), np.eye(3, dtype=bool))[0, 1]
    each = [
        match_segments(*(segments_of(seconds_with(row, is_chosen)) for row in (a, b)))
        for is_chosen in (False, True)
    ]
    assert found.iou.tolist() == pytest.approx([sum(one.iou for one in each)])
    assert found.segments.tolist() == [sum(one.segments for one in each)]
