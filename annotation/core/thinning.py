"""Which boxes of a track become CVAT keyframes: as few as show the track truly.

An annotator's answer holds from one CVAT keyframe to the next, so every superfluous one is work
for people, and a slow import besides. Frames that come in are 0-based clip frames at 30 a
second, those that go out are frames of the CVAT task. Boxes are float pixels, x2, y2 exclusive.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, pairwise_iou

LEAST_IOU = 0.95

Frames = NDArray[np.int64]


class CvatKeyframe(NamedTuple):
    """A box to be stored in CVAT."""

    frame: int  # of the CVAT task
    box: NDArray[np.float64]
    outside: bool


def thinned(
    frames: Frames,
    boxes: Boxes,
    *,
    keyframes: Collection[int],
    step: int,
    task_frames: int,
    least_iou: float = LEAST_IOU,
) -> list[CvatKeyframe]:
    """The fewest CVAT keyframes whose linear interpolation shows the track at its keyframes.

    Every stretch without a gap keeps its first and last box, and as many keyframes between them
    as keep the interpolated box at IoU `least_iou` or more of the track at every AVA keyframe.
    After a stretch comes an outside box. A stretch that holds no AVA keyframe is left out:
    nobody is asked about it.

    Args:
        frames: Clip frames, ascending, shape `(n,)`.
        boxes: Shape `(n, 4)`.
        keyframes: Clip frames of the AVA keyframes.
        step: Clip frames per frame of the task; others are not looked at.
        task_frames: How many frames the task has.

    >>> steady = np.tile([[0.0, 0.0, 10.0, 10.0]], (60, 1))
    >>> kept = thinned(np.arange(60), steady, keyframes=[0, 30], step=6, task_frames=75)
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
        kept = _fewest(task_frame[nodes], box[nodes], least_iou)
        found += [CvatKeyframe(int(task_frame[nodes[i]]), box[nodes[i]], False) for i in kept]
        end = int(task_frame[part[-1]]) + 1
        if end < task_frames:
            found.append(CvatKeyframe(end, box[part[-1]], True))
    return found


def _fewest(frames: Frames, boxes: Boxes, least_iou: float) -> list[int]:
    """Indices of the shortest chain from first to last whose every link is true enough."""
    count = len(frames)
    links = [0] + [count] * (count - 1)  # of the shortest chain that ends here
    came_from = [0] * count
    for j in range(1, count):
        for i in range(j):
            if links[i] + 1 < links[j] and _is_true(frames, boxes, i, j, least_iou):
                links[j], came_from[j] = links[i] + 1, i
    chain = [count - 1]
    while chain[-1]:
        chain.append(came_from[chain[-1]])
    return chain[::-1]


def _is_true(frames: Frames, boxes: Boxes, i: int, j: int, least_iou: float) -> bool:
    between = slice(i + 1, j)
    share = (frames[between] - frames[i])[:, None] / (frames[j] - frames[i])
    interpolated = boxes[i] + share * (boxes[j] - boxes[i])
    iou = pairwise_iou(interpolated, boxes[between]).diagonal()
    return bool((iou >= least_iou).all())
