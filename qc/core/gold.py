"""How well an annotator does on clips whose right answers are known.

Boxes match the known ones one to one (IoU 0.5); labels are asked for matched persons only, for
a person not drawn is missing and no wrong label. Sums are kept person by person, since the
keyframes of one person resemble each other: intervals come from drawing persons again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.core.labels import UNKNOWN, Answers
from qc.core.consensus import counts_as_vote
from qc.core.matching import match_boxes
from qc.core.settlement import Question
from qc.core.tables import Coefficient

BAR = 0.8  # share of right answers that is asked of an annotator
LEAST_PERSONS = 5  # with fewer, drawing them again says nothing, and nobody is judged
SEED = 20
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
MISTAKES_KEPT = 200
NOTHING_ASKED = "no answer was known of a person that was drawn"
NOBODY = "nobody is in the known answers"
NOT_USED = "it was neither right nor said"

Standing = Literal["above", "under", "unsure", "few"]


class Shown(NamedTuple):
    """A person at a keyframe, as one version of the answers has it."""

    second: int
    person: str  # the same over the keyframes of a version
    box: tuple[float, float, float, float]
    answers: Answers


class Mistake(NamedTuple):
    """A wrong answer: what is known, and what was said."""

    second: int
    person: str  # of the known answers
    group: str
    known: list[str]
    said: list[str]


@dataclass(frozen=True)
class Rate:
    """A share with its interval and what that means against the bar.

    Attributes:
        share: From 0 to 1; value None with its reason if nothing was asked.
        interval: 95 %, from drawing persons again; None below LEAST_PERSONS.
        persons: What it rests on.
        bar: What is asked for.
    """

    share: Coefficient
    interval: tuple[float, float] | None
    persons: int
    bar: float = BAR

    @property
    def standing(self) -> Standing:
        """`under` or `above` the bar with certainty, `unsure`, or too `few` persons to say."""
        if self.share.value is None or self.interval is None:
            return "few"
        if self.interval[1] < self.bar:
            return "under"
        return "above" if self.share.value >= self.bar else "unsure"


@dataclass(frozen=True)
class Marks:
    """What all checks of one annotator say.

    Attributes:
        answers: Share of right answers.
        found: Share of the known persons, keyframe by keyframe, that were drawn.
        added: Boxes drawn that show nobody known.
        actions: F1 of each action, `2 hit / (2 hit + missed + wrong)`, by name.
        unanswered: Required answers left unset.
    """

    answers: Rate
    found: Rate
    added: int
    actions: Mapping[str, Rate]
    unanswered: int
    counts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


def score(
    known: Sequence[Shown], given: Sequence[Shown], questions: Sequence[Question]
) -> dict[str, Any]:
    """One version measured against the known answers, ready for JSON and for `marks`.

    A group counts where something is known of it: not `unknown` or unset, and, of a group of
    many, something known or said. An answer left unset is not right.

    Args:
        known: The known answers, in any order.
        given: The version to measure.
        questions: The groups.

    >>> score([], [], [])
    {'people': [], 'added': 0, 'unanswered': 0, 'mistakes': []}
    """
    people: dict[str, dict[str, Any]] = {}
    mistakes: list[Mistake] = []
    added = unanswered = 0
    for second in sorted({one.second for one in (*known, *given)}):
        here, there = _at(second, known), _at(second, given)
        found = match_boxes([one.box for one in here], [one.box for one in there])
        added += len(there) - len(found.pairs)
        partner = dict(found.pairs)
        for place, one in enumerate(here):
            sums = people.setdefault(one.person, _nothing())
            sums["known"] += 1
            if place not in partner:
                continue
            sums["found"] += 1
            said = there[partner[place]].answers
            for question in questions:
                wrong = _compare(sums, one.answers, said, question)
                if wrong is not None:
                    mistakes.append(Mistake(second, one.person, question.name, *wrong))
                    unanswered += not counts_as_vote(said.get(question.name))
    return {
        "people": [people[name] for name in sorted(people)],
        "added": added,
        "unanswered": unanswered,
        "mistakes": [list(one) for one in mistakes[:MISTAKES_KEPT]],
    }


def marks(scores: Iterable[Mapping[str, Any]], *, bar: float = BAR, seed: int = SEED) -> Marks:
    """All scores of one annotator together.

    >>> marks([]).answers.share.reason
    'no answer was known of a person that was drawn'
    """
    given = list(scores)
    people = [person for one in given for person in one["people"]]
    names = sorted({name for person in people for name in person["actions"]})
    triples = {
        name: np.array(
            [person["actions"].get(name, (0, 0, 0)) for person in people], dtype=np.float64
        )
        for name in names
    }
    return Marks(
        answers=_rate(people, "right", "asked", NOTHING_ASKED, bar, seed),
        found=_rate(people, "found", "known", NOBODY, bar, seed),
        added=sum(one["added"] for one in given),
        actions={
            name: _ratio(
                2 * table[:, 0],
                2 * table[:, 0] + table[:, 1] + table[:, 2],
                NOT_USED,
                bar,
                seed,
            )
            for name, table in triples.items()
        },
        unanswered=sum(one["unanswered"] for one in given),
        counts={
            name: (int(hit), int(missed), int(wrong))
            for name, (hit, missed, wrong) in (
                (name, table.sum(axis=0)) for name, table in triples.items()
            )
        },
    )


def _at(second: int, version: Sequence[Shown]) -> list[Shown]:
    here = (one for one in version if one.second == second)
    return sorted(here, key=lambda one: (one.person, one.box))


def _nothing() -> dict[str, Any]:
    return {"known": 0, "found": 0, "asked": 0, "right": 0, "actions": {}}


def _compare(
    sums: dict[str, Any], known: Answers, said: Answers, question: Question
) -> tuple[list[str], list[str]] | None:
    """Add one answer to `sums`; what was known and said if it is wrong."""
    truth, answer = known.get(question.name), said.get(question.name)
    if not counts_as_vote(truth) or truth == UNKNOWN:
        return None
    right, got = _actions(truth), _actions(answer)
    if not right and not got:  # both say none, which is easily said
        return None
    sums["asked"] += 1
    sums["right"] += right == got
    for name in sorted((right | got) & set(question.actions)):
        row = sums["actions"].setdefault(name, [0, 0, 0])
        row[0 if name in right and name in got else 1 if name in right else 2] += 1
    return None if right == got else (sorted(right), sorted(got))


def _actions(answer: Any) -> set[str]:
    if not counts_as_vote(answer):
        return set()
    return {answer} if isinstance(answer, str) else set(answer)


def _rate(
    people: Sequence[Mapping[str, Any]], part: str, whole: str, reason: str, bar: float,
    seed: int,
) -> Rate:  # fmt: skip
    parts = np.array([person[part] for person in people], dtype=np.float64)
    wholes = np.array([person[whole] for person in people], dtype=np.float64)
    return _ratio(parts, wholes, reason, bar, seed)


def _ratio(
    parts: NDArray[np.float64], wholes: NDArray[np.float64], reason: str, bar: float, seed: int
) -> Rate:
    """Sum of `parts` over that of `wholes`, one of each for every person."""
    used = wholes > 0
    parts, wholes = parts[used], wholes[used]
    persons = len(wholes)
    if not persons:
        return Rate(Coefficient(None, reason, 0), None, 0, bar)
    share = Coefficient(float(parts.sum() / wholes.sum()), "", int(wholes.sum()))
    if persons < LEAST_PERSONS:
        return Rate(share, None, persons, bar)
    random = np.random.default_rng(seed)
    times = random.multinomial(persons, np.full(persons, 1 / persons), size=RESAMPLES)
    drawn = (times @ parts) / (times @ wholes)
    low, high = np.percentile(drawn, INTERVAL)
    return Rate(share, (float(low), float(high)), persons, bar)
