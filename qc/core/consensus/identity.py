"""Identity across annotators: the boxes of a clip, matched into persons.

Boxes of different annotators at one keyframe show the same person if they match (IoU) and are
of one class. The person has the id of the pre-annotation; persons that annotators drew are
joined over the keyframes by the tracks they were drawn with. Tracks alone join nothing between
annotators.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.box_matching import MIN_IOU, best_pairs
from qc.core.consensus.answer_votes import fuse_boxes
from tracking.core.boxes import Boxes, pairwise_iou
from tracking.core.tracks_file import PERSON

MIN_IOU_SAME_ID = 0.2  # boxes with the same id that match less are of two persons

Rows = list[int]


@dataclass(frozen=True)
class DrawnBoxes:
    """All boxes that the annotators of a clip drew or left, one row each.

    Attributes:
        seconds: Keyframe of each row, shape `(n,)`.
        annotators: Who, as a number.
        tracks: Track in that annotator's file.
        person_ids: Of the pre-annotation; 0 for a person the annotator drew.
        boxes: Shape `(n, 4)`.
        classes: What each is, as a number; empty: all are the same.
    """

    seconds: NDArray[np.int64]
    annotators: NDArray[np.int64]
    tracks: NDArray[np.int64]
    person_ids: NDArray[np.int64]
    boxes: Boxes
    classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def are_one_class(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether rows `a`, shape `(N,)`, and `b`, `(M,)`, are of one class: `(N, M)`."""
        if not len(self.classes):
            return np.ones((len(a), len(b)), dtype=bool)
        return np.equal.outer(self.classes[a], self.classes[b])

    def who(self, rows: Rows) -> set[int]:
        return set(self.annotators[rows].tolist())


class MatchedPerson(NamedTuple):
    """A person at a keyframe, and the rows that show it, at most one of each annotator."""

    second: int
    person_id: int  # below 0: drawn by annotators, without a number of its own yet
    rows: tuple[int, ...]

    @property
    def is_drawn(self) -> bool:
        """Whether annotators drew it; only until it is numbered."""
        return self.person_id < 0


class IdentifiedBox(NamedTuple):
    """A drawn person of an earlier consensus, whose id goes on."""

    second: int
    person_id: int
    box: NDArray[np.float64]
    label: str = PERSON


def identify_persons(drawn: DrawnBoxes) -> list[MatchedPerson]:
    """The persons at every keyframe, ascending by second and id.

    Persons that annotators drew have the ids -1, -2 and so on as they appear; `numbered` gives
    them numbers of their own.

    Args:
        drawn: Rows in an order that does not change from run to run.

    >>> rows = DrawnBoxes(
    ...     np.array([2, 2]), np.array([0, 1]), np.array([0, 5]), np.array([7, 0]),
    ...     np.array([[0.0, 0, 10, 20], [0, 1, 10, 20]]))
    >>> identify_persons(rows)
    [MatchedPerson(second=2, person_id=7, rows=(0, 1))]
    """
    identified, rest = _identified(drawn, _matched(drawn))
    rest = _identified_by_track(drawn, identified, rest)
    persons = [
        MatchedPerson(second, person, tuple(sorted(rows)))
        for (second, person), rows in identified.items()
    ]
    joined = _joined_by_track(drawn, rest)
    for place, keyframes in enumerate(_by_appearance(drawn, joined)):
        persons += [
            MatchedPerson(at, -1 - place, tuple(sorted(rows))) for at, rows in keyframes.items()
        ]
    return sorted(persons)


def boxes_of_drawn(
    persons: Sequence[MatchedPerson], drawn: DrawnBoxes
) -> dict[int, dict[int, NDArray[np.float64]]]:
    """The box of each drawn person at each of its seconds, in the order they were drawn."""
    found: dict[int, dict[int, NDArray[np.float64]]] = {}
    for person in sorted(persons, key=lambda one: (-one.person_id, one.second)):
        if person.is_drawn:
            box = fuse_boxes(drawn.boxes[list(person.rows)])
            found.setdefault(person.person_id, {})[person.second] = box
    return found


