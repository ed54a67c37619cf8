"""Frame mAP of AVA: average precision per action at an IoU of 0.5.

As the ActivityNet evaluator of 2021 computes it (Pascal VOC with all points): at a keyframe
each detection, best score first, goes to the true box of its action that it overlaps most; it
is right if that IoU is at least 0.5 and nobody came before it. Boxes are rows
`(x1, y1, x2, y2)`.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import pairwise_iou

SAME_PERSON_IOU = 0.5
Floats = NDArray[np.float64]


class ActionBoxes(NamedTuple):
    """Who does what at one keyframe: a row per person and action."""

    boxes: Floats  # shape (N, 4)
    actions: NDArray[np.int64]  # shape (N,)


class FrameMapResult(NamedTuple):
    """Average precisions, 0 to 1."""

    per_action: dict[int, float]  # of the actions that the truth shows
    mean: float | None  # over them; None if the truth shows none


def action_boxes(boxes: list[Floats], actions: list[int]) -> ActionBoxes:
    """Rows from lists, which may be empty."""
    stacked = np.stack(boxes) if boxes else np.empty((0, 4))
    return ActionBoxes(stacked, np.array(actions, dtype=np.int64))


class FrameMap:
    """Adds up keyframes, then gives the average precisions.

    >>> box = np.array([0.1, 0.1, 0.5, 0.9])
    >>> metric = FrameMap()
    >>> found, scores = action_boxes([box, box], [3, 5]), np.array([0.8, 0.9])
    >>> metric.add(action_boxes([box], [3]), found=found, scores=scores)
    >>> metric.result()
    FrameMapResult(per_action={3: 1.0}, mean=1.0)
    """

    def __init__(self) -> None:
        self._truths: Counter[int] = Counter()
        self._scores: list[Floats] = []
        self._actions: list[NDArray[np.int64]] = []
        self._hits: list[NDArray[np.bool_]] = []

    def add(self, truth: ActionBoxes, *, found: ActionBoxes, scores: Floats) -> None:
        """Judge the detections of one keyframe.

        Args:
            scores: Of `found`, shape `(N,)`.
        """
        self._truths.update(truth.actions.tolist())
        order = np.argsort(-scores, kind="stable")
        self._scores.append(scores[order])
        self._actions.append(found.actions[order])
        self._hits.append(_hits(truth, ActionBoxes(found.boxes[order], found.actions[order])))

    def result(self) -> FrameMapResult:
        """The average precision of every action that the truth shows, and their mean."""
        if not self._truths:
            return FrameMapResult({}, None)
        scores, actions = np.concatenate(self._scores), np.concatenate(self._actions)
        hits = np.concatenate(self._hits)
        per_action = {}
        for action, count in sorted(self._truths.items()):
            its = actions == action
            per_action[action] = average_precision(hits[its], scores[its], truths=count)
        return FrameMapResult(per_action, float(np.mean(list(per_action.values()))))


def _hits(truth: ActionBoxes, found: ActionBoxes) -> NDArray[np.bool_]:
    """Which detections, best first, are the first to find a true row of their action."""
    hits = np.zeros(len(found.actions), dtype=bool)
    if not len(truth.actions) or not len(found.actions):
        return hits
    iou = pairwise_iou(found.boxes, truth.boxes)
    iou[found.actions[:, None] != truth.actions[None, :]] = 0.0
    best = iou.argmax(axis=1)
    near = np.flatnonzero(iou[np.arange(len(best)), best] >= SAME_PERSON_IOU)
    _, first = np.unique(best[near], return_index=True)
    hits[near[first]] = True
    return hits


def average_precision(hits: NDArray[np.bool_], scores: Floats, *, truths: int) -> float:
    """The area under the precision envelope over recall.

    Args:
        hits: Whether each detection is right, shape `(N,)`.
        scores: Shape `(N,)`; of equals the first comes first.
        truths: How many there are to find, at least 1.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), truths=2)
    0.8333333333333333
    """
    if truths < 1:
        raise ValueError(f"average precision is not defined for {truths} true boxes")
    found = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    recall = np.concatenate([[0.0], found / truths, [1.0]])
    precision = np.concatenate([[0.0], found / np.arange(1, len(found) + 1), [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))
