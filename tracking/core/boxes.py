"""Axis-aligned boxes, and detections: rows `(x1, y1, x2, y2)` of pixels, origin top left.

x2 and y2 are exclusive. The centre form of a box is the row `(cx, cy, width, height)`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Scores = NDArray[np.float64]

SIGNS = np.array([[1.0], [1], [-1], [-1]])
FRAMES_AT_ONCE = 90  # prepared and tracked together
EPSILON = np.finfo(np.float64).tiny  # for the union of two boxes without area


class Detections(NamedTuple):
    """People detected in one frame, or what else a dataset follows."""

    boxes: Boxes  # shape (N, 4)
    scores: Scores  # shape (N,), 0 to 1
    features: NDArray[np.float32] | None = None  # shape (N, P, D), see `appearance.py`
    classes: NDArray[np.int64] | None = None  # shape (N,), of the followed; None: all the first

    def of_class(self, number: int) -> "Detections":
        """Those of one class.

        >>> Detections(np.zeros((2, 4)), np.array([0.2, 0.3])).of_class(0).scores
        array([0.2, 0.3])
        """
        if self.classes is None and number == 0:
            return self
        some = np.zeros(len(self.boxes), bool) if self.classes is None else (
            self.classes == number
        )  # fmt: skip
        features = None if self.features is None else self.features[some]
        return Detections(self.boxes[some], self.scores[some], features)


def no_detections() -> Detections:
    """The result of a frame without people.

    >>> no_detections().boxes.shape
    (0, 4)
    """
    return Detections(np.empty((0, 4)), np.empty(0))


def area(boxes: Boxes) -> NDArray[np.float64]:
    """Areas in square pixels, shape `(N,)`; inverted boxes have area 0.

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
    return iou_of_signed_corners(signed_corners(a), signed_corners(b))


def signed_corners(boxes: Boxes) -> NDArray[np.float64]:
    """Boxes as columns `(x1, y1, -x2, -y2)`, shape `(4, N)`, for `iou_of_signed_corners`.

    >>> signed_corners(np.array([[0.0, 1, 2, 3]])).T
    array([[ 0.,  1., -2., -3.]])
    """
    return np.ascontiguousarray(boxes.T) * SIGNS


def iou_of_signed_corners(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`pairwise_iou` of boxes in the form of `signed_corners`.

    >>> box, half = np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 1, 2]])
    >>> iou_of_signed_corners(signed_corners(box), signed_corners(half))
    array([[0.5]])
    """
    # In a crowd most time is spent here. With x2 and y2 negative one maximum serves all
    # corners, and everything is contiguous in memory and done in place.
    overlap = _area_of_signed_corners(np.maximum(a[:, :, None], b[:, None, :]))
    union = np.add.outer(_area_of_signed_corners(a.copy()), _area_of_signed_corners(b.copy()))
    union -= overlap
    np.maximum(union, EPSILON, out=union)
    overlap /= union
    return overlap


def _area_of_signed_corners(spent: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = spent[:2]
    lengths += spent[2:]
    np.minimum(lengths, 0.0, out=lengths)
    lengths[0] *= lengths[1]
    return lengths[0]


def signed_corners_of_centres(
    centres: NDArray[np.float64], *, expansion: float = 1.0
) -> NDArray[np.float64]:
    """`signed_corners` of centre forms in columns, shape `(4, N)`, scaled by `expansion`.

    >>> signed_corners_of_centres(np.array([[1.0], [3], [2], [6]])).T
    array([[ 0.,  0., -2., -6.]])
    """
    middle, half = centres[:2], np.maximum(centres[2:], 0.0)
    half *= 0.5 * expansion
    return np.concatenate([middle - half, -middle - half])


def xyxy_to_cxcywh(boxes: Boxes) -> NDArray[np.float64]:
    """The centre form of `boxes`, shape `(..., 4)`.

    >>> xyxy_to_cxcywh(np.array([[0.0, 0, 2, 6]]))
    array([[1., 3., 2., 6.]])
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    centres = np.empty_like(boxes)
    centres[..., :2] = (low + high) / 2
    centres[..., 2:] = high - low
    return centres


