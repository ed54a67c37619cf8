"""What is believed of one clip: which persons are there, and what they do.

The rules: a person is agreed if half or more of the clip's annotators drew it; fewer drop a
pre-annotated person, and leave a person that they drew themselves to a reviewer. A group is
decided by more than half of the votes, if half or more of the annotators voted; `unset` is no
vote, `unknown` is one, and makes no action when it wins. What is not decided stays open, and a
reviewer's decision beats all votes.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.core.labels import UNKNOWN, Answers
from qc.core.consensus.identity import DRAWN_IDS_PER_CLIP, Drawn, PersonAt
from qc.core.consensus.majority import fuse_boxes, majority, majority_set
from tracking.core.boxes import pairwise_iou

Status = Literal["agreed", "disputed", "dropped"]
Rule = Literal["unanimous", "majority", "weighed", "single", "adjudicated", "open"]
Vote = str | frozenset[str] | None
Place = tuple[int, int]  # second, person id


class Question(NamedTuple):
    """A group of actions, as far as votes on it are counted."""

    name: str
    choice: str  # "one" or "many"
    required: bool
    actions: tuple[str, ...]
    max_per_person: int


class Decision(NamedTuple):
    """What a reviewer said of one person at one keyframe."""

    is_person: bool | None  # None: not asked
    actions: Mapping[str, Sequence[str]]  # by group
    box: Sequence[float] | None = None  # None: that of the annotators


class SettledLabel(NamedTuple):
    """The answer to one group, and how it came about."""

    group: str
    actions: list[str]  # in the group's order; none if open
    votes: dict[str, Any]  # by annotator, sorted
    rule: Rule


class SettledBox(NamedTuple):
    """A person at a keyframe; labels only if it is agreed that it is one."""

    second: int
    person_id: int
    box: NDArray[np.float64]
    drawn_by: list[str]
    status: Status
    labels: list[SettledLabel]
    drawn: Mapping[str, list[float]] = MappingProxyType({})  # box of each who drew one
    is_box_decided: bool = False

    @property
    def least_iou(self) -> float | None:
        """The lowest IoU of two annotators' boxes; None if fewer than two drew one."""
        if len(self.drawn) < 2:
            return None
        boxes = np.array(list(self.drawn.values()))
        return float(pairwise_iou(boxes, boxes).min())


def settle(
    persons: Sequence[PersonAt],
    drawn: Drawn,
    answers: Sequence[Answers],
    *,
    annotators: Sequence[str],
    questions: Sequence[Question],
    proposals: Mapping[Place, Sequence[float]],
    decisions: Mapping[Place, Decision],
) -> list[SettledBox]:
    """Every person at every keyframe, ascending by second and id.

    Args:
        persons: Of `gather_persons`.
        drawn: The rows they are made of.
        answers: Of each row.
        annotators: Names, in the order of their numbers in `drawn`; all that have the clip.
        questions: The groups of the dataset.
        proposals: Boxes of the pre-annotation; those that nobody kept come back as dropped.
        decisions: By reviewers.
    """
    settled = []
    for person in persons:
        rows = list(person.rows)
        said = {annotators[drawn.annotators[row]]: answers[row] for row in rows}
        boxes = {annotators[drawn.annotators[row]]: drawn.boxes[row].tolist() for row in rows}
        settled.append(
            _settled(
                (person.second, person.person_id),
                fuse_boxes(drawn.boxes[rows]),
                said=dict(sorted(said.items())),
                drawn=dict(sorted(boxes.items())),
                annotators=len(annotators),
                is_proposed=person.person_id < DRAWN_IDS_PER_CLIP,
                questions=questions,
                decision=decisions.get((person.second, person.person_id)),
            )
        )
    seen = {(box.second, box.person_id) for box in settled}
    settled += [
        _settled(
            place,
            np.array(box, dtype=np.float64),
            said={},
            drawn={},
            annotators=len(annotators),
            is_proposed=True,
            questions=questions,
            decision=decisions.get(place),
        )
        for place, box in proposals.items()
        if place not in seen
    ]
    return sorted(settled, key=lambda box: (box.second, box.person_id))


