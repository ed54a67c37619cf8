import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement import cohen_kappa
from qc.core.agreement.coefficient_counts import Block
from qc.core.agreement.figures import Confusion, Disagreement, Figure, GroupFigures
from qc.core.agreement.label_agreement import (
    ABSENT,
    UNANSWERED,
    Units,
    against_others,
    brief_figures,
    group_figures,
    of_pair,
)
from tests.core.qc.agreement import oracles

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"))
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"))


def figures(codes, values, group, *, persons=None, names=("ann", "bob", "eve"), clips=None):
    table = np.array(codes, dtype=np.int64).reshape(len(codes), -1)
    people = np.arange(table.shape[1]) if persons is None else np.array(persons)
    block = Block(names[: len(codes)], table, people, people if clips is None else clips)
    return group_figures(Units([block], values, group))


def random_codes(seed=3, raters=3, units=60, values=3):
    random = np.random.default_rng(seed)
    return random.integers(-2, values, (raters, units))


def as_ratings(codes, values):
    return [[values[code] if code >= 0 else None for code in row] for row in codes]


def test_figures_are_the_coefficients_of_the_same_ratings():
    codes, values = random_codes(), ["stand", "walk", "sit"]
    found, ratings = figures(codes, values, POSTURE), as_ratings(codes, values)
    categories = ["stand", "walk", "sit", "unknown"]
    assert found.coefficients["alpha"].value == pytest.approx(oracles.alpha(ratings), abs=1e-6)
    ac1 = oracles.ac1(ratings, categories)
    assert found.coefficients["ac1"].value == pytest.approx(ac1, abs=1e-6)
    assert found.coefficients["ac1"].units == found.rated_by_two
    kappas = [oracles.kappa(ratings[i], ratings[j]) for i, j in [(0, 1), (0, 2), (1, 2)]]
    assert found.coefficients["kappa"].value == pytest.approx(np.mean(kappas), abs=1e-6)
    full = [column for column in codes.T if (column >= 0).all()]
    counts = [[list(column).count(k) for k in range(3)] for column in full]
    assert found.coefficients["fleiss"].value == pytest.approx(oracles.fleiss(counts), abs=1e-6)


def test_sets_are_compared_by_masi():
    codes, values = random_codes(values=4), [
        frozenset(), frozenset({"wave"}), frozenset({"carry"}), frozenset({"wave", "carry"}),
    ]  # fmt: skip
    found, ratings = figures(codes, values, DOING), as_ratings(codes, values)
    alpha = oracles.alpha(ratings, oracles.masi)
    assert found.coefficients["alpha"].value == pytest.approx(alpha, abs=1e-6)
    wave = [[None if one is None else "wave" in one for one in row] for row in ratings]
    kappas = [oracles.kappa(wave[i], wave[j]) for i, j in [(0, 1), (0, 2), (1, 2)]]
    assert found.actions["wave"].coefficients["kappa"].value == pytest.approx(
        np.mean(kappas), abs=1e-6
    )


def test_unknown_agrees_with_itself_alone_in_a_choice_of_many():
    wave = frozenset({"wave"})
    codes = np.array([[0, 0, 1, 2], [0, 1, 1, 2]])
    found = figures(codes, ["unknown", wave, frozenset()], DOING, names=("ann", "bob"))
    ratings = [[0, 0, 1, 2], [0, 1, 1, 2]]  # three values that share nothing
    alpha = oracles.alpha(ratings, lambda a, b: float(a != b))
    assert found.coefficients["alpha"].value == pytest.approx(alpha, abs=1e-6)


def test_coverage_counts_who_drew_and_who_answered():
    codes = [[0, 0, ABSENT, UNANSWERED], [0, UNANSWERED, 1, UNANSWERED]]
    found = figures(codes, ["stand", "walk"], POSTURE)
    assert (found.units, found.rated_by_two) == (4, 1)
    assert found.answered == pytest.approx(4 / 7, abs=1e-6)
    assert found.coefficients["percent"].value == 1.0
    assert found.coefficients["percent"].units == 1


def test_edited_units_leave_out_what_everybody_left_empty():
    codes = [[0, 0, 1, 0], [0, 0, 1, 1]]
    found = figures(codes, [frozenset(), frozenset({"wave"})], DOING)
    assert found.units == 4
    assert found.coefficients["percent"].value == 0.75
    assert found.edited.units == 2
    assert found.edited.coefficients["percent"].value == 0.5


