"""Which tracked person an imported track shows, by IoU; everybody else is a drawn person.

A track of a class shows somebody of that class; one without, anybody.
Tracks with a key are matched as a whole, one to one, by the mean IoU over the keyframes where
both are. Boxes without a key are matched keyframe by keyframe, and those of nobody are linked
into drawn persons where they overlap from keyframe to keyframe.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from annotation.core.importing.keyframe_boxes import KeyframeLabels
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import PERSON

MIN_IOU = 0.5  # of a track with a person, and of a box with a proposal
LINK_IOU = 0.3  # of two boxes of one drawn person at following keyframes

Given = Mapping[tuple[int, int], Sequence[float]]  # box by second and person
ClassOf = Callable[[KeyframeLabels], str | None]  # None: its labels name no class


class ImportedPerson(NamedTuple):
    """Somebody in a clip: a tracked person, or one who is drawn (None).

    Attributes:
        label: The class that the file names; None if it names none.
        other: Of a drawn one: who was tracked there, but is of another class.
    """

    person_id: int | None
    keyframes: tuple[KeyframeLabels, ...]
    label: str | None = None
    other: int | None = None


class PersonMatching:
    """Finds the tracked persons of one clip in imported boxes.

    Args:
        given: The tracker's boxes of the clip.
        classes: What those are who are no persons, by number.
        class_of: What a box says it is.
    """

    def __init__(
        self, given: Given, classes: Mapping[int, str], class_of: ClassOf = lambda _: None
    ) -> None:
        self._given, self._classes, self._class_of = given, classes, class_of

    def tracks(self, tracks: Sequence[Sequence[KeyframeLabels]]) -> list[ImportedPerson]:
        """The person of each track with a key; tracks at no keyframe are left out."""
        tracks = [track for track in tracks if track]
        labels = [self._class_of_track(track) for track in tracks]
        persons = sorted({person for _, person in self._given})
        overlap = np.zeros((len(tracks), len(persons)))
        for row, track in enumerate(tracks):
            for column, person in enumerate(persons):
                overlap[row, column] = _mean_iou(track, person, self._given)
        of_class = np.where(self._is_allowed(labels, persons), overlap, 0.0)
        chosen = {row: persons[column] for row, column in _pairs(of_class)}
        return [
            self._person(chosen.get(row), track, label)
            for row, (track, label) in enumerate(zip(tracks, labels, strict=True))
        ]

    def boxes(self, boxes: Sequence[KeyframeLabels]) -> list[ImportedPerson]:
        """The persons of boxes without a key."""
        found: dict[int, list[KeyframeLabels]] = {}
        drawn: list[list[KeyframeLabels]] = []
        for second in sorted({box.second for box in boxes}):
            here = [box for box in boxes if box.second == second]
            persons = sorted(person for at, person in self._given if at == second)
            sides = [self._given[second, person] for person in persons]
            overlap = _iou([box.box for box in here], sides)
            allowed = self._is_allowed([self._class_of(box) for box in here], persons)
            pairs = dict(_pairs(np.where(allowed, overlap, 0.0)))
            for row, column in pairs.items():
                found.setdefault(persons[column], []).append(here[row])
            self._link(drawn, [b for row, b in enumerate(here) if row not in pairs], second)
        matched = [ImportedPerson(one, tuple(its)) for one, its in sorted(found.items())]
        return [
            *matched,
            *(self._person(None, its, self._class_of(its[0])) for its in drawn),
        ]

    def _person(
        self, person: int | None, track: Sequence[KeyframeLabels], label: str | None
    ) -> ImportedPerson:
        other = None
        if person is None and label is not None:
            others = sorted({who for _, who in self._given if self._of(who) != label})
            best = max(others, key=lambda who: _mean_iou(track, who, self._given), default=0)
            other = best if _mean_iou(track, best, self._given) >= MIN_IOU else None
        return ImportedPerson(person, tuple(track), label, other)

    def _of(self, person: int) -> str:
        return self._classes.get(person, PERSON)

    def _class_of_track(self, track: Sequence[KeyframeLabels]) -> str | None:
        """What most boxes of a track say that it is."""
        named = [label for box in track if (label := self._class_of(box)) is not None]
        return max(named, key=named.count, default=None)

    def _is_allowed(
        self, labels: Sequence[str | None], persons: Sequence[int]
    ) -> NDArray[np.bool_]:
        """Whether each label, a row, can be that of each person, a column."""
        return np.array(
            [[label in (None, self._of(person)) for person in persons] for label in labels],
            dtype=bool,
        ).reshape(len(labels), len(persons))

    def _link(
        self, drawn: list[list[KeyframeLabels]], new: list[KeyframeLabels], second: int
    ) -> None:
        """Add each box of `new` to the drawn one it continues, or begin another one."""
        before = [its for its in drawn if its[-1].second == second - 1]
        overlap = _iou([box.box for box in new], [its[-1].box for its in before])
        for row, box in enumerate(new):
            for column, its in enumerate(before):
                if self._class_of(box) != self._class_of(its[0]):
                    overlap[row, column] = 0.0
        _continue(drawn, before, new, overlap)


def _continue(
    drawn: list[list[KeyframeLabels]],
    before: list[list[KeyframeLabels]],
    new: list[KeyframeLabels],
    overlap: NDArray[np.float64],
) -> None:
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
