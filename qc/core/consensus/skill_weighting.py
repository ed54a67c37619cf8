"""Dawid and Skene's estimate on the groups of a dataset: error rates, and what they decide.

A choice of one is one question with the group's actions and `unknown` as classes. For a choice
of many each action is a question of its own, chosen or not. The rates come from all clips of a
dataset; a consensus keeps those it was decided with, and can be made again from them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from annotation.core.labels import UNKNOWN
from qc.core.agreement.tables import Codes
from qc.core.agreement.units import Value
from qc.core.consensus.clip_consensus import (
    Question,
    SettledBox,
    SettledLabel,
    actions_of,
    cast_vote,
    winner_of,
)
from qc.core.consensus.dawid_skene import ErrorRates, error_rates

FEWEST = 3  # annotators: of two, nobody can tell who is wrong
SURE = 0.9  # least probability that decides
DIGITS = 6

NO, YES = "no", "yes"


class Belief(NamedTuple):
    """The likeliest answer to a group, and how likely it is."""

    answer: str | frozenset[str]
    probability: float  # for a choice of many, that of its least certain action


def estimated(
    blocks: Sequence[tuple[Sequence[str], Codes]], values: Sequence[Value], question: Question
) -> dict[str, Any]:
    """The rates of one group as JSON, and what they say beside the majority.

    `estimates` has one entry for a choice of one (its `action` is ""), one for each action of
    many. `beside` counts the units that three or more answered: `units`, those `alike`,
    `different`, left open by the majority and `decided` by the estimate, and open for both.

    Args:
        blocks: Annotators, and what they said as codes `(annotators, units)`.
        values: What the codes mean.
        question: The group.
    """
    estimates = [
        _estimate(blocks, values, action, classes)
        for action, classes in _questions(question)
    ]  # fmt: skip
    return {
        "estimates": estimates,
        "beside": _beside(blocks, values, question, estimates),
    }


def believed(
    estimates: Sequence[Mapping[str, Any]], votes: Mapping[str, Value]
) -> Belief | None:
    """What the votes on one unit amount to; None with fewer than three known annotators.

    Args:
        estimates: Of the group, as `estimated` makes them.
        votes: By annotator.
    """
    return _believed(_ready(estimates), votes)


class _Ready(NamedTuple):
    """One of the `estimates`, ready to be asked many times."""

    action: str
    classes: Sequence[str]
    places: Mapping[str, int]
    rates: ErrorRates
    likeliest: dict[tuple[tuple[str, int], ...], tuple[int, float]]  # of votes seen before


def _ready(estimates: Sequence[Mapping[str, Any]]) -> list[_Ready]:
    return [
        _Ready(
            one["action"],
            one["classes"],
            {name: place for place, name in enumerate(one["classes"])},
            ErrorRates(
                np.array(one["prior"]),
                {who: np.array(rows) for who, rows in one["confusion"].items()},
            ),
            {},
        )
        for one in estimates
    ]


def _believed(estimates: Sequence[_Ready], votes: Mapping[str, Value]) -> Belief | None:
    found = []
    for one in estimates:
        cast = {who: _class(vote, one.action) for who, vote in votes.items()}
        known = {who: one.places[name] for who, name in cast.items()
                 if who in one.rates.confusion and name in one.places}  # fmt: skip
        if len(known) < FEWEST:
            return None
        votes_cast = tuple(known.items())
        if votes_cast not in one.likeliest:
            posterior = one.rates.posterior(known)
            best = int(posterior.argmax())
            one.likeliest[votes_cast] = best, float(posterior[best])
        best, probability = one.likeliest[votes_cast]
        found.append((one.action, one.classes[best], probability))
    if not found:
        return None
    least = round(min(probability for _, _, probability in found), DIGITS)
    if found[0][0] == "":
        return Belief(found[0][1], least)
    return Belief(frozenset(action for action, name, _ in found if name == YES), least)


def weighed(
    boxes: Sequence[SettledBox],
    questions: Sequence[Question],
    rates: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[SettledBox]:
    """A consensus in which votes are weighed by error rates.

    What all annotators said alike, a reviewer decided, or fewer than three answered stays as it
    is. Everything else is decided by the likeliest answer if it is sure enough, or is open.

    Args:
        boxes: Settled by the majority.
        questions: The groups of the dataset.
        rates: Of each group, the `estimates` of `estimated`; nothing for no rates.
    """
    known = {one.name: one for one in questions if rates.get(one.name)}
    return [
        box._replace(
            labels=[
                _weighed(label, known[label.group], rates[label.group])
                if label.group in known
                else label
                for label in box.labels
            ]
        )
        for box in boxes
    ]


def _weighed(
    label: SettledLabel, question: Question, estimates: Sequence[Mapping[str, Any]]
) -> SettledLabel:
    if label.rule in ("unanimous", "adjudicated", "single"):
        return label
    cast = {who: cast_vote(answer, question) for who, answer in label.votes.items()}
    votes = {who: vote for who, vote in cast.items() if vote is not None}
    belief = believed(estimates, votes)
    if belief is None:
        return label
    chosen = actions_of(belief.answer, question)
    if belief.probability < SURE or len(chosen) > question.max_per_person:
        return label._replace(actions=[], rule="open")
    return label._replace(actions=chosen, rule="weighed")


def _questions(question: Question) -> list[tuple[str, tuple[str, ...]]]:
    if question.choice == "one":
        return [("", (*question.actions, UNKNOWN))]
    return [(action, (NO, YES)) for action in question.actions]


def _class(vote: Value, action: str) -> str:
    if not action:
        return str(vote)
    return YES if action in vote else NO


def _estimate(
    blocks: Sequence[tuple[Sequence[str], Codes]],
    values: Sequence[Value],
    action: str,
    classes: Sequence[str],
) -> dict[str, Any]:
    places = {name: place for place, name in enumerate(classes)}
    # A value the group no longer has is a missing one, as ABSENT and UNANSWERED at the end are.
    meaning = [places.get(_class(value, action), -1) for value in values]
    lookup = np.array([*meaning, -1, -1], dtype=np.int64)
    recoded = [(annotators, lookup[codes]) for annotators, codes in blocks]
    rates = error_rates(recoded, size=len(classes))
    return {
        "action": action,
        "classes": list(classes),
        "prior": rates.prior.round(DIGITS).tolist(),
        "confusion": {
            who: rows.round(DIGITS).tolist() for who, rows in rates.confusion.items()
        },
        "answers": {
            who: int(sum((codes[list(names).index(who)] >= 0).sum()
                         for names, codes in recoded if who in names))
            for who in rates.confusion
        },
    }  # fmt: skip


def _beside(
    blocks: Sequence[tuple[Sequence[str], Codes]],
    values: Sequence[Value],
    question: Question,
    estimates: Sequence[Mapping[str, Any]],
) -> dict[str, int]:
    ready = _ready(estimates)
    counts = dict.fromkeys(("units", "alike", "different", "decided", "open"), 0)
    for annotators, codes in blocks:
        patterns, times = np.unique(np.maximum(codes, -1), axis=1, return_counts=True)
        for pattern, count in zip(patterns.T.tolist(), times.tolist(), strict=True):
            votes = {
                who: values[code] for who, code in zip(annotators, pattern, strict=True)
                if code >= 0
            }  # fmt: skip
            belief = _believed(ready, votes) if len(votes) >= FEWEST else None
            if belief is None:
                continue
            counts["units"] += count
            counts[_outcome(belief, votes, question)] += count
    return counts


def _outcome(belief: Belief, votes: Mapping[str, Value], question: Question) -> str:
    cast = [vote for vote in (cast_vote(one, question) for one in votes.values())
            if vote is not None]  # fmt: skip
    voted = winner_of(cast, question)
    if voted is None:
        return "decided" if belief.probability >= SURE else "open"
    return "alike" if voted == belief.answer else "different"
