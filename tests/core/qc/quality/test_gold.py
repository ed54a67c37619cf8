import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.jackknife import MIN_CLUSTERS
from qc.core.quality.checked_answers import AnnotatedBox
from qc.core.quality.gold import GoldMistake, gold_drift, gold_score, score_version
from tests.core.qc.agreement import oracles

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"), 3)
GROUPS = [POSTURE, DOING]
WALKS = {"posture": "walk", "doing": ["wave"]}


def shown(answers=WALKS, *, person=1, second=2, left=None):
    left = 100.0 * person if left is None else left
    return AnnotatedBox(second, 0, person, (left, 0.0, left + 50, 100.0), answers)


def of(known, given_answers):
    """The sums of one person at one keyframe."""
    return score_version([shown(known)], [shown(given_answers)], GROUPS)


def test_a_vehicle_is_no_answer_about_the_person_in_it():
    person, vehicle = shown(), shown()._replace(label="vehicle", person_id=2)
    found = gold_score([score_version([person], [vehicle], GROUPS)])
    assert (found.found.share.value, found.added) == (0.0, 1)
    both = gold_score([score_version([person, vehicle], [vehicle, person], GROUPS)])
    assert (both.found.share.value, both.answers.share.value) == (1.0, 1.0)


def test_the_same_answers_are_all_right():
    found = gold_score([score_version([shown()], [shown()], GROUPS)])
    assert (found.answers.share.value, found.found.share.value) == (1.0, 1.0)
    assert found.counts == {"walk": (1, 0, 0), "wave": (1, 0, 0)}


@pytest.mark.parametrize(
    ("known", "given_answers", "expected", "right", "actions"),
    [
        pytest.param("walk", "sit", 1, 0, {"sit": [0, 0, 1], "walk": [0, 1, 0]}, id="other"),
        pytest.param("walk", "unset", 1, 0, {"walk": [0, 1, 0]}, id="left unset"),
        pytest.param("walk", "unknown", 1, 0, {"walk": [0, 1, 0]}, id="cannot tell"),
        pytest.param("unknown", "walk", 0, 0, {}, id="nobody can tell"),
        pytest.param("unset", "walk", 0, 0, {}, id="nobody knows"),
        pytest.param(["wave"], ["wave", "carry"], 1, 0,
                     {"wave": [1, 0, 0], "carry": [0, 0, 1]}, id="one too many"),
        pytest.param([], ["carry"], 1, 0, {"carry": [0, 0, 1]}, id="where is none"),
        pytest.param([], [], 0, 0, {}, id="none and none says little"),
    ],
)  # fmt: skip
def test_an_answer_is_right_wrong_or_not_asked(known, given_answers, expected, right, actions):
    group = "doing" if isinstance(known, list) else "posture"
    (sums,) = of({group: known}, {group: given_answers}).persons
    assert (sums.expected, sums.right, sums.actions) == (expected, right, actions)


def test_an_unset_answer_is_counted_as_left_out():
    assert of(WALKS, {"posture": "unset", "doing": ["wave"]}).unanswered == 1
    assert of(WALKS, {"posture": "sit", "doing": ["wave"]}).unanswered == 0


def test_a_person_not_drawn_is_missing_and_no_wrong_label():
    found = score_version([shown(), shown(person=2)], [shown()], GROUPS)
    assert gold_score([found]).found.share.value == 0.5
    assert gold_score([found]).answers.share.value == 1.0
    assert found.mistakes == []


def test_a_box_of_nobody_is_added():
    assert score_version([shown()], [shown(), shown(person=3)], GROUPS).added == 1
    assert score_version([shown()], [shown(left=140.0)], GROUPS).added == 1


def test_a_mistake_says_where_and_what():
    (wrong,) = of(WALKS, {"posture": "sit", "doing": ["wave"]}).mistakes
    assert wrong == GoldMistake(2, "P1", "posture", ["walk"], ["sit"])


def test_an_action_is_measured_by_f1():
    known = [shown({"posture": "walk"}, person=n) for n in (1, 2, 3)]
    given_answers = [
        shown({"posture": p}, person=n) for n, p in ((1, "walk"), (2, "sit"), (3, "walk"))
    ]
    found = gold_score([score_version(known, given_answers, GROUPS)])
    assert found.actions["walk"].share.value == pytest.approx(4 / 5)
    assert found.actions["sit"].share.value == 0.0


