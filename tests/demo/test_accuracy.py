"""How right a consensus is, counted on units whose truth is given."""

import pytest

from demo.accuracy import (
    CERTAIN,
    LIKELIEST,
    MAJORITY,
    OF_THREE,
    SETTLED,
    Unit,
    accuracies,
)
from qc.core.settlement import Question

POSTURE = Question("posture", "one", True, ("walk", "sit"), 1)
DOING = Question("doing", "many", False, ("wave", "carry"), 2)
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
        Unit(POSTURE, {"ann": "walk", "bob": "walk"}, ["walk"], ["walk"]),
        Unit(POSTURE, {"ann": "walk", "bob": "walk"}, ["sit"], ["sit"]),
        Unit(POSTURE, {"ann": "walk", "bob": "sit"}, ["sit"], None),
    )
    assert found[MAJORITY] == (3, 1, 1)
    assert found[SETTLED] == (3, 2, 1)
    assert found[LIKELIEST] == (0, 0, 0)


def test_sets_are_right_as_a_whole_and_unset_is_no_vote():
    found = counted(
        Unit(DOING, {"ann": ["wave"], "bob": ["wave"]}, ["wave", "carry"], ["wave"]),
        Unit(DOING, {"ann": [], "bob": []}, [], []),
        Unit(POSTURE, {"ann": "unset", "bob": None}, ["walk"], None),
    )
    assert found[MAJORITY] == (2, 1, 0)


def test_what_nobody_could_tell_is_unknown():
    unit = Unit(POSTURE, {"ann": "unknown", "bob": "unknown"}, ["unknown"], [])
    assert counted(unit)[MAJORITY] == counted(unit)[SETTLED] == (1, 1, 0)


def test_error_rates_are_asked_where_three_voted():
    votes = {"ann": "sit", "bob": "walk", "eve": "walk"}
    found = counted(
        Unit(POSTURE, votes, ["sit"]),
        Unit(POSTURE, {"bob": "walk", "ann": "sit"}, ["sit"]),
        rates={"posture": RATES},
    )
    assert found[OF_THREE] == (1, 0, 0)
    assert found[LIKELIEST] == found[CERTAIN] == (1, 1, 0)
    assert found[MAJORITY] == (2, 0, 1)


def test_shares_of_nothing_are_none():
    one = accuracies([], {})[0]
    assert one.share is None
    assert one.where_decided is None
    half = accuracies([Unit(POSTURE, {"ann": "walk", "bob": "sit"}, ["walk"])], {})[0]
    assert half.share == pytest.approx(0)
    assert half.where_decided is None
