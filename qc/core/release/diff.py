"""What changed from one release to another: clips, keyframes, boxes, labels, splits."""

from collections.abc import Collection, Iterable, Mapping
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
    clips = _change(old.keys(), new.keys())
    moved = {
        new[name].source_video: f"{old[name].split} to {new[name].split}"
        for name in sorted(old.keys() & new.keys())
        if old[name].split != new[name].split
    }
    keyframes = _change(before.keyframes("annotated"), after.keyframes("annotated"))
    boxes = _change(_boxes(before), _boxes(after))
    names = {a.action_id: a.name for a in (*before.actions(), *after.actions())}
    had, has = _labels(before), _labels(after)
    labels = {
        action: _change(had.get(action, ()), has.get(action, ()))
        for action in sorted(had | has)
    }
    labels = {action: its for action, its in labels.items() if not its.is_none}
    sentences = [
        _said("clip", clips, f" ({_named(old.keys() ^ new.keys())})"),
        *(f"{video} moved from {way}." for video, way in moved.items()),
        _said("annotated keyframe", keyframes),
        _said("box", boxes, noun_of_many="boxes"),
        *(
            _said("label", its, noun_of_many=f"labels {names[action]}")
            for action, its in labels.items()
        ),
    ]
    return {
        "clips": clips._asdict(),
        "keyframes": keyframes._asdict(),
        "boxes": boxes._asdict(),
        "labels": {names[action]: its._asdict() for action, its in labels.items()},
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


def _change(old: Collection[Any], new: Collection[Any]) -> Change:
    """What came and went; of mappings, also the keys whose value is another one."""
    before, after = set(old), set(new)
    moved = 0
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        moved = sum(old[key] != new[key] for key in before & after)
    return Change(len(after - before), len(before - after), moved)


def _boxes(release: ReleaseReader) -> dict[Place, str]:
    boxes: dict[Place, str] = {}
    for row, _ in release.together():
        boxes[row.video_id, row.timestamp, row.person_id] = row.box
    for unlabelled in release.unlabelled():
        boxes[unlabelled.video_id, unlabelled.timestamp, unlabelled.person_id] = unlabelled.box
    return boxes


def _labels(release: ReleaseReader) -> dict[int, set[Place]]:
    """Where each action is."""
    found: dict[int, set[Place]] = {}
    for row, _ in release.together():
        place = (row.video_id, row.timestamp, row.person_id)
        found.setdefault(row.action_id, set()).add(place)
    return found


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
    subject = noun_of_many or f"{noun}s"
    return f"{subject[:1].upper()}{subject[1:]}: {', '.join(words)}{which}."


def _named(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return ", ".join(found[:NAMES_SHOWN]) + more
