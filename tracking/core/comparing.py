"""Two trackings of the same clips beside each other: who is the same person, what differs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracking.core.association import associate
from tracking.core.boxes import Boxes, pairwise_iou
from tracking.core.trackfile import Track

SAME_IOU = 0.5
STEP = 15  # every so many frames are looked at

Names = Mapping[int, int]  # person id of each track id


class Difference(NamedTuple):
    """Boxes in the frames looked at, of two trackings of one clip."""

    both: int
    only_first: int
    only_second: int


def difference(first: Sequence[Track], second: Sequence[Track], *, step: int) -> Difference:
    """How many boxes of every `step`-th frame the two share, and how many only one has.

    >>> box = np.tile([[0.0, 0, 10, 20]], (3, 1))
    >>> one = Track(1, np.array([0, 1, 2]), box, np.ones(3))
    >>> difference([one], [one, one], step=1)
    Difference(both=3, only_first=0, only_second=3)
    """
    ours, theirs = _by_frame(first, step), _by_frame(second, step)
    both = sum(len(pairs) for pairs in _same(ours, theirs))
    count, other = (sum(len(ids) for ids, _ in side.values()) for side in (ours, theirs))
    return Difference(both, count - both, other - both)


def same_persons(
    clips: Sequence[tuple[Sequence[Track], Names]],
    others: Sequence[tuple[Sequence[Track], Names]],
) -> dict[int, int]:
    """The person of another tracking that each person is, by the boxes they share most.

    Args:
        clips: The tracks of each clip of a video, and the persons they show.
        others: The same of the other tracking, clip by clip; a track without a name is nobody.

    Returns:
        `{person id: person id of the others}`, one to one; persons without a match are missing.
    """
    counts: dict[tuple[int, int], int] = {}
    for (tracks, names), (other_tracks, other_names) in zip(clips, others, strict=True):
        for pairs in _same(_by_frame(tracks, STEP), _by_frame(other_tracks, STEP)):
            for mine, other in pairs:
                if mine in names and other in other_names:
                    pair = names[mine], other_names[other]
                    counts[pair] = counts.get(pair, 0) + 1
    if not counts:
        return {}
    rows = sorted({mine for mine, _ in counts})
    columns = sorted({other for _, other in counts})
    shared = np.array([[float(counts.get((a, b), 0)) for b in columns] for a in rows])
    found = associate(shared, least=1.0)
    return {
        rows[row]: columns[column]
        for row, column in zip(found.rows, found.columns, strict=True)
    }


def _by_frame(tracks: Sequence[Track], step: int) -> dict[int, tuple[list[int], Boxes]]:
    """Track ids and boxes of every `step`-th frame that has any."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for track in tracks:
        for place in np.flatnonzero(track.frames % step == 0):
            row = (track.track_id, track.boxes[place])
            found.setdefault(int(track.frames[place]), []).append(row)
    return {
        frame: ([number for number, _ in rows], np.array([box for _, box in rows]))
        for frame, rows in found.items()
    }


def _same(
    ours: dict[int, tuple[list[int], Boxes]], theirs: dict[int, tuple[list[int], Boxes]]
) -> list[list[tuple[int, int]]]:
    """In each frame that both have, the track ids whose boxes are the same."""
    result = []
    for frame in sorted(ours.keys() & theirs.keys()):
        (ids, boxes), (other_ids, other_boxes) = ours[frame], theirs[frame]
        found = associate(pairwise_iou(boxes, other_boxes), least=SAME_IOU)
        pairs = zip(found.rows.tolist(), found.columns.tolist(), strict=True)
        result.append([(ids[row], other_ids[column]) for row, column in pairs])
    return result
