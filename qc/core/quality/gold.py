"""Gold scores: how well an annotator does on clips whose right answers are known.

Boxes match the known ones one to one (IoU 0.5); labels count for matched persons only, for a
person not drawn is missing and no wrong label. Intervals are those of
`qc.core.agreement.jackknife`, over gold clips.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec, Answers, counts_as_vote
from qc.core.agreement.coefficient_counts import Floats
from qc.core.agreement.figures import Coefficient, Interval
from qc.core.agreement.jackknife import MIN_CLUSTERS, difference_estimate, share_estimates
from qc.core.box_matching import match_boxes
from qc.core.json_record import JsonRecord
from qc.core.quality.checked_answers import AnnotatedBox
from tracking.core.tracks_file import PERSON

THRESHOLD = 0.8  # share of right answers that is expected of an annotator
MISTAKES_KEPT = 200
NOTHING_EXPECTED = "no answer was known of a person that was drawn"
NOBODY = "nobody is in the known answers"
NOT_USED = "it was neither right nor answered"

Verdict = Literal["above", "below", "uncertain", "too few"]


@dataclass(frozen=True)
class GoldMistake(JsonRecord):
    """A wrong answer: what is known, and what was answered."""

    second: int
    person: str  # of the known answers
    group: str
    known: list[str]
    answered: list[str]
    label: str = PERSON  # what that is


@dataclass
class GoldPerson(JsonRecord):
    """One known person: keyframes, those at which a box shows it, known answers, right ones.

    Attributes:
        actions: Of each action how often it is right, missed, wrong.
    """

    known: int = 0
    found: int = 0
    expected: int = 0
    right: int = 0
    actions: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionScore(JsonRecord):
    """One version of a task's answers against the known ones.

    Attributes:
        persons: The known ones.
        added: Boxes that show nobody known.
        unanswered: Known answers left unset.
        mistakes: The first of them.
    """

    VERSION: ClassVar[int | None] = 1

    persons: list[GoldPerson]
    added: int
    unanswered: int
    mistakes: list[GoldMistake]

    @property
    def right(self) -> int:
        return sum(one.right for one in self.persons)

    @property
    def expected(self) -> int:
        return sum(one.expected for one in self.persons)


@dataclass(frozen=True)
class GoldRate:
    """A share with its interval and its verdict against the threshold.

    Attributes:
        share: From 0 to 1; value None with its reason if nothing was expected.
        interval: 95 %; None of too few clips.
        no_interval: Why there is none.
        persons: What it rests on.
        threshold: The share that is expected.
    """

    share: Coefficient
    interval: Interval | None
    no_interval: str
    persons: int
    threshold: float = THRESHOLD

    @property
    def verdict(self) -> Verdict:
        """Certainly `below`, or `above`; `uncertain`, or of `too few` clips."""
        if self.share.value is None or self.interval is None:
            return "too few"
        if self.interval[1] < self.threshold:
            return "below"
        return "above" if self.share.value >= self.threshold else "uncertain"


@dataclass(frozen=True)
class GoldScore:
    """All scores of one annotator together.

    Attributes:
        answers: Share of right answers.
        found: Share of the known persons, keyframe by keyframe, that were drawn.
        added: Boxes drawn that show nobody known.
        actions: F1 of each action, `2 right / (2 right + missed + wrong)`, by name.
        unanswered: Required answers left unset.
        counts: Right, missed and wrong of each action.
    """

    answers: GoldRate
    found: GoldRate
    added: int
    actions: Mapping[str, GoldRate]
    unanswered: int
    counts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


class GoldDrift(NamedTuple):
    """Right answers in the later half of an annotator's clips, less those in the earlier."""

    early: float
    late: float
    interval: Interval  # 95 %, of the difference

    @property
    def is_falling(self) -> bool:
        return self.interval[1] < 0


def score_version(
    known: Sequence[AnnotatedBox],
    given: Sequence[AnnotatedBox],
    groups: Sequence[ActionGroupSpec],
) -> VersionScore:
    """One version measured against the known answers.

    A group counts where something is known of it: not `unknown` or unset, and, of a group of
    many, something known or answered. An answer left unset is not right.

    Args:
        known: The known answers, in any order.
        given: The version to measure.
        groups: Of the dataset.

    >>> score_version([], [], []).added
    0
    """
    persons: dict[str, GoldPerson] = {}
    mistakes: list[GoldMistake] = []
    added = unanswered = 0
    for second in sorted({one.second for one in (*known, *given)}):
        here, there = _at(second, known), _at(second, given)
        partner = _partners(here, there)
        added += len(there) - len(partner)
        for place, one in enumerate(here):
            sums = persons.setdefault(one.person, GoldPerson())
            sums.known += 1
            if place not in partner:
                continue
            sums.found += 1
            answers = there[partner[place]].answers
            for group in groups:
                wrong = _compare(sums, one.answers, answers, group)
                if wrong is not None:
                    about = (second, one.person, group.name, *wrong, one.label)
                    mistakes.append(GoldMistake(*about))
                    unanswered += not counts_as_vote(answers.get(group.name))
    return VersionScore(
        [persons[name] for name in sorted(persons)], added, unanswered, mistakes[:MISTAKES_KEPT]
    )


