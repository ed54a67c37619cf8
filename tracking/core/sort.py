"""SORT with tracklet merging, gap filling and smoothing: the people of one clip.

A Kalman filter predicts every box, and the Hungarian method matches predictions with
detections in two stages, those of high score first (as in ByteTrack). The whole clip is known,
so later frames are used as well: a track counts from its first detection on (frame 0 is a
keyframe), short tracks and those of low score are dropped, broken ones are merged, gaps are
filled, boxes are smoothed, and no track continues over a scene cut.

Camera motion compensation: the shift that most people share is taken for the camera's motion
and added to every prediction, those of lost tracks as well.

Nothing is kept between calls, and every limit is in seconds, so neither the clip before nor the
frame rate changes the result.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tracking.core.association import Pairs, cascade_match, is_contested
from tracking.core.boxes import (
    Boxes,
    Detections,
    Scores,
    iou_of_signed_corners,
    signed_corners_of_centres,
    xyxy_to_cxcywh,
)
from tracking.core.kalman import POSITION, Array, MotionModel, initialise, predict, update
from tracking.core.smoothing import smooth
from tracking.core.tracklet_merging import TrackletMerging, merge_tracklets
from tracking.core.tracks_file import Track

VERSION = "sort-4"
LOW_SCORE = 0.1  # of a detection that may continue a track
CONFIRMING_RATIO = 4 / 3  # of the mean score of a dataset's tracks to its detection threshold
CAMERA_MOTION_IOU = 0.1  # of a detection with a prediction, to count as the same person
CAMERA_MOTION_ROUNDS = 2
CAMERA_MOTION_MIN_SHIFT = 0.01  # heights; a smaller shift is ignored
FRAMES_AT_ONCE = 90  # prepared and tracked together


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker is set to; times in seconds, scores and IoU from 0 to 1.

    `for_threshold` gives the scores that a dataset uses. All else was tuned on the public MOT15
    and SportsMOT sequences, and on copies of them with jittered and missing boxes and with half
    the frames, so as not to overfit.
    """

    high_score: float  # from here on a detection may start a track
    low_score: float  # from here on it may continue a track without a better detection
    min_mean_score: float  # of the high scores of a track that is kept
    box_expansion: float = 1.03  # factor on both boxes before their overlap is computed
    min_iou: float = 0.31  # of a detection with the predicted box
    min_iou_low_score: float = 0.4  # the same for detections of low score
    score_weight: float = 0.9  # how much of a match's gain depends on the detection's score
    lost_cost_weight: float = 0.37  # factor on the gain of a track not detected just before
    camera_motion_min_people: int = 3  # so many people must shift alike ...
    camera_motion_certainty: float = 1.6  # ... and by so many times the standard error
    max_age_seconds: float = 0.64  # how long a track survives without a detection
    duplicate_iou: float = 0.62  # a detection over a tracked person starts no second track
    min_track_seconds: float = 0.5  # shorter tracks are dropped
    max_gap_seconds: float = 1.0  # longer gaps are not filled
    smoothing_size_noise: float = 0.2  # the motion's size_noise, when boxes are smoothed
    motion: MotionModel = field(default_factory=MotionModel)
    merging: TrackletMerging = field(default_factory=TrackletMerging)

    @classmethod
    def for_threshold(cls, threshold: float, **changes: Any) -> Self:
        """The parameters of a dataset with the detection `threshold`, and `changes` to them.

        >>> TrackerParameters.for_threshold(0.45).min_mean_score
        0.6
        """
        scores: dict[str, Any] = {
            "high_score": threshold,
            "low_score": min(LOW_SCORE, threshold),
            "min_mean_score": min(CONFIRMING_RATIO * threshold, (threshold + 1) / 2),
        }
        return replace(cls(**scores), **changes)