def cxcywh_to_xyxy(centres: NDArray[np.float64]) -> Boxes:
    """The boxes of centre forms, shape `(..., 4)`; negative sides become 0.

    >>> cxcywh_to_xyxy(np.array([[1.0, 3, 2, 6]]))
    array([[0., 0., 2., 6.]])
    """
    half = np.maximum(centres[..., 2:], 0.0) / 2
    boxes = np.empty_like(centres)
    boxes[..., :2] = centres[..., :2] - half
    boxes[..., 2:] = centres[..., :2] + half
    return boxes


def clip_boxes(boxes: Boxes, *, width: int, height: int) -> Boxes:
    """The parts of `boxes` inside an image; outside ones end up without area.

    >>> clip_boxes(np.array([[-5.0, 2, 5, 50]]), width=20, height=10)
    array([[ 0.,  2.,  5., 10.]])
    """
    return np.clip(boxes, 0.0, np.array([width, height, width, height], dtype=np.float64))


def nms(found: Detections, *, iou: float) -> Detections:
    """Non-maximum suppression: who overlaps no better detection by more than `iou`, best first.

    Only detections of one class suppress each other.

    >>> both = np.array([[0.0, 0, 9, 9], [0, 0, 10, 10]])
    >>> nms(Detections(both, np.array([0.4, 0.8])), iou=0.5).scores
    array([0.8])
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes, scores = found.boxes[order], found.scores[order]
    overlaps = pairwise_iou(boxes, boxes) > iou
    classes = None if found.classes is None else found.classes[order]
    if classes is not None:
        overlaps &= classes[:, None] == classes
    kept = np.ones(len(boxes), dtype=bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= ~overlaps[index, index + 1 :]
    return Detections(
        boxes[kept], scores[kept], None, None if classes is None else classes[kept]
    )


class DetectionBatch(NamedTuple):
    """The usable detections of some frames in a row, frame after frame."""

    boxes: Boxes  # (N, 4)
    scores: Scores  # (N,)
    frame_indices: NDArray[np.int64]  # (N,), ascending
    track_ids: NDArray[np.int64]  # (N,), written by the tracker; 0: no track
    frames: list[tuple[int, slice]]  # each frame with detection, and its rows
    features: NDArray[np.float32] | None = None  # (N, P, D)


def detection_batches(
    detections: Iterable[Detections | None], *, low_score: float
) -> Iterator[DetectionBatch]:
    """`detections`, whose first frame is 0, in batches of `FRAMES_AT_ONCE` frames."""
    source = enumerate(detections)
    while some := list(islice(source, FRAMES_AT_ONCE)):
        yield _batch([(frame, one) for frame, one in some if one is not None], low_score)


def _batch(found: list[tuple[int, Detections]], low_score: float) -> DetectionBatch:
    if not found:
        none = np.empty(0, np.int64)
        return DetectionBatch(np.empty((0, 4)), np.empty(0), none, none, [])
    boxes = np.concatenate([one.boxes for _, one in found]).astype(np.float64)
    scores = np.concatenate([one.scores for _, one in found]).astype(np.float64)
    numbers = [frame for frame, _ in found]
    frames = np.repeat(numbers, [len(one.boxes) for _, one in found])
    # Comparisons with nan are False, so boxes that are not finite are dropped here as well.
    good = (scores >= low_score) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    good &= np.isfinite(boxes).all(axis=1)
    frames = frames[good]
    edges = np.searchsorted(frames, [*numbers, numbers[-1] + 1]).tolist()
    rows = zip(numbers, (slice(*edge) for edge in pairwise(edges)), strict=True)
    features = [one.features for _, one in found if one.features is not None]
    chosen = np.concatenate(features)[good] if features else None
    no_ids = np.zeros_like(frames)
    return DetectionBatch(boxes[good], scores[good], frames, no_ids, list(rows), chosen)
