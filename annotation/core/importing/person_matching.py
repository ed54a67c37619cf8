"""Which tracked person an imported track shows, by IoU; everybody else is a drawn person.

Tracks with a key are matched as a whole, one to one, by the mean IoU over the keyframes where
both are. Boxes without a key are matched keyframe by keyframe, and those of nobody are linked
into drawn persons where they overlap from keyframe to keyframe.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from annotation.core.importing.keyframe_boxes import KeyframeLabels
from tracking.core.boxes import pairwise_iou

MIN_IOU = 0.5  # of a track with a person, and of a box with a proposal
LINK_IOU = 0.3  # of two boxes of one drawn person at following keyframes

Given = Mapping[tuple[int, int], Sequence[float]]  # box by second and person


class ImportedPerson(NamedTuple):
    """Somebody in a clip: a tracked person, or one who is drawn (None)."""

    person_id: int | None
    keyframes: tuple[KeyframeLabels, ...]


def match_tracks(
    tracks: Sequence[Sequence[KeyframeLabels]], given: Given
) -> list[ImportedPerson]:
    """The person of each track with a key; tracks at no keyframe are left out."""
    tracks = [track for track in tracks if track]
    persons = sorted({person for _, person in given})
    overlap = np.zeros((len(tracks), len(persons)))
    for row, track in enumerate(tracks):
        for column, person in enumerate(persons):
            overlap[row, column] = _mean_iou(track, person, given)
    chosen: dict[int, int] = {}
    for row, column in _pairs(overlap):
        chosen[row] = persons[column]
    return [
        ImportedPerson(chosen.get(place), tuple(track)) for place, track in enumerate(tracks)
    ]


def match_boxes(boxes: Sequence[KeyframeLabels], given: Given) -> list[ImportedPerson]:
    """The persons of boxes without a key."""
    found: dict[int, list[KeyframeLabels]] = {}
    drawn: list[list[KeyframeLabels]] = []
    for second in sorted({box.second for box in boxes}):
        here = [box for box in boxes if box.second == second]
        persons = sorted(person for at, person in given if at == second)
        sides = [given[second, person] for person in persons]
        pairs = dict(_pairs(_iou([box.box for box in here], sides)))
        for row, column in pairs.items():
            found.setdefault(persons[column], []).append(here[row])
        _link(drawn, [box for row, box in enumerate(here) if row not in pairs], second)
    matched = [ImportedPerson(person, tuple(its)) for person, its in sorted(found.items())]
    return [*matched, *(ImportedPerson(None, tuple(its)) for its in drawn)]


def _link(drawn: list[list[KeyframeLabels]], new: list[KeyframeLabels], second: int) -> None:
    """Add each box of `new` to the drawn person it continues, or begin another one."""
    before = [its for its in drawn if its[-1].second == second - 1]
    overlap = _iou([box.box for box in new], [its[-1].box for its in before])
    pairs = dict(_pairs(overlap, least=LINK_IOU))
    for row, box in enumerate(new):
        if row in pairs:
            before[pairs[row]].append(box)
        else:
            drawn.append([box])


def _mean_iou(track: Sequence[KeyframeLabels], person: int, given: Given) -> float:
    both = [box for box in track if (box.second, person) in given]
    if not both:
        return 0.0
    ious = [_iou([box.box], [given[box.second, person]])[0, 0] for box in both]
    return float(np.mean(ious))


def _iou(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return pairwise_iou(
        np.array(a, dtype=np.float64).reshape(-1, 4),
        np.array(b, dtype=np.float64).reshape(-1, 4),
    )


def _pairs(overlap: NDArray[np.float64], *, least: float = MIN_IOU) -> list[tuple[int, int]]:
    if not overlap.size:
        return []
    rows, columns = linear_sum_assignment(
        np.where(overlap >= least, overlap, 0.0), maximize=True
    )
    good = overlap[rows, columns] >= least
    return list(zip(rows[good].tolist(), columns[good].tolist(), strict=True))
