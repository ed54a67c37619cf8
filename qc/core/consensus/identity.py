"""Who is who in a clip that several annotators answered: their boxes, gathered into persons.

Boxes of different annotators at one keyframe show the same person if they match (IoU). The
person is called as the pre-annotation called it; persons that annotators drew are followed over
the keyframes by the tracks they were drawn with. Tracks alone join nothing between annotators.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.consensus.majority import fuse_boxes
from qc.core.matching import LEAST_IOU, best_pairs
from tracking.core.boxes import Boxes, pairwise_iou

DRAWN_IDS_PER_CLIP = 10_000
LEAST_IOU_OF_ONE_ID = 0.2  # boxes with the same id that match less are of two persons

Rows = list[int]


@dataclass(frozen=True)
class Drawn:
    """All boxes that the annotators of a clip drew or left, one row each.

    Attributes:
        seconds: Keyframe of each row, shape `(n,)`.
        annotators: Who, as a number.
        tracks: Track in that annotator's file.
        person_ids: Of the pre-annotation; 0 for a person the annotator drew.
        boxes: Shape `(n, 4)`.
    """

    seconds: NDArray[np.int64]
    annotators: NDArray[np.int64]
    tracks: NDArray[np.int64]
    person_ids: NDArray[np.int64]
    boxes: Boxes

    def who(self, rows: Rows) -> set[int]:
        return set(self.annotators[rows].tolist())


class PersonAt(NamedTuple):
    """A person at a keyframe, and the rows that show it, at most one of each annotator."""

    second: int
    person_id: int
    rows: tuple[int, ...]


class KnownBox(NamedTuple):
    """A drawn person of an earlier consensus, whose id goes on."""

    second: int
    person_id: int
    box: NDArray[np.float64]


def first_drawn_id(clip_index: int) -> int:
    """The first id for persons that annotators drew in a clip, unique in its source video.

    >>> first_drawn_id(0), first_drawn_id(2)
    (10000, 30000)
    """
    return DRAWN_IDS_PER_CLIP * (clip_index + 1)


def gather_persons(
    drawn: Drawn, *, first_id: int, before: Sequence[KnownBox] = ()
) -> list[PersonAt]:
    """The persons at every keyframe, ascending by second and id.

    Args:
        drawn: Rows in an order that does not change from run to run.
        first_id: For persons that annotators drew, see `first_drawn_id`.
        before: Drawn persons that had ids already; who matches them keeps theirs.

    >>> rows = Drawn(np.array([2, 2]), np.array([0, 1]), np.array([0, 5]), np.array([7, 0]),
    ...              np.array([[0.0, 0, 10, 20], [0, 1, 10, 20]]))
    >>> gather_persons(rows, first_id=10_000)
    [PersonAt(second=2, person_id=7, rows=(0, 1))]
    """
    named, rest = _named(drawn, _matched(drawn))
    rest = _named_by_track(drawn, named, rest)
    persons = [
        PersonAt(second, person, tuple(sorted(rows)))
        for (second, person), rows in named.items()
    ]
    followed = _followed(drawn, rest)
    for person, keyframes in _numbered(drawn, followed, first_id, before):
        persons += [PersonAt(at, person, tuple(sorted(rows))) for at, rows in keyframes.items()]
    return sorted(persons)


def _matched(drawn: Drawn) -> list[Rows]:
    """Groups of rows that match at a keyframe, the largest groups first."""
    groups: list[Rows] = []
    order = np.argsort(drawn.seconds, kind="stable")
    bounds = np.flatnonzero(np.diff(drawn.seconds[order])) + 1
    for rows in np.split(order, bounds):
        groups += _joined(drawn, rows, sorted(_links(drawn, rows)))
    return sorted(groups, key=lambda rows: (-len(rows), rows))


def _links(drawn: Drawn, rows: NDArray[np.int64]) -> Iterable[tuple[bool, float, int, int]]:
    """Matched pairs of rows of one keyframe: best first if sorted."""
    of = [rows[drawn.annotators[rows] == who] for who in np.unique(drawn.annotators[rows])]
    for i, first in enumerate(of):
        for second in of[i + 1 :]:
            iou = pairwise_iou(drawn.boxes[first], drawn.boxes[second])
            ids = drawn.person_ids[first][:, None], drawn.person_ids[second][None, :]
            # Where people overlap, the pre-annotation's name tells them apart.
            same = (ids[0] == ids[1]) & (ids[0] > 0) & (iou >= LEAST_IOU)
            for a, b in zip(*best_pairs(iou + same), strict=True):
                if iou[a, b] >= LEAST_IOU:
                    yield not same[a, b], -float(iou[a, b]), int(first[a]), int(second[b])


def _joined(
    drawn: Drawn, rows: NDArray[np.int64], links: list[tuple[bool, float, int, int]]
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


def _fits(drawn: Drawn, there: Rows, rows: Rows) -> bool:
    """Whether both may be one person that was only drawn differently."""
    if drawn.who(there) & drawn.who(rows):
        return False
    fused = fuse_boxes(drawn.boxes[there])[None], fuse_boxes(drawn.boxes[rows])[None]
    return bool(pairwise_iou(*fused)[0, 0] >= LEAST_IOU_OF_ONE_ID)


def _put(drawn: Drawn, places: dict[tuple[int, int], Rows], name: int, rows: Rows) -> bool:
    """Add rows to the person `name` of their keyframe; False if somebody else is there."""
    place = (int(drawn.seconds[rows[0]]), name)
    if place in places and not _fits(drawn, places[place], rows):
        return False
    places[place] = places.get(place, []) + rows
    return True


def _named(drawn: Drawn, groups: list[Rows]) -> tuple[dict[tuple[int, int], Rows], list[Rows]]:
    """Groups by keyframe and pre-annotated id, and those left without a name."""
    named: dict[tuple[int, int], Rows] = {}
    rest = []
    for rows in groups:
        ids = Counter(sorted(one for one in drawn.person_ids[rows].tolist() if one > 0))
        if not ids or not _put(drawn, named, ids.most_common(1)[0][0], rows):
            rest.append(rows)
    return named, rest


def _named_by_track(
    drawn: Drawn, named: dict[tuple[int, int], Rows], rest: list[Rows]
) -> list[Rows]:
    """Name groups whose track shows the same named person at most of its keyframes."""
    lengths = Counter(zip(drawn.annotators.tolist(), drawn.tracks.tolist(), strict=True))
    names: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for (_, person), rows in sorted(named.items()):
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
        if not any(_put(drawn, named, person, rows) for person in sorted(set(likely))):
            left.append(rows)
    return left


def _followed(drawn: Drawn, groups: list[Rows]) -> list[dict[int, Rows]]:
    """Groups joined over the keyframes by shared tracks: `{second: rows}` of each person."""
    people: list[dict[int, Rows]] = []
    while groups:
        rest: list[Rows] = []
        for chain in _chains(drawn, groups):
            places: dict[tuple[int, int], Rows] = {}
            rest += [rows for rows in chain if not _put(drawn, places, 0, rows)]
            people.append({second: rows for (second, _), rows in sorted(places.items())})
        groups = rest
    return people


def _chains(drawn: Drawn, groups: list[Rows]) -> list[list[Rows]]:
    """Groups that hang together by tracks, in the order given."""
    leader: dict[tuple[int, int], tuple[int, int]] = {}

    def lead(track: tuple[int, int]) -> tuple[int, int]:
        while leader.setdefault(track, track) != track:
            track = leader[track]
        return track

    for rows in groups:
        for row in rows[1:]:
            leader[lead(_track(drawn, row))] = lead(_track(drawn, rows[0]))
    chains: dict[tuple[int, int], list[Rows]] = defaultdict(list)
    for rows in groups:
        chains[lead(_track(drawn, rows[0]))].append(rows)
    return list(chains.values())


def _numbered(
    drawn: Drawn,
    people: list[dict[int, Rows]],
    first_id: int,
    before: Sequence[KnownBox],
) -> list[tuple[int, dict[int, Rows]]]:
    """Ids for drawn persons: the one they had, else the next free one by appearance."""
    boxes = [{at: fuse_boxes(drawn.boxes[rows]) for at, rows in one.items()} for one in people]
    order = sorted(
        range(len(people)), key=lambda i: (min(boxes[i]), boxes[i][min(boxes[i])].tolist())
    )
    ids = _continued([boxes[i] for i in order], before)
    taken = {known.person_id for known in before}
    free = iter(n for n in range(first_id, first_id + DRAWN_IDS_PER_CLIP) if n not in taken)
    return [
        (ids[place] if place in ids else next(free), people[i]) for place, i in enumerate(order)
    ]


def _continued(
    people: list[dict[int, NDArray[np.float64]]], before: Sequence[KnownBox]
) -> dict[int, int]:
    """Which person goes on under which earlier id: those that match at most keyframes."""
    matches: Counter[tuple[int, int]] = Counter()
    for known in before:
        for place, boxes in enumerate(people):
            if known.second in boxes:
                iou = pairwise_iou(boxes[known.second][None], known.box[None])[0, 0]
                matches[place, known.person_id] += bool(iou >= LEAST_IOU)
    ids: dict[int, int] = {}
    for (place, person), count in sorted(matches.items(), key=lambda one: (-one[1], one[0])):
        if count and place not in ids and person not in ids.values():
            ids[place] = person
    return ids


def _track(drawn: Drawn, row: int) -> tuple[int, int]:
    return int(drawn.annotators[row]), int(drawn.tracks[row])
