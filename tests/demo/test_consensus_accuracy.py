"""How right a consensus is, counted on units whose truth is given."""

import pytest

from datasets.core.action_groups import ActionGroupSpec
from demo.consensus_accuracy import (
    DAWID_SKENE,
    DAWID_SKENE_CONFIDENT,
    MAJORITY,
    MAJORITY_OF_3,
    REVIEWED,
    TrueUnit,
    accuracies,
)

POSTURE = ActionGroupSpec("posture", "one", True, ("walk", "sit"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"), 2)
SURE = {"prior": [0.45, 0.45, 0.1], "classes": ["walk", "sit", "unknown"], "action": ""}
# ann is nearly always right, bob and eve say anything
RATES = [
    SURE
    | {
        "confusion": {
            "ann": [[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]],
            "bob": [[0.4, 0.4, 0.2]] * 3,
            "eve": [[0.4, 0.4, 0.2]] * 3,
        }
    }
]


def counted(*units, rates=None):
    return {one.way: one[1:] for one in accuracies(units, rates or {})}


def test_a_majority_is_right_wrong_or_open():
    found = counted(
        TrueUnit(POSTURE, {"ann": "walk", "bob": "walk"}, ["walk"], ["walk"]),
        TrueUnit(POSTURE, {"ann": "walk", "bob": "walk"}, ["sit"], ["sit"]),
        TrueUnit(POSTURE, {"ann": "walk", "bob": "sit"}, ["sit"], None),
    )
    assert found[MAJORITY] == (3, 1, 1)
    assert found[REVIEWED] == (3, 2, 1)
    assert found[DAWID_SKENE] == (0, 0, 0)


def test_sets_are_right_as_a_whole_and_unset_is_no_vote():
    found = counted(
        TrueUnit(DOING, {"ann": ["wave"], "bob": ["wave"]}, ["wave", "carry"], ["wave"]),
        TrueUnit(DOING, {"ann": [], "bob": []}, [], []),
        TrueUnit(POSTURE, {"ann": "unset", "bob": None}, ["walk"], None),
    )
    assert found[MAJORITY] == (2, 1, 0)


def test_what_nobody_could_tell_is_unknown():
    unit = TrueUnit(POSTURE, {"ann": "unknown", "bob": "unknown"}, ["unknown"], [])
    assert counted(unit)[MAJORITY] == counted(unit)[REVIEWED] == (1, 1, 0)


def test_error_rates_are_asked_where_three_voted():
    votes = {"ann": "sit", "bob": "walk", "eve": "walk"}
    found = counted(
        TrueUnit(POSTURE, votes, ["sit"]),
        TrueUnit(POSTURE, {"bob": "walk", "ann": "sit"}, ["sit"]),
        rates={"posture": RATES},
    )
    assert found[MAJORITY_OF_3] == (1, 0, 0)
    assert found[DAWID_SKENE] == found[DAWID_SKENE_CONFIDENT] == (1, 1, 0)
    assert found[MAJORITY] == (2, 0, 1)


def test_shares_of_nothing_are_none():
    one = accuracies([], {})[0]
    assert one.share is None
    assert one.accuracy_decided is None
    half = accuracies([TrueUnit(POSTURE, {"ann": "walk", "bob": "sit"}, ["walk"])], {})[0]
    assert half.share == pytest.approx(0)
    assert half.accuracy_decided is None
