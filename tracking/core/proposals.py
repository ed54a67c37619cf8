"""Proposals: the boxes of tracks at keyframes, clipped to the image.

Boxes are pixels of the standard video. One that is thinner than `MIN_SIDE` of the image would
lose its area when the AVA files round it, so it counts as outside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tracking.core.boxes import clip_boxes
from tracking.core.tracks_file import Track

MIN_SIDE = 0.002  # of the image's width or height


class ProposedBox(NamedTuple):
    """One person at one keyframe."""

    second: int  # whole clip seconds
    track_id: int
    x1: float
    y1: float
    x2: float
    y2: float
    score: float  # 0 to 1; interpolated between two detections


def clip_to_image(tracks: Iterable[Track], *, width: int, height: int) -> list[Track]:
    """The parts of `tracks` inside an image; tracks that are never inside are left out.

    >>> boxes = np.array([[-5.0, 0, 5, 10], [-20, 0, -10, 10]])
    >>> track = Track(1, np.array([0, 1]), boxes, np.ones(2))
    >>> clip_to_image([track], width=20, height=20)[0].boxes
    array([[ 0.,  0.,  5., 10.]])
    """
    least = MIN_SIDE * np.array([width, height])
    result = []
    for track in tracks:
        boxes = clip_boxes(track.boxes, width=width, height=height)
        shown = (boxes[:, 2:] - boxes[:, :2] > least).all(axis=1)
        if shown.any():
            result.append(
                replace(
                    track,
                    frames=track.frames[shown],
                    boxes=boxes[shown],
                    scores=track.scores[shown],
                )
            )
    return result


def sample_at_keyframes(
    tracks: Iterable[Track], seconds: Sequence[int], *, fps: int, width: int, height: int
) -> list[ProposedBox]:
    """The boxes of `tracks` at the keyframes `seconds`, by second and track id.

    A track has a box at second `k` if it has one in frame `fps * k`.

    >>> box = np.tile([[0.0, 0, 10, 20]], (31, 1))
    >>> track = Track(7, np.arange(31), box, np.full(31, 0.9))
    >>> sample_at_keyframes([track], [1, 2], fps=30, width=64, height=36)
    [ProposedBox(second=1, track_id=7, x1=0.0, y1=0.0, x2=10.0, y2=20.0, score=0.9)]
    """
    wanted = np.array(seconds, dtype=np.int64) * fps
    result = []
    for track in clip_to_image(tracks, width=width, height=height):
        _, rows, columns = np.intersect1d(track.frames, wanted, return_indices=True)
        scores = _interpolated_scores(track)[rows]
        for row, column, score in zip(rows, columns, scores, strict=True):
            x1, y1, x2, y2 = np.round(track.boxes[row], 2).tolist()
            result.append(
                ProposedBox(
                    seconds[column], track.track_id, x1, y1, x2, y2, round(float(score), 4)
                )
            )
    return sorted(result)


def _interpolated_scores(track: Track) -> np.ndarray:
    seen = ~np.isnan(track.scores)
    if not seen.any():
        return np.zeros(len(track.frames))
    return np.interp(track.frames, track.frames[seen], track.scores[seen])