@pytest.mark.parametrize(
    ("codes", "values", "reason"),
    [
        pytest.param(np.empty((2, 0)), [], "nothing was rated", id="no units"),
        pytest.param([[-2], [-2]], [], "nothing was rated", id="nobody answered"),
        pytest.param(
            [[0], [-1]], ["walk"], "no unit was rated by two or more", id="one answer"
        ),
        pytest.param([[0]], ["walk"], "no unit was rated by two or more", id="one annotator"),
        pytest.param([[0, 0], [0, 0]], ["walk"], "only one category was used", id="one answer"),
    ],
)
def test_what_is_not_defined_has_a_reason(codes, values, reason):
    found = figures(codes, values, POSTURE)
    assert found.coefficients["alpha"].value is None
    assert found.coefficients["alpha"].reason == reason
    assert found.coefficients["fleiss"].value is None
    assert found.coefficients["ac1"].interval is None or reason == "only one category was used"


def test_the_interval_holds_the_value_and_is_the_same_every_time():
    codes = random_codes(units=120)
    persons = np.arange(120) // 10
    found = figures(codes, ["stand", "walk", "sit"], POSTURE, persons=persons)
    again = figures(codes, ["stand", "walk", "sit"], POSTURE, persons=persons)
    low, high = found.coefficients["ac1"].interval
    assert low < found.coefficients["ac1"].value < high
    assert found == again


def test_leaving_clips_out_gives_wider_intervals_than_leaving_keyframes_out():
    random = np.random.default_rng(0)
    truth = np.repeat(random.integers(0, 2, 20), 12)
    wrong = np.repeat(random.random(20) < 0.3, 12)  # whole clips are judged otherwise
    codes = np.stack([truth, np.where(wrong, 1 - truth, truth)])
    by_clip = figures(codes, ["stand", "walk"], POSTURE, persons=np.repeat(np.arange(20), 12))
    by_row = figures(codes, ["stand", "walk"], POSTURE)
    width = [
        high - low
        for low, high in (
            by_clip.coefficients["ac1"].interval,
            by_row.coefficients["ac1"].interval,
        )
    ]
    assert width[0] > 2 * width[1]


def test_blocks_of_different_annotators_add_up():
    values = ["stand", "walk", "sit"]
    one, other = random_codes(1, units=30), random_codes(2, raters=2, units=20)
    split = [
        Block(("ann", "bob", "eve"), one, np.arange(30), np.arange(30)),
        Block(("ann", "joe"), other, np.arange(30, 50), np.arange(30, 50)),
    ]
    found = group_figures(Units(split, values, POSTURE))
    everyone = np.full((4, 50), ABSENT)
    everyone[:3, :30], everyone[[0, 3], 30:] = one, other
    whole = Block(("ann", "bob", "eve", "joe"), everyone, np.arange(50), np.arange(50))
    together = group_figures(Units([whole], values, POSTURE))
    for key in ("alpha", "ac1", "percent", "fleiss"):
        assert found.coefficients[key] == together.coefficients[key]
    for key in ("units", "rated_by_two", "answered"):
        assert getattr(found, key) == getattr(together, key)


def test_a_mean_says_how_many_it_leaves_out():
    kappas = [cohen_kappa("ab", "ab"), cohen_kappa("aa", "aa")]
    assert Figure.mean(kappas).value == 1.0
    assert Figure.mean(kappas).left_out == 1
    assert Figure.mean(kappas[1:]).value is None
    assert Figure.mean([]).reason


tables = st.tuples(st.integers(2, 4), st.integers(1, 14)).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-2, 2), min_size=size[1], max_size=size[1]),
        min_size=size[0], max_size=size[0],
    )
)  # fmt: skip
SETS = [frozenset(), frozenset({"wave"}), frozenset({"wave", "carry"})]
NAMES = ("ann", "bob", "eve", "joe")
KEYS = ("units", "rated_by_two", "answered", "coefficients", "edited")


def of_table(codes, values=("stand", "walk", "sit"), group=POSTURE, **more):
    return figures(codes, list(values), group, names=NAMES, **more)


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_units_and_annotators_changes_no_figure(codes, random):
    places = list(range(len(codes[0])))
    random.shuffle(places)
    found = of_table(codes)
    other = of_table([[row[one] for one in places] for row in codes])
    turned = of_table(codes[::-1])
    for key in KEYS:
        assert getattr(found, key) == getattr(other, key) == getattr(turned, key)
    assert found.actions == other.actions == turned.actions


