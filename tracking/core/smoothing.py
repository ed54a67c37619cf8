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
    Array,
    Beliefs,
    Motion,
    begin,
    choose,
    look_back,
    predict,
    update,
)
from tracking.core.trackfile import Track


class _Grid(NamedTuple):
    """Tracks laid side by side from their first frame on; time runs along the first axis."""

    measured: Array  # (L, T, 4) centre forms, 0 where nothing was seen
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
    if not tracks:
        return []
    grid = _side_by_side(tracks)
    boxes = to_corners(_smoothed_places(grid, 1.0 / fps, motion))
    step = longest_gap * fps + 1e-9
    result = []
    for index, track in enumerate(tracks):
        offsets = _kept_offsets(track.frames - track.frames[0], step)
        result.append(
            Track(
                track.track_id,
                track.frames[0] + offsets,
                boxes[offsets, index],
                grid.scores[offsets, index],
            )
        )
    return result


def _side_by_side(tracks: Sequence[Track]) -> _Grid:
    length = max(int(track.frames[-1] - track.frames[0]) for track in tracks) + 1
    measured = np.zeros((length, len(tracks), 4))
    scores = np.full((length, len(tracks)), np.nan)
    seen = np.zeros((length, len(tracks)), dtype=bool)
    for index, track in enumerate(tracks):
        offsets = track.frames - track.frames[0]
        measured[offsets, index] = to_centres(track.boxes)
        scores[offsets, index] = track.scores
        seen[offsets, index] = True
    heights = np.array([np.median(track.boxes[:, 3] - track.boxes[:, 1]) for track in tracks])
    return _Grid(measured, seen, scores, heights)


def _smoothed_places(grid: _Grid, seconds: float, motion: Motion) -> Array:
    """Centre forms of all times, shape `(L, T, 4)`; past a track's end they mean nothing."""
    acceleration = motion.acceleration(grid.heights)
    variance = motion.measurement_variance(grid.heights)
    beliefs = begin(grid.measured[0], motion)._replace(
        place_variance=variance, velocity_variance=motion.start_variance(grid.heights)
    )
    filtered: list[Beliefs] = [beliefs]
    predicted: list[Beliefs] = [beliefs]
    for measured, seen in zip(grid.measured[1:], grid.seen[1:], strict=True):
        expected = predict(filtered[-1], seconds, acceleration)
        predicted.append(expected)
        filtered.append(choose(seen, update(expected, measured, variance), expected))
    places = np.empty_like(grid.measured)
    later = (filtered[-1].place, filtered[-1].velocity)
    places[-1] = later[0]
    for time in range(len(filtered) - 2, -1, -1):
        later = look_back(filtered[time], predicted[time + 1], later, seconds)
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
