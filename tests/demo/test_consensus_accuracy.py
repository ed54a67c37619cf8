"""Accuracy of consensus methods on units with known truth."""

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
from qc.core.consensus.skill_weighting import FittedRates

POSTURE = ActionGroupSpec("posture", "one", True, ("walk", "sit"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"), 2)
# ann is nearly always right, bob and eve answer at random
RATES = [
    FittedRates(
        action="",
        classes=["walk", "sit", "unknown"],
        prior=[0.45, 0.45, 0.1],
        confusion={
            "ann": [[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]],
            "bob": [[0.4, 0.4, 0.2]] * 3,
            "eve": [[0.4, 0.4, 0.2]] * 3,
        },
        answers={"ann": 9, "bob": 9, "eve": 9},
    )
]


def counted(*units, rates=None):
    return {one.method: one[1:4] for one in accuracies(units, rates or {})}


def test_a_majority_is_correct_wrong_or_open():
    found = counted(
        TrueUnit(POSTURE, {"ann": "walk", "bob": "walk"}, ["walk"], ["walk"]),
        TrueUnit(POSTURE, {"ann": "walk", "bob": "walk"}, ["sit"], ["sit"]),
        TrueUnit(POSTURE, {"ann": "walk", "bob": "sit"}, ["sit"], None),
    )
    assert found[MAJORITY] == (3, 1, 1)
    assert found[REVIEWED] == (3, 2, 1)
    assert found[DAWID_SKENE] == (0, 0, 0)


def test_sets_are_compared_as_a_whole_and_unset_is_no_vote():
    found = counted(
        TrueUnit(DOING, {"ann": ["wave"], "bob": ["wave"]}, ["wave", "carry"], ["wave"]),
        TrueUnit(DOING, {"ann": [], "bob": []}, [], []),
        TrueUnit(POSTURE, {"ann": "unset", "bob": None}, ["walk"], None),
    )
    assert found[MAJORITY] == (2, 1, 0)


def test_unknown_counts_as_an_answer():
    unit = TrueUnit(POSTURE, {"ann": "unknown", "bob": "unknown"}, ["unknown"], [])
    assert counted(unit)[MAJORITY] == counted(unit)[REVIEWED] == (1, 1, 0)


def test_dawid_skene_needs_three_votes():
    votes = {"ann": "sit", "bob": "walk", "eve": "walk"}
    found = counted(
        TrueUnit(POSTURE, votes, ["sit"]),
        TrueUnit(POSTURE, {"bob": "walk", "ann": "sit"}, ["sit"]),
        rates={"posture": RATES},
    )
    assert found[MAJORITY_OF_3] == (1, 0, 0)
    assert found[DAWID_SKENE] == found[DAWID_SKENE_CONFIDENT] == (1, 1, 0)
    assert found[MAJORITY] == (2, 0, 1)


def test_methods_are_compared_on_the_units_that_all_decided():
    both = {"ann": "walk", "bob": "walk"}
    found = {
        one.method: one
        for one in accuracies(
            [
                TrueUnit(POSTURE, both, ["walk"], ["walk"]),
                TrueUnit(POSTURE, both, ["sit"], ["sit"]),  # the reviewer mended it
                TrueUnit(
                    POSTURE, both, ["walk"], None
                ),  # right, but still open for the reviewer
                TrueUnit(POSTURE, {"ann": "walk", "bob": "sit"}, ["sit"], ["walk"]),
            ],
            {},
        )
    }
    assert found[MAJORITY].shared == found[REVIEWED].shared == 2
    assert found[MAJORITY].accuracy_shared == 0.5
    assert found[REVIEWED].accuracy_shared == 1.0
    assert found[DAWID_SKENE].accuracy_shared is None


def test_accuracy_without_units_is_none():
    one = accuracies([], {})[0]
    assert one.accuracy is None
    assert one.accuracy_decided is None
    half = accuracies([TrueUnit(POSTURE, {"ann": "walk", "bob": "sit"}, ["walk"])], {})[0]
    assert half.accuracy == pytest.approx(0)
    assert half.accuracy_decided is None
