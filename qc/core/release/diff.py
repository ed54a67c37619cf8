"""What changed from one release to another: clips, keyframes, boxes, labels, splits."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from qc.core.release.reader import ReleaseReader

NAMES_SHOWN = 5

Place = tuple[str, int, int]  # video_id, timestamp, person


class Change(NamedTuple):
    """How many came, went, and stayed but are different now."""

    added: int
    removed: int
    changed: int = 0

    @property
    def is_none(self) -> bool:
        return not any(self)


def diff_releases(before: ReleaseReader, after: ReleaseReader) -> dict[str, Any]:
    """The changes as numbers, and as `sentences`; one sentence if there are none.

    A box is changed if the same person at the same keyframe has another one; a label is an
    action of a person at a keyframe.
    """
    old, new = before.videos(), after.videos()
    clips = _change(old, new)
    moved = {
        new[name].source_video: f"{old[name].split} to {new[name].split}"
        for name in sorted(old.keys() & new.keys())
        if old[name].split != new[name].split
    }
    keyframes = _change(before.keyframes("annotated"), after.keyframes("annotated"))
    boxes = _box_change(_boxes(before), _boxes(after))
    names = {a.action_id: a.name for a in (*before.actions(), *after.actions())}
    labels = _label_changes(_labels(before), _labels(after))
    sentences = [
        _said("clip", clips, f" ({_named(old.keys() ^ new.keys())})"),
        *(f"{video} moved from {way}." for video, way in moved.items()),
        _said("annotated keyframe", keyframes),
        _said("box", boxes, noun_of_many="boxes"),
        *(
            _said("label", its, noun_of_many=f"labels {names[action]}")
            for action, its in sorted(labels.items())
        ),
    ]
    return {
        "clips": clips._asdict(),
        "keyframes": keyframes._asdict(),
        "boxes": boxes._asdict(),
        "labels": {names[action]: its._asdict() for action, its in sorted(labels.items())},
        "splits": moved,
        "sentences": [one for one in sentences if one] or ["Nothing changed in the labels."],
    }


def diff_agreement(
    before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> list[str]:
    """Sentences about Krippendorff's alpha of groups that is another one now.

    >>> diff_agreement({"posture": 0.5}, {"posture": 0.62})
    ['Agreement on posture: alpha 0.50, now 0.62.']
    """
    return [
        f"Agreement on {group}: alpha {_alpha(before.get(group))}, now {_alpha(after[group])}."
        for group in after
        if _alpha(before.get(group)) != _alpha(after[group])
    ]


def _alpha(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def _change(old: Iterable[Any], new: Iterable[Any]) -> Change:
    old, new = set(old), set(new)
    return Change(len(new - old), len(old - new))


def _boxes(release: ReleaseReader) -> dict[Place, str]:
    boxes: dict[Place, str] = {}
    for row, _ in release.together():
        boxes[row.video_id, row.timestamp, row.person_id] = row.box
    for unlabelled in release.unlabelled():
        boxes[unlabelled.video_id, unlabelled.timestamp, unlabelled.person_id] = unlabelled.box
    return boxes


def _box_change(old: Mapping[Place, str], new: Mapping[Place, str]) -> Change:
    moved = sum(old[place] != new[place] for place in old.keys() & new.keys())
    return Change(len(new.keys() - old.keys()), len(old.keys() - new.keys()), moved)


def _labels(release: ReleaseReader) -> set[tuple[str, int, int, int]]:
    return {
        (row.video_id, row.timestamp, row.person_id, row.action_id)
        for row, _ in release.together()
    }


def _label_changes(
    old: set[tuple[str, int, int, int]], new: set[tuple[str, int, int, int]]
) -> dict[int, Change]:
    added = Counter(action for *_, action in new - old)
    removed = Counter(action for *_, action in old - new)
    return {action: Change(added[action], removed[action]) for action in added | removed}


def _said(noun: str, change: Change, which: str = "", *, noun_of_many: str = "") -> str:
    """`3 boxes added, 1 removed.`; empty if nothing changed."""
    if change.is_none:
        return ""
    words = [
        f"{count} {word}"
        for word, count in (
            ("added", change.added), ("removed", change.removed), ("changed", change.changed),
        )
        if count
    ]  # fmt: skip
    return f"{_upper(noun_of_many or noun + 's')}: {', '.join(words)}{which}."


def _named(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return ", ".join(found[:NAMES_SHOWN]) + more


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
