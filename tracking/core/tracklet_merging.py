"""Tracklet merging: which track continues one that ended, in a clip or in the next clip.

A track that ended and a track that began later are the same person if each, extrapolated with
its velocity, meets the other halfway in time. Distances are in box heights, times in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.appearance import concatenated, end_look
from tracking.core.association import Pairs, best_matching
from tracking.core.boxes import xyxy_to_cxcywh
from tracking.core.features import likeness
from tracking.core.tracks_file import Track

Array = NDArray[np.float64]

ENDS_AT_ONCE = 256
VELOCITY_PRIOR = 0.01  # seconds^2: how strongly a velocity is pulled towards 0


@dataclass(frozen=True)
class TrackletMerging:
    """When the end of one track and the start of another are one person."""

    max_gap_seconds: float = 1.5
    velocity_seconds: float = 1.0  # of a track that its velocity is estimated from
    max_distance: float = 0.45  # heights between the two extrapolations ...
    distance_growth: float = 0.28  # ... and more for every second of the gap
    max_height_ratio: float = 1.56
    min_likeness: float = 0.0  # of the features of both; ends without a look are not compared


class TrackEnds(NamedTuple):
    """The first or the last frame of each track."""

    frames: NDArray[np.int64]  # (T,)
    positions: Array  # (T, 4), centre form
    velocities: Array  # (T, 2), pixels a second, of the centre
    features: NDArray[np.float32] | None = None  # (T, P, D), zeros for a track without

    def take(self, which: NDArray[np.int64]) -> "TrackEnds":
        features = None if self.features is None else self.features[which]
        return TrackEnds(
            self.frames[which], self.positions[which], self.velocities[which], features
        )


def merge_tracklets(
    tracks: Sequence[Track], *, fps: float, merging: TrackletMerging
) -> list[Track]:
    """The tracks of one clip, those of one person merged; in the order they begin.

    >>> box = np.tile([[0.0, 0, 10, 20]], (3, 1))
    >>> a = Track(1, np.array([0, 1, 2]), box, np.ones(3))
    >>> b = Track(2, np.array([5, 6, 7]), box, np.ones(3))
    >>> merged = merge_tracklets([a, b], fps=10, merging=TrackletMerging())
    >>> [track.frames.tolist() for track in merged]
    [[0, 1, 2, 5, 6, 7]]
    """
    if len(tracks) < 2:
        return list(tracks)
    ends = track_ends(tracks, fps, merging, last=True)
    starts = track_ends(tracks, fps, merging, last=False)
    pairs = match_ends(ends, starts, fps, merging)
    after = dict(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True))
    firsts = sorted(set(range(len(tracks))) - set(after.values()))
    chains = [_chain(first, after) for first in firsts]
    return [concatenated([tracks[index] for index in chain]) for chain in chains]


def track_ends(
    tracks: Sequence[Track], fps: float, merging: TrackletMerging, *, last: bool
) -> TrackEnds:
    """The last frames of `tracks`, or the first ones."""
    frames = np.array([track.frames[-1 if last else 0] for track in tracks])
    found = [
        _position_and_velocity(track, edge, merging.velocity_seconds, fps)
        for track, edge in zip(tracks, frames, strict=True)
    ]
    positions, velocities = zip(*found, strict=True)
    seen = [end_look(track, fps, last=last) for track in tracks]
    shape = next((look.shape for look in seen if look is not None), None)
    features = None
    if shape is not None:
        empty = np.zeros(shape, np.float32)
        features = np.stack([empty if look is None else look for look in seen])
    return TrackEnds(frames, np.array(positions), np.array(velocities), features)


def _position_and_velocity(
    track: Track, edge: int, seconds: float, fps: float
) -> tuple[Array, Array]:
    """Position at frame `edge` and velocity of the centre, by least squares over `seconds`.

    The velocity is pulled towards 0, more strongly the shorter the time it is estimated from.
    """
    near = np.abs(track.frames - edge) <= seconds * fps
    times = (track.frames[near] - edge) / fps
    centres = xyxy_to_cxcywh(track.boxes[near])
    middle, mean = times.mean(), centres.mean(axis=0)
    off = times - middle
    slope = off @ (centres - mean) / (off @ off + VELOCITY_PRIOR * len(times))
    position = mean - slope * middle
    return position, slope[:2]


def match_ends(
    ends: TrackEnds, starts: TrackEnds, fps: float, merging: TrackletMerging
) -> Pairs:
    """Which end (row) is continued by which start (column), one to one, the best in sum.

    Only starts within the largest gap are compared, and only some ends at a time, so that
    thousands of short tracks of a bad detector need no more memory than a few.
    """
    by_end, by_start = np.argsort(ends.frames), np.argsort(starts.frames)
    begun, window = starts.frames[by_start], merging.max_gap_seconds * fps + 1
    found = []
    for part in np.split(by_end, range(ENDS_AT_ONCE, len(by_end), ENDS_AT_ONCE)):
        first, last = ends.frames[part[[0, -1]]]
        near = by_start[slice(*np.searchsorted(begun, [first, last + window]))]
        gain = affinity(ends.take(part), starts.take(near), fps, merging)
        rows, columns = gain.nonzero()
        found.append((part[rows], near[columns], gain[rows, columns]))
    rows, columns, gains = (np.concatenate(every) for every in zip(*found, strict=True))
    order = np.lexsort((columns, rows))
    return best_matching(rows[order], columns[order], gains[order])


def affinity(ends: TrackEnds, starts: TrackEnds, fps: float, merging: TrackletMerging) -> Array:
    """1 where an end (row) and a start (column) meet exactly, 0 where they cannot be one."""
    seconds = (starts.frames[None, :] - ends.frames[:, None]) / fps
    half = np.clip(seconds, 0.0, merging.max_gap_seconds)[..., None] / 2
    forward = ends.positions[:, None, :2] + half * ends.velocities[:, None]
    backward = starts.positions[None, :, :2] - half * starts.velocities[None]
    heights = (
        np.maximum(ends.positions[:, None, 3], 1.0),
        np.maximum(starts.positions[None, :, 3], 1),
    )
    taller, smaller = np.maximum(*heights), np.minimum(*heights)
    distance = np.hypot(*np.moveaxis(forward - backward, -1, 0)) / taller
    allowed = merging.max_distance + merging.distance_growth * seconds
    fits = (
        (seconds > 0)
        & (seconds <= merging.max_gap_seconds)
        & (taller <= merging.max_height_ratio * smaller)
    )
    if merging.min_likeness and ends.features is not None and starts.features is not None:
        rows, columns = fits.nonzero()
        alike = likeness(ends.features[rows], starts.features[columns])
        fits[rows, columns] = ~(alike < merging.min_likeness)  # nan: nothing to compare
    allowed = np.where(fits, allowed, 1.0)
    return np.where(fits, np.clip(1.0 - distance / allowed, 0.0, 1.0), 0.0)


def _chain(first: int, after: dict[int, int]) -> list[int]:
    chain = [first]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    return chain
