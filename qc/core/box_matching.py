"""Which box of one annotator shows the person of which box of another, at one keyframe.

Boxes are rows `(x1, y1, x2, y2)` of pixels, x2 and y2 exclusive.
"""

from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from tracking.core.boxes import Boxes, pairwise_iou

MIN_IOU = 0.5
CLOSE_IOU = 0.75


class Match(NamedTuple):
    """Boxes of two annotators, paired."""

    pairs: list[tuple[int, int]]  # row of the first, row of the second; ascending
    f1: float | None  # 2 * pairs / boxes of both; None if there is no box at all


class BoxCounts(NamedTuple):
    """What the boxes of two annotators have in common; counts of keyframes are added up.

    >>> (BoxCounts(first=1, second=1) + BoxCounts(first=1, matched=1, iou=0.8)).first
    2
    """

    first: int = 0  # boxes of the first annotator
    second: int = 0
    overlapping: int = 0  # pairs of the best assignment that overlap at all
    matched: int = 0  # those of IoU 0.5 or more
    close: int = 0  # those of IoU 0.75 or more
    iou: float = 0.0  # summed over the matched pairs

    def __add__(self, more: "BoxCounts") -> "BoxCounts":  # type: ignore[override]  # not longer
        return BoxCounts(*map(add, self, more))


def match_boxes(a: ArrayLike, b: ArrayLike, *, threshold: float = MIN_IOU) -> Match:
    """The one-to-one pairs of largest summed IoU, without those of IoU below `threshold`.

    Pairs below it are dropped after the assignment, so that they weigh on the others. With a
    threshold of 0 boxes that do not overlap are paired, too.

    Args:
        a: Boxes, shape `(N, 4)`; N may be 0.
        b: Boxes, shape `(M, 4)`; M may be 0.

    >>> match_boxes([[0, 0, 10, 10]], [[50, 0, 60, 10], [0, 0, 10, 12]]).pairs
    [(0, 1)]
    >>> match_boxes([[0, 0, 10, 10]], []).f1, match_boxes([], []).f1
    (0.0, None)
    """
    first, second = as_boxes(a), as_boxes(b)
    iou = pairwise_iou(first, second)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    good = iou[rows, columns] >= threshold
    pairs = list(zip(rows[good].tolist(), columns[good].tolist(), strict=True))
    boxes = len(first) + len(second)
    return Match(pairs, 2 * len(pairs) / boxes if boxes else None)


def best_pairs(gain: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the one-to-one pairs of largest summed gain, without those of 0.

    >>> best_pairs(np.array([[0.9, 0.8], [0.8, 0.0], [0.0, 0.0]]))
    (array([0, 1]), array([1, 0]))
    """
    rows, columns = linear_sum_assignment(gain, maximize=True)
    real = gain[rows, columns] > 0
    return rows[real], columns[real]


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Rows of four; an empty sequence is no box.

    Raises:
        ValueError: for another shape, or a side that is no finite number.

    >>> as_boxes([]).shape
    (0, 4)
    """
    rows = np.asarray(boxes, dtype=np.float64)
    if rows.size == 0:
        return np.empty((0, 4))
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"boxes of shape {rows.shape}, not (N, 4)")
    if not np.isfinite(rows).all():
        raise ValueError(f"{rows[~np.isfinite(rows)][0]} is no side of a box")
    return rows