@settings(deadline=None)
@given(tables)
def test_every_figure_is_at_most_one_and_holds_a_value_or_a_reason(codes):
    for found in (of_table(codes), of_table(codes, SETS, DOING)):
        shown = [found, found.edited, *found.actions.values()]
        for figure in [figure for one in shown for figure in one.coefficients.values()]:
            assert (figure.value is None) == bool(figure.reason)
            assert figure.value is None or figure.value <= 1
            if figure.interval is not None:
                assert figure.value is not None
                assert figure.interval[0] <= figure.interval[1]
        text = json.dumps(found.to_json(), allow_nan=False)
        assert GroupFigures.from_json(json.loads(text)) == found


@settings(deadline=None)
@given(tables)
def test_units_that_nobody_answered_change_coverage_and_nothing_else(codes):
    more = [[*row, UNANSWERED] for row in codes]
    found, other = of_table(codes), of_table(more)
    assert other.units == found.units + 1
    for name in ("rated_by_two", "coefficients", "actions"):
        assert getattr(found, name) == getattr(other, name)


def test_an_actions_figures_are_those_of_chosen_or_not():
    codes, values = random_codes(values=4), [
        frozenset(), frozenset({"wave"}), frozenset({"carry"}), frozenset({"wave", "carry"}),
    ]  # fmt: skip
    wave = figures(codes, values, DOING).actions["wave"]
    ratings = [
        [None if one is None else "wave" in one for one in row]
        for row in as_ratings(codes, values)
    ]
    assert wave.coefficients["alpha"].value == pytest.approx(oracles.alpha(ratings), abs=1e-6)
    assert wave.coefficients["ac1"].value == pytest.approx(oracles.ac1(ratings), abs=1e-6)
    assert wave.coefficients["percent"].value == pytest.approx(
        oracles.percent(ratings), abs=1e-6
    )
    for name in ("alpha", "ac1", "percent"):
        low, high = wave.coefficients[name].interval
        assert low < wave.coefficients[name].value < high
    assert figures(codes, values, DOING).actions["wave"] == wave


def test_an_action_nobody_chose_is_not_defined_but_its_raw_agreement_is():
    sit = figures([[0, 1], [0, 1]], ["stand", "walk"], POSTURE).actions["sit"]
    assert (
        sit.coefficients["alpha"].reason
        == sit.coefficients["ac1"].reason
        == "only one category was used"
    )
    assert sit.coefficients["percent"].value == 1.0
    assert sit.coefficients["ac1"].interval is None


def test_the_confusion_matrix_counts_each_pair_of_answers_both_ways():
    found = figures(
        [[1, 0, 1, 2], [0, 0, 1, UNANSWERED]], ["walk", "stand", "unknown"], POSTURE
    )
    assert found.confusion == Confusion(
        ["stand", "walk", "unknown"], [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    )
    assert found.disagreements == [Disagreement("walk", "stand", 1)]
    assert figures([[0], [0]], SETS, DOING).confusion is None


def test_a_pair_has_the_figures_of_its_own_answers():
    codes = random_codes()
    block = Block(("ann", "bob", "eve"), codes, np.arange(60), np.arange(60))
    pair = of_pair([block], "ann", "eve")
    values = ["stand", "walk", "sit"]
    found = brief_figures(Units(pair, values, POSTURE))
    ratings = as_ratings(codes[[0, 2]], values)
    assert found.coefficients["alpha"].value == pytest.approx(oracles.alpha(ratings), abs=1e-6)
    assert found.coefficients["kappa"].value == pytest.approx(oracles.kappa(*ratings), abs=1e-6)
    assert of_pair([block], "ann", "joe") == []


def test_an_annotator_is_compared_with_each_other_one_at_each_unit():
    codes = np.array([[0, 1, 2], [0, 1, 0], [1, 1, ABSENT]])
    block = Block(("ann", "bob", "eve"), codes, np.arange(3), np.arange(3))
    units = Units(against_others([block], "ann"), ["stand", "walk", "sit"], POSTURE)
    found = brief_figures(units)
    assert found.rated_by_two == 5
    assert found.coefficients["percent"].value == pytest.approx(3 / 5)
