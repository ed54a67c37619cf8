"""Keyframe reduction: the fewest CVAT keyframes whose interpolation still fits a track.

An annotator's answer holds from one CVAT keyframe to the next, so every superfluous one costs
work, and slows down CVAT's import. Input frames are 0-based clip frames at 30 per second,
output frames are frames of the CVAT task. Boxes are float pixels, x2 and y2 exclusive.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, pairwise_iou

MIN_IOU = 0.95

Frames = NDArray[np.int64]


class CvatKeyframe(NamedTuple):
    """A box to store in CVAT."""

    frame: int  # of the CVAT task
    box: NDArray[np.float64]
    outside: bool


def reduce_keyframes(
    frames: Frames,
    boxes: Boxes,
    *,
    keyframes: Collection[int],
    step: int,
    task_frames: int,
    min_iou: float = MIN_IOU,
) -> list[CvatKeyframe]:
    """The fewest CVAT keyframes that interpolate to the track at every AVA keyframe.

    Every segment without a gap keeps its first and last box, and enough keyframes between them
    that the interpolated box has IoU `min_iou` or more with the track at every AVA keyframe. An
    outside box follows each segment. A segment without an AVA keyframe is left out: it is not
    annotated.

    Args:
        frames: Clip frames, ascending, shape `(n,)`.
        boxes: Shape `(n, 4)`.
        keyframes: Clip frames of the AVA keyframes.
        step: Clip frames per frame of the task; frames between them are ignored.
        task_frames: Number of frames of the task.

    >>> steady = np.tile([[0.0, 0.0, 10.0, 10.0]], (60, 1))
    >>> frames = np.arange(60)
    >>> kept = reduce_keyframes(frames, steady, keyframes=[0, 30], step=6, task_frames=75)
    >>> [(one.frame, one.outside) for one in kept]
    [(0, False), (9, False), (10, True)]
    """
    seen = np.flatnonzero(frames % step == 0)
    task_frame, box = frames[seen] // step, boxes[seen]
    asked = {keyframe // step for keyframe in keyframes}
    gaps = np.flatnonzero(np.diff(task_frame) > 1) + 1
    found: list[CvatKeyframe] = []
    for part in np.split(np.arange(len(seen)), gaps):
        inner = [int(i) for i in part if int(task_frame[i]) in asked]
        if not inner:
            continue
        nodes = sorted({int(part[0]), *inner, int(part[-1])})
        kept = _fewest(task_frame[nodes], box[nodes], min_iou)
        found += [CvatKeyframe(int(task_frame[nodes[i]]), box[nodes[i]], False) for i in kept]
        end = int(task_frame[part[-1]]) + 1
        if end < task_frames:
            found.append(CvatKeyframe(end, box[part[-1]], True))
    return found


def _fewest(frames: Frames, boxes: Boxes, min_iou: float) -> list[int]:
    """Indices of the shortest chain from first to last box whose every link fits."""
    count = len(frames)
    links = [0] + [count] * (count - 1)  # of the shortest chain that ends here
    came_from = [0] * count
    for j in range(1, count):
        for i in range(j):
            if links[i] + 1 < links[j] and _fits(frames, boxes, i, j, min_iou):
                links[j], came_from[j] = links[i] + 1, i
    chain = [count - 1]
    while chain[-1]:
        chain.append(came_from[chain[-1]])
    return chain[::-1]


def _fits(frames: Frames, boxes: Boxes, i: int, j: int, min_iou: float) -> bool:
    between = slice(i + 1, j)
    share = (frames[between] - frames[i])[:, None] / (frames[j] - frames[i])
    interpolated = boxes[i] + share * (boxes[j] - boxes[i])
    iou = pairwise_iou(interpolated, boxes[between]).diagonal()
    return bool((iou >= min_iou).all())
