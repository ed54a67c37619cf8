"""How well an annotator does on clips whose right answers are known.

Boxes match the known ones one to one (IoU 0.5); labels are asked for matched persons only, for
a person not drawn is missing and no wrong label. Sums are kept person by person, since the
keyframes of one person resemble each other: intervals come from drawing persons again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from annotation.core.labels import UNKNOWN, Answers
from qc.core.agreement.tables import Coefficient, Floats
from qc.core.consensus.clip_consensus import Question
from qc.core.consensus.majority import counts_as_vote
from qc.core.matching import match_boxes

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


class Drift(NamedTuple):
    """Right answers in the later half of an annotator's checks, less those in the earlier."""

    early: float
    late: float
    interval: tuple[float, float]  # 95 %, of the difference

    @property
    def is_falling(self) -> bool:
        return self.interval[1] < 0


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
    triples = np.array(
        [[person["actions"].get(name, (0, 0, 0)) for name in names] for person in people],
        dtype=np.float64,
    ).reshape(len(people), len(names), 3)
    hit = 2 * triples[:, :, 0]
    sums = {
        name: np.array([person[name] for person in people], dtype=np.float64)[:, None]
        for name in ("right", "asked", "found", "known")
    }
    times = _draws(len(people), seed)
    (answers,) = _rates(sums["right"], sums["asked"], times, NOTHING_ASKED, bar)
    (found,) = _rates(sums["found"], sums["known"], times, NOBODY, bar)
    actions = _rates(hit, hit + triples[:, :, 1] + triples[:, :, 2], times, NOT_USED, bar)
    return Marks(
        answers=answers,
        found=found,
        added=sum(one["added"] for one in given),
        actions=dict(zip(names, actions, strict=True)),
        unanswered=sum(one["unanswered"] for one in given),
        counts={
            name: (int(right), int(missed), int(wrong))
            for name, (right, missed, wrong) in zip(names, triples.sum(axis=0), strict=True)
        },
    )


def drift(scores: Sequence[Mapping[str, Any]], *, seed: int = SEED) -> Drift | None:
    """Whether an annotator becomes worse; None if half of the checks are too few persons.

    Args:
        scores: In the order in which the answers came.

    >>> drift([]) is None
    True
    """
    middle = len(scores) // 2
    shares: list[float] = []
    drawn: list[Floats] = []
    for half in (scores[:middle], scores[middle:]):
        sums = np.array(
            [(one["right"], one["asked"]) for score in half for one in score["people"]],
            dtype=np.float64,
        ).reshape(-1, 2)
        sums = sums[sums[:, 1] > 0]
        persons = len(sums)
        if persons < LEAST_PERSONS:
            return None
        shares.append(float(sums[:, 0].sum() / sums[:, 1].sum()))
        times = _draws(persons, seed + len(drawn))
        drawn.append((times @ sums[:, 0]) / (times @ sums[:, 1]))
    low, high = np.percentile(drawn[1] - drawn[0], INTERVAL)
    return Drift(shares[0], shares[1], (float(low), float(high)))


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


def _draws(persons: int, seed: int) -> Floats:
    """How often each person is drawn in each resample, shape `(resamples, persons)`."""
    if not persons:
        return np.zeros((RESAMPLES, 0))
    even = np.full(persons, 1 / persons)
    random = np.random.default_rng(seed)
    return random.multinomial(persons, even, size=RESAMPLES).astype(np.float64)


def _rates(parts: Floats, wholes: Floats, times: Floats, reason: str, bar: float) -> list[Rate]:
    """The sum of each column of `parts` over that of `wholes`; rows are persons."""
    over = times @ wholes
    drawn = np.full(over.shape, np.nan)  # a resample may hold nobody with this action
    np.divide(times @ parts, over, out=drawn, where=over > 0)
    rates = []
    for part, whole, column, several in zip(
        parts.sum(axis=0), wholes.sum(axis=0), drawn.T, (wholes > 0).sum(axis=0), strict=True
    ):
        share = Coefficient(None, reason, 0)
        interval = None
        if whole:
            share = Coefficient(float(part / whole), "", int(whole))
        if several >= LEAST_PERSONS:
            low, high = np.percentile(column[~np.isnan(column)], INTERVAL)
            interval = (float(low), float(high))
        rates.append(Rate(share, interval, int(several), bar))
    return rates
