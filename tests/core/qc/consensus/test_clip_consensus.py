import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.consensus.clip_consensus import (
    ReviewerDecision,
    build_consensus,
    count_open,
    label_consensus,
    why_open,
)
from qc.core.consensus.identity import DrawnBoxes, identify_persons

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"), 1)
MOOD = ActionGroupSpec("mood", "one", False, ("glad", "sad"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry", "phone"), 2)
BOX = (100.0, 100, 150, 250)


def label(question, *answers, annotators=None, decided=None):
    said = {f"ann{i}": {question.name: answer} for i, answer in enumerate(answers)}
    return label_consensus(
        question, said, annotators=annotators or len(answers), decided=decided
    )


@pytest.mark.parametrize(
    ("answers", "annotators", "actions", "rule"),
    [
        pytest.param(["walk"] * 3, 3, ["walk"], "unanimous", id="all agree"),
        pytest.param(["walk", "walk", "sit"], 3, ["walk"], "majority", id="two of three"),
        pytest.param(["walk", "sit", "stand"], 3, [], "open", id="three answers"),
        pytest.param(["walk", "sit"], 2, [], "open", id="two who disagree"),
        pytest.param(
            ["walk", "walk", "unset"], 3, ["walk"], "majority", id="unset does not vote"
        ),
        pytest.param(["walk", "sit", "unset"], 3, [], "open", id="a tie"),
        pytest.param(["walk", "unset", "unset"], 3, [], "open", id="no quorum"),
        pytest.param(["walk", "unset"], 2, [], "open", id="one of two is no quorum"),
        pytest.param(["walk", "walk"], 3, ["walk"], "majority", id="one did not draw it"),
        pytest.param(["walk"], 1, ["walk"], "single", id="only one has the clip"),
        pytest.param(["unknown", "unknown", "walk"], 3, [], "majority", id="unknown wins"),
        pytest.param(["unknown", "walk"], 2, [], "open", id="unknown against an action"),
        pytest.param(["unset", "unset"], 2, [], "open", id="required, and nobody answered"),
        pytest.param(["walk", "walk", "sit", "stand"], 4, [], "open", id="half is no majority"),
        pytest.param(["jump", "jump"], 2, [], "open", id="no action of the group"),
        pytest.param([["walk"], "walk"], 2, ["walk"], "unanimous", id="a list of one"),
        pytest.param(
            [["walk", "sit"], "walk", "walk"], 3, ["walk"], "majority", id="two do not vote"
        ),
    ],
)
def test_a_choice_of_one(answers, annotators, actions, rule):
    found = label(POSTURE, *answers, annotators=annotators)
    assert (found.actions, found.rule) == (actions, rule)
    assert list(found.votes.values()) == answers


@pytest.mark.parametrize(
    ("answers", "annotators", "actions", "rule"),
    [
        pytest.param([["carry", "wave"]] * 2, 2, ["wave", "carry"], "unanimous", id="in order"),
        pytest.param([[], []], 2, [], "unanimous", id="nothing is an answer"),
        pytest.param(
            [["wave"], ["wave"], ["carry"]], 3, ["wave"], "majority", id="each action"
        ),
        pytest.param([["wave"], []], 2, [], "open", id="two who disagree"),
        pytest.param([["wave"]], 3, [], "open", id="no quorum"),
        pytest.param(
            [["wave"], ["wave"], "unset"], 3, ["wave"], "majority", id="silence is no vote"
        ),
        pytest.param([["wave"], "unset", "unset"], 3, [], "open", id="one of three"),
        pytest.param(["unknown"] * 2, 2, [], "unanimous", id="nobody can tell"),
        pytest.param(["unknown", ["wave"]], 2, [], "open", id="unknown against an action"),
        pytest.param(["unknown", "unknown", ["wave"]], 3, [], "majority", id="unknown wins"),
        pytest.param(
            ["unknown", ["wave"], ["wave"]], 3, ["wave"], "majority", id="two of three tell"
        ),
        pytest.param(
            ["unknown", [], ["wave"]], 3, [], "open", id="no majority for or against"
        ),
        pytest.param(
            [["wave", "carry"], ["carry", "phone"], ["wave", "phone"]], 3, [], "open",
            id="more than the group allows",
        ),
        pytest.param(
            [["wave", "jump"], ["wave"]], 2, ["wave"], "unanimous", id="no such action"
        ),
    ],
)  # fmt: skip
def test_a_choice_of_many(answers, annotators, actions, rule):
    found = label(DOING, *answers, annotators=annotators)
    assert (found.actions, found.rule) == (actions, rule)


def test_a_group_that_nobody_had_to_answer_has_no_label():
    assert label(MOOD, "unset", "unset") is None
    assert label(DOING, "unset", "unset") is None
    assert label(DOING, [], "unset").rule == "open"
    assert label(MOOD, "glad", "unset", "unset").rule == "open"


def test_a_decision_beats_the_votes():
    found = label(POSTURE, "walk", "walk", decided=["sit"])
    assert (found.actions, found.rule) == (["sit"], "adjudicated")
    assert label(POSTURE, "walk", "walk", decided=["unknown"]).actions == []
    assert found.votes == {"ann0": "walk", "ann1": "walk"}


@pytest.mark.parametrize(
    ("group", "answers", "reason"),
    [
        (POSTURE, ["walk", "sit"], "A tie: walk 1, sit 1."),
        (POSTURE, ["walk", "walk", "sit", "stand"], "No answer has more than half: walk 2,"),
        (POSTURE, ["walk", "unset", "unset"], "1 of 3 annotators answered"),
        (DOING, [["wave"], []], "Half of the annotators chose wave, half did not."),
    ],
)
def test_an_open_question_says_why(group, answers, reason):
    votes = {f"ann{place}": answer for place, answer in enumerate(answers)}
    assert why_open(votes, group, annotators=len(answers)).startswith(reason)


def consensus_of(who, *, person=7, annotators=3, proposals=None, decisions=None):
    count = len(who)
    rows = DrawnBoxes(
        np.full(count, 2), np.array(who, dtype=np.int64), np.zeros(count, dtype=np.int64),
        np.full(count, person), np.tile(np.array(BOX), (count, 1)).reshape(-1, 4),
    )  # fmt: skip
    return build_consensus(
        identify_persons(rows),
        rows,
        [{"posture": "walk", "doing": []} for _ in who],
        annotators=["ann", "bob", "eve", "joe"][:annotators],
        groups=[POSTURE, DOING],
        proposals=proposals or {},
        decisions=decisions or {},
    )


@pytest.mark.parametrize(
    ("who", "annotators", "person", "status"),
    [
        pytest.param([0, 1, 2], 3, 7, "agreed", id="all kept it"),
        pytest.param([0, 2], 3, 7, "agreed", id="two of three kept it"),
        pytest.param([1], 3, 7, "dropped", id="most removed it"),
        pytest.param([1], 2, 7, "disputed", id="one of two kept it"),
        pytest.param([1], 4, 7, "dropped", id="one of four kept it"),
        pytest.param([0, 1], 3, 0, "agreed", id="two of three drew it"),
        pytest.param([1], 3, 0, "disputed", id="one of three drew it"),
        pytest.param([0], 1, 0, "agreed", id="only one has the clip"),
        pytest.param([0, 1], 4, 0, "disputed", id="two of four drew it"),
    ],
)
def test_who_is_a_person(who, annotators, person, status):
    [box] = consensus_of(who, person=person, annotators=annotators)
    assert box.status == status
    assert box.drawn_by == [["ann", "bob", "eve", "joe"][one] for one in who]
    assert bool(box.labels) == (status == "agreed")
    assert count_open([box]) >= (status == "disputed")


def test_a_proposal_that_nobody_kept_is_dropped_and_not_lost():
    proposals = {(2, 7): BOX, (2, 8): (1, 2, 30, 40), (3, 7): BOX}
    boxes = consensus_of([0, 1, 2], proposals=proposals)
    assert [(box.second, box.person_id, box.status) for box in boxes] == [
        (2, 7, "agreed"), (2, 8, "dropped"), (3, 7, "dropped"),
    ]  # fmt: skip
    assert boxes[1].box.tolist() == [1, 2, 30, 40]
    assert boxes[1].drawn_by == []


def test_a_reviewer_says_who_is_a_person():
    no = {(2, 7): ReviewerDecision(is_person=False, actions={})}
    assert consensus_of([0, 1, 2], decisions=no)[0].status == "dropped"
    yes = {(2, -1): ReviewerDecision(is_person=True, actions={})}
    [box] = consensus_of([1], person=0, decisions=yes)
    assert (box.status, [one.rule for one in box.labels]) == ("agreed", ["open", "open"])
    both = {
        (2, -1): ReviewerDecision(is_person=True, actions={"posture": ["sit"], "doing": []})
    }
    [box] = consensus_of([1], person=0, decisions=both)
    assert count_open([box]) == 0


def test_open_questions_are_disputed_persons_and_open_labels():
    assert count_open(consensus_of([1], person=0)) == 1
    assert count_open(consensus_of([0, 1, 2])) == 0
