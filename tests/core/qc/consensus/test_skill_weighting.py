import json

import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.consensus.clip_consensus import BoxConsensus, LabelConsensus
from qc.core.consensus.skill_weighting import (
    MIN_PROBABILITY,
    FittedRates,
    fit,
    posterior_label,
    skill_weighted_votes,
)

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"), 1)
NAMES = ("ann", "bob", "eve")
SETS = [frozenset(), frozenset({"wave"}), frozenset({"carry"}), frozenset({"wave", "carry"})]


def answers(accuracy, *, values, items=3000, seed=5):
    """What annotators of these accuracies say of items whose truth is one of the values."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, values, items)
    codes = np.stack(
        [
            np.where(random.random(items) < one, truth,
                     (truth + random.integers(1, values, items)) % values)
            for one in accuracy
        ]
    )  # fmt: skip
    return truth, codes


@pytest.fixture(scope="module")
def posture():
    """ann is careful, bob and eve are not."""
    _, codes = answers((0.97, 0.6, 0.6), values=3)
    return fit([(NAMES, codes)], ["stand", "walk", "sit"], POSTURE).fits


@pytest.fixture(scope="module")
def doing():
    _, codes = answers((0.97, 0.6, 0.6), values=4)
    return fit([(NAMES, codes)], SETS, DOING).fits


def voted(group, votes, rule="majority", actions=()):
    label = LabelConsensus(group.name, list(actions), votes, rule)
    box = BoxConsensus(2, 7, np.array([0.0, 0, 10, 20]), sorted(votes), "agreed", [label])
    return [box]


def label_of(boxes):
    return boxes[0].labels[0]


def test_who_cannot_tell_says_nothing_of_an_action(doing):
    wave = frozenset({"wave"})
    assert posterior_label(doing, {"ann": "unknown", "bob": wave, "eve": wave}) is None
    votes = dict.fromkeys(NAMES, "unknown") | {"bob": ["wave"]}
    boxes = voted(DOING, votes)
    assert skill_weighted_votes(boxes, [DOING], {"doing": doing}) == boxes


def test_who_is_mostly_right_outweighs_two_who_are_mostly_not(posture):
    likeliest = posterior_label(posture, {"ann": "sit", "bob": "walk", "eve": "walk"})
    assert likeliest.answer == "sit"
    assert posterior_label(posture, dict.fromkeys(NAMES, "walk")).probability > 0.99


def test_each_action_of_many_is_weighed_on_its_own(doing):
    votes = {"ann": frozenset({"wave"}), "bob": frozenset({"carry"}), "eve": frozenset()}
    assert posterior_label(doing, votes).answer == frozenset({"wave"})


def test_two_known_annotators_are_too_few(posture):
    assert posterior_label(posture, {"ann": "sit", "bob": "walk"}) is None
    assert posterior_label(posture, {"ann": "sit", "bob": "walk", "new": "walk"}) is None
    assert posterior_label([], dict.fromkeys(NAMES, "walk")) is None


def test_what_the_rates_are_sure_of_is_weighed(posture):
    votes = {"ann": "sit", "bob": "sit", "eve": "walk"}
    found = label_of(
        skill_weighted_votes(voted(POSTURE, votes), [POSTURE], {"posture": posture})
    )
    assert (found.actions, found.rule) == (["sit"], "weighted")


def test_what_they_are_not_sure_of_is_open(posture):
    likeliest = posterior_label(posture, {"ann": "stand", "bob": "sit", "eve": "sit"})
    assert likeliest.probability < MIN_PROBABILITY
    votes = {"ann": "stand", "bob": "sit", "eve": "sit"}
    boxes = voted(POSTURE, votes, actions=["sit"])
    found = label_of(skill_weighted_votes(boxes, [POSTURE], {"posture": posture}))
    assert (found.actions, found.rule, found.votes) == ([], "open", votes)


@pytest.mark.parametrize("rule", ["unanimous", "adjudicated", "single"])
def test_what_was_decided_without_a_vote_stays(posture, rule):
    boxes = voted(POSTURE, {"ann": "sit", "bob": "walk", "eve": "walk"}, rule, ["walk"])
    assert skill_weighted_votes(boxes, [POSTURE], {"posture": posture}) == boxes


def test_fewer_than_three_votes_are_left_to_the_majority(posture):
    boxes = voted(POSTURE, {"ann": "sit", "bob": "walk", "eve": "unset"}, "open")
    assert label_of(skill_weighted_votes(boxes, [POSTURE], {"posture": posture})).rule == "open"
    assert skill_weighted_votes(boxes, [POSTURE], {}) == boxes


def test_more_actions_than_the_group_allows_are_open(doing):
    both = frozenset({"wave", "carry"})
    votes = {"ann": sorted(both), "bob": sorted(both), "eve": ["wave"]}
    assert (
        posterior_label(doing, {who: frozenset(one) for who, one in votes.items()}).answer
        == both
    )
    assert (
        label_of(skill_weighted_votes(voted(DOING, votes), [DOING], {"doing": doing})).rule
        == "open"
    )


def test_beside_the_majority_counts_every_unit_three_answered():
    _, codes = answers((0.97, 0.6, 0.6), values=3, items=400)
    codes[1, :100] = -1  # bob did not draw these persons
    compared = fit([(NAMES, codes)], ["stand", "walk", "sit"], POSTURE).vs_majority
    assert compared.units == 300
    assert (
        sum(getattr(compared, key) for key in ("same", "different", "decided", "open")) == 300
    )
    assert compared.decided > 0


def test_rates_are_plain_numbers_for_json(posture):
    [one] = posture
    assert one.classes == ["stand", "walk", "sit", "unknown"]
    assert one.confusion["ann"][0][0] == pytest.approx(0.97, abs=0.06)
    assert one.confusion["bob"][0][0] == pytest.approx(0.6, abs=0.06)
    text = json.dumps(one.to_json(), allow_nan=False)
    assert FittedRates.from_json(json.loads(text)) == one
    assert one.answers == dict.fromkeys(NAMES, 3000)
