"""Anchoring bias: whether annotators keep the boxes that they are shown, against blind work.

Both kinds of work are measured against the tracker's boxes, on the same clips. Annotators who
saw them should not keep many more of them, nor add many fewer persons, than those who did not.
Intervals are those of
`qc.core.agreement.jackknife`, over clips.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qc.core.agreement.coefficient_counts import Floats
from qc.core.agreement.figures import Coefficient, Interval
from qc.core.agreement.jackknife import difference_estimate
from qc.core.box_matching import as_boxes, match_boxes
from tracking.core.boxes import pairwise_iou

UNCHANGED_IOU = 0.95  # from here on a box is the tracker's own
NO_BOTH = "no clip has both blind answers and others"
NO_BOXES = "there are no boxes to compare"

Boxes = Mapping[int, Collection[Sequence[float]]]  # second -> boxes


class KeptBoxes(NamedTuple):
    """One version against the tracker's boxes, counted in boxes over all keyframes."""

    proposed: int
    drawn: int
    kept: int  # pairs of IoU 0.5 or more
    unchanged: int  # of those, IoU of UNCHANGED_IOU or more
    iou: float  # summed over the kept


class VersionBoxes(NamedTuple):
    """One annotator's version of one clip."""

    clip: int
    is_blind: bool
    kept: KeptBoxes


class BiasFigure(NamedTuple):
    """One figure of both kinds of work."""

    blind: Coefficient
    seen: Coefficient
    difference: float | None  # seen less blind
    interval: Interval | None  # 95 %, of the difference
    no_interval: str = ""

    @property
    def is_certain(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


class AnchoringBias(NamedTuple):
    """The anchoring bias of a dataset, from clips with both kinds of work.

    `kept` is the share of the tracker's boxes that annotators have too, `added` the share of
    their own that the tracker has not, `iou` the mean IoU of the kept ones with it, `unchanged`
    the share of those that are its very boxes.
    """

    clips: int
    kept: BiasFigure
    added: BiasFigure
    iou: BiasFigure
    unchanged: BiasFigure


def count_kept(proposed: Boxes, drawn: Boxes) -> KeptBoxes:
    """How much of `proposed` is in `drawn`.

    >>> count_kept({2: [(0, 0, 10, 10)]}, {2: [(0, 0, 10, 10), (50, 0, 60, 10)]})
    KeptBoxes(proposed=1, drawn=2, kept=1, unchanged=1, iou=1.0)
    """
    overlaps: list[float] = []
    for second in sorted({*proposed} & {*drawn}):
        tracker, annotators = as_boxes(list(proposed[second])), as_boxes(list(drawn[second]))
        iou = pairwise_iou(tracker, annotators)
        overlaps += [float(iou[pair]) for pair in match_boxes(tracker, annotators).pairs]
    return KeptBoxes(
        proposed=sum(map(len, proposed.values())),
        drawn=sum(map(len, drawn.values())),
        kept=len(overlaps),
        unchanged=sum(one >= UNCHANGED_IOU for one in overlaps),
        iou=round(sum(overlaps), 6),
    )


def anchoring_bias(work: Sequence[VersionBoxes]) -> AnchoringBias:
    """Blind work against the other, on the clips that have both.

    >>> anchoring_bias([]).kept.blind.reason
    'no clip has both blind answers and others'
    """
    both = {one.clip for one in work if one.is_blind} & {
        one.clip for one in work if not one.is_blind
    }
    clips = sorted(both)
    if not clips:
        nothing = Coefficient(None, NO_BOTH, 0)
        none = BiasFigure(nothing, nothing, None, None)
        return AnchoringBias(0, none, none, none, none)
    place = {clip: row for row, clip in enumerate(clips)}
    sums = np.zeros((2, len(clips), len(KeptBoxes._fields)))
    for one in work:
        if one.clip in place:
            sums[int(one.is_blind), place[one.clip]] += one.kept
    proposed, drawn, kept, close, iou = np.moveaxis(sums, 2, 0)
    return AnchoringBias(
        len(clips),
        kept=_bias(kept, proposed),
        added=_bias(drawn - kept, drawn),
        iou=_bias(iou, kept),
        unchanged=_bias(close, kept),
    )


def _bias(parts: Floats, wholes: Floats) -> BiasFigure:
    """One ratio of both kinds; rows are seen and blind, columns clips."""
    seen, blind = (
        _share(part, whole) for part, whole in zip(parts.sum(1), wholes.sum(1), strict=True)
    )
    if seen.value is None or blind.value is None:
        return BiasFigure(blind, seen, None, None)
    around = difference_estimate(parts.T, wholes.T)
    return BiasFigure(blind, seen, seen.value - blind.value, *around)


def _share(part: float, whole: float) -> Coefficient:
    if whole == 0:
        return Coefficient(None, NO_BOXES, 0)
    return Coefficient(float(part / whole), "", int(whole))
