"""How far the boxes of annotators agree, from counts that add up over persons and clips.

A box counts for the person it is held for, a pair of boxes for the person of its first. Persons
are drawn again for the intervals, as for labels: the boxes of one track resemble each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.resampling import bounds, draws, ratio
from qc.core.agreement.tables import Floats, share_of
from qc.core.consensus.identity import Drawn
from qc.core.matching import CLOSE_IOU, LEAST_IOU, BoxCounts, best_pairs
from tracking.core.boxes import pairwise_iou

NO_BOX = "nobody drew a box"
NO_MATCH = "no boxes of two annotators match"
NO_OVERLAP = "no boxes of two annotators overlap"
FIGURES = ("f1", "mean_iou", "share_50", "share_75")

Pair = tuple[str, str]
ByPerson = dict[int, BoxCounts]


def box_counts(
    drawn: Drawn, annotators: Sequence[str], persons: NDArray[np.int64]
) -> dict[Pair, ByPerson]:
    """What the boxes of each pair of annotators have in common, over all keyframes.

    Args:
        drawn: Every box.
        annotators: Names, in the order of their numbers in `drawn`.
        persons: Of each box, shape `(n,)`.
    """
    order = np.lexsort((drawn.annotators, drawn.seconds))
    bounds_ = np.flatnonzero(np.diff(drawn.seconds[order])) + 1
    keyframes = [rows for rows in np.split(order, bounds_) if len(rows)]
    numbers, places = np.unique(persons, return_inverse=True)
    counts = {}
    for first, second in combinations(range(len(annotators)), 2):
        pairs, ious = [np.empty(0, np.int64)], [np.empty(0)]
        for rows in keyframes:
            who = drawn.annotators[rows]
            mine, others = rows[who == first], rows[who == second]
            iou = pairwise_iou(drawn.boxes[mine], drawn.boxes[others])
            i, j = best_pairs(iou)
            pairs.append(mine[i])
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
    """The fields of BoxCounts of each person, from whom boxes and overlapping pairs show."""
    matched, close = ious >= LEAST_IOU, ious >= CLOSE_IOU
    weights = (np.ones(len(pairs)), matched, close, ious * matched)
    columns = [np.bincount(first, minlength=persons), np.bincount(second, minlength=persons)]
    columns += [np.bincount(pairs, weight, minlength=persons) for weight in weights]
    return np.stack(columns, axis=1).astype(np.float64)


def _as_counts(row: Floats) -> BoxCounts:
    first, second, overlapping, matched, close = map(int, row[:-1])
    return BoxCounts(first, second, overlapping, matched, close, round(float(row[-1]), 6))


def box_figures(
    counts: Mapping[Pair, ByPerson], *, seed: int, resamples: int
) -> dict[str, Any]:
    """Box agreement of all pairs together, and of each, ready for JSON."""
    return figures_of(counts.values(), seed=seed, resamples=resamples) | {
        "pairs": [
            {"a": a, "b": b}
            | figures_of([one], seed=seed, resamples=resamples)
            | added(one.values())._asdict()
            for (a, b), one in sorted(counts.items())
        ]
    }


def added(counts: Iterable[BoxCounts]) -> BoxCounts:
    total = BoxCounts()
    for one in counts:
        total = total.plus(one)
    return total


def figures_of(
    counts: Iterable[Mapping[int, BoxCounts]], *, seed: int = 0, resamples: int = 0
) -> dict[str, Any]:
    """F1, mean IoU and the shares of close boxes with their intervals; undefined: the reason.

    Args:
        counts: Of one pair of annotators or several, by person.
        seed: Of the resampling.
        resamples: How many; 0 for no intervals.

    >>> one = BoxCounts(first=2, second=2, overlapping=1, matched=1, iou=0.6)
    >>> figures_of([{7: one}])["f1"]
    {'value': 0.5, 'reason': '', 'units': 4}
    """
    by_person = list(counts)
    total = added(one for pair in by_person for one in pair.values())
    figures: dict[str, Any] = {
        "f1": share_of(2 * total.matched, total.first + total.second, NO_BOX),
        "mean_iou": share_of(total.iou, total.matched, NO_MATCH),
        "share_50": share_of(total.matched, total.overlapping, NO_OVERLAP),
        "share_75": share_of(total.close, total.overlapping, NO_OVERLAP),
    }
    low_high = _intervals(by_person, seed=seed, resamples=resamples)
    for name, interval in zip(FIGURES, low_high, strict=True):
        is_defined = figures[name]["value"] is not None
        figures[f"{name}_interval"] = interval if is_defined else None
    return figures


def _intervals(
    counts: Sequence[Mapping[int, BoxCounts]], *, seed: int, resamples: int
) -> list[list[float] | None]:
    """Of the four figures, from persons drawn again; None for fewer than two persons."""
    persons = sorted({person for pair in counts for person in pair})
    if resamples < 1 or len(persons) < 2:
        return [None] * len(FIGURES)
    place = {person: row for row, person in enumerate(persons)}
    sums = np.zeros((len(persons), len(BoxCounts._fields)))
    for pair in counts:
        sums[[place[person] for person in pair]] += np.array(list(pair.values())).reshape(
            len(pair), -1
        )
    found = []
    for times in draws(len(persons), seed=seed, resamples=resamples):
        first, second, overlapping, matched, close, iou = (times @ sums).T
        found.append(
            np.stack(
                [
                    ratio(2 * matched, first + second),
                    ratio(iou, matched),
                    ratio(matched, overlapping),
                    ratio(close, overlapping),
                ],
                axis=1,
            )
        )
    return bounds(np.concatenate(found))
