"""Detections of some frames in a row as arrays, for the tracker."""

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, Detections, Scores

FRAMES_AT_ONCE = 90  # prepared and tracked together


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
