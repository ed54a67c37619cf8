"""Axis-aligned boxes as float arrays of rows `(x1, y1, x2, y2)`, pixels, origin top left.

x2 and y2 are exclusive. The centre form of a box is the row `(cx, cy, width, height)`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Scores = NDArray[np.float64]


class Detections(NamedTuple):
    """People seen in one picture."""

    boxes: Boxes  # shape (N, 4)
    scores: Scores  # shape (N,), 0 to 1


def no_detections() -> Detections:
    """A picture that was looked at and shows nobody.

    >>> no_detections().boxes.shape
    (0, 4)
    """
    return Detections(np.empty((0, 4)), np.empty(0))


def area(boxes: Boxes) -> NDArray[np.float64]:
    """Areas in square pixels, shape `(N,)`; boxes turned inside out have area 0.

    >>> area(np.array([[0.0, 0, 2, 3], [5, 5, 4, 4]]))
    array([6., 0.])
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def pairwise_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: Boxes, shape `(N, 4)`; `N` may be 0.
        b: Boxes, shape `(M, 4)`; `M` may be 0.

    Returns:
        Shape `(N, M)`, values in `[0, 1]`; a pair of boxes without area scores 0.

    >>> pairwise_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333333, 0.        ]])
    """
    # Side by side in memory, and in place: this is where a crowd's time goes.
    overlap = _shared_length(a[:, 0], a[:, 2], b[:, 0], b[:, 2])
    overlap *= _shared_length(a[:, 1], a[:, 3], b[:, 1], b[:, 3])
    union = np.add.outer(area(a), area(b))
    union -= overlap
    union[union <= 0] = np.inf
    overlap /= union
    return overlap


def _shared_length(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    other_start: NDArray[np.float64],
    other_end: NDArray[np.float64],
) -> NDArray[np.float64]:
    shared = np.minimum.outer(end, other_end)
    shared -= np.maximum.outer(start, other_start)
    return np.maximum(shared, 0.0, out=shared)


def to_centres(boxes: Boxes) -> NDArray[np.float64]:
    """The centre form of `boxes`, shape `(..., 4)`.

    >>> to_centres(np.array([[0.0, 0, 2, 6]]))
    array([[1., 3., 2., 6.]])
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    centres = np.empty_like(boxes)
    centres[..., :2] = (low + high) / 2
    centres[..., 2:] = high - low
    return centres


def to_corners(centres: NDArray[np.float64]) -> Boxes:
    """The boxes of centre forms, shape `(..., 4)`; negative sides become 0.

    >>> to_corners(np.array([[1.0, 3, 2, 6]]))
    array([[0., 0., 2., 6.]])
    """
    half = np.maximum(centres[..., 2:], 0.0) / 2
    boxes = np.empty_like(centres)
    boxes[..., :2] = centres[..., :2] - half
    boxes[..., 2:] = centres[..., :2] + half
    return boxes


def clipped(boxes: Boxes, *, width: int, height: int) -> Boxes:
    """The parts of `boxes` inside a picture; outside ones end up without area.

    >>> clipped(np.array([[-5.0, 2, 5, 50]]), width=20, height=10)
    array([[ 0.,  2.,  5., 10.]])
    """
    return np.clip(boxes, 0.0, np.array([width, height, width, height], dtype=np.float64))


def without_overlaps(found: Detections, *, iou: float) -> Detections:
    """The detections that no better one overlaps by more than `iou`, best first.

    >>> both = np.array([[0.0, 0, 9, 9], [0, 0, 10, 10]])
    >>> without_overlaps(Detections(both, np.array([0.4, 0.8])), iou=0.5).scores
    array([0.8])
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes, scores = found.boxes[order], found.scores[order]
    overlaps = pairwise_iou(boxes, boxes) > iou
    kept = np.ones(len(boxes), dtype=bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= ~overlaps[index, index + 1 :]
    return Detections(boxes[kept], scores[kept])
