import numpy as np

from datasets.core.action_groups import ActionGroupSpec
from qc.core.consensus.calibration import Calibration, calibrate
from qc.core.consensus.skill_weighting import fit

POSTURE = ActionGroupSpec("posture", "one", True, ("walk", "sit"), 1)
NAMES = ("ann", "bob", "eve")


def fits():
    """Bob and eve copy each other and are often wrong together, so the fit believes them."""
    truth = np.tile([0, 1], 100)
    wrong = np.arange(200) % 3 == 0
    copied = np.where(wrong, 1 - truth, truth)
    return fit([(NAMES, np.stack([truth, copied, copied]))], ["walk", "sit"], POSTURE).fits


def test_weighted_votes_are_compared_with_known_answers_and_with_the_majority():
    agreed = dict.fromkeys(NAMES, "walk")
    alone = {"ann": "sit", "bob": "walk", "eve": "walk"}
    found = calibrate([(agreed, "walk"), (alone, "walk"), (alone, "sit")], fits(), POSTURE)
    assert (found.units, found.majority_right) == (3, 2)
    assert 0.5 < found.said <= 1
    assert f"{found.said:.1%}" in found.sentence


def test_units_of_fewer_than_three_annotators_and_without_a_known_answer_are_left_out():
    two = {"ann": "walk", "bob": "walk", "eve": "unset"}
    everybody = dict.fromkeys(NAMES, "walk")
    assert calibrate([(two, "walk"), (everybody, "unset")], fits(), POSTURE) == Calibration()


def test_the_page_says_which_is_the_better_estimator():
    assert "The majority is the better" in Calibration(10, 0.995, 9, 10).sentence
    assert "at least as well" in Calibration(10, 0.95, 9, 9).sentence
    assert Calibration.from_json(Calibration(10, 0.9, 9, 8).to_json()).right == 9
