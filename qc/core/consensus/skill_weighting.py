"""Skill-weighted votes: Dawid-Skene error rates, fitted and applied to each action group.

A choice of one is fitted with the group's actions and `unknown` as classes. For a choice of
many each action is fitted apart, chosen or not. The error rates come from all clips of a
dataset; a consensus keeps those it was built with, and can be built again from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from qc.core.consensus.clip_consensus import (
    BoxConsensus,
    LabelConsensus,
    as_vote,
    chosen_actions,
    majority_vote,
)
from qc.core.consensus.dawid_skene import ErrorRates, fit_error_rates
from qc.core.json_record import JsonRecord

MIN_ANNOTATORS = 3  # of two, nobody can tell who is wrong
MIN_PROBABILITY = 0.9  # that decides
DIGITS = 6
NO, YES = "no", "yes"

Value = str | frozenset[str]
Blocks = Sequence[
    tuple[Sequence[str], NDArray[np.int64]]
]  # annotators, codes (annotators, units)


class PosteriorLabel(NamedTuple):
    """The likeliest answer to a group, and its probability."""

    answer: Value
    probability: float  # for a choice of many, that of its least certain action


@dataclass(frozen=True)
class FittedRates(JsonRecord):
    """Fitted error rates of a group, or of one action of a choice of many.

    Attributes:
        action: "" for a choice of one.
        classes: In the order of `prior` and of the rows and columns of `confusion`.
        prior: The share of each class.
        confusion: Of each annotator: row the truth, column the answer.
        answers: How many judgements of each annotator they rest on.
        n_iter: Rounds of the fit.
        is_converged: Whether it ended before the most rounds allowed.
    """

    action: str
    classes: list[str]
    prior: list[float]
    confusion: dict[str, list[list[float]]]
    answers: dict[str, int]
    n_iter: int = 0
    is_converged: bool = True

    @cached_property
    def rates(self) -> ErrorRates:
        confusion = {who: np.array(rows) for who, rows in self.confusion.items()}
        return ErrorRates(np.array(self.prior), confusion)

    @cached_property
    def _known(self) -> dict[tuple[tuple[str, int], ...], tuple[str, float]]:
        """The likeliest class of votes that were asked for already."""
        return {}

    def likeliest(self, votes: Mapping[str, Value]) -> tuple[str, float] | None:
        """The likeliest class and its probability; None with too few known annotators."""
        labels = {who: _class(vote, self.action) for who, vote in votes.items()}
        cast = tuple(
            (who, self.classes.index(label)) for who, label in labels.items()
            if who in self.confusion and label in self.classes
        )  # fmt: skip
        if len(cast) < MIN_ANNOTATORS:
            return None
        if cast not in self._known:
            posterior = self.rates.posterior(dict(cast))
            best = int(posterior.argmax())
            self._known[cast] = self.classes[best], float(posterior[best])
        return self._known[cast]


@dataclass(frozen=True)
class MajorityComparison(JsonRecord):
    """Units that three or more answered: Dawid-Skene against the majority.

    Attributes:
        units: All of them.
        same: Both decide on the same answer.
        different: They decide on different ones.
        decided: Open for the majority, decided by the error rates.
        open: Open for both.
    """

    units: int = 0
    same: int = 0
    different: int = 0
    decided: int = 0
    open: int = 0


@dataclass(frozen=True)
class GroupErrorRates(JsonRecord):
    """The fitted rates of one group (one, or one for each action), and what they change."""

    fits: list[FittedRates] = field(default_factory=list)
    vs_majority: MajorityComparison = field(default_factory=MajorityComparison)


def fit(
    blocks: Blocks,
    values: Sequence[Value],
    group: ActionGroupSpec,
    *,
    judgements: Blocks | None = None,
) -> GroupErrorRates:
    """Fit the error rates of one group.

    Args:
        blocks: Annotators, and their answers as codes `(annotators, units)`.
        values: What the codes mean.
        group: The group.
        judgements: What is fitted: the blocks by `segments`, in which a label that is held over
            keyframes counts once. Without them every unit is a judgement.
    """
    fitted = blocks if judgements is None else judgements
    if group.choice == "one":
        fits = [_fit(fitted, values, "", (*group.actions, UNKNOWN))]
    else:
        fits = [_fit(fitted, values, action, (NO, YES)) for action in group.actions]
    return GroupErrorRates(fits, _vs_majority(blocks, values, group, fits))


def posterior_label(
    fits: Sequence[FittedRates], votes: Mapping[str, Value]
) -> PosteriorLabel | None:
    """The likeliest answer of one unit; None with fewer than three known annotators.

    Args:
        fits: Of the group.
        votes: By annotator.
    """
    found = [(one.action, one.likeliest(votes)) for one in fits]
    likeliest = [(action, *one) for action, one in found if one is not None]
    if not found or len(likeliest) < len(found):
        return None
    least = round(min(probability for _, _, probability in likeliest), DIGITS)
    if likeliest[0][0] == "":
        return PosteriorLabel(likeliest[0][1], least)
    chosen = frozenset(action for action, label, _ in likeliest if label == YES)
    return PosteriorLabel(chosen, least)


def skill_weighted_votes(
    boxes: Sequence[BoxConsensus],
    groups: Sequence[ActionGroupSpec],
    rates: Mapping[str, Sequence[FittedRates]],
) -> list[BoxConsensus]:
    """A consensus in which votes are weighted by error rates.

    Unanimous labels, a reviewer's decisions and labels with fewer than three votes stay. All
    others are decided by the likeliest answer if it is probable enough, or left open.

    Args:
        boxes: The consensus by majority.
        groups: Of the dataset.
        rates: Of each group; nothing for no rates.
    """
    known = {one.name: one for one in groups if rates.get(one.name)}
    return [
        box._replace(
            labels=[
                _weighted(label, known[label.group], rates[label.group])
                if label.group in known
                else label
                for label in box.labels
            ]
        )
        for box in boxes
    ]


def _weighted(
    label: LabelConsensus, group: ActionGroupSpec, fits: Sequence[FittedRates]
) -> LabelConsensus:
    if label.rule in ("unanimous", "adjudicated", "single"):
        return label
    cast = {who: as_vote(answer, group) for who, answer in label.votes.items()}
    votes = {who: vote for who, vote in cast.items() if vote is not None}
    if group.choice == "many" and majority_vote(list(votes.values()), group) == UNKNOWN:
        return label
    likeliest = posterior_label(fits, votes)
    if likeliest is None:
        return label
    chosen = chosen_actions(likeliest.answer, group)
    if likeliest.probability < MIN_PROBABILITY or len(chosen) > group.max_per_person:
        return label._replace(actions=[], rule="open")
    return label._replace(actions=chosen, rule="weighted")


def _class(vote: Value, action: str) -> str:
    """The class of a vote; `unknown` in a choice of many is none of an action's."""
    if isinstance(vote, str):
        return vote
    return YES if action in vote else NO


