"""Pipeline step "track": detect and track the people of every clip, one run a clip."""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import repeat, tee
from typing import Any

from django.db.models import Exists, F, OuterRef, Q

from avaproject.base.storage import local_path, store, work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import read_frames
from datasets.core.media.video_reader import MediaError
from datasets.models import BundleImport, Clip
from tracking.core.boxes import Detections
from tracking.core.prefetch import batches, prefetch, run_consumer
from tracking.core.proposals import clip_to_image
from tracking.core.scene_cuts import SceneCutDetector
from tracking.core.sort import VERSION, track
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.detectors.registry import (
    Detector,
    DetectorError,
    PrecomputedDetections,
    open_detector,
)
from tracking.models import TrackingRun
from tracking.services.tracking_configs import (
    TrackingConfig,
    active_configs,
    config_key_of,
    config_keys_by,
    experiment_configs,
    tracker_parameters,
)

SECONDS_BETWEEN_CHECKS = 1.0
HASH = re.compile(r"#[0-9a-f]{8}\b")


class TrackingError(RuntimeError):
    """The clip cannot be tracked as it is; the message says why."""


def plan_runs() -> int:
    """Create the missing runs: one per clip and configuration; return how many.

    Clips whose tracks come with a bundle need none of the active configuration, and wait until
    the bundle is imported. Waiting runs whose settings were changed meanwhile are deleted.
    """
    active, experiments = active_configs(), experiment_configs()
    _delete_outdated(active, experiments)
    runs = TrackingRun.objects.filter(clip=OuterRef("pk"))
    imported = Exists(runs.done().filter(made_by__has_key="bundle", experiment=None))
    experiment_of = {one.dataset: one.experiment for one in active}
    clips = Clip.objects.done().filter(video__frame_rate=FRAME_RATE)
    clips = clips.exclude(Exists(_unfinished_imports()))
    own = [one.dataset for one in active if not one.experiment]
    missing = (
        clips.annotate(config_key=config_keys_by("video__dataset", active))
        .exclude(Exists(runs.filter(config_key=OuterRef("config_key"))))
        .exclude(imported & Q(video__dataset__in=own))
        .values_list("pk", "config_key", "video__dataset")
    )
    new = [
        TrackingRun(clip_id=clip, config_key=key, experiment_id=experiment_of[dataset])
        for clip, key, dataset in missing
    ]
    for one in experiments:
        untracked = clips.filter(video__dataset=one.dataset).exclude(
            Exists(runs.filter(config_key=one.config_key))
        )
        new += [
            TrackingRun(clip_id=clip, config_key=one.config_key, experiment_id=one.experiment)
            for clip in untracked.values_list("pk", flat=True)
        ]
    TrackingRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _unfinished_imports() -> Any:
    """Bundle imports of a clip's upload whose tracks are still to come."""
    ended = (Stage.DONE, Stage.FAILED)
    return (
        BundleImport.objects.filter(upload=OuterRef("video__upload"))
        .exclude(stage=Stage.FAILED)
        .exclude(track_import__stage__in=ended)
    )


def _delete_outdated(active: list[TrackingConfig], experiments: list[TrackingConfig]) -> None:
    """Delete the waiting runs of configurations that are not wanted any more."""
    waiting = TrackingRun.objects.filter(stage=Stage.WAITING)
    waiting.annotate(current=config_keys_by("clip__video__dataset", active)).exclude(
        config_key=F("current")
    ).exclude(experiment__in=[one.experiment for one in experiments]).delete()
    for one in experiments:
        waiting.filter(experiment=one.experiment).exclude(config_key=one.config_key).delete()


