"""Quality rules: checks of one version of a task's answers.

The list of rules is data (`qc/rules.yaml`): a name, whether a finding blocks approval or only
warns, a sentence, and numbers. This module finds where they are broken.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from datasets.core.action_groups import ActionGroupSpec, counts_as_vote, unset_groups
from datasets.core.untrusted import UntrustedDataError, read_yaml
from qc.core.quality.checked_answers import AnnotatedBox, CheckedAnswers
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import PERSON, person_label

Severity = Literal["blocks", "warns"]

SLACK = 2.0  # pixels by which a box may differ from the pre-annotation and count as unedited


class QualityRulesError(UntrustedDataError):
    """The list of rules cannot be used."""


@dataclass(frozen=True)
class QualityRule:
    """One entry of the list.

    Attributes:
        class_sentence: Of what is no person; empty if the sentence fits it, too.
    """

    name: str
    severity: Severity
    sentence: str
    class_sentence: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


class Finding(NamedTuple):
    """One rule broken in one place; `seconds` are the keyframes to look at, maybe none."""

    rule: str
    severity: Severity
    seconds: tuple[int, ...]
    track: int | None
    person_id: int | None
    sentence: str


class _Violation(NamedTuple):
    """Where a rule is broken, and what its sentence is filled in with.

    `label` is what is meant, if there is no box.
    """

    seconds: tuple[int, ...]
    box: AnnotatedBox | None
    words: dict[str, Any]
    label: str = PERSON


def read_rules(text: str) -> tuple[QualityRule, ...]:
    """The list of rules in YAML. Raises QualityRulesError for an unknown rule.

    >>> [rule] = read_rules("[{name: too-fast, severity: warns, sentence: Quick, limit: 0.1}]")
    >>> rule.numbers
    {'limit': 0.1}
    """
    try:
        entries = read_yaml(text) or []
        rules = tuple(
            QualityRule(
                entry.pop("name"),
                entry.pop("severity"),
                entry.pop("sentence"),
                entry.pop("class_sentence", ""),
                {key: float(value) for key, value in entry.items()},
            )
            for entry in entries
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise QualityRulesError(f"the list of rules cannot be read: {error}") from error
    for rule in rules:
        if rule.name not in _DETECTORS:
            known = ", ".join(sorted(_DETECTORS))
            raise QualityRulesError(f"there is no rule {rule.name!r}: {known}")
        if rule.severity not in ("blocks", "warns"):
            raise QualityRulesError(
                f"{rule.name}: the severity {rule.severity!r} is not blocks or warns"
            )
    return rules


def check_answers(
    checked: CheckedAnswers, rules: Sequence[QualityRule], *, switched_off: Collection[str] = ()
) -> list[Finding]:
    """Everything the rules find, in their order, then by second and track.

    >>> posture = ActionGroupSpec("posture", "one", True, ("walk",), 1)
    >>> box = AnnotatedBox(2, 0, 7, (0, 0, 20, 40), {"posture": "unset"})
    >>> rule = QualityRule("required-group-unset", "blocks", "No {group}.")
    >>> check_answers(CheckedAnswers([box], [posture], 64, 48), [rule])[0].sentence
    'No posture.'
    """
    findings = []
    for rule in rules:
        if rule.name in switched_off:
            continue
        violations = sorted(_DETECTORS[rule.name](checked, rule), key=_order)
        findings += [_finding(rule, violation) for violation in violations]
    return findings


def unedited_tracks(
    checked: CheckedAnswers, *, slack: float = SLACK
) -> list[list[AnnotatedBox]]:
    """The tracks that are as the tracker made them: no box moved by more than `slack` pixels,
    nothing answered.
    """
    return [
        track
        for track in _by_track(checked).values()
        if all(_is_unedited(box, checked, slack) for box in track)
    ]


def boxes_as_proposed(checked: CheckedAnswers, *, slack: float = SLACK) -> list[AnnotatedBox]:
    """The boxes that are within `slack` pixels of where the pre-annotation has their person."""
    return [box for box in checked.boxes if _is_as_proposed(box, checked, slack)]


def _order(violation: _Violation) -> tuple[Any, ...]:
    track = violation.box.track if violation.box else -1
    return violation.seconds, track, sorted(violation.words.items(), key=str)


def _finding(rule: QualityRule, violation: _Violation) -> Finding:
    box = violation.box
    label = box.label if box else violation.label
    text = rule.sentence if label == PERSON else rule.class_sentence or rule.sentence
    try:
        sentence = text.format(**violation.words | {"class": label})
    except (KeyError, IndexError) as error:
        raise QualityRulesError(f"the sentence of {rule.name} asks for {error}") from error
    track, person = (box.track, box.person_id) if box else (None, None)
    return Finding(rule.name, rule.severity, violation.seconds, track, person, sentence)


def _answered(box: AnnotatedBox, group: ActionGroupSpec) -> list[str]:
    """The actions answered, or `unknown`."""
    answer = box.answers.get(group.name)
    if not counts_as_vote(answer):
        return []
    return [answer] if isinstance(answer, str) else list(answer or [])


def _unset(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for track in _by_track(checked).values():
        for group in checked.groups:
            unset = [box for box in track if unset_groups(box.answers, [group])]
            if unset:
                seconds = tuple(box.second for box in unset)
                yield _Violation(seconds, unset[0], {"group": group.name})


def _exclusive(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for box in checked.boxes:
        for group in checked.groups:
            count = len(_answered(box, group))
            if group.choice == "one" and count > 1:
                yield _Violation((box.second,), box, {"group": group.name, "count": count})


def _too_many(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for box in checked.boxes:
        for group in checked.groups:
            count, limit = len(_answered(box, group)), group.max_per_person
            if group.choice == "many" and count > limit:
                words = {"group": group.name, "count": count, "limit": limit}
                yield _Violation((box.second,), box, words)


def _outside(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    slack = rule.numbers.get("slack", 0.0)
    for box in checked.boxes:
        x1, y1, x2, y2 = box.box
        if min(x1, y1) < -slack or x2 > checked.width + slack or y2 > checked.height + slack:
            yield _Violation(
                (box.second,), box, {"width": checked.width, "height": checked.height}
            )


def _small(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    limit = rule.numbers.get("limit", 8.0)
    for box in checked.boxes:
        width, height = box.box[2] - box.box[0], box.box[3] - box.box[1]
        if min(width, height) < limit:
            words = {"width": f"{width:.1f}", "height": f"{height:.1f}", "limit": f"{limit:g}"}
            yield _Violation((box.second,), box, words)


def _duplicate_person(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    boxes: dict[tuple[int, int], list[AnnotatedBox]] = defaultdict(list)
    for box in checked.boxes:
        if box.person_id is not None:
            boxes[box.second, box.person_id].append(box)
    for (second, person), several in boxes.items():
        if len(several) > 1:
            box = min(several, key=lambda box: box.track)
            words = {"person": person, "name": box.name, "count": len(several)}
            yield _Violation((second,), box, words)


def _same_place(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    limit = rule.numbers.get("limit", 0.95)
    for second, several in _by_second(checked).items():
        boxes = np.array([box.box for box in several], dtype=np.float64)
        labels = np.array([box.label for box in several])
        iou = pairwise_iou(boxes, boxes)
        iou[np.not_equal.outer(labels, labels)] = 0  # nobody is drawn twice as two things
        for first, other in zip(*np.nonzero(np.triu(iou > limit, k=1)), strict=True):
            yield _Violation((second,), several[first], {"iou": f"{iou[first, other]:.2f}"})


def _flicker(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    limit = rule.numbers.get("limit", 3.0)
    for track in _by_track(checked).values():
        for group in checked.groups:
            answered = [box for box in track if counts_as_vote(box.answers.get(group.name))]
            for three in zip(answered, answered[1:], answered[2:], strict=False):
                first, middle, last = (sorted(_answered(box, group)) for box in three)
                if first == last != middle and three[2].second - three[0].second <= limit:
                    words = {"group": group.name, "limit": f"{limit:g}"}
                    words |= {"first": _joined(first), "second": _joined(middle)}
                    yield _Violation(tuple(box.second for box in three), three[1], words)


def _lone_frame(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    boxes = {box.track: box for box in checked.boxes}
    for track, at in checked.lone_frames.items():
        # Of a track that is at no keyframe nothing says what it is.
        label = "" if checked.is_mixed else PERSON
        yield _Violation((int(at),), boxes.get(track), {"at": f"{at:g}"}, label)


def _on_another_person(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    """A part of a split track whose boxes are those of another person at half its keyframes.

    That is another of the same class: somebody in a vehicle is where the vehicle is.
    """
    limit = rule.numbers.get("limit", 0.5)
    tracks = _by_track(checked).values()
    parts = Counter(track[0].person for track in tracks)
    by_second: dict[int, list[tuple[str, str, Sequence[float]]]] = defaultdict(list)
    for one in checked.boxes:
        by_second[one.second].append((one.label, one.name, one.box))
    for (second, person), box in checked.proposals.items():
        label = checked.classes.get(person, PERSON)
        by_second[second].append((label, person_label(person, checked.classes), box))
    for track in tracks:
        if parts[track[0].person] < 2:
            continue
        met: Counter[str] = Counter()
        for one in track:
            others = [
                (name, box)
                for label, name, box in by_second[one.second]
                if label == one.label and name != one.name
            ]
            boxes = np.array([box for _, box in others], dtype=np.float64).reshape(-1, 4)
            iou = pairwise_iou(np.array([one.box]), boxes)[0]
            met.update({others[place][0] for place in np.flatnonzero(iou >= limit)})
        for other, count in met.most_common(1):
            if 2 * count >= len(track):
                words = {"person": track[0].name, "other": other}
                yield _Violation(tuple(box.second for box in track), track[0], words)


def _asked_once(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for group in checked.groups:
        if group.scope == "keyframe":
            continue
        given: dict[str, dict[str, AnnotatedBox]] = defaultdict(dict)
        for box in checked.boxes:
            if counts_as_vote(box.answers.get(group.name)):
                whose = box.person if group.scope == "person" else ""
                given[whose].setdefault(_joined(_answered(box, group)), box)
        for several in given.values():
            if len(several) > 1:
                boxes = list(several.values())
                words = {"group": group.name, "scope": group.scope}
                words["answers"] = " and ".join(several)
                yield _Violation(tuple(sorted({one.second for one in boxes})), boxes[1], words)


def _missing_person(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for person in sorted(checked.missing_persons):
        seconds = tuple(sorted(at for at, who in checked.proposals if who == person))
        words = {"person": person, "name": person_label(person, checked.classes)}
        yield _Violation(seconds, None, words, checked.classes.get(person, PERSON))


def _unedited_track(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    for track in unedited_tracks(checked, slack=rule.numbers.get("slack", SLACK)):
        yield _Violation(tuple(box.second for box in track), track[0], {})


def _is_unedited(box: AnnotatedBox, checked: CheckedAnswers, slack: float) -> bool:
    if any(counts_as_vote(box.answers.get(group.name)) for group in checked.groups):
        return False
    return _is_as_proposed(box, checked, slack)


def _is_as_proposed(box: AnnotatedBox, checked: CheckedAnswers, slack: float) -> bool:
    proposed = checked.proposals.get((box.second, box.person_id or 0))
    if proposed is None:
        return False
    return max(abs(a - b) for a, b in zip(box.box, proposed, strict=True)) <= slack


def _too_fast(checked: CheckedAnswers, rule: QualityRule) -> Iterator[_Violation]:
    spent, median = checked.seconds_spent, checked.median_seconds
    if spent is None or median is None:
        return
    if spent < rule.numbers.get("limit", 0.1) * median:
        yield _Violation((), None, {"spent": _minutes(spent), "median": _minutes(median)})


def _by_second(checked: CheckedAnswers) -> dict[int, list[AnnotatedBox]]:
    ordered = sorted(checked.boxes, key=lambda box: (box.second, box.track))
    groups = itertools.groupby(ordered, key=lambda box: box.second)
    return {second: list(several) for second, several in groups}


def _by_track(checked: CheckedAnswers) -> dict[int, list[AnnotatedBox]]:
    ordered = sorted(checked.boxes, key=lambda box: (box.track, box.second))
    groups = itertools.groupby(ordered, key=lambda box: box.track)
    return {track: list(several) for track, several in groups}


def _joined(answers: Sequence[str]) -> str:
    return ", ".join(answers) or "none"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


_DETECTORS: dict[str, Callable[[CheckedAnswers, QualityRule], Iterator[_Violation]]] = {
    "required-group-unset": _unset,
    "two-of-an-exclusive-group": _exclusive,
    "too-many-actions": _too_many,
    "box-outside-the-frame": _outside,
    "box-too-small": _small,
    "one-person-twice": _duplicate_person,
    "two-persons-in-one-place": _same_place,
    "label-flicker": _flicker,
    "one-frame-person": _lone_frame,
    "part-on-another-person": _on_another_person,
    "asked-once-differs": _asked_once,
    "missing-person": _missing_person,
    "unedited-track": _unedited_track,
    "too-fast": _too_fast,
}
