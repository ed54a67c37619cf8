"""Which track goes on where another ended: within a clip, and over the border between clips.

Both questions are one: a track that ended and a track that began later are the same person if
each, carried on at the speed it had, meets the other in the time between. Distances are in box
heights, times in seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.association import Pairs, best_pairs
from tracking.core.boxes import to_centres
from tracking.core.trackfile import Track

Array = NDArray[np.float64]

LONGEST_OVER_BORDERS = 1.5  # seconds; tracks break at a border for no fault of theirs
AT_A_TIME = 256  # ends
CALM = 0.01  # seconds^2: how strongly a speed is pulled towards 0


@dataclass(frozen=True)
class Joining:
    """When an end and a beginning are one person."""

    longest: float = 1.1  # seconds between them
    memory: float = 1.0  # seconds of a track that its speed is taken from
    reach: float = 0.45  # heights the two may miss each other by, at once ...
    reach_growth: float = 0.28  # ... and more for every second between them
    size_ratio: float = 1.56  # of their heights


class _Ends(NamedTuple):
    """One end of each track."""

    frames: NDArray[np.int64]  # (T,)
    places: Array  # (T, 4), centre form
    speeds: Array  # (T, 2), pixels a second, of the centre

    def take(self, which: NDArray[np.int64]) -> "_Ends":
        return _Ends(self.frames[which], self.places[which], self.speeds[which])


def stitched(tracks: Sequence[Track], *, fps: float, joining: Joining) -> list[Track]:
    """The tracks of one clip, broken ones made one; in the order they begin.

    >>> box = np.tile([[0.0, 0, 10, 20]], (3, 1))
    >>> a = Track(1, np.array([0, 1, 2]), box, np.ones(3))
    >>> b = Track(2, np.array([5, 6, 7]), box, np.ones(3))
    >>> [track.frames.tolist() for track in stitched([a, b], fps=10, joining=Joining())]
    [[0, 1, 2, 5, 6, 7]]
    """
    if len(tracks) < 2:
        return list(tracks)
    ends = _ends(tracks, fps, joining, last=True)
    starts = _ends(tracks, fps, joining, last=False)
    pairs = _meetings(ends, starts, fps, joining)
    after = dict(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True))
    firsts = sorted(set(range(len(tracks))) - set(after.values()))
    chains = [_chain(first, after) for first in firsts]
    return [_joined([tracks[index] for index in chain]) for chain in chains]


def link(
    clips: Sequence[Sequence[Track]],
    steps: Sequence[int],
    *,
    fps: float = 30.0,
    joining: Joining | None = None,
    given: Sequence[Mapping[int, int]] | None = None,
    cuts: Sequence[Sequence[int]] | None = None,
) -> list[dict[int, int]]:
    """Name the persons of a video once over all its clips.

    Args:
        clips: The tracks of each clip of the video, in order.
        steps: Frames from the begin of each clip to the begin of the next: its length, or more
            where something between them was cut out. The last one is not used.
        fps: Frames per second.
        joining: When two tracks are one person; the defaults with more time if None.
        given: For each clip the names its tracks have already, which they keep.
        cuts: For each clip the frames with which another scene begins: nobody goes over them.

    Returns:
        For each clip `{track_id: person_id}`; person ids count from 1 over the video in the
        order persons appear, and are unique in a clip.

    >>> box = np.tile([[0.0, 0, 10, 20]], (3, 1))
    >>> late = Track(4, np.array([7, 8, 9]), box, np.ones(3))
    >>> early = Track(2, np.array([0, 1, 2]), box, np.ones(3))
    >>> link([[late], [early]], [10, 10], fps=10)
    [{4: 1}, {2: 1}]
    """
    joining = joining or Joining(longest=LONGEST_OVER_BORDERS)
    given = given or [{} for _ in clips]
    cuts = cuts or [[] for _ in clips]
    named: list[dict[int, int]] = []
    count = max((person for names in given for person in names.values()), default=0)
    for index, tracks in enumerate(clips):
        known = dict(given[index])
        if index:
            last_cut = max(cuts[index - 1], default=0)
            first_cut = min(cuts[index], default=math.inf)
            ended = [track for track in clips[index - 1] if track.frames[-1] >= last_cut]
            begun = [track for track in tracks if track.frames[0] < first_cut]
            for before, after in _over_the_border(ended, begun, steps[index - 1], fps, joining):
                person = named[-1][before]
                if after not in known and person not in known.values():
                    known[after] = person
        for track in sorted(tracks, key=lambda one: (int(one.frames[0]), one.track_id)):
            if track.track_id not in known:
                count += 1
                known[track.track_id] = count
        named.append(dict(sorted(known.items())))
    return named


def _over_the_border(
    before: Sequence[Track], after: Sequence[Track], step: int, fps: float, joining: Joining
) -> list[tuple[int, int]]:
    """Track ids `(before, after)` of the same persons; `step` frames lie between the begins."""
    if not before or not after:
        return []
    ends = _ends(before, fps, joining, last=True)
    starts = _ends(after, fps, joining, last=False)
    starts = starts._replace(frames=starts.frames + step)
    pairs = _meetings(ends, starts, fps, joining)
    return [
        (before[row].track_id, after[column].track_id)
        for row, column in zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)
    ]


def _ends(tracks: Sequence[Track], fps: float, joining: Joining, *, last: bool) -> _Ends:
    frames = np.array([track.frames[-1 if last else 0] for track in tracks])
    lines = [
        _line(track, edge, joining.memory, fps)
        for track, edge in zip(tracks, frames, strict=True)
    ]
    return _Ends(
        frames, np.array([place for place, _ in lines]), np.array([speed for _, speed in lines])
    )


def _line(track: Track, edge: int, memory: float, fps: float) -> tuple[Array, Array]:
    """Place at frame `edge` and speed of the centre, by least squares over `memory` seconds.

    The speed is pulled towards 0, the more the less time it is taken from.
    """
    near = np.abs(track.frames - edge) <= memory * fps
    times = (track.frames[near] - edge) / fps
    centres = to_centres(track.boxes[near])
    middle, mean = times.mean(), centres.mean(axis=0)
    off = times - middle
    slope = off @ (centres - mean) / (off @ off + CALM * len(times))
    place = mean - slope * middle
    return place, slope[:2]


def _meetings(ends: _Ends, starts: _Ends, fps: float, joining: Joining) -> Pairs:
    """Which end (row) goes on with which beginning (column), one to one and best in all.

    Beginnings too late for an end are not even looked at, and ends only some at a time, so that
    thousands of short tracks of a bad detector need no more memory than a few.
    """
    by_end, by_start = np.argsort(ends.frames), np.argsort(starts.frames)
    begun, window = starts.frames[by_start], joining.longest * fps + 1
    found = []
    for part in np.split(by_end, range(AT_A_TIME, len(by_end), AT_A_TIME)):
        first, last = ends.frames[part[[0, -1]]]
        near = by_start[slice(*np.searchsorted(begun, [first, last + window]))]
        gain = _likeness(ends.take(part), starts.take(near), fps, joining)
        rows, columns = gain.nonzero()
        found.append((part[rows], near[columns], gain[rows, columns]))
    rows, columns, gains = (np.concatenate(every) for every in zip(*found, strict=True))
    order = np.lexsort((columns, rows))
    return best_pairs(rows[order], columns[order], gains[order])


def _likeness(ends: _Ends, starts: _Ends, fps: float, joining: Joining) -> Array:
    """1 for a perfect meeting of an end (row) and a beginning (column), 0 for none."""
    seconds = (starts.frames[None, :] - ends.frames[:, None]) / fps
    half = np.clip(seconds, 0.0, joining.longest)[..., None] / 2
    there = ends.places[:, None, :2] + half * ends.speeds[:, None]
    back = starts.places[None, :, :2] - half * starts.speeds[None]
    heights = np.maximum(ends.places[:, None, 3], 1.0), np.maximum(starts.places[None, :, 3], 1)
    taller, smaller = np.maximum(*heights), np.minimum(*heights)
    miss = np.hypot(*np.moveaxis(there - back, -1, 0)) / taller
    allowed = joining.reach + joining.reach_growth * seconds
    fits = (
        (seconds > 0) & (seconds <= joining.longest) & (taller <= joining.size_ratio * smaller)
    )
    return np.where(fits, np.clip(1.0 - miss / np.where(fits, allowed, 1.0), 0.0, 1.0), 0.0)


def _chain(first: int, after: dict[int, int]) -> list[int]:
    chain = [first]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    return chain


def _joined(parts: list[Track]) -> Track:
    if len(parts) == 1:
        return parts[0]
    return Track(
        parts[0].track_id,
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
