"""Labels over time: flicker (flip rate), and temporal IoU of the segments of an action.

Units are `(person, second)` as in `qc.core.agreement.units`; a code below 0 is no answer. A
segment is a run of keyframes of one person, second after second, at which one action was
chosen; it lasts a second for each keyframe.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.tables import Codes
from qc.core.matching import best_pairs

NO_SEGMENT = "nobody chose an action that another could have chosen"
NO_CONSECUTIVE = "no two keyframes in a row were answered"

Segment = tuple[int, int]  # [start, end) in seconds


class Flicker(NamedTuple):
    """Of an annotator's labels: how many of the `consecutive` pairs of keyframes changed."""

    changed: int
    consecutive: int


class SegmentOverlap(NamedTuple):
    """Segments of two annotators: summed IoU of those that match, and how many there are.

    A segment that matches none counts once, with an IoU of 0; two that match count once.
    """

    iou: float
    segments: int


def label_flicker(
    codes: Codes, persons: NDArray[np.int64], seconds: NDArray[np.int64]
) -> list[Flicker]:
    """How often each annotator's label of a person changes from one keyframe to the next.

    Only keyframes a second apart that both have an answer are counted.

    Args:
        codes: Shape `(annotators, units)`.
        persons: Of each unit, shape `(units,)`.
        seconds: Of each unit, likewise.

    >>> label_flicker(np.array([[0, 1, 1, -2]]), np.array([7, 7, 7, 7]), np.array([2, 3, 4, 5]))
    [Flicker(changed=1, consecutive=2)]
    """
    order = np.lexsort((seconds, persons))
    codes, persons, seconds = codes[:, order], persons[order], seconds[order]
    follows = (np.diff(persons) == 0) & (np.diff(seconds) == 1)
    before, after = codes[:, :-1], codes[:, 1:]
    both = follows & (before >= 0) & (after >= 0)
    changed = both & (before != after)
    return [
        Flicker(int(one), int(of))
        for one, of in zip(changed.sum(axis=1), both.sum(axis=1), strict=True)
    ]


def segments_of(seconds: Sequence[int]) -> list[Segment]:
    """Ascending seconds as segments without a gap.

    >>> segments_of([2, 3, 4, 8])
    [(2, 5), (8, 9)]
    """
    found: list[Segment] = []
    for second in seconds:
        if found and found[-1][1] == second:
            found[-1] = (found[-1][0], second + 1)
        else:
            found.append((second, second + 1))
    return found


def interval_iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two segments of time `[start, end)`; 0 if both are empty.

    >>> interval_iou((0.0, 2.0), (1.0, 3.0))
    0.3333333333333333
    """
    for start, end in (a, b):
        if not start <= end:
            raise ValueError(f"a segment from {start} to {end}")
    overlap = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - overlap
    return overlap / union if union > 0 else 0.0


def match_segments(a: Sequence[Segment], b: Sequence[Segment]) -> SegmentOverlap:
    """Segments matched one to one for the largest summed IoU.

    >>> match_segments([(2, 6)], [(2, 4), (8, 10)])
    SegmentOverlap(iou=0.5, segments=2)
    """
    if list(a) == list(b):
        return SegmentOverlap(float(len(a)), len(a))
    if not a or not b:
        return SegmentOverlap(0.0, len(a) + len(b))
    if len(a) == len(b) == 1:
        iou_of_two = interval_iou(a[0], b[0])
        return SegmentOverlap(iou_of_two, 1 if iou_of_two else 2)
    iou = np.array([[interval_iou(one, other) for other in b] for one in a], dtype=np.float64)
    rows, columns = best_pairs(iou)
    return SegmentOverlap(float(iou[rows, columns].sum()), len(a) + len(b) - len(rows))


def segment_overlaps(
    codes: Codes,
    persons: NDArray[np.int64],
    seconds: NDArray[np.int64],
    member: NDArray[np.bool_],
) -> dict[tuple[int, int], SegmentOverlap]:
    """How well the segments of every pair of annotators agree, over persons and actions.

    Only keyframes that both answered count.

    Args:
        codes: Shape `(annotators, units)`.
        persons: Of each unit, shape `(units,)`.
        seconds: Of each unit, likewise.
        member: Which value (row) holds which action (column).
    """
    order = np.lexsort((seconds, persons))
    bounds = np.flatnonzero(np.diff(persons[order])) + 1
    rows = [one for one in np.split(order, bounds) if len(one)]
    found = {}
    for i, j in combinations(range(len(codes)), 2):
        total = SegmentOverlap(0.0, 0)
        for of_person in rows:
            both = of_person[(codes[i, of_person] >= 0) & (codes[j, of_person] >= 0)]
            part = _of_one_person(member[codes[i, both]], member[codes[j, both]], seconds[both])
            total = SegmentOverlap(total.iou + part.iou, total.segments + part.segments)
        found[i, j] = total
    return found


def _of_one_person(
    a: NDArray[np.bool_], b: NDArray[np.bool_], seconds: NDArray[np.int64]
) -> SegmentOverlap:
    """Over all actions; `a` and `b` of shape `(keyframes, actions)`."""
    iou, count = 0.0, 0
    for action in np.flatnonzero(a.any(axis=0) | b.any(axis=0)):
        one = match_segments(
            segments_of(seconds[a[:, action]].tolist()),
            segments_of(seconds[b[:, action]].tolist()),
        )
        iou, count = iou + one.iou, count + one.segments
    return SegmentOverlap(iou, count)