def gold_score(scores: Iterable[VersionScore], *, threshold: float = THRESHOLD) -> GoldScore:
    """All scores of one annotator together, each of a clip.

    >>> gold_score([]).answers.share.reason
    'no answer was known of a person that was drawn'
    """
    given = list(scores)
    names = sorted({name for one in given for its in one.persons for name in its.actions})
    triples = np.zeros((len(given), len(names), 3))
    for row, one in zip(triples, given, strict=True):
        for its in one.persons:
            for name, counts in its.actions.items():
                row[names.index(name)] += counts
    twice = 2 * triples[:, :, 0]
    actions = _rates(
        twice, twice + triples[:, :, 1] + triples[:, :, 2], NOT_USED, threshold,
        persons=[
            sum(name in its.actions for one in given for its in one.persons) for name in names
        ],
    )  # fmt: skip
    return GoldScore(
        answers=_rate(given, "right", "expected", NOTHING_EXPECTED, threshold),
        found=_rate(given, "found", "known", NOBODY, threshold),
        added=sum(one.added for one in given),
        actions=dict(zip(names, actions, strict=True)),
        unanswered=sum(one.unanswered for one in given),
        counts={
            name: (int(its_right), int(missed), int(wrong))
            for name, (its_right, missed, wrong) in zip(names, triples.sum(axis=0), strict=True)
        },
    )


def gold_drift(scores: Sequence[VersionScore]) -> GoldDrift | None:
    """Whether an annotator becomes worse; None if half of the clips are too few.

    Args:
        scores: In the order in which the answers came.

    >>> gold_drift([]) is None
    True
    """
    asked = np.array([(one.right, one.expected) for one in scores], np.float64).reshape(-1, 2)
    asked = asked[asked[:, 1] > 0]
    if len(asked) < 2 * MIN_CLUSTERS:
        return None
    is_late = np.arange(len(asked)) >= len(asked) // 2
    halves = np.stack([is_late, ~is_late], axis=1)
    parts, wholes = asked[:, :1] * halves, asked[:, 1:] * halves
    late, early = (parts.sum(axis=0) / wholes.sum(axis=0)).tolist()
    interval = difference_estimate(parts, wholes).interval
    return GoldDrift(early, late, interval) if interval else None


def _partners(here: Sequence[AnnotatedBox], there: Sequence[AnnotatedBox]) -> dict[int, int]:
    """Which box there shows who is known here: one to one, of one class."""
    found: dict[int, int] = {}
    for label in sorted({one.label for one in here}):
        known, given = (
            [place for place, one in enumerate(boxes) if one.label == label]
            for boxes in (here, there)
        )
        matched = match_boxes([here[p].box for p in known], [there[p].box for p in given])
        found |= {known[a]: given[b] for a, b in matched.pairs}
    return found


def _at(second: int, version: Sequence[AnnotatedBox]) -> list[AnnotatedBox]:
    here = (one for one in version if one.second == second)
    return sorted(here, key=lambda one: (one.person, one.box))


def _compare(
    sums: GoldPerson, known: Answers, given: Answers, group: ActionGroupSpec
) -> tuple[list[str], list[str]] | None:
    """Add one answer to `sums`; what was known and answered if it is wrong."""
    truth = known.get(group.name)
    if not counts_as_vote(truth) or truth == UNKNOWN:
        return None
    right, got = _actions(truth), _actions(given.get(group.name))
    if not right and not got:  # both answer none, which is easy
        return None
    sums.expected += 1
    sums.right += right == got
    for name in sorted((right | got) & set(group.actions)):
        row = sums.actions.setdefault(name, [0, 0, 0])
        row[0 if name in right and name in got else 1 if name in right else 2] += 1
    return None if right == got else (sorted(right), sorted(got))


def _actions(answer: Any) -> set[str]:
    if not counts_as_vote(answer):
        return set()
    return {answer} if isinstance(answer, str) else set(answer)


def _rate(
    scores: Sequence[VersionScore], part: str, whole: str, reason: str, threshold: float
) -> GoldRate:
    """The sum of one field of persons over that of another."""
    sums = np.array(
        [
            [sum(getattr(its, name) for its in one.persons) for name in (part, whole)]
            for one in scores
        ],
        dtype=np.float64,
    ).reshape(-1, 2)
    persons = sum(getattr(its, whole) > 0 for one in scores for its in one.persons)
    [rate] = _rates(sums[:, :1], sums[:, 1:], reason, threshold, persons=[persons])
    return rate


def _rates(
    parts: Floats, wholes: Floats, reason: str, threshold: float, *, persons: Sequence[int]
) -> list[GoldRate]:
    """The sum of each column of `parts` over that of `wholes`; rows are clips."""
    rates = []
    for part, whole, (interval, no_interval), count in zip(
        parts.sum(axis=0).tolist(),
        wholes.sum(axis=0).tolist(),
        share_estimates(parts, wholes, alike_is_one=True),
        persons,
        strict=True,
    ):
        share = Coefficient(None, reason, 0)
        if whole:
            share = Coefficient(part / whole, "", int(whole))
        rates.append(GoldRate(share, interval, no_interval, count, threshold))
    return rates
