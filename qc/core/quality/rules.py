"""What is wrong, or looks wrong, in one version of a task's answers.

The list of rules is data (`qc/rules.yaml`): a name, whether a finding blocks approval or only
warns, a sentence, and numbers. Here stands how each is found. Boxes are pixels, x2 and y2
exclusive.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml

from annotation.core.labels import UNSET, Answers
from qc.core.consensus.clip_consensus import Question
from tracking.core.boxes import pairwise_iou

Severity = Literal["blocks", "warns"]

SLACK = 2.0  # pixels by which a box may differ from the pre-annotation and count as untouched


class RulesError(ValueError):
    """The list of rules is not one."""


@dataclass(frozen=True)
class Rule:
    """One entry of the list."""

    name: str
    severity: Severity
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


class Said(NamedTuple):
    """What an annotator said of one person at one keyframe."""

    second: int
    track: int
    person_id: int | None  # None for a person the annotator drew
    box: tuple[float, float, float, float]
    answers: Answers


@dataclass(frozen=True)
class Task:
    """One version of a task's answers, and what it is judged by.

    Attributes:
        said: Everything, in any order.
        questions: The groups of the dataset.
        width: Of the picture, pixels.
        proposals: The pre-annotation's boxes by (second, person id).
        seconds_spent: On the task; None if nobody knows.
        median_seconds: Of all tasks like it; None if nobody knows.
    """

    said: Sequence[Said]
    questions: Sequence[Question]
    width: int
    height: int
    proposals: Mapping[tuple[int, int], Sequence[float]] = field(default_factory=dict)
    seconds_spent: float | None = None
    median_seconds: float | None = None


class Finding(NamedTuple):
    """One rule broken in one place; `seconds` are the keyframes to look at, maybe none."""

    rule: str
    severity: Severity
    seconds: tuple[int, ...]
    track: int | None
    person_id: int | None
    sentence: str


class _Hit(NamedTuple):
    """Where a rule is broken, and what its sentence is filled in with."""

    seconds: tuple[int, ...]
    of: Said | None
    words: dict[str, Any]


def read_rules(text: str) -> tuple[Rule, ...]:
    """The list of rules in YAML. Raises RulesError for a rule nobody knows how to find.

    >>> [rule] = read_rules("[{name: too-fast, severity: warns, sentence: Quick, limit: 0.1}]")
    >>> rule.numbers
    {'limit': 0.1}
    """
    try:
        entries = yaml.safe_load(text) or []
        rules = tuple(
            Rule(
                entry.pop("name"),
                entry.pop("severity"),
                entry.pop("sentence"),
                {key: float(value) for key, value in entry.items()},
            )
            for entry in entries
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RulesError(f"the list of rules cannot be read: {error}") from error
    for rule in rules:
        if rule.name not in _FINDERS:
            raise RulesError(f"there is no rule {rule.name!r}: {', '.join(sorted(_FINDERS))}")
        if rule.severity not in ("blocks", "warns"):
            raise RulesError(
                f"{rule.name}: the severity {rule.severity!r} is not blocks or warns"
            )
    return rules


def check(
    task: Task, rules: Sequence[Rule], *, switched_off: Collection[str] = ()
) -> list[Finding]:
    """Everything the rules find, in their order, then by second and track.

    >>> posture = Question("posture", "one", True, ("walk",), 1)
    >>> task = Task([Said(2, 0, 7, (0, 0, 20, 40), {"posture": "unset"})], [posture], 64, 48)
    >>> check(task, [Rule("required-group-unset", "blocks", "No {group}.")])[0].sentence
    'No posture.'
    """
    findings = []
    for rule in rules:
        if rule.name in switched_off:
            continue
        hits = sorted(_FINDERS[rule.name](task, rule), key=_place)
        findings += [_finding(rule, hit) for hit in hits]
    return findings


def untouched_tracks(task: Task, *, slack: float = SLACK) -> list[list[Said]]:
    """The tracks that are as the tracker made them: no box moved by more than `slack` pixels,
    nothing answered.
    """
    return [
        track
        for track in _by_track(task).values()
        if all(_as_proposed(said, task, slack) for said in track)
    ]


def _place(hit: _Hit) -> tuple[Any, ...]:
    return hit.seconds, hit.of.track if hit.of else -1, sorted(hit.words.items(), key=str)


def _finding(rule: Rule, hit: _Hit) -> Finding:
    try:
        sentence = rule.sentence.format(**hit.words)
    except (KeyError, IndexError) as error:
        raise RulesError(f"the sentence of {rule.name} asks for {error}") from error
    track, person = (hit.of.track, hit.of.person_id) if hit.of else (None, None)
    return Finding(rule.name, rule.severity, hit.seconds, track, person, sentence)


def _chosen(said: Said, question: Question) -> list[str]:
    """The answers that are more than nothing."""
    answer = said.answers.get(question.name)
    if isinstance(answer, str):
        return [] if answer == UNSET else [answer]
    return list(answer or [])


def _unset(task: Task, rule: Rule) -> Iterator[_Hit]:
    required = [one for one in task.questions if one.required and one.choice == "one"]
    for track in _by_track(task).values():
        for question in required:
            unset = [said for said in track if not _chosen(said, question)]
            if unset:
                seconds = tuple(said.second for said in unset)
                yield _Hit(seconds, unset[0], {"group": question.name})


def _two_of_one(task: Task, rule: Rule) -> Iterator[_Hit]:
    for said in task.said:
        for question in task.questions:
            count = len(_chosen(said, question))
            if question.choice == "one" and count > 1:
                yield _Hit((said.second,), said, {"group": question.name, "count": count})


def _too_many(task: Task, rule: Rule) -> Iterator[_Hit]:
    for said in task.said:
        for question in task.questions:
            count, limit = len(_chosen(said, question)), question.max_per_person
            if question.choice == "many" and count > limit:
                words = {"group": question.name, "count": count, "limit": limit}
                yield _Hit((said.second,), said, words)


def _outside(task: Task, rule: Rule) -> Iterator[_Hit]:
    slack = rule.numbers.get("slack", 0.0)
    for said in task.said:
        x1, y1, x2, y2 = said.box
        if min(x1, y1) < -slack or x2 > task.width + slack or y2 > task.height + slack:
            yield _Hit((said.second,), said, {"width": task.width, "height": task.height})


def _small(task: Task, rule: Rule) -> Iterator[_Hit]:
    limit = rule.numbers.get("limit", 8.0)
    for said in task.said:
        width, height = said.box[2] - said.box[0], said.box[3] - said.box[1]
        if min(width, height) < limit:
            words = {"width": f"{width:.1f}", "height": f"{height:.1f}", "limit": f"{limit:g}"}
            yield _Hit((said.second,), said, words)


def _twice(task: Task, rule: Rule) -> Iterator[_Hit]:
    boxes: dict[tuple[int, int], list[Said]] = defaultdict(list)
    for said in task.said:
        if said.person_id is not None:
            boxes[said.second, said.person_id].append(said)
    for (second, person), several in boxes.items():
        if len(several) > 1:
            words = {"person": person, "count": len(several)}
            yield _Hit((second,), min(several, key=lambda said: said.track), words)


def _one_place(task: Task, rule: Rule) -> Iterator[_Hit]:
    limit = rule.numbers.get("limit", 0.95)
    for second, several in _by_second(task).items():
        boxes = np.array([said.box for said in several], dtype=np.float64)
        iou = pairwise_iou(boxes, boxes)
        for first, other in zip(*np.nonzero(np.triu(iou > limit, k=1)), strict=True):
            yield _Hit((second,), several[first], {"iou": f"{iou[first, other]:.2f}"})


def _flicker(task: Task, rule: Rule) -> Iterator[_Hit]:
    limit = rule.numbers.get("limit", 3.0)
    for track in _by_track(task).values():
        for question in task.questions:
            answered = [said for said in track if said.answers.get(question.name) != UNSET]
            for three in zip(answered, answered[1:], answered[2:], strict=False):
                first, middle, last = (sorted(_chosen(said, question)) for said in three)
                if first == last != middle and three[2].second - three[0].second <= limit:
                    words = {"group": question.name, "limit": f"{limit:g}"}
                    words |= {"first": _words(first), "second": _words(middle)}
                    yield _Hit(tuple(said.second for said in three), three[1], words)


def _untouched(task: Task, rule: Rule) -> Iterator[_Hit]:
    for track in untouched_tracks(task, slack=rule.numbers.get("slack", SLACK)):
        yield _Hit(tuple(said.second for said in track), track[0], {})


def _as_proposed(said: Said, task: Task, slack: float) -> bool:
    if any(_chosen(said, question) for question in task.questions):
        return False
    proposed = task.proposals.get((said.second, said.person_id or 0))
    if proposed is None:
        return False
    return max(abs(a - b) for a, b in zip(said.box, proposed, strict=True)) <= slack


def _too_fast(task: Task, rule: Rule) -> Iterator[_Hit]:
    spent, median = task.seconds_spent, task.median_seconds
    if spent is None or median is None:
        return
    if spent < rule.numbers.get("limit", 0.1) * median:
        yield _Hit((), None, {"spent": _minutes(spent), "median": _minutes(median)})


def _by_second(task: Task) -> dict[int, list[Said]]:
    ordered = sorted(task.said, key=lambda said: (said.second, said.track))
    groups = itertools.groupby(ordered, key=lambda said: said.second)
    return {second: list(several) for second, several in groups}


def _by_track(task: Task) -> dict[int, list[Said]]:
    ordered = sorted(task.said, key=lambda said: (said.track, said.second))
    groups = itertools.groupby(ordered, key=lambda said: said.track)
    return {track: list(several) for track, several in groups}


def _words(answers: Sequence[str]) -> str:
    return ", ".join(answers) or "none"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


_FINDERS: dict[str, Callable[[Task, Rule], Iterator[_Hit]]] = {
    "required-group-unset": _unset,
    "two-of-an-exclusive-group": _two_of_one,
    "too-many-actions": _too_many,
    "box-outside-the-picture": _outside,
    "box-too-small": _small,
    "one-person-twice": _twice,
    "two-persons-in-one-place": _one_place,
    "label-flicker": _flicker,
    "untouched-track": _untouched,
    "too-fast": _too_fast,
}
