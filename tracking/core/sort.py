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

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracking.core.appearance import clip_limits, look_of, split_by_look, without_doubles
from tracking.core.association import Pairs, best_matching, cascade_match, is_contested
from tracking.core.boxes import (
    DetectionBatch,
    Detections,
    detection_batches,
    iou_of_signed_corners,
    signed_corners_of_centres,
    xyxy_to_cxcywh,
)
from tracking.core.kalman import POSITION, Array, MotionModel, initialise, predict, update
from tracking.core.returning import join_returning
from tracking.core.scene_cuts import split_at_cuts
from tracking.core.smoothing import smooth
from tracking.core.tracklet_merging import TrackletMerging, merge_tracklets
from tracking.core.tracks_file import Track

VERSION = "sort-9"
LOW_SCORE = 0.1  # of a detection that may continue a track
CONFIRMING_RATIO = 4 / 3  # of the mean score of a dataset's tracks to its detection threshold
BRIEF_RATIO = 3 / 2  # of that of the briefest tracks to that of long ones
CAMERA_MOTION_IOU = 0.1  # of a detection with a prediction, to count as the same person
CAMERA_MOTION_ROUNDS = 2
CAMERA_MOTION_MIN_SHIFT = 0.01  # heights; a smaller shift is ignored


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker is set to; times in seconds, scores and IoU from 0 to 1.

    `for_threshold` gives the scores that a dataset uses. All else was chosen on public MOT15
    and SportsMOT sequences.
    """

    high_score: float  # from here on a detection may start a track
    low_score: float  # from here on it may continue a track without a better detection
    min_mean_score: float  # of the high scores of a track that is kept
    brief_mean_score: float  # the same for a track of hardly any detections ...
    sure_seconds: float = 3.0  # ... and less the more, up to so many seconds of detections ...
    sure_share: float = 0.5  # ... that are at least this share of its time
    box_expansion: float = 1.03  # factor on both boxes before their overlap is computed
    min_iou: float = 0.31  # of a detection with the predicted box
    min_iou_low_score: float = 0.4  # the same for detections of low score
    wide_expansion: float = 1.3  # the factor for whom nothing has matched; 1: they are left
    min_iou_wide: float = 0.3  # of boxes made so much larger
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
        mean = min(CONFIRMING_RATIO * threshold, (threshold + 1) / 2)
        scores: dict[str, Any] = {
            "high_score": threshold,
            "low_score": min(LOW_SCORE, threshold),
            "min_mean_score": mean,
            "brief_mean_score": min(BRIEF_RATIO * mean, (mean + 3) / 4),
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
    return finished_tracks(tracker, fps=fps, parameters=parameters, cuts=cuts)


def finished_tracks(
    tracker: "Tracker", *, fps: float, parameters: TrackerParameters, cuts: Iterable[int] = ()
) -> list[Track]:
    """The second half of `track`: what the online `tracker` found, merged and smoothed."""
    step_seconds = tracker.longest_step / fps
    found = without_doubles(tracker.tracks(), fps)
    limits = clip_limits(found, fps)
    merging = replace(parameters.merging, min_likeness=limits.same)
    tracks = []
    for scene in split_at_cuts(found, list(cuts)):
        merged = merge_tracklets(split_by_look(scene, limits, fps), fps=fps, merging=merging)
        kept = _confirmed(merged, fps, step_seconds, parameters)
        tracks += join_returning(kept, fps)
    features = [look_of(one) for one in tracks]
    motion = replace(parameters.motion, size_noise=parameters.smoothing_size_noise)
    max_gap_seconds = max(parameters.max_gap_seconds, step_seconds)
    tracks = smooth(tracks, fps=fps, motion=motion, max_gap_seconds=max_gap_seconds)
    return [
        replace(one, track_id=number, features=None if look is None else look[None])
        for number, (one, look) in enumerate(zip(tracks, features, strict=True), start=1)
    ]


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


def _confirmed(
    tracks: list[Track], fps: float, step_seconds: float, parameters: TrackerParameters
) -> list[Track]:
    """Those tracks of a scene that are long enough and of high score.

    A brief track, or one that is rarely detected, must have a higher mean score: on public data
    of real detectors nearly all such of moderate scores are no persons, and nearly all others
    are. In a scene without long tracks the longest are not brief. `step_seconds` between two
    frames.
    """
    seen = [len(one.frames) * step_seconds for one in tracks]
    sure = max(min(parameters.sure_seconds, max(seen, default=0.0)), step_seconds)
    extra = parameters.brief_mean_score - parameters.min_mean_score
    kept = []
    for one, seconds in zip(tracks, seen, strict=True):
        lasted = (one.frames[-1] - one.frames[0]) / fps + step_seconds
        high = one.scores[one.scores >= parameters.high_score]
        is_due = parameters.sure_share * lasted
        sureness = min(1.0, seconds / sure, seconds / is_due if is_due else 1.0)
        least = parameters.min_mean_score + (1 - sureness) * extra
        # None of high score: a part behind a cut.
        if lasted >= parameters.min_track_seconds and len(high) and high.mean() >= least:
            kept.append(one)
    return kept


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
        for batch in detection_batches(detections, low_score=self._parameters.low_score):
            self._update_batch(batch)
        return self

    def tracks(self) -> list[Track]:
        """The detections of each track, by id."""
        if not self._batches:
            return []
        boxes, scores, frames, ids = (
            np.concatenate(part) for part in list(zip(*self._batches, strict=True))[:4]
        )
        with_features = [
            batch.features for batch in self._batches if batch.features is not None
        ]
        order = np.argsort(ids, kind="stable")[np.count_nonzero(ids == 0) :]
        ids, frames, boxes, scores = ids[order], frames[order], boxes[order], scores[order]
        features = np.concatenate(with_features)[order] if with_features else None
        edges = np.flatnonzero(np.diff(ids, prepend=0, append=0)).tolist()
        return [
            Track(
                int(ids[first]),
                frames[first:end],
                boxes[first:end],
                scores[first:end],
                None if features is None else features[first:end],
            )
            for first, end in pairwise(edges)
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
            return self._with_wide_matches(Pairs(rows, columns), active, here)
        gains = overlap * self._weights[here][columns] * self._height_iou(rows, columns, here)
        gains[~is_active] *= parameters.lost_cost_weight
        pairs = cascade_match(rows, columns, gains, np.where(is_high, 0, 1))
        return self._with_wide_matches(pairs, active, here)

    def _with_wide_matches(self, pairs: Pairs, active: NDArray[np.bool_], here: slice) -> Pairs:
        """`pairs`, and those of larger boxes among active tracks and good detections left.

        Whoever moves unexpectedly lies beside the prediction, not on it (as in C-BIoU).
        """
        expansion = self._parameters.wide_expansion
        rest, free = active.copy(), self._is_high[here].copy()
        rest[pairs.rows] = free[pairs.columns] = False
        tracks, found = rest.nonzero()[0], free.nonzero()[0]
        if expansion <= 1 or not len(tracks) or not len(found):
            return pairs
        predicted = self._state[POSITION].take(tracks, 1)
        iou = iou_of_signed_corners(
            signed_corners_of_centres(predicted, expansion=expansion),
            signed_corners_of_centres(
                self._centres[:, here].take(found, 1), expansion=expansion
            ),
        )
        rows, columns = (iou >= self._parameters.min_iou_wide).nonzero()
        gains = iou[rows, columns] * self._height_iou(tracks[rows], found[columns], here)
        more = best_matching(rows, columns, gains)
        return Pairs(
            np.concatenate([pairs.rows, tracks[more.rows]]),
            np.concatenate([pairs.columns, found[more.columns]]),
        )

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
