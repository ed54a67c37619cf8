"""Do the boxes that are given lead the people who get them? Blind work against the other.

Both kinds of work are measured against the machine's boxes, on the same clips. People who saw
them should not keep many more of them, nor add many fewer persons, than people who did not: if
they do, the boxes decide and not the people. Intervals come from drawing clips again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.tables import Coefficient
from qc.core.matching import as_boxes, match_boxes
from tracking.core.boxes import pairwise_iou

AS_GIVEN = 0.95  # IoU at which a box is the machine's own; how far pre-annotation is thinned
SEED = 20
LEAST_CLIPS = 5  # with fewer, drawing them again says nothing
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
NO_BOTH = "no clip has both blind answers and others"
NO_BOXES = "there are no boxes to compare"

Boxes = Mapping[int, Collection[Sequence[float]]]  # second -> boxes


class Kept(NamedTuple):
    """One version against the machine's boxes, counted in boxes over all keyframes."""

    proposed: int
    drawn: int
    kept: int  # pairs of IoU 0.5 or more
    as_given: int  # of those, IoU of AS_GIVEN or more
    iou: float  # summed over the kept


class Work(NamedTuple):
    """One annotator's version of one clip."""

    clip: int
    is_blind: bool
    kept: Kept


class Lead(NamedTuple):
    """One figure of both kinds of work."""

    blind: Coefficient
    seen: Coefficient
    difference: float | None  # seen less blind
    interval: tuple[float, float] | None  # 95 %, of the difference; None below LEAST_CLIPS

    @property
    def is_certain(self) -> bool:
        """Whether the two differ for more than chance."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


class Meter(NamedTuple):
    """The anchoring of a dataset.

    `kept` is the share of the machine's boxes that people have too, `added` the share of their
    own that the machine has not, `iou` how closely the kept ones follow it, `as_given` the
    share of those that are its very boxes.
    """

    clips: int
    kept: Lead
    added: Lead
    iou: Lead
    as_given: Lead


def kept_boxes(proposed: Boxes, drawn: Boxes) -> Kept:
    """How much of `proposed` is in `drawn`.

    >>> kept_boxes({2: [(0, 0, 10, 10)]}, {2: [(0, 0, 10, 10), (50, 0, 60, 10)]})
    Kept(proposed=1, drawn=2, kept=1, as_given=1, iou=1.0)
    """
    overlaps: list[float] = []
    for second in sorted({*proposed} & {*drawn}):
        machine, people = as_boxes(list(proposed[second])), as_boxes(list(drawn[second]))
        iou = pairwise_iou(machine, people)
        overlaps += [float(iou[pair]) for pair in match_boxes(machine, people).pairs]
    return Kept(
        proposed=sum(map(len, proposed.values())),
        drawn=sum(map(len, drawn.values())),
        kept=len(overlaps),
        as_given=sum(one >= AS_GIVEN for one in overlaps),
        iou=round(sum(overlaps), 6),
    )


def anchoring(work: Sequence[Work], *, seed: int = SEED) -> Meter:
    """Blind work against the other, on the clips that have both.

    >>> anchoring([]).kept.blind.reason
    'no clip has both blind answers and others'
    """
    both = {one.clip for one in work if one.is_blind} & {
        one.clip for one in work if not one.is_blind
    }
    clips = sorted(both)
    if not clips:
        nothing = Coefficient(None, NO_BOTH, 0)
        none = Lead(nothing, nothing, None, None)
        return Meter(0, none, none, none, none)
    place = {clip: row for row, clip in enumerate(clips)}
    sums = np.zeros((2, len(clips), len(Kept._fields)))
    for one in work:
        if one.clip in place:
            sums[int(one.is_blind), place[one.clip]] += one.kept
    even = np.full(len(clips), 1 / len(clips))
    random = np.random.default_rng(seed)
    times = random.multinomial(
        len(clips), even, size=RESAMPLES if len(clips) >= LEAST_CLIPS else 0
    )
    proposed, drawn, kept, close, iou = np.moveaxis(sums, 2, 0)
    return Meter(
        len(clips),
        kept=_lead(kept, proposed, times),
        added=_lead(drawn - kept, drawn, times),
        iou=_lead(iou, kept, times),
        as_given=_lead(close, kept, times),
    )


def _lead(
    parts: NDArray[np.float64], wholes: NDArray[np.float64], times: NDArray[np.int64]
) -> Lead:
    """One ratio of both kinds; rows are seen and blind, columns clips."""
    seen, blind = (
        _share(part, whole) for part, whole in zip(parts.sum(1), wholes.sum(1), strict=True)
    )
    if seen.value is None or blind.value is None:
        return Lead(blind, seen, None, None)
    over = times @ wholes.T
    good = (over > 0).all(axis=1)  # a draw may hold no box at all
    interval = None
    if good.any():
        drawn = (times @ parts.T)[good] / over[good]
        low, high = np.percentile(drawn[:, 0] - drawn[:, 1], INTERVAL)
        interval = (float(low), float(high))
    return Lead(blind, seen, seen.value - blind.value, interval)


def _share(part: float, whole: float) -> Coefficient:
    if whole == 0:
        return Coefficient(None, NO_BOXES, 0)
    return Coefficient(float(part / whole), "", int(whole))
