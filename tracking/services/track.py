"""Stage 4: every clip gets a tracking run; a run turns its clip into tracks of people."""

import re
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.db.models import Case, CharField, Exists, F, OuterRef, Value, When

from datasets.core.clipping import FRAME_RATE
from datasets.core.media import MediaError, read_frames
from datasets.files import keep, local_path, work_folder
from datasets.models import Clip, Dataset
from datasets.stages import Stage
from tracking.core.boxes import Detections
from tracking.core.proposals import inside
from tracking.core.sort import VERSION, TrackerParameters, follow
from tracking.core.trackfile import Track, TrackFile, dump
from tracking.detectors.door import (
    BroughtAlong,
    Detector,
    DetectorError,
    file_hash,
    open_detector,
    weights_path,
)
from tracking.models import TrackingRun

RECIPE_LENGTH = 120
HASH = re.compile(r"#[0-9a-f]{8}\b")


class TrackingError(RuntimeError):
    """The clip cannot be tracked as it is; the message says why."""


def recipe_of(dataset: Dataset) -> str:
    """The way the clips of `dataset` are tracked, in one short line; equal means same result.

    Detector, name and first hash digits of weights of one's own, threshold, stride, tracker.
    """
    parts = [dataset.detector]
    if path := weights_path(dataset.weights):
        parts.append(path.name[-40:] + _short_hash(path))
    parts += [f"t{dataset.threshold:g}", f"s{dataset.frame_stride}", VERSION]
    return " ".join(parts)[:RECIPE_LENGTH]


def _short_hash(path: Path) -> str:
    try:
        return f"#{file_hash(path)[:8]}"
    except (OSError, ValueError):  # missing, a folder, not readable: its detector will say so
        return ""


def current_recipe(dataset: str) -> Case:
    """An expression: the recipe of the dataset at the lookup `dataset`, as it is set now."""
    whens = [
        When(**{dataset: row.pk}, then=Value(recipe_of(row))) for row in Dataset.objects.all()
    ]
    return Case(*whens, default=Value(""), output_field=CharField())


def plan_runs() -> int:
    """Give every clip that lacks a run of its dataset's recipe a waiting one; return how many.

    Clips that came tracked in a bundle need none. Runs that wait for a recipe that was changed
    meanwhile are taken back.
    """
    waiting = TrackingRun.objects.filter(stage=Stage.WAITING)
    waiting.annotate(current=current_recipe("clip__video__dataset")).exclude(
        recipe=F("current")
    ).delete()
    runs = TrackingRun.objects.filter(clip=OuterRef("pk"))
    missing = (
        Clip.objects.done()
        .annotate(recipe=current_recipe("video__dataset"))
        .exclude(Exists(runs.filter(recipe=OuterRef("recipe"))))
        .exclude(Exists(runs.done().filter(made_by__has_key="bundle")))
        .values_list("pk", "recipe")
    )
    new = [TrackingRun(clip_id=clip, recipe=recipe) for clip, recipe in missing]
    TrackingRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def track_clip(
    run_id: int, *, detector: Detector | BroughtAlong | None = None
) -> TrackingRun | None:
    """Run one tracking run; None if somebody else has it or it is done.

    Args:
        run_id: The run.
        detector: Used in place of the dataset's own, which is opened when None.
    """
    run = TrackingRun.objects.claim(run_id)
    if run is None:
        return None
    with run.working(DetectorError, MediaError, TrackingError):
        clip = run.clip
        dataset = clip.video.dataset
        if _without_hash(recipe_of(dataset)) != _without_hash(run.recipe):
            raise TrackingError(
                f"The settings of {dataset} were changed after this run was ordered; a new one "
                "is ordered with them by itself."
            )
        parameters = parameters_of(dataset)
        detector = detector or open_detector(
            dataset.detector, weights=dataset.weights, threshold=parameters.low_score
        )
        detections = _detections(run, detector)
        tracks = inside(
            follow(detections, fps=FRAME_RATE, parameters=parameters), **_picture_of(clip)
        )
        made_by = {
            "detector": dict(detector.about),
            "frame_stride": dataset.frame_stride,
            "tracker": {"version": VERSION} | asdict(parameters),
        }
        run.finish(
            tracks=_keep_tracks(run, tracks, made_by),
            made_by=made_by,
            track_count=len(tracks),
            detection_count=sum(
                int((found.scores >= parameters.high_score).sum())
                for found in detections
                if found is not None
            ),
        )
    return run


def parameters_of(dataset: Dataset) -> TrackerParameters:
    """The tracker's beliefs with the dataset's threshold as the bar of a new person."""
    defaults = TrackerParameters()
    confirming = dataset.threshold * defaults.confirming_score / defaults.high_score
    return replace(
        defaults,
        high_score=dataset.threshold,
        low_score=min(defaults.low_score, dataset.threshold),
        confirming_score=min(confirming, (dataset.threshold + 1) / 2),
    )


def frames_to_look_at(frame_count: int, stride: int) -> list[int]:
    """Every n-th frame of a clip, each whole second (a keyframe), and the last frame.

    >>> frames_to_look_at(62, 20)
    [0, 20, 30, 40, 60, 61]
    """
    looks = {
        *range(0, frame_count, stride),
        *range(0, frame_count, FRAME_RATE),
        frame_count - 1,
    }
    return sorted(looks)


def _without_hash(recipe: str) -> str:
    # The machine that plans may lack the weights that the machine that detects has.
    return HASH.sub("", recipe)


def _picture_of(clip: Clip) -> dict[str, int]:
    if not clip.video.width or not clip.video.height:
        raise TrackingError(f"The video {clip.video} is not standardised yet.")
    return {"width": clip.video.width, "height": clip.video.height}


def _detections(run: TrackingRun, detector: Detector | BroughtAlong) -> list[Detections | None]:
    """What `detector` sees in each frame of the run's clip; None for frames not looked at."""
    clip = run.clip
    looks = frames_to_look_at(clip.frame_count, clip.video.dataset.frame_stride)
    seen: list[Detections | None] = [None] * clip.frame_count
    if isinstance(detector, BroughtAlong):
        brought = detector.of_clip(
            clip.name,
            video=clip.video.name,
            start_frame=clip.start_frame,
            frame_count=clip.frame_count,
        )
        for frame in looks:
            seen[frame] = brought[frame]
        return seen
    with local_path(str(clip.file)) as path:
        wanted = set(looks)
        pictures = ((n, rgb) for n, rgb in read_frames(path) if n in wanted)
        while batch := list(islice(pictures, detector.batch_size)):
            found = detector.detect([rgb for _, rgb in batch])
            for (frame, _), one in zip(batch, found, strict=True):
                seen[frame] = one
            run.report((batch[-1][0] + 1) / clip.frame_count)
    if any(seen[frame] is None for frame in looks):
        raise TrackingError(
            f"The file of {clip} has fewer than its {clip.frame_count} frames: cut it again."
        )
    return seen


def _keep_tracks(run: TrackingRun, tracks: list[Track], made_by: dict[str, Any]) -> str:
    clip = run.clip
    content = dump(
        TrackFile(
            clip.name,
            frame_count=clip.frame_count,
            tracks=tracks,
            fps=FRAME_RATE,
            made_by=made_by,
            **_picture_of(clip),
        )
    )
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(content)
        return keep(path, f"{clip.video.dataset}/tracks/{run.pk}/{clip.name}.tracks.json.gz")
