import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.consensus.clip_consensus import Question
from qc.core.quality.gold import LEAST_PERSONS, Shown, drift, marks, score

POSTURE = Question("posture", "one", True, ("stand", "walk", "sit"), 1)
DOING = Question("doing", "many", False, ("wave", "carry"), 3)
GROUPS = [POSTURE, DOING]
WALKS = {"posture": "walk", "doing": ["wave"]}


def shown(answers=WALKS, *, person=1, second=2, left=None):
    left = 100.0 * person if left is None else left
    return Shown(second, f"P{person}", (left, 0.0, left + 50, 100.0), answers)


def of(known, said):
    """The sums of one person at one keyframe."""
    return score([shown(known)], [shown(said)], GROUPS)


def test_the_same_answers_are_all_right():
    found = marks([score([shown()], [shown()], GROUPS)])
    assert (found.answers.share.value, found.found.share.value) == (1.0, 1.0)
    assert found.counts == {"walk": (1, 0, 0), "wave": (1, 0, 0)}


@pytest.mark.parametrize(
    ("known", "said", "asked", "right", "actions"),
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
def test_an_answer_is_right_wrong_or_not_asked(known, said, asked, right, actions):
    group = "doing" if isinstance(known, list) else "posture"
    (sums,) = of({group: known}, {group: said})["people"]
    assert (sums["asked"], sums["right"], sums["actions"]) == (asked, right, actions)


def test_an_unset_answer_is_counted_as_left_out():
    assert of(WALKS, {"posture": "unset", "doing": ["wave"]})["unanswered"] == 1
    assert of(WALKS, {"posture": "sit", "doing": ["wave"]})["unanswered"] == 0


def test_a_person_not_drawn_is_missing_and_no_wrong_label():
    found = score([shown(), shown(person=2)], [shown()], GROUPS)
    assert marks([found]).found.share.value == 0.5
    assert marks([found]).answers.share.value == 1.0
    assert found["mistakes"] == []


def test_a_box_of_nobody_is_added():
    assert score([shown()], [shown(), shown(person=3)], GROUPS)["added"] == 1
    assert score([shown()], [shown(left=140.0)], GROUPS)["added"] == 1


def test_a_mistake_says_where_and_what():
    (wrong,) = of(WALKS, {"posture": "sit", "doing": ["wave"]})["mistakes"]
    assert wrong == [2, "P1", "posture", ["walk"], ["sit"]]


def test_an_action_is_measured_by_f1():
    known = [shown({"posture": "walk"}, person=n) for n in (1, 2, 3)]
    said = [shown({"posture": p}, person=n) for n, p in ((1, "walk"), (2, "sit"), (3, "walk"))]
    found = marks([score(known, said, GROUPS)])
    assert found.actions["walk"].share.value == pytest.approx(4 / 5)
    assert found.actions["sit"].share.value == 0.0


def people(count, *, right, keyframes=10):
    """So many persons, each wholly right or wholly wrong: the first `right` are right."""
    known, said = [], []
    for person in range(count):
        for second in range(keyframes):
            known.append(shown({"posture": "walk"}, person=person, second=second))
            answer = "walk" if person < right else "sit"
            said.append(shown({"posture": answer}, person=person, second=second))
    return score(known, said, GROUPS)


@pytest.mark.parametrize(
    ("right", "count", "standing"),
    [(40, 40, "above"), (20, 40, "under"), (5, 8, "unsure"), (0, LEAST_PERSONS - 1, "few")],
)
def test_an_annotator_stands_above_or_under_the_bar_with_certainty_or_not(
    right, count, standing
):
    assert marks([people(count, right=right)]).answers.standing == standing


def test_the_interval_comes_from_persons_and_not_from_keyframes():
    low, high = marks([people(40, right=20, keyframes=10)]).answers.interval
    expected = 2 * 1.96 * np.sqrt(0.25 / 40)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_few_persons_have_no_interval_and_nothing_no_share():
    assert marks([people(LEAST_PERSONS - 1, right=1)]).answers.interval is None
    assert marks([people(LEAST_PERSONS, right=1)]).answers.interval is not None
    assert marks([]).found.share.reason == "nobody is in the known answers"


def test_who_becomes_worse_is_seen_and_who_stays_is_not():
    good, bad = people(20, right=19), people(20, right=8)
    falls = drift([good, good, bad, bad])
    assert (falls.early, falls.late, falls.is_falling) == (0.95, 0.4, True)
    assert not drift([bad, bad, good, good]).is_falling
    assert not drift([good, good, good]).is_falling


def test_half_of_too_few_persons_says_nothing_of_drift():
    assert drift([people(20, right=20)]) is None
    assert drift([people(20, right=20), people(LEAST_PERSONS - 1, right=0)]) is None


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
def test_every_share_is_from_0_to_1_and_the_order_does_not_matter(known, said):
    found = score(known, said, GROUPS)
    assert found == score(known[::-1], said[::-1], GROUPS)
    for rate in (marks([found]).answers, marks([found]).found):
        assert rate.share.value is None or 0 <= rate.share.value <= 1
    for person in found["people"]:
        assert person["right"] <= person["asked"]
        assert person["found"] <= person["known"]


@settings(deadline=None)
@given(versions)
def test_who_says_what_is_known_makes_no_mistake(known):
    found = score(known, known, GROUPS)
    assert found["mistakes"] == []
    assert found["added"] == 0
    assert all(one["right"] == one["asked"] for one in found["people"])
    assert all(missed == wrong == 0 for _, missed, wrong in marks([found]).counts.values())
