"""People followed through the frames of one clip: SORT with hindsight.

A Kalman filter says where everybody should be, the best assignment says which detection is
whom. What is known only afterwards is used: a track counts from its first detection on (frame 0
is a keyframe), tracks that stay short and weak are taken back, broken ones are stitched, gaps
are filled and boxes smoothed, and none goes on over a cut to another scene.

When the camera moves, everybody seems to move at once: what most people share is taken for the
camera's movement and added to where everybody is expected, those out of sight as well.

Nothing is kept between calls, and every limit is in seconds, so neither the clip before nor the
frame rate changes the result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tracking.core.association import Pairs, has_rivals, pairs_in_turns
from tracking.core.boxes import (
    Boxes,
    Detections,
    Scores,
    iou_of_sides,
    sides_of_centres,
    to_centres,
)
from tracking.core.feeding import batches
from tracking.core.kalman import PLACE, Array, Motion, begin, predict, update
from tracking.core.linking import Joining, stitched
from tracking.core.smoothing import smooth
from tracking.core.trackfile import Track

VERSION = "sort-4"
SWAY_IOU = 0.1  # of a detection with the box expected, to be taken as the same person's
SWAY_ROUNDS = 2
SWAY_LEAST = 0.01  # heights; less is not worth the while
FRAMES_AT_ONCE = 90  # are made ready for the pass, and gone through


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker believes; times in seconds, scores and IoU from 0 to 1.

    The defaults were searched for on the public MOT15 and SportsMOT sequences, and on copies of
    them with jittered and missing boxes and with half the frames, so as not to fit accidents.
    """

    high_score: float = 0.44  # from here on a detection may begin a track
    low_score: float = 0.1  # from here on it may continue one that nothing better continues
    grown: float = 1.03  # boxes are made so much larger to see whether they overlap
    least_iou: float = 0.31  # of a detection with the box expected
    least_low_iou: float = 0.4  # the same for detections of low score
    score_weight: float = 0.9  # how much of a detection's gain depends on its score
    lost_weight: float = 0.37  # of the claim of somebody lost against one who was just seen
    sway_people: int = 3  # so many people must move alike to be thought to stand still ...
    sway_certainty: float = 1.6  # ... and by so many times what chance would give
    memory: float = 0.64  # how long somebody unseen is waited for
    duplicate_iou: float = 0.62  # a detection over a followed person begins no second track
    shortest: float = 0.5  # tracks must last longer
    confirming_score: float = 0.735  # mean of its high scores from which a track is somebody
    longest_gap: float = 1.0  # gaps that are filled
    smoothed_size_noise: float = 0.2  # the motion's size_noise, when boxes are smoothed
    motion: Motion = field(default_factory=Motion)
    joining: Joining = field(default_factory=Joining)


def follow(
    detections: Iterable[Detections | None],
    *,
    fps: float,
    parameters: TrackerParameters | None = None,
    cuts: Iterable[int] = (),
) -> list[Track]:
    """The people in `detections`, one entry a frame.

    Args:
        detections: What was seen in each frame; None for frames nobody looked at. Taken as
            they come, some frames at a time, so a detector may still be at work on the rest.
        fps: Frames per second.
        parameters: The defaults if None.
        cuts: Frames with which another scene begins, ascending; asked for when all detections
            have come.

    Returns:
        Tracks in the order they begin, ids from 1. Boxes may reach out of the picture.

    >>> seen = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> [track.frames.tolist() for track in follow([seen] * 7, fps=7)]
    [[0, 1, 2, 3, 4, 5, 6]]
    """
    parameters = parameters or TrackerParameters()
    follower = _Follower(parameters, fps).through(detections)
    pace = follower.longest_step / fps
    scenes = parted(follower.tracks(), list(cuts))
    tracks = [
        track
        for scene in scenes
        for track in stitched(scene, fps=fps, joining=parameters.joining)
    ]
    tracks = [track for track in tracks if _is_somebody(track, fps, pace, parameters)]
    motion = replace(parameters.motion, size_noise=parameters.smoothed_size_noise)
    tracks = smooth(
        tracks, fps=fps, motion=motion, longest_gap=max(parameters.longest_gap, pace)
    )
    return [replace(track, track_id=number) for number, track in enumerate(tracks, start=1)]