def track_clip(
    run_id: int, *, detector: Detector | PrecomputedDetections | None = None
) -> TrackingRun | None:
    """Run one tracking run; None if it is done or in other hands.

    Args:
        run_id: The run.
        detector: Used in place of the dataset's own, which is opened when None.
    """
    run = TrackingRun.objects.claim(run_id)
    if run is None:
        return None
    with run.working(DetectorError, MediaError, TrackingError):
        clip = run.clip
        wanted = run.experiment or clip.video.dataset
        if _without_hash(config_key_of(wanted)) != _without_hash(run.config_key):
            raise TrackingError(
                f"The settings of {wanted} were changed after this run was planned; a new run "
                "with them is planned automatically."
            )
        parameters = tracker_parameters(wanted)
        detector = detector or open_detector(
            wanted.detector, weights=wanted.weights, threshold=parameters.low_score
        )
        cuts = SceneCutDetector()
        with closing(_detections(run, detector, cuts, stride=wanted.frame_stride)) as found:
            tracked, counted = tee(found)
            tracker = partial(track, fps=FRAME_RATE, parameters=parameters, cuts=cuts)
            tracks = clip_to_image(run_consumer(tracker, tracked), **_image_size(clip))
        made_by = {
            "detector": dict(detector.about),
            "frame_stride": wanted.frame_stride,
            "tracker": {"version": VERSION} | asdict(parameters),
        }
        run.finish(
            tracks=_store_tracks(run, tracks, made_by, list(cuts)),
            made_by=made_by,
            track_count=len(tracks),
            detection_count=sum(
                int((one.scores >= parameters.high_score).sum())
                for one in counted
                if one is not None
            ),
        )
    return run


def sampled_frame_indices(frame_count: int, stride: int) -> list[int]:
    """Every n-th frame of a clip, each whole second (a keyframe), and the last frame.

    >>> sampled_frame_indices(62, 20)
    [0, 20, 30, 40, 60, 61]
    """
    whole_seconds = range(0, frame_count, FRAME_RATE)
    return sorted({*range(0, frame_count, stride), *whole_seconds, frame_count - 1})


def _without_hash(config_key: str) -> str:
    # The machine that plans may lack the weights that the machine that detects has.
    return HASH.sub("", config_key)


def _image_size(clip: Clip) -> dict[str, int]:
    if not clip.video.width or not clip.video.height:
        raise TrackingError(f"The video {clip.video} is not standardised yet.")
    return {"width": clip.video.width, "height": clip.video.height}


def _detections(
    run: TrackingRun,
    detector: Detector | PrecomputedDetections,
    cuts: SceneCutDetector,
    *,
    stride: int,
) -> Generator[Detections | None, None, None]:
    """The detections in each frame of the run's clip; None for frames without detection.

    A thread reads the next frames meanwhile, and watches for `cuts` in them.
    Raises ClaimLostError soon after the run was cancelled or taken over.
    """
    clip = run.clip
    sampled = set(sampled_frame_indices(clip.frame_count, stride))
    if isinstance(detector, PrecomputedDetections):
        given = detector.of_clip(
            clip.name,
            video=clip.video.name,
            start_frame=clip.start_frame,
            frame_count=clip.frame_count,
        )
        for frame in range(clip.frame_count):
            yield given[frame] if frame in sampled else None
        return
    with local_path(str(clip.file)) as path:
        images = read_frames(path, count=clip.frame_count, only=sampled, threads=1)
        checks, frame = _every(SECONDS_BETWEEN_CHECKS), 0
        batched = batches(cuts.watch(images), size=detector.batch_size)
        with closing(prefetch(batched)) as read:
            for batch in read:
                found = detector.detect([rgb for _, rgb in batch])
                for (index, _), one in zip(batch, found, strict=True):
                    yield from repeat(None, index - frame)
                    yield one
                    frame = index + 1
                run.report(frame / clip.frame_count)
                if next(checks):
                    run.check_claim()
    if frame < clip.frame_count:
        raise TrackingError(
            f"The file of {clip} has fewer than its {clip.frame_count} frames: cut it again."
        )


def _every(seconds: float) -> Iterator[bool]:
    """Endless; True when at least `seconds` have gone by since the last True."""
    last = time.monotonic()
    while True:
        is_due = time.monotonic() - last >= seconds
        last = time.monotonic() if is_due else last
        yield is_due


def _store_tracks(
    run: TrackingRun, tracks: list[Track], made_by: dict[str, Any], cuts: list[int]
) -> str:
    clip = run.clip
    content = dump(
        TracksFile(
            clip.name,
            frame_count=clip.frame_count,
            tracks=tracks,
            fps=FRAME_RATE,
            made_by=made_by,
            cuts=cuts,
            **_image_size(clip),
        )
    )
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(content)
        return store(path, f"{clip.video.dataset}/tracks/{run.pk}/{clip.name}.tracks.json.gz")
