"""Box agreement of annotators (F1, mean IoU, shares of close boxes), from counts that add up.

A box counts for the person it is taken for, a pair of boxes for the person of its first.
Intervals are those of `jackknife`, over clips.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.coefficient_counts import Floats, Pair
from qc.core.agreement.figures import BoxFigures, Figure
from qc.core.agreement.jackknife import Estimate, share_estimates
from qc.core.box_matching import CLOSE_IOU, MIN_IOU, BoxCounts, best_pairs
from qc.core.consensus.identity import DrawnBoxes
from tracking.core.boxes import pairwise_iou

NO_BOX = "nobody drew a box"
NO_MATCH = "no boxes of two annotators match"
NO_OVERLAP = "no boxes of two annotators overlap"

ByNumber = dict[int, BoxCounts]  # by person of a clip, or by cluster of a dataset


def box_counts(
    drawn: DrawnBoxes, annotators: Sequence[str], persons: NDArray[np.int64]
) -> dict[Pair, ByNumber]:
    """Counts of the boxes of each pair of annotators, over all keyframes.

    Args:
        drawn: Every box.
        annotators: Names, in the order of their numbers in `drawn`.
        persons: Of each box, shape `(n,)`.
    """
    order = np.lexsort((drawn.annotators, drawn.seconds))
    edges = np.flatnonzero(np.diff(drawn.seconds[order])) + 1
    keyframes = [rows for rows in np.split(order, edges) if len(rows)]
    numbers, places = np.unique(persons, return_inverse=True)
    counts = {}
    for first, second in combinations(range(len(annotators)), 2):
        pairs, ious = [np.empty(0, np.int64)], [np.empty(0)]
        for rows in keyframes:
            who = drawn.annotators[rows]
            of_first, of_second = rows[who == first], rows[who == second]
            iou = pairwise_iou(drawn.boxes[of_first], drawn.boxes[of_second])
            i, j = best_pairs(iou)
            pairs.append(of_first[i])
            ious.append(iou[i, j])
        table = _by_person(
            places[drawn.annotators == first],
            places[drawn.annotators == second],
            places[np.concatenate(pairs)],
            np.concatenate(ious),
            len(numbers),
        )
        counts[annotators[first], annotators[second]] = {
            int(number): _as_counts(row)
            for number, row in zip(numbers, table, strict=True)
            if row.any()
        }
    return counts


def _by_person(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    pairs: NDArray[np.int64],
    ious: Floats,
    persons: int,
) -> Floats:
    """The fields of BoxCounts of each person, from those of boxes and overlapping pairs."""
    matched, close = ious >= MIN_IOU, ious >= CLOSE_IOU
    weights = (np.ones(len(pairs)), matched, close, ious * matched)
    columns = [np.bincount(first, minlength=persons), np.bincount(second, minlength=persons)]
    columns += [np.bincount(pairs, weight, minlength=persons) for weight in weights]
    return np.stack(columns, axis=1).astype(np.float64)


def _as_counts(row: Floats) -> BoxCounts:
    first, second, overlapping, matched, close = map(int, row[:-1])
    return BoxCounts(first, second, overlapping, matched, close, round(float(row[-1]), 6))


def box_figures(
    counts: Iterable[Mapping[int, BoxCounts]], *, with_intervals: bool = True
) -> BoxFigures:
    """F1, mean IoU and the shares of close boxes with their intervals.

    Args:
        counts: Of one pair of annotators or several, by cluster (or, without intervals, by
            anything).
        with_intervals: Whether there is more than one clip to compute them from.

    >>> one = BoxCounts(first=2, second=2, overlapping=1, matched=1, iou=0.6)
    >>> box_figures([{7: one}]).f1.value
    0.5
    """
    by_cluster = list(counts)
    total = sum((one for pair in by_cluster for one in pair.values()), BoxCounts())
    f1, mean_iou, share_50, share_75 = _intervals(by_cluster) if with_intervals else [()] * 4
    return BoxFigures(
        Figure.share(2 * total.matched, total.first + total.second, NO_BOX, *f1),
        Figure.share(total.iou, total.matched, NO_MATCH, *mean_iou),
        Figure.share(total.matched, total.overlapping, NO_OVERLAP, *share_50),
        Figure.share(total.close, total.overlapping, NO_OVERLAP, *share_75),
    )


def _intervals(counts: Sequence[Mapping[int, BoxCounts]]) -> list[Estimate]:
    """Of the four figures."""
    clusters = sorted({cluster for pair in counts for cluster in pair})
    place = {cluster: row for row, cluster in enumerate(clusters)}
    sums = np.zeros((len(clusters), len(BoxCounts._fields)))
    for pair in counts:
        rows = [place[cluster] for cluster in pair]
        sums[rows] += np.array(list(pair.values())).reshape(len(pair), sums.shape[1])
    return share_estimates(*box_ratios(sums), is_mean=np.array([False, True, False, False]))


def box_ratios(counts: Floats) -> tuple[Floats, Floats]:
    """Parts and wholes of the four figures, shapes `(n, 4)`, from fields of BoxCounts."""
    first, second, overlapping, matched, close, iou = counts.T
    parts = np.stack([2 * matched, iou, matched, close], axis=1)
    return parts, np.stack([first + second, matched, overlapping, overlapping], axis=1)
