"""How far the boxes of annotators agree, from counts that add up over keyframes and clips."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from qc.core.identity import Drawn
from qc.core.matching import BoxCounts, count_boxes
from qc.core.tables import share_of
from tracking.core.boxes import pairwise_iou

NO_BOX = "nobody drew a box"
NO_MATCH = "no boxes of two annotators match"
NO_OVERLAP = "no boxes of two annotators overlap"

Pair = tuple[str, str]


def box_counts(drawn: Drawn, annotators: Sequence[str]) -> dict[Pair, BoxCounts]:
    """What the boxes of each pair of annotators have in common, over all keyframes."""
    order = np.lexsort((drawn.annotators, drawn.seconds))
    bounds = np.flatnonzero(np.diff(drawn.seconds[order])) + 1
    keyframes = [rows for rows in np.split(order, bounds) if len(rows)]
    counts = {}
    for first, second in combinations(range(len(annotators)), 2):
        total = BoxCounts()
        for rows in keyframes:
            who = drawn.annotators[rows]
            a, b = drawn.boxes[rows[who == first]], drawn.boxes[rows[who == second]]
            total = total.plus(count_boxes(pairwise_iou(a, b)))
        counts[annotators[first], annotators[second]] = total
    return counts


def box_figures(counts: Mapping[Pair, BoxCounts]) -> dict[str, Any]:
    """Box agreement of all pairs together, and of each, ready for JSON."""
    return figures_of(added(counts.values())) | {
        "pairs": [
            {"a": a, "b": b} | figures_of(one) | one._asdict()
            for (a, b), one in sorted(counts.items())
        ]
    }


def added(counts: Iterable[BoxCounts]) -> BoxCounts:
    total = BoxCounts()
    for one in counts:
        total = total.plus(one)
    return total


def figures_of(counts: BoxCounts) -> dict[str, Any]:
    """F1, mean IoU and the shares of close boxes; undefined ones with their reason.

    >>> figures_of(BoxCounts(first=2, second=2, overlapping=1, matched=1, iou=0.6))["f1"]
    {'value': 0.5, 'reason': '', 'units': 4}
    """
    boxes = counts.first + counts.second
    return {
        "f1": share_of(2 * counts.matched, boxes, NO_BOX),
        "mean_iou": share_of(counts.iou, counts.matched, NO_MATCH),
        "share_50": share_of(counts.matched, counts.overlapping, NO_OVERLAP),
        "share_75": share_of(counts.close, counts.overlapping, NO_OVERLAP),
    }