def track(
    detections: Iterable[Detections | None],
    *,
    fps: float,
    parameters: TrackerParameters,
    cuts: Iterable[int] = (),
) -> list[Track]:
    """The people in `detections`, one entry a frame.

    Args:
        detections: Those of each frame; None for frames the detector skipped. Read some
            frames at a time, so a detector may still be working on the rest.
        fps: Frames per second.
        parameters: As `TrackerParameters.for_threshold` gives them.
        cuts: First frame of each later scene, ascending; read after all detections.

    Returns:
        Tracks in the order they begin, ids from 1. Boxes may reach out of the image.

    >>> found = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> parameters = TrackerParameters.for_threshold(0.45)
    >>> [one.frames.tolist() for one in track([found] * 7, fps=7, parameters=parameters)]
    [[0, 1, 2, 3, 4, 5, 6]]
    """
    tracker = Tracker(parameters, fps).update_all(detections)
    step_seconds = tracker.longest_step / fps
    scenes = split_at_cuts(tracker.tracks(), list(cuts))
    tracks = [
        merged
        for scene in scenes
        for merged in merge_tracklets(scene, fps=fps, merging=parameters.merging)
    ]
    tracks = [one for one in tracks if _is_confirmed(one, fps, step_seconds, parameters)]
    motion = replace(parameters.motion, size_noise=parameters.smoothing_size_noise)
    max_gap_seconds = max(parameters.max_gap_seconds, step_seconds)
    tracks = smooth(tracks, fps=fps, motion=motion, max_gap_seconds=max_gap_seconds)
    return [replace(one, track_id=number) for number, one in enumerate(tracks, start=1)]


def track_causal(
    detections: Iterable[Detections | None], *, fps: float, parameters: TrackerParameters
) -> list[Track]:
    """The online tracker alone: no frame uses later ones, nothing is merged or smoothed.

    >>> found = Detections(np.array([[0.0, 0, 10, 20]]), np.array([0.9]))
    >>> parameters = TrackerParameters.for_threshold(0.45)
    >>> track_causal([found, None, found], fps=7, parameters=parameters)[0].frames
    array([0, 2])
    """
    return Tracker(parameters, fps).update_all(detections).tracks()


