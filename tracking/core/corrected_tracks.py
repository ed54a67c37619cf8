"""Tracks of a clip after corrections of persons: merged, split at a frame, dropped.

Corrections name persons of a video, not tracks of one tracking, so a later tracking of it gets
them as well, once its persons have the same ids (`identities.match_identities`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.tracks_file import Track

GAP_FRAMES = 30  # the frames before a split, in which the longest time unseen is looked for


class Correction(NamedTuple):
    """One correction; `other` is who `person` becomes, from the frame of a split on."""

    kind: str  # merge, split or drop
    person: int
    other: int = 0  # of a merge or split
    clip: int = 0  # of a split: number of the clip in its video, from 0
    frame: int = 0  # of a split: first clip frame that shows `other`


class _Piece(NamedTuple):
    track: Track
    person: int


def apply_corrections(
    tracks: Sequence[Track],
    persons: Mapping[int, int],
    corrections: Sequence[Correction],
    *,
    clip: int,
) -> tuple[list[Track], dict[int, int]]:
    """The tracks of one clip after `corrections`, and the person of each.

    Args:
        tracks: As they were tracked; those without a person are left out.
        persons: The person id of each track id.
        corrections: In the order they were made, of the whole video.
        clip: Number of the clip in its video, from 0.

    Returns:
        One track a person, each with the id of its first part, or a new id if that is taken.
        Where two merged tracks have the same frame, the box of higher score counts.

    >>> box = np.tile([[0.0, 0, 10, 20]], (4, 1))
    >>> track = Track(1, np.arange(4), box, np.ones(4))
    >>> split = Correction("split", 5, 6, clip=0, frame=3)
    >>> parts, ids = apply_corrections([track], {1: 5}, [split], clip=0)
    >>> [part.frames.tolist() for part in parts], ids
    ([[0, 1, 2], [3]], {1: 5, 2: 6})
    """
    pieces = [
        _Piece(track, persons[track.track_id]) for track in tracks if track.track_id in persons
    ]
    for one in corrections:
        pieces = _corrected(pieces, one, clip)
    of_person: dict[int, list[Track]] = {}
    for piece in sorted(pieces, key=lambda piece: int(piece.track.frames[0])):
        of_person.setdefault(piece.person, []).append(piece.track)
    highest = max((track.track_id for track in tracks), default=0)
    found, ids = [], {}
    for person, parts in of_person.items():
        number = parts[0].track_id
        if number in ids:
            highest += 1
            number = highest
        found.append(replace(_united(parts), track_id=number))
        ids[number] = person
    return found, ids


def split_frame(frames: NDArray[np.int64], scores: NDArray[np.float64], at: int) -> int:
    """Where a track that shows somebody else at frame `at` is best split.

    It is where it was seen again after the longest time unseen in the second before `at`; `at`
    itself if it was always seen.

    Args:
        frames: Of the track, shape `(n,)`, ascending.
        scores: Shape `(n,)`; nan where nothing was detected.
        at: A frame.

    >>> split_frame(np.array([0, 1, 8, 9, 10]), np.ones(5), 10)
    8
    """
    seen = frames[~np.isnan(scores)]
    seen = seen[(seen > at - GAP_FRAMES) & (seen <= at)]
    gaps = np.diff(seen)
    if not len(gaps) or gaps.max() < 2:
        return at
    return int(seen[1:][gaps.argmax()])


def _corrected(pieces: list[_Piece], one: Correction, clip: int) -> list[_Piece]:
    if one.kind == "drop":
        return [piece for piece in pieces if piece.person != one.person]
    if one.kind == "merge":
        return [
            piece._replace(person=one.other) if piece.person == one.person else piece
            for piece in pieces
        ]
    if clip < one.clip:
        return pieces
    at = one.frame if clip == one.clip else 0
    result = []
    for piece in pieces:
        if piece.person != one.person:
            result.append(piece)
            continue
        later = piece.track.frames >= at
        if not later.all():
            result.append(_Piece(_rows(piece.track, ~later), one.person))
        if later.any():
            result.append(_Piece(_rows(piece.track, later), one.other))
    return result


def _rows(track: Track, rows: NDArray[np.bool_]) -> Track:
    return replace(
        track, frames=track.frames[rows], boxes=track.boxes[rows], scores=track.scores[rows]
    )


def _united(parts: Sequence[Track]) -> Track:
    """All boxes of `parts` as one track, one a frame."""
    if len(parts) == 1:
        return parts[0]
    frames = np.concatenate([part.frames for part in parts])
    boxes = np.concatenate([part.boxes for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    order = np.lexsort((-np.nan_to_num(scores, nan=-1.0), frames))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(frames[order]) > 0
    kept = order[first]
    return replace(parts[0], frames=frames[kept], boxes=boxes[kept], scores=scores[kept])