def followed(
    detections: Iterable[Detections | None], *, fps: float, parameters: TrackerParameters
) -> list[Track]:
    """The pass forward in time alone: tracks as they were seen, nothing known afterwards used.

    >>> seen = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> followed([seen, None, seen], fps=7, parameters=TrackerParameters())[0].frames
    array([0, 2])
    """
    return _Follower(parameters, fps).through(detections).tracks()


def parted(tracks: Sequence[Track], cuts: Sequence[int]) -> list[list[Track]]:
    """The parts of `tracks` before, between and after `cuts`, each in the order they begin.

    >>> track = Track(1, np.arange(4), np.zeros((4, 4)), np.ones(4))
    >>> [[part.frames.tolist() for part in scene] for scene in parted([track], [3])]
    [[[0, 1, 2]], [[3]]]
    """
    if not cuts:
        return [list(tracks)]
    scenes: list[list[Track]] = [[] for _ in range(len(cuts) + 1)]
    for track in tracks:
        places = np.searchsorted(track.frames, cuts)
        parts = (np.split(every, places) for every in (track.frames, track.boxes, track.scores))
        for scene, part in zip(scenes, zip(*parts, strict=True), strict=True):
            if len(part[0]):
                scene.append(Track(track.track_id, *part))
    return [sorted(scene, key=lambda track: int(track.frames[0])) for scene in scenes]


class _Sights(NamedTuple):
    """All detections that can be somebody in some frames in a row, frame after frame."""

    frames: NDArray[np.int64]  # (N,), ascending
    boxes: Boxes  # (N, 4)
    scores: Scores  # (N,)
    names: NDArray[np.int64]  # (N,), whom the follower takes them for; 0: nobody
    looks: list[tuple[int, slice]]  # each frame that was looked at, and its detections


def _sights(
    first: int, detections: Sequence[Detections | None], parameters: TrackerParameters
) -> _Sights:
    """Those of `detections`, whose first frame is `first`."""
    looks = [
        (frame, found) for frame, found in enumerate(detections, first) if found is not None
    ]
    if not looks:
        nobody = np.empty(0, np.int64)
        return _Sights(nobody, np.empty((0, 4)), np.empty(0), nobody, [])
    boxes = np.concatenate([found.boxes for _, found in looks]).astype(np.float64)
    scores = np.concatenate([found.scores for _, found in looks]).astype(np.float64)
    numbers = [frame for frame, _ in looks]
    frames = np.repeat(numbers, [len(found.boxes) for _, found in looks])
    # Comparisons with nan are False, so what is not a box in a picture goes here as well.
    good = (scores >= parameters.low_score) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    good &= np.isfinite(boxes).all(axis=1)
    frames = frames[good]
    edges = np.searchsorted(frames, [*numbers, numbers[-1] + 1]).tolist()
    looked = zip(numbers, (slice(*edge) for edge in pairwise(edges)), strict=True)
    return _Sights(frames, boxes[good], scores[good], np.zeros_like(frames), list(looked))


def _is_somebody(track: Track, fps: float, pace: float, parameters: TrackerParameters) -> bool:
    """Whether a track is long or strong enough; `pace` is the seconds between two looks."""
    lasted = (track.frames[-1] - track.frames[0]) / fps + pace
    high = track.scores[track.scores >= parameters.high_score]
    return lasted >= parameters.shortest and high.mean() >= parameters.confirming_score


