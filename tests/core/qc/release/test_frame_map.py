import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.release.frame_map import FrameMap, action_boxes, average_precision
from qc.core.release.oracle_ap import OracleAP
from qc.core.release.records import ReleasedPerson, ReleasedProposal

LEFT, RIGHT = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.6, 0.2, 0.8, 0.9])
HALF_OF_LEFT = np.array([0.1, 0.2, 0.2, 0.9])  # IoU 0.5 with LEFT
LESS_OF_LEFT = np.array([0.1, 0.2, 0.19, 0.9])


def judged(truth, found, scores):
    metric = FrameMap()
    metric.add(
        action_boxes(*truth), found=action_boxes(*found), scores=np.array(scores, dtype=float)
    )
    return metric.result()


def test_a_detection_counts_once_and_only_from_an_iou_of_one_half_on():
    assert judged(([LEFT], [1]), ([HALF_OF_LEFT], [1]), [0.5]).mean == pytest.approx(1.0)
    assert judged(([LEFT], [1]), ([LESS_OF_LEFT], [1]), [0.5]).mean == 0.0
    twice = judged(([LEFT, RIGHT], [1, 1]), ([LEFT, LEFT, RIGHT], [1, 1, 1]), [0.9, 0.8, 0.7])
    assert twice.mean == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_another_action_finds_nobody():
    result = judged(([LEFT], [1]), ([LEFT], [2]), [0.9])
    assert result.per_action == {1: 0.0}


def test_actions_that_the_truth_does_not_show_are_not_in_the_mean():
    result = judged(([LEFT], [1]), ([LEFT, RIGHT], [1, 2]), [0.9, 0.9])
    assert result.mean == 1.0


def test_a_better_score_wins_over_all_keyframes():
    metric = FrameMap()
    nobody = action_boxes([], [])
    metric.add(
        action_boxes([LEFT], [1]), found=action_boxes([LEFT], [1]), scores=np.array([0.4])
    )
    metric.add(nobody, found=action_boxes([RIGHT], [1]), scores=np.array([0.6]))
    assert metric.result().mean == 0.5


def test_nothing_to_find_has_no_mean():
    assert judged(([], []), ([LEFT], [1]), [0.9]).mean is None
    with pytest.raises(ValueError, match="0 true boxes"):
        average_precision(np.array([True]), np.array([0.9]), truths=0)


def test_the_envelope_takes_the_best_precision_to_the_right():
    hits, scores = np.array([False, True, True, False, True]), np.arange(5, 0, -1.0)
    # recall 1/4, 2/4, 3/4 at precisions 1/2, 2/3, 3/5; the first is raised to 2/3
    expected = (2 / 3 + 2 / 3 + 3 / 5) / 4
    assert average_precision(hits, scores, truths=4) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, unique=True))
def test_the_truth_against_itself_is_perfect(persons):
    boxes = [np.array([0.1 * left, 0.1, 0.1 * left + 0.09, 0.9]) for left, _ in persons]
    actions = [action for _, action in persons]
    result = judged((boxes, actions), (boxes, actions), [1.0] * len(boxes))
    assert set(result.per_action.values()) == {1.0}


def test_the_ceiling_misses_whom_no_proposal_finds():
    oracle_ap = OracleAP()
    persons = [
        ReleasedPerson(902, 1, "0.1000,0.2000,0.3000,0.9000", (1, 3)),
        ReleasedPerson(902, 2, "0.6000,0.2000,0.8000,0.9000", (1,)),
    ]
    oracle_ap.add([ReleasedProposal("0.1000,0.2000,0.3100,0.9000", 0.6)], persons)
    assert oracle_ap.mean() == pytest.approx((0.5 + 1.0) / 2)
    assert OracleAP().mean() is None
