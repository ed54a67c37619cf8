"""Agreement of boxes, by hand and against clips left out one by one."""

import numpy as np
import pytest

from qc.core.agreement.box_agreement import box_counts, box_figures
from qc.core.box_matching import BoxCounts
from qc.core.consensus.identity import DrawnBoxes
from tests.core.qc.agreement import oracles

FIGURES = ("f1", "mean_iou", "share_50", "share_75")
BOX = np.array([0.0, 0, 10, 20])


def drawn(*rows):
    """Rows of (second, annotator, box)."""
    seconds, who, boxes = zip(*rows, strict=True)
    zeros = np.zeros(len(rows), dtype=np.int64)
    return DrawnBoxes(np.array(seconds), np.array(who), zeros, zeros, np.array(boxes))


def test_boxes_are_counted_by_person_and_pairs_for_that_of_their_first_box():
    apart, low = [50.0, 0, 60, 20], [0.0, 12, 10, 32]
    rows = drawn((2, 0, BOX), (2, 1, BOX), (2, 1, apart), (3, 0, BOX), (3, 1, low))
    found = box_counts(rows, ["ann", "bob"], np.array([7, 7, 8, 7, 9]))
    assert found == {
        ("ann", "bob"): {
            7: BoxCounts(first=2, second=1, overlapping=2, matched=1, close=1, iou=1.0),
            8: BoxCounts(second=1),
            9: BoxCounts(second=1),
        }
    }


def test_the_figures_of_a_pair_add_up_over_its_persons():
    by_person = {1: BoxCounts(2, 2, 2, 2, 1, 1.5), 2: BoxCounts(1, 2, 1, 0, 0, 0.0)}
    found = box_figures([by_person])
    assert found.f1.value == pytest.approx(4 / 7, abs=1e-6)
    assert found.mean_iou.value == 0.75
    assert found.share_50.value == pytest.approx(2 / 3, abs=1e-6)
    assert found.share_75.value == pytest.approx(1 / 3, abs=1e-6)


def test_the_intervals_are_those_of_clips_left_out():
    random = np.random.default_rng(2)
    counts = [
        {
            clip: BoxCounts(
                8, 8, 8, int(random.integers(4, 9)), int(random.integers(0, 5)), 3.5
            )
            for clip in range(24)
        },
        {clip: BoxCounts(5, 4, 4, int(random.integers(1, 5)), 1, 0.8) for clip in range(6)},
    ]
    found = box_figures(counts)
    rest = [
        box_figures([{c: one for c, one in pair.items() if c != clip} for pair in counts])
        for clip in range(24)
    ]
    for name in FIGURES:
        figure = getattr(found, name)
        without = np.array([getattr(one, name).value for one in rest])
        expected = oracles.jackknife_interval(figure.value, without, is_rate=True)
        assert figure.interval == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param([], id="no pair"),
        pytest.param([{}], id="no clip"),
        pytest.param([{1: BoxCounts(3, 3, 3, 3, 3, 2.7)}], id="one clip"),
        pytest.param([{n: BoxCounts(3, 3, 3, n, n, n / 2) for n in range(7)}], id="seven"),
    ],
)
def test_too_few_clips_have_no_interval(counts):
    found = box_figures(counts)
    assert [getattr(found, name).interval for name in FIGURES] == [None] * 4
    assert found.f1.no_interval in ("", "fewer than 8 clips to compare")


def test_what_is_not_defined_has_no_interval():
    found = box_figures([{1: BoxCounts(2, 0), 2: BoxCounts(0, 2)}])
    assert found.f1.value == 0.0
    assert found.mean_iou.reason == "no boxes of two annotators match"
    assert found.mean_iou.interval is None
