"""Tracks made smooth and whole: the Rauch-Tung-Striebel smoother over all tracks at once.

The whole clip is there, so a box is placed by what came before and by what came after it. The
same pass says where a person was while nobody saw them, so gaps need no other filling.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import to_centres, to_corners
from tracking.core.kalman import (
    MEANS,
    PLACE_VARIANCE,
    VELOCITY_VARIANCE,
    Array,
    Motion,
    begin,
    gains_in_hindsight,
    predict,
    update,
)
from tracking.core.trackfile import Track

SIDE_BY_SIDE = 256  # tracks smoothed at once, so that memory stays small in a crowd


class _Grid(NamedTuple):
    """Tracks laid side by side from their first frame on; time runs along the first axis."""

    measured: Array  # (L, 4, T) centre forms, 0 where nothing was seen
    seen: NDArray[np.bool_]  # (L, T)
    scores: Array  # (L, T), nan where nothing was seen
    heights: Array  # (T,), median


def smooth(
    tracks: Sequence[Track], *, fps: float, motion: Motion, longest_gap: float
) -> list[Track]:
    """The same tracks with smoothed boxes, and with boxes in gaps of up to `longest_gap`.

    Args:
        tracks: Frames ascending, boxes as they were detected.
        fps: Frames per second.
        motion: The noise the filter believes in.
        longest_gap: Seconds between two detections that are still bridged.

    Returns:
        One track for each, in order; filled frames have the score nan.

    >>> still = np.tile([[0.0, 0, 10, 20]], (2, 1))
    >>> track = Track(1, np.array([0, 2]), still, np.array([0.9, 0.9]))
    >>> smooth([track], fps=30, motion=Motion(), longest_gap=1.0)[0].frames
    array([0, 1, 2])
    """
    result: list[Track | None] = [None] * len(tracks)
    by_length = sorted(range(len(tracks)), key=lambda one: len(tracks[one].frames))
    for begins in range(0, len(tracks), SIDE_BY_SIDE):
        group = by_length[begins : begins + SIDE_BY_SIDE]
        smoothed = _smoothed_together([tracks[one] for one in group], fps, motion, longest_gap)
        for one, track in zip(group, smoothed, strict=True):
            result[one] = track
    return [track for track in result if track is not None]


def _smoothed_together(
    tracks: Sequence[Track], fps: float, motion: Motion, longest_gap: float
) -> list[Track]:
    grid = _side_by_side(tracks)
    places = _smoothed_places(grid, 1.0 / fps, motion)
    boxes = to_corners(np.ascontiguousarray(places.transpose(2, 0, 1)))
    step = longest_gap * fps + 1e-9
    result = []
    for index, track in enumerate(tracks):
        offsets = _kept_offsets(track.frames - track.frames[0], step)
        result.append(
            Track(
                track.track_id,
                track.frames[0] + offsets,
                boxes[index, offsets],
                grid.scores[offsets, index],
            )
        )
    return result


def _side_by_side(tracks: Sequence[Track]) -> _Grid:
    length = max(int(track.frames[-1] - track.frames[0]) for track in tracks) + 1
    measured = np.zeros((length, 4, len(tracks)))
    scores = np.full((length, len(tracks)), np.nan)
    for index, track in enumerate(tracks):
        offsets = track.frames - track.frames[0]
        measured[offsets, :, index] = to_centres(track.boxes)
        scores[offsets, index] = track.scores
    heights = np.array([np.median(track.boxes[:, 3] - track.boxes[:, 1]) for track in tracks])
    return _Grid(measured, ~np.isnan(scores), scores, heights)


def _smoothed_places(grid: _Grid, seconds: float, motion: Motion) -> Array:
    """Centre forms of all times, shape `(L, 4, T)`; past a track's end they mean nothing."""
    acceleration = motion.acceleration(grid.heights)
    seen_variance = motion.measurement_variance(grid.heights)
    variance = np.where(grid.seen[:, None], seen_variance, np.inf)
    filtered = np.empty((len(grid.measured), 5, *grid.measured.shape[1:]))
    predicted = np.empty_like(filtered)
    filtered[0] = begin(grid.measured[0], motion)
    filtered[0, PLACE_VARIANCE] = seen_variance
    filtered[0, VELOCITY_VARIANCE] = motion.start_variance(grid.heights)
    for time in range(1, len(filtered)):
        predicted[time] = predict(filtered[time - 1], seconds, acceleration)
        filtered[time] = update(predicted[time], grid.measured[time], variance[time])
    gains = gains_in_hindsight(filtered[:-1], predicted[1:], seconds)
    places = np.empty_like(grid.measured)
    later = filtered[-1, MEANS]
    places[-1] = later[0]
    for time in range(len(filtered) - 2, -1, -1):
        surprise = later - predicted[time + 1, MEANS]
        later = filtered[time, MEANS] + (gains[time] * surprise).sum(axis=1)
        places[time] = later[0]
    return places


def _kept_offsets(seen: NDArray[np.int64], step: float) -> NDArray[np.int64]:
    """The seen offsets and those between two that are at most `step` apart, ascending.

    >>> _kept_offsets(np.array([0, 2, 9]), 3.0)
    array([0, 1, 2, 9])
    """
    gaps = np.diff(seen)
    lengths = np.where(gaps <= step, gaps, 1)
    begins = np.cumsum(lengths) - lengths
    inner = np.arange(lengths.sum()) + np.repeat(seen[:-1] - begins, lengths)
    return np.concatenate([inner, seen[-1:]])
