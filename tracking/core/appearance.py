"""Appearance: whether a track still shows the same person, and whether two show one.

No limit is fixed for a camera or a model: each clip says how much people change who are in
plain view all the time, and how alike different people are, who are seen at the same time. Only
who is less alike than both is taken for somebody else, and only who is nearer to the first than
to the second for the same person. Where a clip shows too few people to tell, limits are those
that were chosen for colours, and looks of a model decide nothing.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, Detections, area
from tracking.core.features import Describe, Image, Looks, by_colours, likeness, mean_look, unit
from tracking.core.tracks_file import Track

MIN_SCORE = 0.25  # of a detection whose look counts, and that covers others
COVERED = 0.35  # share of a box behind other boxes, from which on it shows somebody else, too
WINDOW_SECONDS = 1.0
EVENT_SECONDS = 0.27  # without a clear view, after which a look is compared
MIN_VIEWS = 3  # clear views on either side
SAME_QUANTILE = 0.05  # of the likenesses of the same people: so many of these break in vain
MIN_PAIRS = 20  # of the same people, before their likeness counts
DIFFERENT_QUANTILE = 0.9  # of the likenesses of different people, who are seen at one time
MIN_DIFFERENT, MAX_DIFFERENT = 10, 2000  # pairs of them that are needed, and that are looked at
DEFAULT_LIMIT = 0.55  # of the likeness of colours, in a clip of too few people
SAME_IOU = 0.4  # of two boxes on one person, found as a whole and in part ...
SAME_SECONDS = 0.5  # ... for so long ...
SAME_LIKENESS = 0.85  # ... who looks the same: by colours, in a clip of too few people

Rows = NDArray[np.int64]


class ClipLimits(NamedTuple):
    """How alike the same people look in a clip."""

    same: float  # whoever is less alike after an event is somebody else
    change: float = 0.0  # whoever is less alike in plain view is somebody else


def describe_clearly(image: Image, found: Detections, describe: Describe) -> Detections:
    """`found` with the features of those who are seen clearly; zeros for the others."""
    views = found.scores >= MIN_SCORE  # others are often second boxes of the same person
    views[views] = clear_views(found.boxes[views])
    some = describe(image, found.boxes[views])
    features = np.zeros((len(found.boxes), *some.shape[1:]), np.float32)
    features[views] = some
    return found._replace(features=features)


def clear_views(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes of a frame no other one covers much, shape `(N,)`.

    Of two boxes that overlap the one that ends lower is in front.

    >>> clear_views(np.array([[0.0, 0, 10, 20], [2, 5, 12, 30]]))
    array([False,  True])
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=-1) / np.maximum(area(boxes), 1e-9)[:, None]
    is_behind = boxes[:, None, 3] < boxes[None, :, 3]
    return np.asarray((np.where(is_behind, shared, 0.0) < COVERED).all(axis=1))


def events(track: Track, fps: float) -> list[tuple[int, int]]:
    """Rows of clear views `(before, after)` between which a track could not be seen well.

    Empty for a track without features.
    """
    views = _views(track)
    apart = np.flatnonzero(np.diff(track.frames[views]) >= EVENT_SECONDS * fps)
    return [(int(views[place]), int(views[place + 1])) for place in apart]


def _views(track: Track) -> NDArray[np.int64]:
    """Rows of a track that show it clearly."""
    if track.features is None:
        return np.empty(0, np.int64)
    return np.flatnonzero((track.features != 0).any(axis=(1, 2)))


def _look_at(track: Track, row: int, fps: float, *, before: bool) -> NDArray[np.float32] | None:
    """The look in the second up to `row`, or from it on; None if it is seen too rarely."""
    views = _views(track)
    frames, at = track.frames[views], track.frames[row]
    window = WINDOW_SECONDS * fps
    near = (frames <= at) & (frames > at - window) if before else (
        (frames >= at) & (frames < at + window)
    )  # fmt: skip
    if track.features is None or near.sum() < MIN_VIEWS:
        return None
    return mean_look(track.features[views[near]])


def end_look(track: Track, fps: float, *, last: bool) -> NDArray[np.float32] | None:
    """The look in the last or the first second that a track is seen clearly; None without."""
    views = _views(track)
    if track.features is None or not len(views):
        return None
    if len(track.features) != len(track.frames):  # read from a file: one of the whole track
        return track.features[0]
    return _look_at(track, int(views[-1 if last else 0]), fps, before=last)


def look_of(track: Track) -> NDArray[np.float32] | None:
    """The look of a whole track; None if it is seen clearly too rarely."""
    views = _views(track)
    if track.features is not None and len(track.features) != len(track.frames):
        return track.features[0]
    if track.features is None or len(views) < MIN_VIEWS:
        return None
    return mean_look(track.features[views])


def clip_limits(tracks: Sequence[Track], fps: float) -> ClipLimits:
    """How alike people look in a clip, of those in plain view a second apart in one track.

    Different people are those of tracks at the same time; limits lie below most of them.
    """
    limits, change = [], 0.0
    same = same_people(tracks, fps)
    if len(same) >= MIN_PAIRS:
        limits.append(float(np.quantile(same, SAME_QUANTILE)))
    different = different_people(tracks)
    if len(different) >= MIN_DIFFERENT:
        change = float(np.quantile(different, DIFFERENT_QUANTILE))
        limits.append(change)
    unknown = by_colours(DEFAULT_LIMIT, -math.inf, (one.features for one in tracks))
    lowest = min(limits, default=unknown)
    return ClipLimits(lowest, min(lowest, change))


def same_people(tracks: Sequence[Track], fps: float) -> list[float]:
    """The likenesses of people in plain view to themselves a second before."""
    found: list[float] = []
    for track in tracks:
        views = _views(track)
        if not len(views):
            continue
        edges = {row for pair in events(track, fps) for row in pair}
        frames = track.frames[views]
        step = round(WINDOW_SECONDS * fps)
        for at in range(int(frames[0]) + step, int(frames[-1]) - step + 1, step):
            row = views[np.searchsorted(frames, at)]
            if any(abs(int(track.frames[edge]) - at) <= step for edge in edges):
                continue
            a = _look_at(track, row - 1 if row else row, fps, before=True)
            b = _look_at(track, row, fps, before=False)
            if a is not None and b is not None and not np.isnan(alike := likeness(a, b)):
                found.append(float(alike))
    return found


class _Looks(NamedTuple):
    """The tracks that have a look, as columns."""

    indices: NDArray[np.int64]  # (N,), of the tracks
    features: Looks  # (N, P, D)
    begin: NDArray[np.int64]  # (N,), first frames
    end: NDArray[np.int64]  # (N,), last frames


def _with_look(tracks: Sequence[Track]) -> _Looks | None:
    """Those tracks that have a look; None for none."""
    features = {index: look_of(one) for index, one in enumerate(tracks)}
    found = {index: look for index, look in features.items() if look is not None}
    if not found:
        return None
    begin, end = np.array([tracks[index].frames[[0, -1]] for index in found]).T
    return _Looks(np.array(list(found)), np.stack(list(found.values())), begin, end)


def different_people(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """The likenesses of tracks that are seen at the same time."""
    if (found := _with_look(tracks)) is None:
        return np.empty(0)
    _, features, begin, end = found
    rows, columns = np.nonzero(np.triu((begin[:, None] <= end) & (begin <= end[:, None]), 1))
    some = slice(None, None, len(rows) // MAX_DIFFERENT + 1)
    alike = likeness(features[rows[some]], features[columns[some]])
    return alike[~np.isnan(alike)]


def split_by_look(tracks: Sequence[Track], limits: ClipLimits, fps: float) -> list[Track]:
    """The tracks, cut where the look is not that of before: after an event, or in plain view.

    After an event the cut lies where the person was found again after the longest time unseen,
    or in the middle if it was always seen. Parts have the id of their track.
    """
    result = []
    for track in tracks:
        cuts = []
        for before, after in events(track, fps):
            a = _look_at(track, before, fps, before=True)
            b = _look_at(track, after, fps, before=False)
            if a is not None and b is not None and likeness(a, b) < limits.same:
                gaps = np.diff(track.frames[before : after + 1])
                longest = int(gaps.argmax())
                cuts.append(
                    before + 1 + longest if gaps[longest] > 1 else (before + after + 1) // 2
                )
        for part in _parts(track, cuts):
            result += _parts(part, _changes(part, limits.change, fps))
    return sorted(result, key=lambda one: int(one.frames[0]))


def _changes(track: Track, limit: float, fps: float) -> list[int]:
    """Rows from which on a track looks less like in the second before than `limit`.

    Where it changes most, and no other one within a second.
    """
    views = _views(track)
    if track.features is None or limit <= 0 or len(views) < 2 * MIN_VIEWS:
        return []
    frames, window = track.frames[views], WINDOW_SECONDS * fps
    at = np.arange(MIN_VIEWS, len(views) - MIN_VIEWS + 1)
    first = np.searchsorted(frames, frames[at - 1] - window, side="right")
    last = np.searchsorted(frames, frames[at] + window)
    at, first, last = (
        one[(at - first >= MIN_VIEWS) & (last - at >= MIN_VIEWS)] for one in (at, first, last)
    )
    sums = np.cumsum(track.features[views], axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    alike = likeness(unit(sums[at] - sums[first]), unit(sums[last] - sums[at]))
    cuts: list[int] = []
    for place in np.argsort(alike, kind="stable"):
        row = at[place]
        if alike[place] < limit and all(
            abs(frames[row] - frames[cut]) > window for cut in cuts
        ):
            cuts.append(int(row))
    return sorted(int(views[row - 1] + views[row] + 1) // 2 for row in cuts)


def _parts(track: Track, cuts: list[int]) -> list[Track]:
    """A track with looks, cut before some rows; parts have its id."""
    if not cuts or track.features is None:
        return [track]
    columns = (track.frames, track.boxes, track.scores, track.features)
    parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
    return [Track(track.track_id, *part) for part in parts]


def without_doubles(tracks: Sequence[Track], fps: float) -> list[Track]:
    """The tracks, without those stretches in which one of higher scores shows the same person.

    What is left of a track before and afterwards has its id. Tracks without looks stay as they
    are, since of boxes alone people who walk abreast look like doubles.
    """
    is_double = [np.zeros(len(one.frames), bool) for one in tracks]
    for a, b in _alike_at_once(tracks, _double_likeness(tracks, fps)):
        one, other = tracks[a], tracks[b]
        rows, columns = _same_place(one, other, fps)
        if len(rows) and one.scores[rows].mean() < other.scores[columns].mean():
            is_double[a][rows] = True
        else:
            is_double[b][columns] = True
    result = []
    for track, doubled in zip(tracks, is_double, strict=True):
        edges = np.flatnonzero(np.diff(doubled)) + 1
        for first, part in zip([0, *edges], _parts(track, edges.tolist()), strict=True):
            if not doubled[first]:
                result.append(part)
    return sorted(result, key=lambda one: int(one.frames[0]))


def _double_likeness(tracks: Sequence[Track], fps: float) -> float:
    """The likeness from which on two tracks show one person, who is found twice.

    Midway between how alike the same people are at least, and different ones at most.
    """
    same, different = same_people(tracks, fps), different_people(tracks)
    if len(same) < MIN_PAIRS or len(different) < MIN_DIFFERENT:
        return by_colours(SAME_LIKENESS, math.inf, (one.features for one in tracks))
    least, most = np.quantile(same, SAME_QUANTILE), np.quantile(different, DIFFERENT_QUANTILE)
    return float(least + most) / 2


def _alike_at_once(tracks: Sequence[Track], limit: float) -> Iterator[tuple[int, int]]:
    """Pairs of tracks that are seen at one time, come to the same place, and look the same."""
    if (found := _with_look(tracks)) is None:
        return
    known, features, begin, end = found
    low = np.array([tracks[index].boxes[:, :2].min(axis=0) for index in known])
    high = np.array([tracks[index].boxes[:, 2:].max(axis=0) for index in known])
    for row, index in enumerate(known.tolist()):
        meets = (begin[:row] <= end[row]) & (begin[row] <= end[:row])
        meets &= (low[:row] < high[row]).all(axis=1) & (low[row] < high[:row]).all(axis=1)
        near = np.flatnonzero(meets)
        for other in known[near[likeness(features[row], features[near]) > limit]].tolist():
            yield index, other


def _same_place(one: Track, other: Track, fps: float) -> tuple[Rows, Rows]:
    """Rows of both in which they lie on each other for long enough."""
    frames, rows, columns = np.intersect1d(
        one.frames, other.frames, assume_unique=True, return_indices=True
    )
    a, b = one.boxes[rows], other.boxes[columns]
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    is_same = shared >= SAME_IOU * (area(a) + area(b) - shared)
    for part in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(is_same)) + 1):
        if len(part) and frames[part[-1]] - frames[part[0]] < SAME_SECONDS * fps:
            is_same[part] = False
    return rows[is_same], columns[is_same]


def concatenated(parts: Sequence[Track]) -> Track:
    """The boxes of some tracks, one after the other in time, as one track.

    Where two overlap, the one that began later counts.
    """
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: int(part.frames[0]))
    frames = np.concatenate([part.frames for part in parts])
    # The last of each frame, and those in the order of time.
    rows = len(frames) - 1 - np.unique(frames[::-1], return_index=True)[1]
    features = [part.features for part in parts if part.features is not None]
    return Track(
        parts[0].track_id,
        frames[rows],
        np.concatenate([part.boxes for part in parts])[rows],
        np.concatenate([part.scores for part in parts])[rows],
        np.concatenate(features)[rows] if len(features) == len(parts) else None,
    )
