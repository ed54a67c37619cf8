"""Agreement of the boxes of whole keyframes: corrected for chance, and by tolerance of IoU.

The distance of two annotators' boxes of a keyframe is that of the best one-to-one pairs, with 1
for each box that is left over, over the larger number of boxes. Two boxes are apart by
`(1 - GIoU) / 2` (Rezatofighi et al. 2019), or by the distance of their centres over the
diagonal of the smallest box around both (Zheng et al. 2020), both from 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from qc.core.agreement.chance import Apart, alpha_of, chance_pairs, sigma_of
from qc.core.agreement.coefficient_counts import Floats
from qc.core.agreement.figures import BoxChance, Figure, KeyframeBoxes
from qc.core.agreement.jackknife import share_estimates
from qc.core.consensus.identity import DrawnBoxes
from tracking.core.boxes import Boxes

METRICS = ("giou", "centre")
TOLERANCES = tuple(round(0.5 + 0.05 * n, 2) for n in range(10))  # as COCO, Lin et al. 2014
PAIRS_BY_CHANCE = 4_000  # at most
KEYFRAMES_KEPT = 4  # of each clip, to tell chance from
DIGITS = 4
NO_BOX = "nobody drew a box"
TINY = 1e-12


def keyframe_boxes(drawn: DrawnBoxes, annotators: int, *, scale: float = 1.0) -> KeyframeBoxes:
    """What a report keeps of a clip.

    Args:
        drawn: Every box.
        annotators: How many there are; who drew none at a keyframe found nobody there.
        scale: The length that coordinates are divided by, to compare with other clips.
    """
    seconds = np.unique(drawn.seconds)
    sets = [
        [drawn.boxes[(drawn.seconds == at) & (drawn.annotators == who)] for at in seconds]
        for who in range(annotators)
    ]
    first = [one for a, _ in combinations(sets, 2) for one in a]
    second = [one for _, b in combinations(sets, 2) for one in b]
    distances, ious = compared_sets(first, second)
    places = np.unique(np.linspace(0, len(seconds) - 1, KEYFRAMES_KEPT).round().astype(int))
    kept = places if annotators > 1 and len(seconds) else ()
    matched = [int((ious >= one).sum()) for one in TOLERANCES]
    return KeyframeBoxes(
        distances.round(DIGITS + 2).tolist(),
        [(of_one[at] / scale).round(DIGITS).tolist() for of_one in sets for at in kept],
        [sum(map(len, (*first, *second))), *matched],
    )


def compared_sets(first: Sequence[Boxes], second: Sequence[Boxes]) -> tuple[Floats, Floats]:
    """Distances of pairs of sets by METRICS, `(P, 2)`, and the IoU of all matched boxes.

    >>> box = np.array([[0.0, 0, 10, 10]])
    >>> compared_sets([box], [np.array([[0.0, 0, 10, 10], [90, 0, 99, 10]])])[0]
    array([[0.5, 0.5]])
    """
    sizes = np.array([[len(a), len(b)] for a, b in zip(first, second, strict=True)])
    distances, ious = np.zeros((len(sizes), len(METRICS))), [np.empty(0)]
    both: list[int] = np.flatnonzero((sizes.reshape(-1, 2) > 0).all(axis=1)).tolist()
    distances[(sizes.reshape(-1, 2) > 0).any(axis=1)] = 1.0
    if both:
        like, iou = _similarities(
            _padded([first[k] for k in both]), _padded([second[k] for k in both])
        )
        for row, pair in enumerate(both):
            n, m = sizes[pair]
            for column in range(len(METRICS)):
                of_boxes = like[column, row, :n, :m]
                best = linear_sum_assignment(of_boxes, maximize=True)
                distances[pair, column] = 1 - of_boxes[best].sum() / max(n, m)
            overlap = iou[row, :n, :m]
            ious.append(overlap[linear_sum_assignment(overlap, maximize=True)])
    return distances, np.concatenate(ious)


def _padded(sets: Sequence[Boxes]) -> Floats:
    found = np.zeros((len(sets), max(map(len, sets)), 4))
    for row, boxes in zip(found, sets, strict=True):
        row[: len(boxes)] = boxes
    return found


def _similarities(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """1 - distance by METRICS `(2, P, N, M)`, and IoU `(P, N, M)`."""
    one, other = a[:, :, None], b[:, None]
    inner = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    around = np.maximum(one[..., 2:], other[..., 2:]) - np.minimum(one[..., :2], other[..., :2])
    overlap = np.maximum(inner, 0).prod(axis=-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (one, other)]
    union = np.maximum(areas[0] + areas[1] - overlap, TINY)
    hull = np.maximum(around.prod(axis=-1), TINY)
    iou = overlap / union
    giou = iou - (hull - union) / hull
    between = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    centre = np.hypot(*np.moveaxis(between, -1, 0)) / np.maximum(
        np.hypot(*np.moveaxis(around, -1, 0)), TINY
    )
    return np.stack([(1 + giou) / 2, 1 - centre]), iou


@dataclass
class PooledKeyframes:
    """The keyframes of several clips."""

    clips: list[int] = field(default_factory=list)
    kept: list[KeyframeBoxes] = field(default_factory=list)

    def add(self, clip: int, boxes: KeyframeBoxes) -> None:
        self.clips.append(clip)
        self.kept.append(boxes)

    def figures(self, cluster_of: NDArray[np.int64]) -> BoxChance:
        """Alpha and sigma by each metric, and F1 by tolerance.

        Args:
            cluster_of: The cluster of each clip by its number.
        """
        clusters = cluster_of[np.array(self.clips, dtype=np.int64)]
        of_pairs = np.repeat(clusters, [len(one.distances) for one in self.kept])
        distances = np.array(
            [pair for one in self.kept for pair in one.distances], dtype=np.float64
        ).reshape(-1, len(METRICS))
        both, by_chance = self._by_chance(clusters)
        found = {}
        for name, seen, expected in zip(METRICS, distances.T, by_chance.T, strict=True):
            found[f"alpha_{name}"] = alpha_of(
                Apart.of(of_pairs, seen), Apart.of(both, expected)
            )
            found[f"sigma_{name}"] = sigma_of(of_pairs, seen, expected)
        return BoxChance(**found, by_iou=self._by_tolerance(clusters))

    def _by_chance(self, clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """Clusters of pairs of box sets of different clusters, and their distances."""
        sets = sorted(
            (sorted(map(tuple, boxes)), number)
            for number, one in zip(clusters.tolist(), self.kept, strict=True)
            for boxes in one.sample
        )  # whoever drew them, in whatever order the clips came
        numbers = np.array([number for _, number in sets], dtype=np.int64)
        pairs = chance_pairs(numbers, limit=PAIRS_BY_CHANCE)
        boxes = [np.array(one, dtype=np.float64).reshape(-1, 4) for one, _ in sets]
        distances, _ = compared_sets(*([boxes[k] for k in side] for side in pairs))
        return numbers[pairs], distances

    def _by_tolerance(self, clusters: NDArray[np.int64]) -> dict[str, Figure]:
        """F1 with pairs of each IoU or more, by that."""
        numbers, places = np.unique(clusters, return_inverse=True)
        sums = np.zeros((len(numbers), 1 + len(TOLERANCES)))
        counts: ArrayLike = [one.by_iou for one in self.kept]
        np.add.at(sums, places, np.asarray(counts).reshape(-1, sums.shape[1]))
        boxes = np.broadcast_to(sums[:, :1], (len(sums), len(TOLERANCES)))
        around = share_estimates(2 * sums[:, 1:], boxes)
        total = sums.sum(axis=0).tolist()
        return {
            f"{one:.2f}": Figure.share(2 * matched, round(total[0]), NO_BOX, *its)
            for one, matched, its in zip(TOLERANCES, total[1:], around, strict=True)
        }
