import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.consensus import dawid_skene, fuse_boxes, majority, majority_set

# Dawid & Skene 1979, table 1: 45 patients; the first anaesthetist saw each form three times.
PATIENTS = """
1111111 3334343 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343
1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222
1111111 1111111 2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343
2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222
"""


def anaesthetists():
    for patient, row in enumerate(PATIENTS.split(), start=1):
        for place, grade in enumerate(row):
            yield patient, max(1, place - 1), int(grade)


@pytest.mark.parametrize(
    ("votes", "min_votes", "answer"),
    [
        pytest.param(["walk", "walk", "sit"], 2, "walk", id="two of three, as in AVA"),
        pytest.param(["walk", "sit", "stand"], 2, None, id="three answers"),
        pytest.param(["walk", "sit"], 1, None, id="a tie"),
        pytest.param(["walk", "walk", "sit", "sit", "stand"], 2, None, id="a tie of the best"),
        pytest.param(["walk"], 2, None, id="no quorum"),
        pytest.param(["walk"], 1, "walk", id="one vote where one is enough"),
        pytest.param([], 1, None, id="no votes"),
        pytest.param([None, "unset", float("nan")], 1, None, id="nobody answered"),
        pytest.param(
            [np.float32("nan"), "walk"], 1, "walk", id="a number of numpy's is missing"
        ),
        pytest.param(["unset", "unset", "walk"], 1, "walk", id="unset does not vote"),
        pytest.param(["unknown", "unknown", "walk"], 2, "unknown", id="unknown does"),
        pytest.param(
            ["walk", "walk", "sit", "stand"], 2, "walk", id="most votes, enough of them"
        ),
    ],
)
def test_majority(votes, min_votes, answer):
    assert majority(votes, min_votes=min_votes) == answer
    assert majority(votes[::-1], min_votes=min_votes) == answer


@pytest.mark.parametrize(
    ("votes", "min_votes", "actions"),
    [
        pytest.param([{"a", "b"}, {"a"}, {"a", "c"}], 2, {"a"}, id="each action on its own"),
        pytest.param([{"a"}, {"b"}, {"c"}], 2, set(), id="nothing is believed by two"),
        pytest.param([set(), set(), {"a"}], 2, set(), id="nothing is an answer"),
        pytest.param([{"a"}, set()], 1, None, id="two who disagree"),
        pytest.param([{"a"}, {"a", "b"}], 2, None, id="two who disagree on one action"),
        pytest.param([{"a", "b"}, {"b", "a"}], 2, {"a", "b"}, id="two who agree"),
        pytest.param([{"a"}], 2, None, id="no quorum"),
        pytest.param([], 1, None, id="no votes"),
        pytest.param([None, {"a"}, {"a"}], 2, {"a"}, id="an absent annotator does not vote"),
        pytest.param([["a"], ("a",)], 2, {"a"}, id="lists are sets"),
    ],
)
def test_majority_of_sets(votes, min_votes, actions):
    assert majority_set(votes, min_votes=min_votes) == actions
    assert majority_set(votes[::-1], min_votes=min_votes) == actions


def test_a_word_is_not_a_set_of_its_letters():
    with pytest.raises(ValueError, match="'walk' is not a set"):
        majority_set(["walk", {"a"}], min_votes=1)


@settings(deadline=None)
@given(st.lists(st.frozensets(st.sampled_from("abcd"))), st.integers(1, 5))
def test_a_majority_of_sets_is_that_of_each_action(votes, min_votes):
    together = majority_set(votes, min_votes=min_votes)
    for action in "abcd":
        yes = sum(action in vote for vote in votes)
        if together is not None:
            assert (action in together) == (2 * yes > len(votes))
            assert 2 * yes != len(votes)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["walk", "sit", "unset", None])), st.integers(1, 4))
def test_missing_votes_change_nothing(votes, min_votes):
    cast = [vote for vote in votes if vote in ("walk", "sit")]
    assert majority(votes, min_votes=min_votes) == majority(cast, min_votes=min_votes)


