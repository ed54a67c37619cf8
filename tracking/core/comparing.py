"""Two trackings of the same clips beside each other: who is the same person."""

from collections.abc import Mapping, Sequence

import numpy as np

from tracking.core.association import associate
from tracking.core.boxes import Boxes, pairwise_iou
from tracking.core.trackfile import Track

SAME_IOU = 0.5
STEP = 15  # every so many frames are looked at

Names = Mapping[int, int]  # person id of each track id


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