def open_questions(boxes: Sequence[SettledBox]) -> int:
    """How many questions wait for a reviewer: disputed persons and open labels.

    >>> open_questions([])
    0
    """
    return sum(
        (box.status == "disputed") + sum(label.rule == "open" for label in box.labels)
        for box in boxes
    )


def settle_label(
    question: Question,
    said: Mapping[str, Answers],
    *,
    annotators: int,
    decided: Sequence[str] | None = None,
) -> SettledLabel | None:
    """One group of one person at one keyframe; None if nobody answered and nobody had to.

    Args:
        question: The group.
        said: Answers to all groups by annotator, of those who drew the person.
        annotators: How many have the clip.
        decided: A reviewer's answer.

    >>> posture = Question("posture", "one", True, ("walk", "sit"), 1)
    >>> said = {"ann": {"posture": "walk"}, "bob": {"posture": "sit"}}
    >>> settle_label(posture, said, annotators=2).rule
    'open'
    """
    votes = {who: answers.get(question.name) for who, answers in said.items()}
    if decided is not None:
        actions = [action for action in question.actions if action in decided]
        return SettledLabel(question.name, actions, votes, "adjudicated")
    cast = [
        vote
        for vote in (cast_vote(one, question) for one in votes.values())
        if vote is not None
    ]
    if not cast and not question.required:
        return None
    winner = winner_of(cast, question) if cast and 2 * len(cast) >= annotators else None
    if winner is None:
        return SettledLabel(question.name, [], votes, "open")
    rule: Rule = "majority"
    if len(cast) == 1:
        rule = "single"
    elif len(cast) == annotators and len(set(cast)) == 1:
        rule = "unanimous"
    return SettledLabel(question.name, actions_of(winner, question), votes, rule)


def _settled(
    place: Place,
    box: NDArray[np.float64],
    *,
    said: Mapping[str, Answers],
    drawn: Mapping[str, list[float]],
    annotators: int,
    is_proposed: bool,
    questions: Sequence[Question],
    decision: Decision | None,
) -> SettledBox:
    status = _status(len(said), annotators, is_proposed=is_proposed, decision=decision)
    labels: list[SettledLabel | None] = []
    if status == "agreed":
        decided = decision.actions if decision else {}
        labels = [
            settle_label(one, said, annotators=annotators, decided=decided.get(one.name))
            for one in questions
        ]
    kept = [label for label in labels if label is not None]
    decided_box = decision.box if decision else None
    if decided_box is not None:
        box = np.array(decided_box, dtype=np.float64)
    return SettledBox(*place, box, list(said), status, kept, drawn, decided_box is not None)


def _status(
    drawers: int, annotators: int, *, is_proposed: bool, decision: Decision | None
) -> Status:
    if decision is not None and decision.is_person is not None:
        return "agreed" if decision.is_person else "dropped"
    if drawers and 2 * drawers >= annotators:
        return "agreed"
    return "dropped" if is_proposed else "disputed"


def cast_vote(answer: Any, question: Question) -> Vote:
    """The answer as a vote; None if it is none, or none of the group's."""
    if question.choice == "many":
        return frozenset(answer).intersection(question.actions) if _is_set(answer) else None
    if _is_set(answer):
        answer = next(iter(answer)) if len(answer) == 1 else None
    return answer if answer in (UNKNOWN, *question.actions) else None


def _is_set(answer: Any) -> bool:
    return isinstance(answer, list | tuple | set | frozenset)


def winner_of(cast: Sequence[Any], question: Question) -> Vote:
    """What more than half of the votes say; None if that decides nothing."""
    needed = len(cast) // 2 + 1
    if question.choice == "one":
        return majority(cast, min_votes=needed)
    chosen = majority_set(cast, min_votes=needed)
    if chosen is not None and len(chosen) > question.max_per_person:
        return None
    return chosen


def actions_of(winner: Vote, question: Question) -> list[str]:
    chosen = {winner} if isinstance(winner, str) else winner or frozenset()
    return [action for action in question.actions if action in chosen]