def split_at_cuts(tracks: Sequence[Track], cuts: Sequence[int]) -> list[list[Track]]:
    """The parts of `tracks` in each scene, each in the order they begin.

    >>> whole = Track(1, np.arange(4), np.zeros((4, 4)), np.ones(4))
    >>> [[part.frames.tolist() for part in scene] for scene in split_at_cuts([whole], [3])]
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


class DetectionBatch(NamedTuple):
    """The usable detections of some frames in a row, frame after frame."""

    boxes: Boxes  # (N, 4)
    scores: Scores  # (N,)
    frame_indices: NDArray[np.int64]  # (N,), ascending
    track_ids: NDArray[np.int64]  # (N,), written by the tracker; 0: no track
    frames: list[tuple[int, slice]]  # each frame with detection, and its rows


def _batches(
    detections: Iterable[Detections | None], parameters: TrackerParameters
) -> Iterator[DetectionBatch]:
    """`detections`, whose first frame is 0, in batches of `FRAMES_AT_ONCE` frames."""
    source = enumerate(detections)
    while some := list(islice(source, FRAMES_AT_ONCE)):
        yield _batch([(frame, one) for frame, one in some if one is not None], parameters)


def _batch(
    found: list[tuple[int, Detections]], parameters: TrackerParameters
) -> DetectionBatch:
    if not found:
        none = np.empty(0, np.int64)
        return DetectionBatch(np.empty((0, 4)), np.empty(0), none, none, [])
    boxes = np.concatenate([one.boxes for _, one in found]).astype(np.float64)
    scores = np.concatenate([one.scores for _, one in found]).astype(np.float64)
    numbers = [frame for frame, _ in found]
    frames = np.repeat(numbers, [len(one.boxes) for _, one in found])
    # Comparisons with nan are False, so boxes that are not finite are dropped here as well.
    good = (scores >= parameters.low_score) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    good &= np.isfinite(boxes).all(axis=1)
    frames = frames[good]
    edges = np.searchsorted(frames, [*numbers, numbers[-1] + 1]).tolist()
    rows = zip(numbers, (slice(*edge) for edge in pairwise(edges)), strict=True)
    return DetectionBatch(boxes[good], scores[good], frames, np.zeros_like(frames), list(rows))


def _is_confirmed(
    track: Track, fps: float, step_seconds: float, parameters: TrackerParameters
) -> bool:
    """Whether a track is long enough and of high score; `step_seconds` between two frames."""
    lasted = (track.frames[-1] - track.frames[0]) / fps + step_seconds
    high = track.scores[track.scores >= parameters.high_score]
    if lasted < parameters.min_track_seconds or not len(high):  # none: a part behind a cut
        return False
    return bool(high.mean() >= parameters.min_mean_score)


def _camera_motion(off: Array, certainty: float) -> Array:
    """The median of `off`, shape `(2, n)`; 0 on an axis where it may be chance."""
    half = off.shape[1] // 2
    middle = np.sort(off)[:, half : half + 1]
    error = np.sort(np.abs(off - middle))[:, half : half + 1] / off.shape[1] ** 0.5
    return np.where(np.abs(middle) > certainty * error, middle, 0.0)


class Tracker:
    """The online tracker: all tracks of one clip as columns of arrays."""

    def __init__(self, parameters: TrackerParameters, fps: float) -> None:
        self.longest_step = 0  # frames between two with detection
        self._parameters = parameters
        self._fps = fps
        self._batches: list[DetectionBatch] = []
        self._frame = -1
        self._count = 0
        self._ids = np.empty(0, dtype=np.int64)
        self._last_detected = np.empty(0, dtype=np.int64)
        self._state = initialise(np.empty((4, 0)), parameters.motion)

    def update_all(self, detections: Iterable[Detections | None]) -> Self:
        """Track through the frames of a clip, the first is 0."""
        for batch in _batches(detections, self._parameters):
            self._update_batch(batch)
        return self

    def tracks(self) -> list[Track]:
        """The detections of each track, by id."""
        if not self._batches:
            return []
        boxes, scores, frames, ids = (
            np.concatenate(part) for part in list(zip(*self._batches, strict=True))[:4]
        )
        order = np.argsort(ids, kind="stable")[np.count_nonzero(ids == 0) :]
        splits = np.flatnonzero(np.diff(ids[order])) + 1
        return [
            Track(int(ids[one[0]]), frames[one], boxes[one], scores[one])
            for one in np.split(order, splits)
            if len(one)
        ]

    def _update_batch(self, batch: DetectionBatch) -> None:
        self._batches.append(batch)
        self._track_ids = batch.track_ids
        self._centres = np.ascontiguousarray(xyxy_to_cxcywh(batch.boxes).T)
        self._corners = signed_corners_of_centres(
            self._centres, expansion=self._parameters.box_expansion
        )
        self._is_high = batch.scores >= self._parameters.high_score
        self._weights = 1 - self._parameters.score_weight * (1 - batch.scores)
        for frame, rows in batch.frames:
            self._update(frame, rows)

    def _update(self, frame: int, here: slice) -> None:
        active = self._last_detected == self._frame
        self._predict(frame)
        iou = self._camera_compensated_iou(active, here)
        tracks, found = self._match(iou, active, here)
        self._correct(frame, tracks, here, found)
        is_new = self._is_high[here].copy()
        is_new[found] = False
        if is_new.any():
            doubled = iou[self._last_detected == frame] > self._parameters.duplicate_iou
            is_new &= ~doubled.any(axis=0)
        self._drop_expired(frame)
        self._start(frame, here, self._without_duplicates(is_new.nonzero()[0], here))

    def _predict(self, frame: int) -> None:
        step = frame - self._frame
        if self._frame >= 0:
            self.longest_step = max(self.longest_step, step)
        seconds = step / self._fps
        self._frame = frame
        if len(self._ids):
            noise = self._parameters.motion.acceleration(self._state[POSITION, 3])
            self._state = predict(self._state, seconds, noise)

    def _camera_compensated_iou(self, active: NDArray[np.bool_], here: slice) -> Array:
        """The overlap of predictions with detections, shape `(tracks, detections)`.

        A shift that most people share is added to the predictions first.
        """
        parameters, expansion = self._parameters, self._parameters.box_expansion
        enough = parameters.camera_motion_min_people
        found, high, place = self._corners[:, here], self._is_high[here], self._state[POSITION]
        predicted = signed_corners_of_centres(place, expansion=expansion)
        iou = iou_of_signed_corners(predicted, found)
        if min(np.count_nonzero(active), np.count_nonzero(high)) < enough:
            return iou
        for _ in range(CAMERA_MOTION_ROUNDS):
            best = (iou * high).argmax(axis=1)
            meets = active & (iou[np.arange(len(iou)), best] >= CAMERA_MOTION_IOU)
            met = meets.nonzero()[0]
            if len(met) < enough:
                return iou
            off = self._centres[:2, here].take(best[met], 1) - place[:2].take(met, 1)
            shift = _camera_motion(off, parameters.camera_motion_certainty)
            if np.abs(shift).max() < CAMERA_MOTION_MIN_SHIFT * place[3].take(met).mean():
                return iou
            place[:2] += shift
            predicted = signed_corners_of_centres(place, expansion=expansion)
            iou = iou_of_signed_corners(predicted, found)
        return iou

    def _match(self, iou: Array, active: NDArray[np.bool_], here: slice) -> Pairs:
        """Which track is continued by which detection; those of low score come second."""
        parameters = self._parameters
        rows, columns = (iou >= parameters.min_iou).nonzero()
        overlap = iou[rows, columns]
        is_active, is_high = active[rows], self._is_high[here][columns]
        fits = is_high | (is_active & (overlap >= parameters.min_iou_low_score))
        if not fits.all():
            rows, columns, overlap = rows[fits], columns[fits], overlap[fits]
            is_active, is_high = is_active[fits], is_high[fits]
        if not is_contested(rows, columns).any():
            return Pairs(rows, columns)
        gains = overlap * self._weights[here][columns] * self._height_iou(rows, columns, here)
        gains[~is_active] *= parameters.lost_cost_weight
        return cascade_match(rows, columns, gains, np.where(is_high, 0, 1))

    def _height_iou(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], here: slice
    ) -> Array:
        """The overlap from top to bottom alone; people at other distances have little."""
        _, y, _, height = self._state[POSITION][:, rows]
        _, other_y, _, other_height = self._centres[:, here][:, columns]
        bottom = np.minimum(y + height / 2, other_y + other_height / 2)
        shared = bottom - np.maximum(y - height / 2, other_y - other_height / 2)
        return shared / (height + other_height - shared)

    def _correct(
        self, frame: int, tracks: NDArray[np.int64], here: slice, found: NDArray[np.int64]
    ) -> None:
        if not len(tracks):
            return
        heights = self._state[POSITION, 3].take(tracks)
        measured = np.zeros((4, len(self._ids)))
        measured[:, tracks] = self._centres[:, here].take(found, 1)
        variance = np.full(measured.shape, np.inf)
        variance[:, tracks] = self._parameters.motion.measurement_variance(heights)
        self._state = update(self._state, measured, variance)
        self._last_detected[tracks] = frame
        self._track_ids[here][found] = self._ids[tracks]

    def _drop_expired(self, frame: int) -> None:
        max_age = self._parameters.max_age_seconds * self._fps + 1e-9
        kept = (frame - self._last_detected) <= max_age
        if not kept.all():
            self._ids, self._last_detected = self._ids[kept], self._last_detected[kept]
            self._state = self._state[..., kept]

    def _without_duplicates(self, found: NDArray[np.int64], here: slice) -> NDArray[np.int64]:
        """Non-maximum suppression of `found`: a person detected twice starts one track."""
        if len(found) < 2:
            return found
        ordered = found[np.argsort(-self._weights[here][found], kind="stable")]
        boxes = self._corners[:, here].take(ordered, 1)
        iou = iou_of_signed_corners(boxes, boxes)
        doubled = np.triu(iou > self._parameters.duplicate_iou, 1)
        return np.sort(ordered[~doubled.any(axis=0)])

    def _start(self, frame: int, here: slice, found: NDArray[np.int64]) -> None:
        if not len(found):
            return
        ids = self._count + np.arange(1, len(found) + 1)
        self._count += len(found)
        new = initialise(self._centres[:, here].take(found, 1), self._parameters.motion)
        self._ids = np.concatenate([self._ids, ids])
        self._last_detected = np.concatenate([self._last_detected, np.full(len(ids), frame)])
        self._state = np.concatenate([self._state, new], axis=-1)
        self._track_ids[here][found] = ids
