"""The boxes of imported tracks at the keyframes of a clip.

A track that is interpolated is so however far its boxes are apart; of other tracks the box
between two that are at most a second apart, or one that is within a quarter of a second.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from annotation.core.importing.clip_places import Placed
from datasets.core.formats.external.document import (
    Box,
    ImportedBox,
    ImportedInterval,
    ImportedLabel,
    ImportedTrack,
)

MAX_GAP = 1.0  # seconds between two boxes that are still interpolated
NEAR = 0.25  # seconds from a keyframe
EPSILON = 1e-6


class KeyframeLabels(NamedTuple):
    """A person at one keyframe; the box in pixels of the standard video."""

    second: int
    box: Box
    labels: tuple[ImportedLabel, ...]


def at_keyframes(track: ImportedTrack, placed: Placed) -> list[KeyframeLabels]:
    """The boxes of a track with a key at the keyframes of a clip."""
    moments = [box.at for box in track.boxes]
    found = []
    for second in placed.clip.keyframes:
        here = _box_at(track, moments, placed.scale.at(second), placed.scale.per_second)
        if here is not None:
            found.append(_keyframe(second, here, placed))
    return found


def loose_at_keyframes(track: ImportedTrack, placed: Placed) -> list[KeyframeLabels]:
    """The boxes without a key at keyframes: those of the moment nearest to each."""
    moments = [box.at for box in track.boxes]
    found = []
    for second in placed.clip.keyframes:
        at, reach = placed.scale.at(second), NEAR * placed.scale.per_second
        near = [
            moment for moment in _around(moments, at) if abs(moment - at) <= reach + EPSILON
        ]
        if near:
            best = min(near, key=lambda moment: abs(moment - at))
            first, last = bisect_right(moments, best - EPSILON), bisect_right(moments, best)
            found += [_keyframe(second, one, placed) for one in track.boxes[first:last]]
    return found


def labels_at(
    intervals: Sequence[ImportedInterval], second: int, placed: Placed
) -> list[ImportedInterval]:
    """The intervals that hold at a keyframe; a moment counts at the nearest keyframe."""
    at, half = placed.scale.at(second), placed.scale.per_second / 2
    return [
        one
        for one in intervals
        if one.start - EPSILON <= at <= one.stop + EPSILON
        or (one.start == one.stop and -half < one.start - at <= half)
    ]


def counted_boxes(track: ImportedTrack, places: Sequence[Placed]) -> int:
    """How many boxes of a track lie within one of the clips."""
    spans = [(one.scale.at(0), one.scale.at(one.clip.frame_count / 30)) for one in places]
    return sum(any(start <= box.at < stop for start, stop in spans) for box in track.boxes)


def _keyframe(second: int, one: ImportedBox, placed: Placed) -> KeyframeLabels:
    x1, y1, x2, y2 = one.box
    box = (x1 * placed.to_x, y1 * placed.to_y, x2 * placed.to_x, y2 * placed.to_y)
    return KeyframeLabels(second, box, one.labels)


def _around(moments: list[float], at: float) -> list[float]:
    """The moments next to `at` on both sides."""
    place = bisect_right(moments, at)
    return moments[max(place - 1, 0) : place + 1]


def _box_at(
    track: ImportedTrack, moments: list[float], at: float, per_second: float
) -> ImportedBox | None:
    place = bisect_right(moments, at + EPSILON)
    before = track.boxes[place - 1] if place else None
    after = track.boxes[place] if place < len(moments) else None
    if before is not None and before.is_outside:
        return None
    if before is not None and (track.is_interpolated or abs(before.at - at) <= EPSILON):
        return before if after is None else _between(before, after, at)
    is_close = before and after and after.at - before.at <= MAX_GAP * per_second + EPSILON
    if before is not None and after is not None and is_close:
        return _between(before, after, at)
    near = [
        one for one in (before, after)
        if one is not None and abs(one.at - at) <= NEAR * per_second + EPSILON
        and not one.is_outside and not (track.is_interpolated and one is after)
    ]  # fmt: skip
    return min(near, key=lambda one: abs(one.at - at), default=None)


def _between(before: ImportedBox, after: ImportedBox, at: float) -> ImportedBox:
    """The box between two, with the labels of the nearer one if that has some."""
    if abs(before.at - at) <= EPSILON or after.at <= before.at:
        return before
    share = (at - before.at) / (after.at - before.at)
    x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(before.box, after.box, strict=True))
    return before._replace(at=at, box=(x1, y1, x2, y2))
