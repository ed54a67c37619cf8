"""Proposal metrics of a tracking run (recall, precision, F1, mean IoU) on corrected boxes.

Boxes are rows `(x1, y1, x2, y2)` of pixels, x2 and y2 exclusive. A proposal shows a person from
IoU 0.5 on, and needs no edit from IoU 0.9 on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qc.core.agreement.figures import Interval
from qc.core.agreement.jackknife import difference_estimate
from qc.core.box_matching import MIN_IOU, best_pairs
from tracking.core.boxes import Boxes, pairwise_iou

ACCURATE_IOU = 0.9
SIZE_LIMITS = (0.15, 0.4)  # of small and middle heights, as shares of the frame's


class SizeRecall(NamedTuple):
    """How many persons there are, and how many of them were found."""

    persons: int
    found: int

    @property
    def rate(self) -> float | None:
        return self.found / self.persons if self.persons else None


class ProposalMetrics(NamedTuple):
    """Counts over keyframes; those of several are added up."""

    keyframes: int = 0
    proposed: int = 0
    persons: int = 0
    found: int = 0  # persons with a proposal of IoU 0.5 or more
    accurate: int = 0  # of IoU 0.9 or more
    iou: float = 0.0  # summed over those found
    persons_by_size: tuple[int, ...] = (0, 0, 0)  # small, middle, large
    found_by_size: tuple[int, ...] = (0, 0, 0)

    @property
    def recall(self) -> float | None:
        """Share of the persons that were found; None without persons."""
        return self.found / self.persons if self.persons else None

    @property
    def precision(self) -> float | None:
        """Share of the proposals that show a person; None without proposals."""
        return self.found / self.proposed if self.proposed else None

    @property
    def f1(self) -> float | None:
        both = self.proposed + self.persons
        return 2 * self.found / both if both else None

    @property
    def mean_iou(self) -> float | None:
        """Of the proposals that show a person; None if none does."""
        return self.iou / self.found if self.found else None

    @property
    def to_draw(self) -> int:
        return self.persons - self.found

    @property
    def to_remove(self) -> int:
        return self.proposed - self.found

    @property
    def to_edit(self) -> int:
        return self.found - self.accurate

    @property
    def by_size(self) -> list["SizeRecall"]:
        """Of small, middle and large persons."""
        return [
            SizeRecall(persons, found)
            for persons, found in zip(self.persons_by_size, self.found_by_size, strict=True)
        ]


def keyframe_metrics(proposed: Boxes, persons: Boxes, *, height: int) -> ProposalMetrics:
    """The metrics of the proposals of one keyframe.

    Args:
        proposed: Shape `(n, 4)`; n may be 0.
        persons: The corrected boxes, shape `(m, 4)`; m may be 0.
        height: Of the frame in pixels.

    >>> box = np.array([[0.0, 0, 10, 50]])
    >>> persons = np.array([[0.0, 0, 10, 50], [50, 0, 60, 9]])
    >>> keyframe_metrics(box, persons, height=100).by_size[0]
    SizeRecall(persons=1, found=0)
    """
    iou = pairwise_iou(proposed, persons)
    rows, columns = best_pairs(iou)
    ious = iou[rows, columns]
    is_found = np.zeros(len(persons), dtype=bool)
    is_found[columns[ious >= MIN_IOU]] = True
    size = np.digitize((persons[:, 3] - persons[:, 1]) / max(height, 1), SIZE_LIMITS)
    return ProposalMetrics(
        1,
        len(proposed),
        len(persons),
        int(is_found.sum()),
        int((ious >= ACCURATE_IOU).sum()),
        float(ious[ious >= MIN_IOU].sum()),
        tuple(np.bincount(size, minlength=3).tolist()),
        tuple(np.bincount(size[is_found], minlength=3).tolist()),
    )


def sum_metrics(metrics: Sequence[ProposalMetrics]) -> ProposalMetrics:
    """The sum of `metrics`; nothing of none."""
    *sums, persons, found = zip(ProposalMetrics(), *metrics, strict=True)
    by_size = (tuple(map(sum, zip(*rows, strict=True))) for rows in (persons, found))
    return ProposalMetrics(*map(sum, sums), *by_size)  # type: ignore[arg-type]  # numbers


class F1Difference(NamedTuple):
    """The F1 of one configuration less another's, and its 95 % interval over clips."""

    value: float
    interval: Interval | None
    no_interval: str = ""

    @property
    def is_certain(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def f1_difference(
    one: Sequence[ProposalMetrics], other: Sequence[ProposalMetrics]
) -> F1Difference | None:
    """F1 of `one` less F1 of `other`, clip by clip the same clips; None without boxes."""
    counts = np.array(
        [[(m.found, m.proposed + m.persons) for m in config] for config in (one, other)],
        dtype=np.float64,
    ).reshape(2, -1, 2)
    found, boxes = 2 * counts[..., 0].T, counts[..., 1].T
    if not boxes.sum(axis=0).all():
        return None
    first, second = (found.sum(axis=0) / boxes.sum(axis=0)).tolist()
    return F1Difference(first - second, *difference_estimate(found, boxes))
