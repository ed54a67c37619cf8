"""Doubles: two tracks on one person, of which only the better one goes on.

A detector may find a person twice, for instance as a whole and in part, so that for seconds two
tracks show the same person.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tracking.core.appearance import look_of, parts_of
from tracking.core.boxes import area
from tracking.core.looks import Looks, likeness
from tracking.core.tracks_file import Track

SAME_IOU = 0.4  # of two boxes on one person ...
SAME_SECONDS = 0.5  # ... for so long ...
SAME_LIKENESS = 0.85  # ... who looks the same: people side by side seldom do

Rows = NDArray[np.int64]


def without_doubles(tracks: Sequence[Track], fps: float) -> list[Track]:
    """The tracks, without those stretches in which one of higher scores shows the same person.

    What is left of a track before and afterwards has its id. Tracks without looks stay as they
    are, since of boxes alone people who walk abreast look like doubles.
    """
    is_double = [np.zeros(len(one.frames), bool) for one in tracks]
    looks = [look_of(one) for one in tracks]
    for a, one in enumerate(tracks):
        for b, other in enumerate(tracks[:a]):
            if not _may_be_one(one, other, looks[a], looks[b]):
                continue
            rows, columns = _same_place(one, other, fps)
            if len(rows) and one.scores[rows].mean() < other.scores[columns].mean():
                is_double[a][rows] = True
            else:
                is_double[b][columns] = True
    result = []
    for track, doubled in zip(tracks, is_double, strict=True):
        edges = np.flatnonzero(np.diff(doubled)) + 1
        for first, part in zip([0, *edges], parts_of(track, edges.tolist()), strict=True):
            if not doubled[first]:
                result.append(part)
    return sorted(result, key=lambda one: int(one.frames[0]))


def _may_be_one(one: Track, other: Track, look: Looks | None, other_look: Looks | None) -> bool:
    is_at_once = one.frames[0] <= other.frames[-1] and other.frames[0] <= one.frames[-1]
    if not is_at_once or look is None or other_look is None:
        return False
    return bool(likeness(look, other_look) > SAME_LIKENESS)


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
