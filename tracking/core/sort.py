"""People followed through the frames of one clip: SORT with hindsight.

A Kalman filter says where everybody should be, the best assignment says which detection is
whom. What is known only afterwards is used: a track counts from its first detection on (frame 0
is a keyframe), tracks that stay short and weak are taken back, broken ones are stitched, gaps
are filled and boxes smoothed.

When the camera moves, everybody seems to move at once: what most people share is taken for the
camera's movement and added to where everybody is expected, those out of sight as well.

Nothing is kept between calls, and every limit is in seconds, so neither the clip before nor the
frame rate changes the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.association import associate
from tracking.core.boxes import Boxes, Detections, Scores, pairwise_iou, to_centres, to_corners
from tracking.core.kalman import Array, Beliefs, Motion, begin, predict, update
from tracking.core.linking import Joining, stitched
from tracking.core.smoothing import smooth
from tracking.core.trackfile import Track

VERSION = "sort-2"
SWAY_IOU = 0.1  # of a detection with the box expected, to be taken as the same person's
SWAY_ROUNDS = 2
SWAY_LEAST = 0.01  # heights; less is not worth the while
TINY = 1e-9


class _Sighting(NamedTuple):
    """Tracks that were seen in one frame, and where."""

    frame: int
    ids: NDArray[np.int64]
    boxes: Boxes
    scores: Scores


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker believes; times in seconds, scores and IoU from 0 to 1.

    The defaults were searched for on the public MOT15 and SportsMOT sequences, and on copies of
    them with jittered and missing boxes and with half the frames, so as not to fit accidents.
    """

    high_score: float = 0.48  # from here on a detection may begin a track
    low_score: float = 0.1  # from here on it may continue one that nothing better continues
    least_iou: float = 0.321  # of a detection with the box expected
    least_low_iou: float = 0.465  # the same for detections of low score
    score_weight: float = 0.645  # how much of a detection's gain depends on its score
    sway_people: int = 3  # so many people must move alike to be thought to stand still ...
    sway_certainty: float = 1.4  # ... and by so many times what chance would give
    memory: float = 0.591  # how long somebody unseen is waited for
    duplicate_iou: float = 0.618  # a detection over a followed person begins no second track
    shortest: float = 0.5  # tracks must last longer
    confirming_score: float = 0.74  # mean of its high scores from which a track is somebody
    longest_gap: float = 1.0  # gaps that are filled
    motion: Motion = field(default_factory=Motion)
    joining: Joining = field(default_factory=Joining)


def follow(
    detections: Sequence[Detections | None],
    *,
    fps: float,
    parameters: TrackerParameters | None = None,
) -> list[Track]:
    """The people in `detections`, one entry a frame.

    Args:
        detections: What was seen in each frame; None for frames nobody looked at.
        fps: Frames per second.
        parameters: The defaults if None.

    Returns:
        Tracks in the order they begin, ids from 1. Boxes may reach out of the picture.

    >>> seen = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> [track.frames.tolist() for track in follow([seen] * 7, fps=7)]
    [[0, 1, 2, 3, 4, 5, 6]]
    """
    parameters = parameters or TrackerParameters()
    looks = [frame for frame, found in enumerate(detections) if found is not None]
    pace = max((b - a for a, b in pairwise(looks)), default=0) / fps
    tracks = followed(detections, fps=fps, parameters=parameters)
    tracks = stitched(tracks, fps=fps, joining=parameters.joining)
    tracks = [track for track in tracks if _is_somebody(track, fps, pace, parameters)]
    tracks = smooth(
        tracks, fps=fps, motion=parameters.motion, longest_gap=max(parameters.longest_gap, pace)
    )
    return [replace(track, track_id=number) for number, track in enumerate(tracks, start=1)]


def followed(
    detections: Sequence[Detections | None], *, fps: float, parameters: TrackerParameters
) -> list[Track]:
    """The pass forward in time alone: tracks as they were seen, nothing known afterwards used.

    >>> seen = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> followed([seen, None, seen], fps=7, parameters=TrackerParameters())[0].frames
    array([0, 2])
    """
    follower = _Follower(parameters, fps)
    for frame, found in enumerate(detections):
        if found is not None:
            follower.look(frame, found)
    return follower.tracks()


def _is_somebody(track: Track, fps: float, pace: float, parameters: TrackerParameters) -> bool:
    """Whether a track is long or strong enough; `pace` is the seconds between two looks."""
    lasted = (track.frames[-1] - track.frames[0]) / fps + pace
    high = track.scores[track.scores >= parameters.high_score]
    return lasted >= parameters.shortest and high.mean() >= parameters.confirming_score


def _shared(off: Array, certainty: float) -> Array:
    """The median of `off`, shape `(n, 2)`; 0 on an axis where chance may have made it."""
    half = len(off) // 2
    middle = np.sort(off, axis=0)[half]
    chance = np.sort(np.abs(off - middle), axis=0)[half] / len(off) ** 0.5
    return np.where(np.abs(middle) > certainty * chance, middle, 0.0)


