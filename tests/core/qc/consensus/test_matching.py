import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.box_matching import match_boxes
from tracking.core.boxes import pairwise_iou

ONE, APART = [0, 0, 10, 10], [100, 0, 110, 10]


def boxes_like(*, most=4):
    corner, side = st.integers(0, 20), st.integers(1, 20)
    box = st.tuples(corner, corner, side, side).map(
        lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
    )
    return st.lists(box, max_size=most)


def test_boxes_are_paired_by_overlap_whatever_their_order():
    match = match_boxes([ONE, APART], [[100, 0, 110, 9], [0, 0, 10, 9]])
    assert match.pairs == [(0, 1), (1, 0)]
    assert match.f1 == 1.0


def test_the_best_pairs_together_are_taken_and_not_the_best_first():
    a = [[0.0, 0, 10, 10], [3, 0, 13, 10]]
    b = [[2.0, 0, 12, 10], [5, 0, 15, 10]]
    iou = pairwise_iou(np.array(a), np.array(b))
    assert iou.argmax() == 2  # the second of a with the first of b is the best single pair
    assert match_boxes(a, b).pairs == [(0, 0), (1, 1)]


def test_pairs_below_the_threshold_are_dropped_after_the_assignment():
    def at(x):
        return [x, 0, x + 10, 10]

    # IoU 0.54 stands against 0.45 and 0.45, which make the larger sum, and fall both.
    a, b = [at(0), at(6.8)], [at(3), at(-3.8)]
    assert match_boxes(a, b, threshold=0.4).pairs == [(0, 1), (1, 0)]
    assert match_boxes(a, b).pairs == []
    assert match_boxes(a[:1], b).pairs == [(0, 0)]


def test_a_threshold_is_met_by_the_very_value():
    assert match_boxes([[0, 0, 10, 10]], [[0, 0, 10, 20]], threshold=0.5).f1 == 1.0


@pytest.mark.parametrize(
    ("a", "b", "f1"),
    [
        pytest.param([], [], None, id="no box at all"),
        pytest.param([ONE], [], 0.0, id="one drew nobody"),
        pytest.param([ONE], [APART], 0.0, id="different persons"),
        pytest.param([ONE, APART], [ONE], 2 / 3, id="one person more"),
        pytest.param([[5, 5, 5, 5]], [[5, 5, 5, 5]], 0.0, id="boxes without area"),
    ],
)
def test_f1(a, b, f1):
    assert match_boxes(a, b).f1 == (None if f1 is None else pytest.approx(f1))


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        match_boxes([[1, 2, 3]], [])
    with pytest.raises(ValueError, match="nan is no side"):
        match_boxes([[0, 0, 1, float("nan")]], [ONE])


def test_with_a_threshold_of_nothing_everybody_has_a_partner():
    assert match_boxes([ONE], [APART], threshold=0).pairs == [(0, 0)]


@settings(deadline=None)
@given(boxes_like(), boxes_like())
def test_matching_is_symmetric_one_to_one_and_above_the_threshold(a, b):
    match, mirrored = match_boxes(a, b), match_boxes(b, a)
    assert match.f1 == mirrored.f1
    assert (
        len({i for i, _ in match.pairs}) == len({j for _, j in match.pairs}) == len(match.pairs)
    )
    iou = pairwise_iou(np.array(a, float).reshape(-1, 4), np.array(b, float).reshape(-1, 4))
    assert all(iou[pair] >= 0.5 for pair in match.pairs)


@settings(deadline=None)
@given(boxes_like(most=3), boxes_like(most=3))
def test_no_other_assignment_overlaps_more(a, b):
    iou = pairwise_iou(np.array(a, float).reshape(-1, 4), np.array(b, float).reshape(-1, 4))
    if iou.shape[0] > iou.shape[1]:
        iou = iou.T
    best = max(
        sum(iou[i, j] for i, j in enumerate(order))
        for order in itertools.permutations(range(iou.shape[1]), iou.shape[0])
    )
    found = match_boxes(a, b, threshold=1e-9)
    pairs = [pair if len(a) <= len(b) else pair[::-1] for pair in found.pairs]
    assert sum(iou[pair] for pair in pairs) == pytest.approx(best)
