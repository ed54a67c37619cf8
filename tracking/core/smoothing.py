"""Rauch-Tung-Striebel smoother over all tracks at once; it also fills gaps.

The whole clip is known, so a box depends on the detections before it and after it. The same
pass estimates the box in frames without a detection, so gaps need no other interpolation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracking.core.kalman import (
    MEAN,
    POSITION_VARIANCE,
    VELOCITY_VARIANCE,
    Array,
    MotionModel,
    initialise,
    predict,
    smoother_gain,
    update,
)
from tracking.core.tracks_file import Track

TRACKS_AT_ONCE = 256  # bounds the memory in a crowd


class _PaddedTracks(NamedTuple):
    """Tracks as columns, each from its first frame on; time is the first axis."""

    measured: Array  # (L, 4, T) centre forms, 0 where not detected
    is_detected: NDArray[np.bool_]  # (L, T)
    scores: Array  # (L, T), nan where not detected
    heights: Array  # (T,), median


def smooth(
    tracks: Sequence[Track], *, fps: float, motion: MotionModel, max_gap_seconds: float
) -> list[Track]:
    """The same tracks with smoothed boxes, and with boxes in gaps of up to `max_gap_seconds`.

    Args:
        tracks: Frames ascending, boxes as they were detected.
        fps: Frames per second.
        motion: Measurement and process noise.
        max_gap_seconds: Largest gap between two detections that is filled.

    Returns:
        One track for each, in order; filled frames have the score nan.

    >>> still = np.tile([[0.0, 0, 10, 20]], (2, 1))
    >>> track = Track(1, np.array([0, 2]), still, np.array([0.9, 0.9]))
    >>> smooth([track], fps=30, motion=MotionModel(), max_gap_seconds=1.0)[0].frames
    array([0, 1, 2])
    """
    result: list[Track | None] = [None] * len(tracks)
    by_length = sorted(range(len(tracks)), key=lambda one: len(tracks[one].frames))
    for first in range(0, len(tracks), TRACKS_AT_ONCE):
        group = by_length[first : first + TRACKS_AT_ONCE]
        smoothed = _smooth_group([tracks[one] for one in group], fps, motion, max_gap_seconds)
        for one, track in zip(group, smoothed, strict=True):
            result[one] = track
    return [track for track in result if track is not None]


def _smooth_group(
    tracks: Sequence[Track], fps: float, motion: MotionModel, max_gap_seconds: float
) -> list[Track]:
    padded = _pad(tracks)
    positions = _smoothed_positions(padded, 1.0 / fps, motion)
    boxes = cxcywh_to_xyxy(np.ascontiguousarray(positions.transpose(2, 0, 1)))
    step = max_gap_seconds * fps + 1e-9
    result = []
    for index, track in enumerate(tracks):
        offsets = _filled_offsets(track.frames - track.frames[0], step)
        result.append(
            Track(
                track.track_id,
                track.frames[0] + offsets,
                boxes[index, offsets],
                padded.scores[offsets, index],
            )
        )
    return result


def _pad(tracks: Sequence[Track]) -> _PaddedTracks:
    length = max(int(track.frames[-1] - track.frames[0]) for track in tracks) + 1
    measured = np.zeros((length, 4, len(tracks)))
    scores = np.full((length, len(tracks)), np.nan)
    for index, track in enumerate(tracks):
        offsets = track.frames - track.frames[0]
        measured[offsets, :, index] = xyxy_to_cxcywh(track.boxes)
        scores[offsets, index] = track.scores
    heights = np.array([np.median(track.boxes[:, 3] - track.boxes[:, 1]) for track in tracks])
    return _PaddedTracks(measured, ~np.isnan(scores), scores, heights)


def _smoothed_positions(padded: _PaddedTracks, seconds: float, motion: MotionModel) -> Array:
    """Centre forms of all times, shape `(L, 4, T)`; past a track's end they mean nothing."""
    acceleration = motion.acceleration(padded.heights)
    detected_variance = motion.measurement_variance(padded.heights)
    variance = np.where(padded.is_detected[:, None], detected_variance, np.inf)
    filtered = np.empty((len(padded.measured), 5, *padded.measured.shape[1:]))
    predicted = np.empty_like(filtered)
    filtered[0] = initialise(padded.measured[0], motion)
    filtered[0, POSITION_VARIANCE] = detected_variance
    filtered[0, VELOCITY_VARIANCE] = motion.initial_velocity_variance(padded.heights)
    for time in range(1, len(filtered)):
        predicted[time] = predict(filtered[time - 1], seconds, acceleration)
        filtered[time] = update(predicted[time], padded.measured[time], variance[time])
    gains = smoother_gain(filtered[:-1], predicted[1:], seconds)
    positions = np.empty_like(padded.measured)
    later = filtered[-1, MEAN]
    positions[-1] = later[0]
    for time in range(len(filtered) - 2, -1, -1):
        innovation = later - predicted[time + 1, MEAN]
        later = filtered[time, MEAN] + (gains[time] * innovation).sum(axis=1)
        positions[time] = later[0]
    return positions


def _filled_offsets(detected: NDArray[np.int64], step: float) -> NDArray[np.int64]:
    """The detected offsets and those between two that are at most `step` apart, ascending.

    >>> _filled_offsets(np.array([0, 2, 9]), 3.0)
    array([0, 1, 2, 9])
    """
    gaps = np.diff(detected)
    lengths = np.where(gaps <= step, gaps, 1)
    first = np.cumsum(lengths) - lengths
    inner = np.arange(lengths.sum()) + np.repeat(detected[:-1] - first, lengths)
    return np.concatenate([inner, detected[-1:]])
