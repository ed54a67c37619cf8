"""How right a consensus is where the truth is known: majority, Dawid and Skene, reviewers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from annotation.core.labels import UNKNOWN
from qc.core.estimates import FEWEST, SURE, believed
from qc.core.settlement import Question, Vote, actions_of, cast_vote, winner_of


class Unit(NamedTuple):
    """What was said of one group of one person at one keyframe, and what is true.

    Attributes:
        question: The group.
        votes: Answers by annotator; those that are no vote do not count.
        truth: The actions that are done, or `unknown` of a group of one choice.
        settled: The actions of the consensus; None where it is open.
    """

    question: Question
    votes: Mapping[str, Any]
    truth: Sequence[str]
    settled: Sequence[str] | None = None


class Accuracy(NamedTuple):
    """How one way to decide does: of `units`, so many `right` and so many left `open`."""

    way: str
    units: int
    right: int
    open: int

    @property
    def share(self) -> float | None:
        """Right ones among all units; None without units."""
        return self.right / self.units if self.units else None

    @property
    def where_decided(self) -> float | None:
        """Right ones among those decided; None if nothing was."""
        decided = self.units - self.open
        return self.right / decided if decided else None


MAJORITY = "majority"
OF_THREE = f"majority, {FEWEST} votes or more"
LIKELIEST = f"Dawid-Skene, {FEWEST} votes or more"
CERTAIN = f"Dawid-Skene from {SURE:.0%} on, {FEWEST} votes or more"
SETTLED = "consensus with the reviewers' decisions"


def accuracies(
    units: Iterable[Unit], rates: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Accuracy]:
    """Every way to decide, on the units that it can be asked about.

    Args:
        units: Those without a vote are left out.
        rates: Of each group, the `estimates` of `qc.core.estimates.estimated`.
    """
    counts = {way: [0, 0, 0] for way in (MAJORITY, OF_THREE, LIKELIEST, CERTAIN, SETTLED)}
    for unit in units:
        votes = {who: cast_vote(said, unit.question) for who, said in unit.votes.items()}
        cast = {who: vote for who, vote in votes.items() if vote is not None}
        if not cast:
            continue
        true = _truth(unit)
        voted = winner_of(list(cast.values()), unit.question)
        _count(counts[MAJORITY], voted, true)
        settled = None if unit.settled is None else _meant(unit.settled, unit.question)
        _count(counts[SETTLED], settled, true)
        belief = believed(rates.get(unit.question.name, ()), cast)
        if belief is not None:
            _count(counts[OF_THREE], voted, true)
            _count(counts[LIKELIEST], belief.answer, true)
            _count(counts[CERTAIN], belief.answer if belief.probability >= SURE else None, true)
    return [Accuracy(way, *found) for way, found in counts.items()]


def _truth(unit: Unit) -> Vote:
    done = [one for one in unit.truth if one != UNKNOWN]
    return _meant(done, unit.question)


def _meant(actions: Sequence[str], question: Question) -> Vote:
    """Actions as a vote: of one choice, none of them is `unknown`."""
    kept = actions_of(frozenset(actions), question)
    if question.choice == "many":
        return frozenset(kept)
    return kept[0] if kept else UNKNOWN


def _count(counts: list[int], answer: Vote, truth: Vote) -> None:
    counts[0] += 1
    counts[1] += answer is not None and answer == truth
    counts[2] += answer is None