def numbered(
    persons: Sequence[MatchedPerson], numbers: Mapping[int, int]
) -> list[MatchedPerson]:
    """The persons, the drawn ones with their own `numbers` instead of ids below 0.

    >>> [one.person_id for one in numbered([MatchedPerson(2, -1, (0,))], {-1: 9})]
    [9]
    """
    return sorted(
        one._replace(person_id=numbers.get(one.person_id, one.person_id)) for one in persons
    )


def _matched(drawn: DrawnBoxes) -> list[Rows]:
    """Groups of rows that match at a keyframe, the largest groups first."""
    groups: list[Rows] = []
    order = np.argsort(drawn.seconds, kind="stable")
    bounds = np.flatnonzero(np.diff(drawn.seconds[order])) + 1
    for rows in np.split(order, bounds):
        groups += _joined(drawn, rows, sorted(_links(drawn, rows)))
    return sorted(groups, key=lambda rows: (-len(rows), rows))


def _links(
    drawn: DrawnBoxes, rows: NDArray[np.int64]
) -> Iterable[tuple[bool, float, int, int]]:
    """Matched pairs of rows of one keyframe: best first if sorted."""
    of = [rows[drawn.annotators[rows] == who] for who in np.unique(drawn.annotators[rows])]
    for i, first in enumerate(of):
        for second in of[i + 1 :]:
            iou = pairwise_iou(drawn.boxes[first], drawn.boxes[second])
            iou = np.where(drawn.are_one_class(first, second), iou, 0.0)
            ids = drawn.person_ids[first][:, None], drawn.person_ids[second][None, :]
            # Where persons overlap, the pre-annotation's id tells them apart.
            same = (ids[0] == ids[1]) & (ids[0] > 0) & (iou >= MIN_IOU)
            for a, b in zip(*best_pairs(iou + same), strict=True):
                if iou[a, b] >= MIN_IOU:
                    yield not same[a, b], -float(iou[a, b]), int(first[a]), int(second[b])


def _joined(
    drawn: DrawnBoxes, rows: NDArray[np.int64], links: list[tuple[bool, float, int, int]]
) -> list[Rows]:
    """The rows of one keyframe in groups of linked rows, none with an annotator twice."""
    group_of: dict[int, Rows] = {int(row): [int(row)] for row in rows}
    for _, _, a, b in links:
        first, second = group_of[a], group_of[b]
        if first is not second and not drawn.who(first) & drawn.who(second):
            first += second
            for row in second:
                group_of[row] = first
    return [sorted(rows) for rows in {id(rows): rows for rows in group_of.values()}.values()]


def _may_be_one(drawn: DrawnBoxes, there: Rows, rows: Rows) -> bool:
    """Whether both may be one person that was only drawn differently."""
    if drawn.who(there) & drawn.who(rows):
        return False
    if not drawn.are_one_class(np.array(there[:1]), np.array(rows[:1])).all():
        return False
    fused = fuse_boxes(drawn.boxes[there])[None], fuse_boxes(drawn.boxes[rows])[None]
    return bool(pairwise_iou(*fused)[0, 0] >= MIN_IOU_SAME_ID)


def _add_rows(
    drawn: DrawnBoxes, places: dict[tuple[int, int], Rows], name: int, rows: Rows
) -> bool:
    """Add rows to the person `name` of their keyframe; False if somebody else is there."""
    place = (int(drawn.seconds[rows[0]]), name)
    if place in places and not _may_be_one(drawn, places[place], rows):
        return False
    places[place] = places.get(place, []) + rows
    return True


