"""Labels over time: flicker, temporal IoU of segments, and agreement within some seconds.

Units are `(person, second)` as in `qc.core.agreement.label_agreement`; a code below 0 is no
answer. A segment is a run of keyframes of one person, second after second, at which one action
was chosen; it lasts a second for each keyframe.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.coefficient_counts import Codes
from qc.core.agreement.figures import DIGITS
from qc.core.box_matching import best_pairs

WITHIN = (0, 1, 2, 3)  # seconds
NO_ANSWER = -1
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


class OverTime(NamedTuple):
    """Two annotators, person by person.

    Attributes:
        iou: Summed IoU of the segments that match, shape `(persons,)`.
        segments: How many there are, as in SegmentOverlap.
        both: Whether there is a keyframe that both answered.
        labelled: Keyframes with an action, of both, over all actions.
        hits: Those at which the other has the action within each of WITHIN seconds, shape
            `(persons, len(WITHIN))`.
    """

    iou: NDArray[np.float64]
    segments: NDArray[np.int64]
    both: NDArray[np.bool_]
    labelled: NDArray[np.int64]
    hits: NDArray[np.int64]

    @property
    def apart(self) -> NDArray[np.float64]:
        """`1 - IoU / segments`; 0 where neither chose an action."""
        apart: NDArray[np.float64] = 1 - self.iou / np.maximum(self.segments, 1)
        return np.where(self.segments > 0, apart, 0.0)

    def summed(self) -> list[float]:
        """IoU, segments, distance, persons, labelled keyframes, and hits, over all persons."""
        return [
            round(float(self.iou.sum()), DIGITS), int(self.segments.sum()),
            round(float(self.apart[self.both].sum()), DIGITS), int(self.both.sum()),
            int(self.labelled.sum()), *self.hits.sum(axis=0).tolist(),
        ]  # fmt: skip


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


def over_time(
    codes: Codes,
    persons: NDArray[np.int64],
    seconds: NDArray[np.int64],
    member: NDArray[np.bool_],
) -> dict[tuple[int, int], OverTime]:
    """How well every pair of annotators agrees on each person over time, over all actions.

    Only keyframes that both answered count.

    Args:
        codes: Shape `(annotators, units)`.
        persons: Of each unit, shape `(units,)`.
        seconds: Of each unit, likewise.
        member: Which value (row) holds which action (column).
    """
    numbers, places = np.unique(persons, return_inverse=True)
    since = seconds - seconds.min() if len(seconds) else seconds
    shape = (len(codes), len(numbers), int(since.max()) + 1 if len(since) else 0)
    grid = np.full(shape, NO_ANSWER, dtype=np.int64)
    grid[:, places, since] = np.maximum(codes, NO_ANSWER)
    chosen = np.vstack([member, np.zeros((1, member.shape[1]), dtype=bool)])
    return {
        (i, j): _of_pair(grid[[i, j]], chosen) for i, j in combinations(range(len(codes)), 2)
    }


def _of_pair(grid: Codes, chosen: NDArray[np.bool_]) -> OverTime:
    """Of two annotators; `grid` of shape `(2, persons, seconds)`, -1 is no answer."""
    answered = (grid != NO_ANSWER).all(axis=0)
    a, b = chosen[grid] & answered[..., None]  # (persons, seconds, actions)
    hits = [
        (a & _widened(b, within)).sum(axis=(1, 2)) + (b & _widened(a, within)).sum(axis=(1, 2))
        for within in WITHIN
    ]
    labelled = a.sum(axis=(1, 2)) + b.sum(axis=(1, 2))
    of_a, of_b = (_rises(one).sum(axis=1) for one in (a, b))  # segments (persons, actions)
    is_same = (a == b).all(axis=1)
    meet = ~is_same & (of_a > 0) & (of_b > 0)
    count = np.where(is_same, of_a, np.where(meet, 0, of_a + of_b)).sum(axis=1)
    iou = (of_a * is_same).sum(axis=1).astype(np.float64)
    persons, actions = np.nonzero(meet)
    runs = [_runs(one[persons, :, actions]) for one in (a, b)]
    for person, *both in zip(persons.tolist(), *runs, strict=True):
        one = match_segments(*both)
        iou[person] += one.iou
        count[person] += one.segments
    return OverTime(iou, count, answered.any(axis=1), labelled, np.stack(hits, axis=1))


def _rises(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a segment starts; seconds are the second axis."""
    found = chosen.copy()
    found[:, 1:] &= ~chosen[:, :-1]
    return found


def _runs(chosen: NDArray[np.bool_]) -> list[list[Segment]]:
    """The segments of each row, shape `(rows, seconds)`."""
    found: list[list[Segment]] = [[] for _ in chosen]
    starts = np.nonzero(_rises(chosen))
    ends = np.nonzero(_rises(chosen[:, ::-1])[:, ::-1])[1] + 1  # as many, in the same order
    for row, start, end in zip(*map(np.ndarray.tolist, (*starts, ends)), strict=True):
        found[row].append((start, end))
    return found


def _widened(chosen: NDArray[np.bool_], within: int) -> NDArray[np.bool_]:
    """Whether an action is chosen at most so many seconds before or after."""
    found = chosen.copy()
    for step in range(1, min(within, chosen.shape[1] - 1) + 1):
        found[:, step:] |= chosen[:, :-step]
        found[:, :-step] |= chosen[:, step:]
    return found