def people(count, *, right, keyframes=10):
    """So many persons, each wholly right or wholly wrong: the first `right` are right."""
    known, given_answers = [], []
    for person in range(count):
        for second in range(keyframes):
            known.append(shown({"posture": "walk"}, person=person, second=second))
            answer = "walk" if person < right else "sit"
            given_answers.append(shown({"posture": answer}, person=person, second=second))
    return score_version(known, given_answers, GROUPS)


def clips(*right, of=5):
    """A clip of five persons for each number of those who are wholly right."""
    return [people(of, right=one) for one in right]


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        pytest.param([5] * 8, "above", id="all right"),
        pytest.param([0] * 8, "below", id="all wrong"),
        pytest.param([2, 3, 1, 2, 3, 2, 2, 1], "below", id="far below"),
        pytest.param([5, 4, 5, 5, 4, 5, 5, 5], "above", id="nearly all right"),
        pytest.param([5, 0, 5, 2, 5, 5, 1, 5], "uncertain", id="very uneven"),
        pytest.param([0] * 7, "too few", id="seven clips"),
    ],
)
def test_an_annotator_is_above_or_below_the_threshold_with_certainty_or_not(right, verdict):
    assert gold_score(clips(*right)).answers.verdict == verdict


def test_the_interval_is_that_of_clips_left_out():
    right = [5, 4, 5, 2, 4, 5, 5, 3, 5, 1]
    without = [np.mean([*right[:n], *right[n + 1 :]]) / 5 for n in range(len(right))]
    found = gold_score(clips(*right)).answers
    expected = oracles.jackknife_interval(np.mean(right) / 5, without, is_rate=True)
    assert found.interval == pytest.approx(expected, abs=1e-5)


def test_the_keyframes_of_a_clip_tell_no_more_than_once():
    few = gold_score([people(5, right=n % 5, keyframes=2) for n in range(10)])
    many = gold_score([people(5, right=n % 5, keyframes=20) for n in range(10)])
    assert few.answers.interval == pytest.approx(many.answers.interval)


def test_few_clips_have_no_interval_and_nothing_no_share():
    few = gold_score(clips(*[4] * (MIN_CLUSTERS - 1))).answers
    assert (few.interval, few.no_interval) == (None, "fewer than 8 clips to compare")
    assert gold_score(clips(*[4] * MIN_CLUSTERS)).answers.interval is not None
    assert gold_score([]).found.share.reason == "nobody is in the known answers"


def test_clips_that_are_alike_count_as_one_judgement_each():
    """Eight clips without a mistake: the exact interval of 8 of 8."""
    low, high = gold_score(clips(*[5] * 8)).answers.interval
    assert (low, high) == (pytest.approx(0.025 ** (1 / 8), abs=1e-6), 1.0)


def test_who_becomes_worse_is_seen_and_who_stays_is_not():
    good, bad = [5, 4, 5, 5, 5, 4, 5, 5], [1, 2, 1, 0, 2, 1, 2, 1]
    falls = gold_drift(clips(*good, *bad))
    assert (falls.early, falls.late, falls.is_falling) == (0.95, 0.25, True)
    assert not gold_drift(clips(*bad, *good)).is_falling
    assert not gold_drift(clips(*good, *good)).is_falling


def test_half_of_too_few_clips_says_nothing_of_drift():
    assert gold_drift(clips(*[5] * 7, *[0] * 8)) is None


answers = st.fixed_dictionaries(
    {
        "posture": st.sampled_from(["stand", "walk", "sit", "unset", "unknown"]),
        "doing": st.lists(st.sampled_from(["wave", "carry"]), unique=True),
    }
)
versions = st.lists(
    st.builds(
        shown, answers, person=st.integers(1, 4), second=st.integers(2, 4)
    ),
    unique_by=lambda one: (one.person, one.second),
)  # fmt: skip


@settings(deadline=None)
@given(versions, versions)
def test_every_share_is_from_0_to_1_and_the_order_does_not_matter(known, given_answers):
    found = score_version(known, given_answers, GROUPS)
    assert found == score_version(known[::-1], given_answers[::-1], GROUPS)
    for rate in (gold_score([found]).answers, gold_score([found]).found):
        assert rate.share.value is None or 0 <= rate.share.value <= 1
    for person in found.persons:
        assert person.right <= person.expected
        assert person.found <= person.known


@settings(deadline=None)
@given(versions)
def test_who_says_what_is_known_makes_no_mistake(known):
    found = score_version(known, known, GROUPS)
    assert found.mistakes == []
    assert found.added == 0
    assert all(one.right == one.expected for one in found.persons)
    assert all(missed == wrong == 0 for _, missed, wrong in gold_score([found]).counts.values())
