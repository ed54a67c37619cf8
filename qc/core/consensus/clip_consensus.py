"""The consensus of one clip: which persons are there, and which actions they do.

The rules: a quorum is more than half of the annotators who answered the clip. A person that a
quorum drew is agreed; a pre-annotated person that a quorum did not keep is dropped; every other
person is a question. A group is decided by more than half of the votes, if a quorum voted;
`unset` is no vote, `unknown` is one, and makes no action when it wins. What is not decided
stays open, and a reviewer's decision overrides the votes.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec, Answers
from datasets.core.translation import gettext as _
from qc.core.consensus.answer_votes import fuse_boxes, majority, majority_set
from qc.core.consensus.identity import DrawnBoxes, MatchedPerson
from qc.core.consensus.person_quorum import Status, is_quorum, person_status
from tracking.core.boxes import pairwise_iou

MIN_BOX_IOU = 0.75  # boxes that overlap less are shown to a reviewer

DecisionRule = Literal["unanimous", "majority", "weighted", "single", "adjudicated", "open"]
Vote = str | frozenset[str] | None
PersonKey = tuple[int, int]  # second, person id


class ReviewerDecision(NamedTuple):
    """What a reviewer answered of one person at one keyframe."""

    is_person: bool | None  # None: not asked
    actions: Mapping[str, Sequence[str]]  # by group
    box: Sequence[float] | None = None  # None: that of the annotators


class LabelConsensus(NamedTuple):
    """The answer to one group, and how it came about."""

    group: str
    actions: list[str]  # in the group's order; none if open
    votes: dict[str, Any]  # by annotator, sorted
    rule: DecisionRule


class BoxConsensus(NamedTuple):
    """A person at a keyframe; labels only if it is agreed that it is one."""

    second: int
    person_id: int
    box: NDArray[np.float64]
    drawn_by: list[str]
    status: Status
    labels: list[LabelConsensus]
    drawn: Mapping[str, list[float]] = MappingProxyType({})  # box of each who drew one
    is_box_decided: bool = False

    @property
    def min_iou(self) -> float | None:
        """The lowest IoU of two annotators' boxes; None if fewer than two drew one."""
        if len(self.drawn) < 2:
            return None
        boxes = np.array(list(self.drawn.values()))
        return float(pairwise_iou(boxes, boxes).min())


def build_consensus(
    persons: Sequence[MatchedPerson],
    drawn: DrawnBoxes,
    answers: Sequence[Answers],
    *,
    annotators: Sequence[str],
    groups: Sequence[ActionGroupSpec],
    proposals: Mapping[PersonKey, Sequence[float]],
    decisions: Mapping[PersonKey, ReviewerDecision],
    drawn_ids: Collection[int] = (),
) -> list[BoxConsensus]:
    """Every person at every keyframe, ascending by second and id.

    Args:
        persons: Of `identify_persons`.
        drawn: The rows they are made of.
        answers: Of each row.
        annotators: Names, in the order of their numbers in `drawn`; all that have the clip.
        groups: The groups of the dataset.
        proposals: Boxes of the pre-annotation; those that nobody kept come back as dropped.
        decisions: By reviewers.
        drawn_ids: Of the persons that annotators drew.
    """
    found = []
    for person in persons:
        rows = list(person.rows)
        answered = {annotators[drawn.annotators[row]]: answers[row] for row in rows}
        boxes = {annotators[drawn.annotators[row]]: drawn.boxes[row].tolist() for row in rows}
        found.append(
            _box_consensus(
                (person.second, person.person_id),
                fuse_boxes(drawn.boxes[rows]),
                answered=dict(sorted(answered.items())),
                drawn=dict(sorted(boxes.items())),
                annotators=len(annotators),
                is_proposed=person.person_id not in drawn_ids and not person.is_drawn,
                groups=groups,
                decision=decisions.get((person.second, person.person_id)),
            )
        )
    seen = {(box.second, box.person_id) for box in found}
    found += [
        _box_consensus(
            key,
            np.array(box, dtype=np.float64),
            answered={},
            drawn={},
            annotators=len(annotators),
            is_proposed=True,
            groups=groups,
            decision=decisions.get(key),
        )
        for key, box in proposals.items()
        if key not in seen
    ]
    return sorted(found, key=lambda box: (box.second, box.person_id))


def count_open(boxes: Sequence[BoxConsensus]) -> int:
    """How many items wait for a reviewer: disputed persons and open labels.

    >>> count_open([])
    0
    """
    return sum(
        (box.status == "disputed") + sum(label.rule == "open" for label in box.labels)
        for box in boxes
    )


def count_differing(boxes: Sequence[BoxConsensus]) -> int:
    """How many boxes differ between annotators and wait for a reviewer.

    >>> count_differing([])
    0
    """
    return sum(
        box.status == "agreed"
        and not box.is_box_decided
        and box.min_iou is not None
        and box.min_iou < MIN_BOX_IOU
        for box in boxes
    )


def count_single(boxes: Sequence[BoxConsensus]) -> int:
    """How many labels rest on one vote.

    >>> count_single([])
    0
    """
    return sum(label.rule == "single" for box in boxes for label in box.labels)


