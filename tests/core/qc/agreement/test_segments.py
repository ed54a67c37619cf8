import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.agreement.segments import (
    Flicker,
    SegmentOverlap,
    label_flicker,
    match_segments,
    segment_overlaps,
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
    assert segment_overlaps(codes, persons, seconds, ONE_EACH) == {
        (0, 1): pytest.approx(SegmentOverlap(2 / 3 + 0 + 1, 3))
    }


def test_what_one_did_not_answer_is_not_compared():
    codes = np.array([[0, 0, 0], [0, -2, -1]])
    found = segment_overlaps(codes, np.array([7, 7, 7]), np.array([2, 3, 4]), ONE_EACH)
    assert found == {(0, 1): SegmentOverlap(1.0, 1)}


seconds_of_one = st.lists(st.integers(0, 20), unique=True).map(sorted)


@given(seconds_of_one, seconds_of_one)
def test_overlap_is_symmetric_and_at_most_the_number_of_segments(a, b):
    one, other = segments_of(a), segments_of(b)
    found = match_segments(one, other)
    assert found == pytest.approx(match_segments(other, one))
    assert 0 <= found.iou <= found.segments <= len(one) + len(other)
    assert (found.iou == found.segments) == (a == b)
