"""Accuracy of consensus methods against ground truth: majority, Dawid-Skene, reviewers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from qc.core.consensus.clip_consensus import Vote, as_vote, chosen_actions, majority_vote
from qc.core.consensus.skill_weighting import (
    MIN_ANNOTATORS,
    MIN_PROBABILITY,
    FittedRates,
    posterior_label,
)


class TrueUnit(NamedTuple):
    """The answers and the ground truth of one action group of one person at one keyframe.

    Attributes:
        group: The action group.
        votes: Answers by annotator; unset answers are no votes.
        truth: The true actions, or `unknown` in a group of one choice.
        consensus: The actions of the consensus; None if it is open.
        person: A number for the person, the same at all its keyframes.
    """

    group: ActionGroupSpec
    votes: Mapping[str, Any]
    truth: Sequence[str]
    consensus: Sequence[str] | None = None
    person: int = 0


class MethodAccuracy(NamedTuple):
    """Of `units`, a method decided `correct` correctly and left `open` undecided.

    Methods leave different units open, the hard ones first. They can be compared on those that
    all methods for the same units decided: `shared`, of which `shared_correct` are correct.
    """

    method: str
    units: int
    correct: int
    open: int
    shared: int
    shared_correct: int

    @property
    def accuracy(self) -> float | None:
        """Correct units among all; None without units."""
        return self.correct / self.units if self.units else None

    @property
    def accuracy_decided(self) -> float | None:
        """Correct units among the decided ones; None if there are none."""
        decided = self.units - self.open
        return self.correct / decided if decided else None

    @property
    def accuracy_shared(self) -> float | None:
        """Correct units among those that all methods decided; None if there are none."""
        return self.shared_correct / self.shared if self.shared else None


MAJORITY = "majority"
MAJORITY_OF_3 = f"majority, {MIN_ANNOTATORS} votes or more"
DAWID_SKENE = f"Dawid-Skene, {MIN_ANNOTATORS} votes or more"
DAWID_SKENE_CONFIDENT = f"Dawid-Skene at {MIN_PROBABILITY:.0%}, {MIN_ANNOTATORS} votes or more"
REVIEWED = "consensus with the decisions of reviewers"
METHODS = (MAJORITY, MAJORITY_OF_3, DAWID_SKENE, DAWID_SKENE_CONFIDENT, REVIEWED)


def accuracies(
    units: Iterable[TrueUnit], rates: Mapping[str, Sequence[FittedRates]]
) -> list[MethodAccuracy]:
    """The accuracy of every method on the units it applies to.

    Args:
        units: Those without a vote are ignored.
        rates: Of each group, the fitted error rates.
    """
    counts = {method: [0] * 5 for method in METHODS}
    for unit in units:
        votes = {name: as_vote(answer, unit.group) for name, answer in unit.votes.items()}
        cast = {name: vote for name, vote in votes.items() if vote is not None}
        if not cast:
            continue
        true = _truth(unit)
        voted = majority_vote(list(cast.values()), unit.group)
        consensus = None if unit.consensus is None else _as_vote(unit.consensus, unit.group)
        answers: dict[str, Vote] = {MAJORITY: voted, REVIEWED: consensus}
        _count(counts, answers, true)
        likeliest = posterior_label(rates.get(unit.group.name, ()), cast)
        if likeliest is not None:
            is_sure = likeliest.probability >= MIN_PROBABILITY
            answers = {
                MAJORITY_OF_3: voted,
                DAWID_SKENE: likeliest.answer,
                DAWID_SKENE_CONFIDENT: likeliest.answer if is_sure else None,
            }
            _count(counts, answers, true)
    return [MethodAccuracy(method, *found) for method, found in counts.items()]


def _truth(unit: TrueUnit) -> Vote:
    done = [one for one in unit.truth if one != UNKNOWN]
    return _as_vote(done, unit.group)


def _as_vote(actions: Sequence[str], group: ActionGroupSpec) -> Vote:
    """Actions as a vote: for one choice, no action is `unknown`."""
    kept = chosen_actions(frozenset(actions), group)
    if group.choice == "many":
        return frozenset(kept)
    return kept[0] if kept else UNKNOWN


def _count(counts: dict[str, list[int]], answers: Mapping[str, Vote], truth: Vote) -> None:
    """Count one unit for the methods that answer it."""
    is_shared = all(answer is not None for answer in answers.values())
    for method, answer in answers.items():
        is_correct = answer is not None and answer == truth
        found = (1, is_correct, answer is None, is_shared, is_shared and is_correct)
        counts[method] = [a + b for a, b in zip(counts[method], found, strict=True)]