def _shared(off: Array, certainty: float) -> Array:
    """The median of `off`, shape `(2, n)`; 0 on an axis where chance may have made it."""
    half = off.shape[1] // 2
    middle = np.sort(off)[:, half : half + 1]
    chance = np.sort(np.abs(off - middle))[:, half : half + 1] / off.shape[1] ** 0.5
    return np.where(np.abs(middle) > certainty * chance, middle, 0.0)


class _Follower:
    """The pass forward in time: all tracks of one clip as columns of arrays."""

    def __init__(self, parameters: TrackerParameters, fps: float) -> None:
        self.longest_step = 0  # frames between two that were looked at
        self._parameters = parameters
        self._fps = fps
        self._taken: list[_Sights] = []
        self._frame = -1
        self._count = 0
        self._ids = np.empty(0, dtype=np.int64)
        self._last_seen = np.empty(0, dtype=np.int64)
        self._beliefs = begin(np.empty((4, 0)), parameters.motion)

    def through(self, detections: Iterable[Detections | None]) -> Self:
        """Go through the frames of a clip, the first is 0."""
        first = 0
        for chunk in batches(detections, size=FRAMES_AT_ONCE):
            self._take(_sights(first, chunk, self._parameters))
            first += len(chunk)
        return self

    def tracks(self) -> list[Track]:
        """The detections of each name, by name; those of name 0 belong to nobody."""
        if not self._taken:
            return []
        *parts, _ = zip(*self._taken, strict=True)
        frames, boxes, scores, names = (np.concatenate(part) for part in parts)
        order = np.argsort(names, kind="stable")[np.count_nonzero(names == 0) :]
        splits = np.flatnonzero(np.diff(names[order])) + 1
        return [
            Track(int(names[one[0]]), frames[one], boxes[one], scores[one])
            for one in np.split(order, splits)
            if len(one)
        ]

    def _take(self, sights: _Sights) -> None:
        """Go on through the frames of `sights`, which are later than all before."""
        self._taken.append(sights)
        self._names = sights.names
        self._centres = np.ascontiguousarray(to_centres(sights.boxes).T)
        self._sides = sides_of_centres(self._centres, grown=self._parameters.grown)
        self._is_high = sights.scores >= self._parameters.high_score
        self._weights = 1 - self._parameters.score_weight * (1 - sights.scores)
        for frame, here in sights.looks:
            self._look(frame, here)

    def _look(self, frame: int, here: slice) -> None:
        active = self._last_seen == self._frame
        self._expect(frame)
        iou = self._steadied(active, here)
        tracks, found = self._pairs(iou, active, here)
        self._continue(frame, tracks, here, found)
        is_new = self._is_high[here].copy()
        is_new[found] = False
        if is_new.any():
            doubled = iou[self._last_seen == frame] > self._parameters.duplicate_iou
            is_new &= ~doubled.any(axis=0)
        self._forget(frame)
        self._begin(frame, here, self._single(is_new.nonzero()[0], here))

    def _expect(self, frame: int) -> None:
        step = frame - self._frame
        if self._frame >= 0:
            self.longest_step = max(self.longest_step, step)
        seconds = step / self._fps
        self._frame = frame
        if len(self._ids):
            noise = self._parameters.motion.acceleration(self._beliefs[PLACE, 3])
            self._beliefs = predict(self._beliefs, seconds, noise)

    def _steadied(self, active: NDArray[np.bool_], here: slice) -> Array:
        """The overlap of where all are expected with what was seen, `(tracks, detections)`.

        A movement that most people share is added to where they are expected first.
        """
        enough, certainty = self._parameters.sway_people, self._parameters.sway_certainty
        grown = self._parameters.grown
        seen, high, place = self._sides[:, here], self._is_high[here], self._beliefs[PLACE]
        iou = iou_of_sides(sides_of_centres(place, grown=grown), seen)
        if min(np.count_nonzero(active), np.count_nonzero(high)) < enough:
            return iou
        for _ in range(SWAY_ROUNDS):
            best = (iou * high).argmax(axis=1)
            meets = active & (iou[np.arange(len(iou)), best] >= SWAY_IOU)
            met = meets.nonzero()[0]
            if len(met) < enough:
                return iou
            off = self._centres[:2, here].take(best[met], 1) - place[:2].take(met, 1)
            shift = _shared(off, certainty)
            if np.abs(shift).max() < SWAY_LEAST * place[3].take(met).mean():
                return iou
            place[:2] += shift
            iou = iou_of_sides(sides_of_centres(place, grown=grown), seen)
        return iou

    def _pairs(self, iou: Array, active: NDArray[np.bool_], here: slice) -> Pairs:
        """Which track goes on with which detection; those of low score come second."""
        parameters = self._parameters
        rows, columns = (iou >= parameters.least_iou).nonzero()
        overlap = iou[rows, columns]
        was_seen, is_high = active[rows], self._is_high[here][columns]
        fits = is_high | (was_seen & (overlap >= parameters.least_low_iou))
        if not fits.all():
            rows, columns, overlap = rows[fits], columns[fits], overlap[fits]
            was_seen, is_high = was_seen[fits], is_high[fits]
        if not has_rivals(rows, columns).any():
            return Pairs(rows, columns)
        gains = overlap * self._weights[here][columns] * self._height_iou(rows, columns, here)
        gains[~was_seen] *= parameters.lost_weight
        return pairs_in_turns(rows, columns, gains, np.where(is_high, 0, 1))

    def _height_iou(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], here: slice
    ) -> Array:
        """The overlap from top to bottom alone: how near two are to the camera shows in it."""
        _, y, _, height = self._beliefs[PLACE][:, rows]
        _, other_y, _, other_height = self._centres[:, here][:, columns]
        bottom = np.minimum(y + height / 2, other_y + other_height / 2)
        shared = bottom - np.maximum(y - height / 2, other_y - other_height / 2)
        return shared / (height + other_height - shared)

    def _continue(
        self, frame: int, tracks: NDArray[np.int64], here: slice, found: NDArray[np.int64]
    ) -> None:
        if not len(tracks):
            return
        heights = self._beliefs[PLACE, 3].take(tracks)
        measured = np.zeros((4, len(self._ids)))
        measured[:, tracks] = self._centres[:, here].take(found, 1)
        variance = np.full(measured.shape, np.inf)
        variance[:, tracks] = self._parameters.motion.measurement_variance(heights)
        self._beliefs = update(self._beliefs, measured, variance)
        self._last_seen[tracks] = frame
        self._names[here][found] = self._ids[tracks]

    def _forget(self, frame: int) -> None:
        kept = (frame - self._last_seen) <= self._parameters.memory * self._fps + 1e-9
        if not kept.all():
            self._ids, self._last_seen = self._ids[kept], self._last_seen[kept]
            self._beliefs = self._beliefs[..., kept]

    def _single(self, found: NDArray[np.int64], here: slice) -> NDArray[np.int64]:
        """Those of `found` that no better one covers: a person seen twice begins once."""
        if len(found) < 2:
            return found
        ordered = found[np.argsort(-self._weights[here][found], kind="stable")]
        seen = self._sides[:, here].take(ordered, 1)
        doubled = np.triu(iou_of_sides(seen, seen) > self._parameters.duplicate_iou, 1)
        return np.sort(ordered[~doubled.any(axis=0)])

    def _begin(self, frame: int, here: slice, found: NDArray[np.int64]) -> None:
        if not len(found):
            return
        ids = self._count + np.arange(1, len(found) + 1)
        self._count += len(found)
        new = begin(self._centres[:, here].take(found, 1), self._parameters.motion)
        self._ids = np.concatenate([self._ids, ids])
        self._last_seen = np.concatenate([self._last_seen, np.full(len(ids), frame)])
        self._beliefs = np.concatenate([self._beliefs, new], axis=-1)
        self._names[here][found] = ids