def _identified(
    drawn: DrawnBoxes, groups: list[Rows]
) -> tuple[dict[tuple[int, int], Rows], list[Rows]]:
    """Groups by keyframe and pre-annotated id, and those left without a name."""
    identified: dict[tuple[int, int], Rows] = {}
    rest = []
    for rows in groups:
        ids = Counter(sorted(one for one in drawn.person_ids[rows].tolist() if one > 0))
        if not ids or not _add_rows(drawn, identified, ids.most_common(1)[0][0], rows):
            rest.append(rows)
    return identified, rest


def _identified_by_track(
    drawn: DrawnBoxes, identified: dict[tuple[int, int], Rows], rest: list[Rows]
) -> list[Rows]:
    """Name groups whose track shows the same identified person at most of its keyframes."""
    lengths = Counter(zip(drawn.annotators.tolist(), drawn.tracks.tolist(), strict=True))
    names: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for (_, person), rows in sorted(identified.items()):
        for row in rows:
            names[_track(drawn, row)][person] += 1
    left = []
    for rows in rest:
        likely = [
            person
            for row in rows
            for person, count in names[_track(drawn, row)].items()
            if 2 * count > lengths[_track(drawn, row)]
        ]
        if not any(
            _add_rows(drawn, identified, person, rows) for person in sorted(set(likely))
        ):
            left.append(rows)
    return left


def _joined_by_track(drawn: DrawnBoxes, groups: list[Rows]) -> list[dict[int, Rows]]:
    """Groups joined over the keyframes by shared tracks: `{second: rows}` of each person."""
    persons: list[dict[int, Rows]] = []
    while groups:
        rest: list[Rows] = []
        for chain in _chains(drawn, groups):
            places: dict[tuple[int, int], Rows] = {}
            rest += [rows for rows in chain if not _add_rows(drawn, places, 0, rows)]
            persons.append({second: rows for (second, _), rows in sorted(places.items())})
        groups = rest
    return persons


def _chains(drawn: DrawnBoxes, groups: list[Rows]) -> list[list[Rows]]:
    """Groups that hang together by tracks, in the order given."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(track: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(track, track) != track:
            track = parent[track]
        return track

    for rows in groups:
        for row in rows[1:]:
            parent[root(_track(drawn, row))] = root(_track(drawn, rows[0]))
    chains: dict[tuple[int, int], list[Rows]] = defaultdict(list)
    for rows in groups:
        chains[root(_track(drawn, rows[0]))].append(rows)
    return list(chains.values())


def _by_appearance(drawn: DrawnBoxes, persons: list[dict[int, Rows]]) -> list[dict[int, Rows]]:
    """The drawn persons by their first second, then by their box there."""

    def appears(person: dict[int, Rows]) -> tuple[int, list[float]]:
        first = min(person)
        return first, fuse_boxes(drawn.boxes[person[first]]).tolist()

    return sorted(persons, key=appears)


def continued_ids(
    boxes: Mapping[int, Mapping[int, NDArray[np.float64]]],
    before: Sequence[IdentifiedBox],
    labels: Mapping[int, str] | None = None,
) -> dict[int, int]:
    """Which drawn person goes on under which earlier id: those that match at most keyframes.

    Args:
        boxes: Of `boxes_of_drawn`.
        before: Drawn persons with ids, at each of their keyframes.
        labels: What each drawn person is; None if all are persons. An id stays of its class.
    """
    matches: Counter[tuple[int, int]] = Counter()
    for known in before:
        for person, places in boxes.items():
            if known.second in places and known.label == (labels or {}).get(person, PERSON):
                iou = pairwise_iou(places[known.second][None], known.box[None])[0, 0]
                matches[person, known.person_id] += bool(iou >= MIN_IOU)
    ids: dict[int, int] = {}
    order = sorted(matches.items(), key=lambda one: (-one[1], -one[0][0], one[0][1]))
    for (person, earlier), count in order:
        if count and person not in ids and earlier not in ids.values():
            ids[person] = earlier
    return ids


def _track(drawn: DrawnBoxes, row: int) -> tuple[int, int]:
    return int(drawn.annotators[row]), int(drawn.tracks[row])