@pytest.mark.parametrize(
    ("boxes", "fused"),
    [
        pytest.param([[0, 0, 10, 10]], [0, 0, 10, 10], id="one"),
        pytest.param([[0, 0, 10, 10], [2, 4, 12, 10]], [1, 2, 11, 10], id="the mean of two"),
        pytest.param(
            [[0, 0, 10, 10], [1, 0, 11, 10], [90, 3, 99, 9]],
            [1, 0, 11, 10],
            id="median of three",
        ),
    ],
)
def test_fused_boxes(boxes, fused):
    assert fuse_boxes(boxes).tolist() == fused


def test_no_box_cannot_be_fused():
    with pytest.raises(ValueError, match="no box"):
        fuse_boxes([])


corner = st.floats(0, 100)
side = st.floats(0.1, 50)
box = st.tuples(corner, corner, side, side).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@settings(deadline=None)
@given(st.lists(box, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_fused_box_has_an_area_and_no_order(boxes, random):
    fused = fuse_boxes(boxes)
    assert fused[2] > fused[0]
    assert fused[3] > fused[1]
    random.shuffle(boxes)
    assert fuse_boxes(boxes).tolist() == fused.tolist()


def test_dawid_and_skenes_own_table():
    found = dawid_skene(anaesthetists())
    assert found.classes == (1, 2, 3, 4)
    assert found.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]  # table 2
    # Table 2, observer 1: error rates of patients truly of class 1, and of class 2.
    assert found.confusion[1][0].round(2).tolist() == [0.89, 0.11, 0.0, 0.0]
    assert found.confusion[1][1].round(2).tolist() == [0.07, 0.88, 0.05, 0.0]
    # Table 4: the patients on whom the observers were least at one
    assert [found.labels[patient] for patient in (3, 4, 10, 36, 38)] == [2, 2, 2, 4, 3]


def test_a_bad_annotator_is_outvoted_by_one_who_is_always_right():
    random = np.random.default_rng(4)
    truth = random.integers(0, 3, 300)
    said = [(item, "good", int(true)) for item, true in enumerate(truth)]
    for name in ("bad", "worse"):
        noise = np.where(random.random(300) < 0.45, random.integers(0, 3, 300), truth)
        said += [(item, name, int(label)) for item, label in enumerate(noise)]
    found = dawid_skene(said)
    voted = [majority([s[2] for s in said if s[0] == item], min_votes=2) for item in range(300)]
    right = np.mean([found.labels[item] == true for item, true in enumerate(truth)])
    assert right > 0.95
    assert right > np.mean([vote == true for vote, true in zip(voted, truth, strict=True)])
    assert np.trace(found.confusion["good"]) > np.trace(found.confusion["bad"])


def test_names_and_order_of_items_and_annotators_do_not_matter():
    said = list(anaesthetists())
    found, turned = dawid_skene(said), dawid_skene([(f"p{i}", w, c) for i, w, c in said[::-1]])
    assert {f"p{item}": label for item, label in found.labels.items()} == turned.labels
    assert turned.confusion[3] == pytest.approx(found.confusion[3], abs=1e-6)


def test_classes_that_nobody_used_have_no_share():
    found = dawid_skene([(1, "ann", "b"), (1, "bob", "b")], classes=["a", "b"])
    assert (found.labels, found.prior.tolist()) == ({1: "b"}, [0.0, 1.0])


def test_missing_labels_are_left_out():
    found = dawid_skene([(1, "ann", "a"), (1, "bob", "unset"), (2, "bob", None)])
    assert (found.labels, list(found.confusion)) == ({1: "a"}, ["ann"])


def test_nothing_labelled_is_nothing_found():
    found = dawid_skene([])
    assert (found.labels, found.confusion, found.prior.tolist()) == ({}, {}, [])


def test_a_class_out_of_the_list_is_refused():
    with pytest.raises(ValueError, match="'b' is not one of the classes"):
        dawid_skene([(1, "ann", "b")], classes=["a"])


said = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("xyz"), st.sampled_from("abc")), max_size=30
)


@settings(deadline=None)
@given(said)
def test_probabilities_sum_to_one(labels):
    found = dawid_skene(labels)
    for posterior in found.posterior.values():
        assert posterior.sum() == pytest.approx(1)
    for confusion in found.confusion.values():
        sums = confusion.sum(axis=1)
        assert np.all(np.isclose(sums, 1) | (sums == 0))
    assert found.labels.keys() == {item for item, _, _ in labels}