def label_consensus(
    group: ActionGroupSpec,
    answered: Mapping[str, Answers],
    *,
    annotators: int,
    decided: Sequence[str] | None = None,
) -> LabelConsensus | None:
    """One group of one person at one keyframe; None if nobody answered and nobody had to.

    Args:
        group: The group.
        answered: Answers to all groups by annotator, of those who drew the person.
        annotators: How many have the clip.
        decided: A reviewer's answer.

    >>> posture = ActionGroupSpec("posture", "one", True, ("walk", "sit"), 1)
    >>> answered = {"ann": {"posture": "walk"}, "bob": {"posture": "sit"}}
    >>> label_consensus(posture, answered, annotators=2).rule
    'open'
    """
    votes = {who: answers.get(group.name) for who, answers in answered.items()}
    if decided is not None:
        actions = [action for action in group.actions if action in decided]
        return LabelConsensus(group.name, actions, votes, "adjudicated")
    cast = [
        vote for vote in (as_vote(one, group) for one in votes.values()) if vote is not None
    ]
    if not cast and not group.required:
        return None
    winner = majority_vote(cast, group) if is_quorum(len(cast), annotators) else None
    if winner is None:
        return LabelConsensus(group.name, [], votes, "open")
    rule: DecisionRule = "majority"
    if len(cast) == 1:
        rule = "single"
    elif len(cast) == annotators and len(set(cast)) == 1:
        rule = "unanimous"
    return LabelConsensus(group.name, chosen_actions(winner, group), votes, rule)


def why_open(votes: Mapping[str, Any], group: ActionGroupSpec, *, annotators: int) -> str:
    """Why votes on a group leave it open.

    >>> posture = ActionGroupSpec("posture", "one", True, ("walk", "sit"), 1)
    >>> why_open({"ann": "walk", "bob": "sit"}, posture, annotators=2)
    'A tie: walk 1, sit 1.'
    >>> why_open({"ann": "walk", "bob": "unset"}, posture, annotators=2)
    '1 of 2 annotators answered; more than half must.'
    """
    cast = [vote for one in votes.values() if (vote := as_vote(one, group)) is not None]
    if not is_quorum(len(cast), annotators):
        return _("%(count)s of %(annotators)s annotators answered; more than half must.") % {
            "count": len(cast),
            "annotators": annotators,
        }
    if majority_vote(cast, group) is not None:
        return _("Weighed by error rates, the likeliest answer is not probable enough.")
    if group.choice == "one" or UNKNOWN in cast:
        return _why_no_majority(Counter(_vote_text(vote) for vote in cast))
    named = Counter(action for vote in cast if not isinstance(vote, str) for action in vote)
    halves = [action for action in group.actions if 2 * named[action] == len(cast)]
    if halves:
        return _("Half of the annotators chose %(halves)s, half did not.") % {
            "halves": ", ".join(halves)
        }
    chosen = [action for action in group.actions if 2 * named[action] > len(cast)]
    return _(
        "%(count)s actions have a majority (%(chosen)s), but at most "
        "%(max_per_person)s can be chosen."
    ) % {
        "count": len(chosen),
        "chosen": ", ".join(chosen),
        "max_per_person": group.max_per_person,
    }


def _why_no_majority(counts: Counter[str]) -> str:
    ranking = counts.most_common()
    said = ", ".join(f"{answer} {count}" for answer, count in ranking)
    is_tie = len(ranking) > 1 and ranking[0][1] == ranking[1][1]
    return (
        _("A tie: %(said)s.") % {"said": said}
        if is_tie
        else _("No answer has more than half: %(said)s.") % {"said": said}
    )


def _vote_text(vote: Vote) -> str:
    if isinstance(vote, str):
        return vote
    return " and ".join(sorted(vote or ())) or "none"


def _box_consensus(
    key: PersonKey,
    box: NDArray[np.float64],
    *,
    answered: Mapping[str, Answers],
    drawn: Mapping[str, list[float]],
    annotators: int,
    is_proposed: bool,
    groups: Sequence[ActionGroupSpec],
    decision: ReviewerDecision | None,
) -> BoxConsensus:
    status = person_status(
        len(answered),
        annotators,
        is_proposed=is_proposed,
        decided=decision.is_person if decision else None,
    )
    labels: list[LabelConsensus | None] = []
    if status == "agreed":
        decided = decision.actions if decision else {}
        labels = [
            label_consensus(one, answered, annotators=annotators, decided=decided.get(one.name))
            for one in groups
        ]
    kept = [label for label in labels if label is not None]
    decided_box = decision.box if decision else None
    if decided_box is not None:
        box = np.array(decided_box, dtype=np.float64)
    return BoxConsensus(*key, box, list(answered), status, kept, drawn, decided_box is not None)


def as_vote(answer: Any, group: ActionGroupSpec) -> Vote:
    """The answer as a vote; None if it is none, or none of the group's."""
    if group.choice == "many" and _is_set(answer):
        return frozenset(answer).intersection(group.actions)
    if group.choice == "many":
        return UNKNOWN if answer == UNKNOWN else None
    if _is_set(answer):
        answer = next(iter(answer)) if len(answer) == 1 else None
    return answer if answer in (UNKNOWN, *group.actions) else None


def _is_set(answer: Any) -> bool:
    return isinstance(answer, list | tuple | set | frozenset)


def majority_vote(cast: Sequence[Any], group: ActionGroupSpec) -> Vote:
    """What more than half of the votes say; None if that decides nothing."""
    needed = len(cast) // 2 + 1
    if group.choice == "one":
        return majority(cast, min_votes=needed)
    if sum(vote == UNKNOWN for vote in cast) >= needed:
        return UNKNOWN
    chosen = majority_set([vote for vote in cast if vote != UNKNOWN], min_votes=needed)
    if chosen is not None and len(chosen) > group.max_per_person:
        return None
    return chosen


def chosen_actions(winner: Vote, group: ActionGroupSpec) -> list[str]:
    chosen = {winner} if isinstance(winner, str) else winner or frozenset()
    return [action for action in group.actions if action in chosen]
