"""Acceptance: what was offered on the label page and accepted within a second of being shown.

Offered are pre-drawn boxes and answers that hold from the keyframe before. An operation that
answers or keeps keyframes says how long these had been on display (`shown`); those of earlier
versions only say how long it had been since the operation before.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

AT_ONCE_MS = 1000  # faster, nobody has looked at what was offered


class TimedOperation(NamedTuple):
    """An operation of the label page, as `docs/labelling.md` lists them, and its time in ms."""

    content: Mapping[str, Any]
    active_ms: int


class Acceptance(NamedTuple):
    """Counts of one version of a task's answers."""

    decisions: int = 0  # answers set or kept
    decision_ms: int = 0  # working time of these
    kept: int = 0  # of these, what was offered and kept as it was
    kept_at_once: int = 0  # within a second
    boxes_kept: int = 0  # pre-drawn boxes left as they were, with a known time of display
    boxes_kept_at_once: int = 0  # within a second


def acceptance(
    operations: Iterable[TimedOperation], left: Collection[tuple[int, int]]
) -> Acceptance:
    """How fast the answers of a version came.

    A box counts as accepted at once only if everything that answered or kept its keyframe
    came within a second: whoever came back has looked longer.

    Args:
        operations: Of its draft, undone ones too.
        left: Person and keyframe, in clip seconds, of each pre-drawn box that was left as it
            was.

    >>> kept = {"kind": "keep", "person": "7", "first": 0, "last": 2, "shown": 400}
    >>> found = acceptance([TimedOperation(kept, 900)], {(7, 0), (7, 1), (7, 5)})
    >>> found.kept_at_once, found.boxes_kept, found.boxes_kept_at_once
    (1, 2, 2)
    """
    decisions = decision_ms = kept = kept_at_once = 0
    longest: dict[tuple[int, int], float] = {}
    by_person: dict[int, list[int]] = {}
    for person, second in sorted(left):
        by_person.setdefault(person, []).append(second)
    for content, active_ms in operations:
        kind = content.get("kind")
        if kind not in ("set", "keep"):
            continue
        shown = _milliseconds(content.get("shown"))
        decisions += 1
        decision_ms += active_ms
        if kind == "keep":
            kept += 1
            kept_at_once += (active_ms if shown is None else shown) < AT_ONCE_MS
        if shown is not None:
            person, first, last = _keyframes(content)
            for second in by_person.get(person, ()):
                if first <= second <= last:
                    at = person, second
                    longest[at] = max(shown, longest.get(at, 0.0))
    at_once = sum(one < AT_ONCE_MS for one in longest.values())
    return Acceptance(decisions, decision_ms, kept, kept_at_once, len(longest), at_once)


def _milliseconds(given: Any) -> float | None:
    """`given` as a time; None if it is none. It comes from a browser."""
    is_time = isinstance(given, int | float) and not isinstance(given, bool) and given >= 0
    return float(given) if is_time else None


def _keyframes(content: Mapping[str, Any]) -> tuple[int, float, float]:
    """Person, first and last keyframe that an operation answers; nobody's if it says none."""
    person = content.get("person")
    places = [content.get(one) for one in ("first", "last")]
    if content["kind"] == "set":
        places = [content.get("second")] * 2
    times = [_milliseconds(one) for one in places]
    if (
        not isinstance(person, str)
        or not person.isdecimal()
        or len(person) > 9
        or None in times
    ):
        return -1, 0.0, -1.0
    return int(person), times[0] or 0.0, times[1] or 0.0