class _Follower:
    """The pass forward in time: all tracks of one clip as rows of arrays."""

    def __init__(self, parameters: TrackerParameters, fps: float) -> None:
        self._parameters = parameters
        self._fps = fps
        self._frame: int | None = None
        self._count = 0
        self._ids = np.empty(0, dtype=np.int64)
        self._last_seen = np.empty(0, dtype=np.int64)
        self._beliefs = begin(np.empty((0, 4)), parameters.motion)
        self._seen: list[_Sighting] = []

    def look(self, frame: int, found: Detections) -> None:
        """Take in what was seen in `frame`, which is later than all before."""
        parameters = self._parameters
        expected = self._expected(frame)
        active = self._last_seen == self._frame
        self._frame = frame
        high = found.scores >= parameters.high_score
        low = (found.scores >= parameters.low_score) & ~high
        iou = self._steadied(pairwise_iou(expected, found.boxes), found.boxes, active, high)
        weights = 1 - parameters.score_weight * (1 - found.scores)
        owner = np.full(len(found.boxes), -1, dtype=np.int64)
        free = np.ones(len(expected), dtype=bool)
        for tracks, kind, least in (
            (active, high, parameters.least_iou),
            (~active, high, parameters.least_iou),
            (active, low, parameters.least_low_iou),
        ):
            rows = (tracks & free).nonzero()[0]
            columns = (kind & (owner < 0)).nonzero()[0]
            if not len(rows) or not len(columns):
                continue
            part = iou.take(rows, 0).take(columns, 1)
            weight = np.where(part >= least, weights[columns], 0.0)
            pairs = associate(part * weight, least=TINY)
            owner[columns[pairs.columns]] = rows[pairs.rows]
            free[rows[pairs.rows]] = False
        self._continue(frame, found, owner)
        new = high & (owner < 0)
        if new.any():
            new[new] = (iou[~free][:, new] <= parameters.duplicate_iou).all(axis=0)
        self._forget(frame)
        self._begin(frame, found, new)

    def tracks(self) -> list[Track]:
        """All tracks so far, as they were seen, by id."""
        if not self._seen:
            return []
        ids = np.concatenate([seen.ids for seen in self._seen])
        frames = np.concatenate([np.full(len(s.ids), s.frame, np.int64) for s in self._seen])
        boxes = np.concatenate([seen.boxes for seen in self._seen])
        scores = np.concatenate([seen.scores for seen in self._seen])
        order = np.argsort(ids, kind="stable")
        splits = np.flatnonzero(np.diff(ids[order])) + 1
        return [
            Track(int(ids[rows[0]]), frames[rows], boxes[rows], scores[rows])
            for rows in np.split(order, splits)
            if len(rows)
        ]

    def _expected(self, frame: int) -> Boxes:
        if self._frame is not None and len(self._ids):
            noise = self._parameters.motion.acceleration(self._beliefs.place[:, 3])
            self._beliefs = predict(self._beliefs, (frame - self._frame) / self._fps, noise)
        return to_corners(self._beliefs.place)

    def _steadied(
        self,
        iou: Array,
        boxes: Boxes,
        active: NDArray[np.bool_],
        high: NDArray[np.bool_],
    ) -> Array:
        """`iou` after a movement that most people share is added to where all are expected."""
        rows, columns = active.nonzero()[0], high.nonzero()[0]
        enough = self._parameters.sway_people
        for _ in range(SWAY_ROUNDS):
            if min(len(rows), len(columns)) < enough:
                return iou
            near = iou.take(rows, 0).take(columns, 1)
            best = near.argmax(axis=1)
            meets = near[np.arange(len(rows)), best] >= SWAY_IOU
            if meets.sum() < enough:
                return iou
            there = to_centres(boxes[columns[best[meets]]])
            here = self._beliefs.place[rows[meets]]
            shift = _shared(there[:, :2] - here[:, :2], self._parameters.sway_certainty)
            if (np.abs(shift) < SWAY_LEAST * here[:, 3].mean()).all():
                return iou
            self._beliefs.place[:, :2] += shift
            iou = pairwise_iou(to_corners(self._beliefs.place), boxes)
        return iou

    def _continue(self, frame: int, found: Detections, owner: NDArray[np.int64]) -> None:
        columns = (owner >= 0).nonzero()[0]
        rows = owner[columns]
        measured = to_centres(found.boxes[columns])
        prior = self._beliefs.take(rows)
        variance = self._parameters.motion.measurement_variance(prior.place[:, 3])
        for kept, new in zip(self._beliefs, update(prior, measured, variance), strict=True):
            kept[rows] = new
        self._last_seen[rows] = frame
        self._note(frame, self._ids[rows], found, columns)

    def _forget(self, frame: int) -> None:
        kept = (frame - self._last_seen) / self._fps <= self._parameters.memory
        if not kept.all():
            self._ids, self._last_seen = self._ids[kept], self._last_seen[kept]
            self._beliefs = self._beliefs.take(kept)

    def _begin(self, frame: int, found: Detections, which: NDArray[np.bool_]) -> None:
        columns = which.nonzero()[0]
        if not len(columns):
            return
        ids = self._count + np.arange(1, len(columns) + 1)
        self._count += len(columns)
        new = begin(to_centres(found.boxes[columns]), self._parameters.motion)
        self._ids = np.concatenate([self._ids, ids])
        self._last_seen = np.concatenate([self._last_seen, np.full(len(ids), frame)])
        self._beliefs = Beliefs(
            *(np.concatenate(pair) for pair in zip(self._beliefs, new, strict=True))
        )
        self._note(frame, ids, found, columns)

    def _note(
        self, frame: int, ids: NDArray[np.int64], found: Detections, columns: NDArray[np.int64]
    ) -> None:
        if len(ids):
            self._seen.append(
                _Sighting(frame, ids, found.boxes[columns], found.scores[columns])
            )
