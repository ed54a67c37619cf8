"""Who is found in the frames of a clip, in the order of the frames."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import NamedTuple

from django.utils.translation import gettext

from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import read_frames
from datasets.models import Clip
from tracking.core.appearance import describe_clearly
from tracking.core.boxes import Detections
from tracking.core.prefetch import batches, map_behind, prefetch
from tracking.core.scene_cuts import SceneCutDetector
from tracking.detectors.appearance_models import LookModel
from tracking.detectors.registry import ClipFrames, Detector, Frame, PrecomputedDetections
from tracking.models import TrackingRun
from tracking.services.kept_detections import KeptDetections

SECONDS_BETWEEN_CHECKS = 1.0


class TrackingError(RuntimeError):
    """The clip cannot be tracked as it is; the message says why."""


def sampled_frame_indices(frame_count: int, stride: int) -> list[int]:
    """Every n-th frame of a clip, each whole second (a keyframe), and the last frame.

    >>> sampled_frame_indices(62, 20)
    [0, 20, 30, 40, 60, 61]
    """
    whole_seconds = range(0, frame_count, FRAME_RATE)
    return sorted({*range(0, frame_count, stride), *whole_seconds, frame_count - 1})


def image_size(clip: Clip) -> dict[str, int]:
    """Width and height of the standard video. Raises TrackingError before there is one."""
    if not clip.video.width or not clip.video.height:
        raise TrackingError(
            gettext("The video %(video)s is not standardised yet.") % {"video": clip.video}
        )
    return {"width": clip.video.width, "height": clip.video.height}


def clip_frames(clip: Clip) -> ClipFrames:
    """Where a clip lies in its video, for what reads detections from files."""
    video, size = clip.video, image_size(clip)
    return ClipFrames(
        clip.name, video.name, video.original_name, clip.start_frame, clip.frame_count,
        video.frame_count or 0 if video.stage == Stage.DONE else 0,
        (size["width"], size["height"]),
    )  # fmt: skip


def detections_of_run(
    run: TrackingRun,
    detector: Detector | PrecomputedDetections,
    cuts: SceneCutDetector,
    kept: KeptDetections,
    appearance: LookModel | None,
    *,
    stride: int,
) -> Generator[Detections | None, None, None]:
    """The detections in each frame of the run's clip; None for frames without detection.

    One thread reads the next frames meanwhile and watches for `cuts` in them, another one
    describes the people in those before.
    Raises ClaimLostError soon after the run was cancelled or taken over.
    """
    clip = run.clip
    sampled = set(sampled_frame_indices(clip.frame_count, stride))
    if isinstance(detector, PrecomputedDetections):
        given = detector.of_clip(clip_frames(clip))
        for frame in range(clip.frame_count):
            yield given[frame] if frame in sampled else None
        return
    with local_path(str(clip.file)) as path:
        images = read_frames(path, count=clip.frame_count, only=sampled, threads=1)
        checks, frame = _every(SECONDS_BETWEEN_CHECKS), 0
        batched = batches(cuts.watch(images), size=detector.batch_size)
        with (
            closing(prefetch(batched)) as read,
            closing(
                map_behind(partial(_describe, appearance), _seen(read, detector, kept))
            ) as seen,
        ):
            for batch in seen:
                if not batch.is_kept:
                    kept.add(batch.found)
                for index, one in zip(batch.frames, batch.found, strict=True):
                    yield from repeat(None, index - frame)
                    yield one
                    frame = index + 1
                run.report(frame / clip.frame_count)
                if next(checks):
                    run.check_claim()
    if frame < clip.frame_count:
        raise TrackingError(
            gettext(
                "The file of %(clip)s has fewer than its %(frame_count)s frames: cut it again."
            )
            % {"clip": clip, "frame_count": clip.frame_count}
        )


class _Batch(NamedTuple):
    """Frames of a clip, and who is in them."""

    frames: list[int]
    images: list[Frame]
    found: list[Detections]
    is_kept: bool  # by an attempt before


def _seen(
    read: Iterable[list[tuple[int, Frame]]], detector: Detector, kept: KeptDetections
) -> Iterator[_Batch]:
    """What the detector finds, or found in an attempt before."""
    for number, batch in enumerate(read):
        frames, images = [index for index, _ in batch], [rgb for _, rgb in batch]
        found = kept.batch(number)
        if found is not None:
            yield _Batch(frames, [], found, is_kept=True)
        else:
            yield _Batch(frames, images, detector.detect(images), is_kept=False)


def _describe(appearance: LookModel | None, batch: _Batch) -> _Batch:
    """The batch with the features of its people, if those are wanted; without its images."""
    found = batch.found
    if appearance is not None and not batch.is_kept:
        found = [
            describe_clearly(image, one, appearance.describe)
            for image, one in zip(batch.images, found, strict=True)
        ]
    return batch._replace(images=[], found=found)


def _every(seconds: float) -> Iterator[bool]:
    """Endless; True when at least `seconds` have gone by since the last True."""
    last = time.monotonic()
    while True:
        is_due = time.monotonic() - last >= seconds
        last = time.monotonic() if is_due else last
        yield is_due