def _fit(
    blocks: Blocks, values: Sequence[Value], action: str, classes: Sequence[str]
) -> FittedRates:
    places = {name: place for place, name in enumerate(classes)}
    # A value the group no longer has is a missing one, as ABSENT and UNANSWERED at the end are.
    meaning = [places.get(_class(value, action), -1) for value in values]
    lookup = np.array([*meaning, -1, -1], dtype=np.int64)
    recoded = [(annotators, lookup[codes]) for annotators, codes in blocks]
    rates = fit_error_rates(recoded, size=len(classes))
    return FittedRates(
        action,
        list(classes),
        rates.prior.round(DIGITS).tolist(),
        {who: rows.round(DIGITS).tolist() for who, rows in rates.confusion.items()},
        {
            who: int(sum((codes[list(names).index(who)] >= 0).sum()
                         for names, codes in recoded if who in names))
            for who in rates.confusion
        },
        rates.n_iter,
        rates.is_converged,
    )  # fmt: skip


def _vs_majority(
    blocks: Blocks,
    values: Sequence[Value],
    group: ActionGroupSpec,
    fits: Sequence[FittedRates],
) -> MajorityComparison:
    counts = dict.fromkeys(("units", "same", "different", "decided", "open"), 0)
    for annotators, codes in blocks:
        patterns, times = np.unique(np.maximum(codes, -1), axis=1, return_counts=True)
        for pattern, count in zip(patterns.T.tolist(), times.tolist(), strict=True):
            votes = {
                who: values[code] for who, code in zip(annotators, pattern, strict=True)
                if code >= 0
            }  # fmt: skip
            likeliest = posterior_label(fits, votes) if len(votes) >= MIN_ANNOTATORS else None
            if likeliest is None:
                continue
            counts["units"] += count
            counts[_outcome(likeliest, votes, group)] += count
    return MajorityComparison(**counts)


def _outcome(
    likeliest: PosteriorLabel, votes: Mapping[str, Value], group: ActionGroupSpec
) -> str:
    cast = [vote for one in votes.values() if (vote := as_vote(one, group)) is not None]
    voted = majority_vote(cast, group)
    if voted is None:
        return "decided" if likeliest.probability >= MIN_PROBABILITY else "open"
    return "same" if voted == likeliest.answer else "different"
