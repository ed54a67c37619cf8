"""Stage 4: every clip gets a tracking run; a run turns its clip into tracks of people."""

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import repeat, tee
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import Case, CharField, Exists, F, OuterRef, Q, Value, When

from avaproject.base.storage import store, local_path, work_folder
from avaproject.base.work import ClaimLostError, Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import MediaError, read_frames
from datasets.models import Clip, Dataset
from tracking.core.boxes import Detections
from tracking.core.prefetch import ahead, batches, behind
from tracking.core.proposals import inside
from tracking.core.scene_cuts import Cuts
from tracking.core.sort import VERSION, TrackerParameters, follow
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.detectors.registry import (
    PrecomputedDetections,
    Detector,
    DetectorError,
    file_hash,
    folder_hash,
    open_detector,
    weights_path,
)
from tracking.models import TrackingRun, Experiment

RECIPE_LENGTH = 120
CONFIRMING = 4 / 3
SECONDS_BETWEEN_CHECKS = 1.0
HASH = re.compile(r"#[0-9a-f]{8}\b")


class TrackingError(RuntimeError):
    """The clip cannot be tracked as it is; the message says why."""


Settings = Dataset | Experiment


def active_settings(dataset: Dataset) -> Settings:
    """The way the clips of `dataset` are tracked: the chosen experiment, or its own settings."""
    return dataset.experiments.filter(is_active=True).first() or dataset


def config_key_of(settings: Settings) -> str:
    """The way clips are tracked, in one short line; equal means same result.

    Detector, name and first hash digits of weights of one's own (or of a folder of detections),
    threshold, stride, tracker, and what differs from the tracker's defaults.
    """
    parts = [settings.detector]
    if path := weights_path(settings.weights):
        hash_of = folder_hash if settings.detector == "imported" else file_hash
        parts.append(path.name[-40:] + _short(hash_of, path))
    parts += [f"t{settings.threshold:g}", f"s{settings.frame_stride}", VERSION]
    if isinstance(settings, Experiment):
        parts += [f"{name}={value:g}" for name, value in sorted(settings.tracker.items())]
    return " ".join(parts)[:RECIPE_LENGTH]


def _short(hash_of: Callable[[Path], str], path: Path) -> str:
    try:
        return f"#{hash_of(path)[:8]}"
    except (OSError, ValueError):  # missing or not readable: its detector will say so
        return ""


class Way(NamedTuple):
    """How the clips of one dataset are tracked."""

    dataset: int
    experiment: int | None
    config_key: str


def active_configs() -> list[Way]:
    """The way of every dataset."""
    experiments = {one.dataset_id: one for one in Experiment.objects.filter(is_active=True)}
    return [
        _way(dataset.pk, experiments.get(dataset.pk, dataset)) for dataset in Dataset.objects.all()
    ]


def experiment_configs() -> list[Way]:
    """The experiments that run beside the chosen ways, oldest first."""
    return [
        _way(experiment.dataset_id, experiment)
        for experiment in Experiment.objects.filter(is_active=False).order_by("pk")
    ]


def _way(dataset: int, settings: Settings) -> Way:
    experiment = settings.pk if isinstance(settings, Experiment) else None
    return Way(dataset, experiment, config_key_of(settings))


def config_keys_by(dataset: str, ways: Iterable[Way]) -> Case:
    """An expression: the config_key in `ways` of the dataset at the lookup `dataset`."""
    whens = [When(**{dataset: way.dataset}, then=Value(way.config_key)) for way in ways]
    return Case(*whens, default=Value(""), output_field=CharField())


def plan_runs() -> int:
    """Give every clip that lacks a run of its dataset's way a waiting one; return how many.

    Clips that came tracked in a bundle need none. Each experiment gets a run for every clip, too.
    Runs that wait for a config_key that was changed meanwhile are taken back.
    """
    chosen, experiments = active_configs(), experiment_configs()
    _take_back(chosen, experiments)
    runs = TrackingRun.objects.filter(clip=OuterRef("pk"))
    brought_in = Exists(runs.done().filter(made_by__has_key="bundle", experiment=None))
    trial_of = {way.dataset: way.experiment for way in chosen}
    clips = Clip.objects.done().filter(video__picture_rate=FRAME_RATE)
    missing = (
        clips.annotate(config_key=config_keys_by("video__dataset", chosen))
        .exclude(Exists(runs.filter(config_key=OuterRef("config_key"))))
        .exclude(brought_in & Q(video__dataset__in=[w.dataset for w in chosen if not w.experiment]))
        .values_list("pk", "config_key", "video__dataset")
    )
    new = [
        TrackingRun(clip_id=clip, config_key=config_key, trial_id=trial_of[dataset])
        for clip, config_key, dataset in missing
    ]
    for way in experiments:
        untried = clips.filter(video__dataset=way.dataset).exclude(
            Exists(runs.filter(config_key=way.config_key))
        )
        new += [
            TrackingRun(clip_id=clip, config_key=way.config_key, trial_id=way.experiment)
            for clip in untried.values_list("pk", flat=True)
        ]
    TrackingRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _take_back(chosen: list[Way], experiments: list[Way]) -> None:
    """Delete the runs that wait for a config_key nobody wants any more."""
    waiting = TrackingRun.objects.filter(stage=Stage.WAITING)
    waiting.annotate(current=config_keys_by("clip__video__dataset", chosen)).exclude(
        config_key=F("current")
    ).exclude(trial__in=[way.experiment for way in experiments]).delete()
    for way in experiments:
        waiting.filter(experiment=way.experiment).exclude(config_key=way.config_key).delete()


def track_clip(
    run_id: int, *, detector: Detector | PrecomputedDetections | None = None
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
        wanted = run.experiment or clip.video.dataset
        if _without_hash(config_key_of(wanted)) != _without_hash(run.config_key):
            raise TrackingError(
                f"The settings of {wanted} were changed after this run was ordered; a new one "
                "is ordered with them by itself."
            )
        parameters = parameters_of(wanted)
        detector = detector or open_detector(
            wanted.detector, weights=wanted.weights, threshold=parameters.low_score
        )
        cuts = Cuts()
        with closing(_detections(run, detector, cuts, stride=wanted.frame_stride)) as found:
            followed, counted = tee(found)
            tracker = partial(follow, fps=FRAME_RATE, parameters=parameters, cuts=cuts)
            tracks = inside(behind(tracker, followed), **_picture_of(clip))
        made_by = {
            "detector": dict(detector.about),
            "frame_stride": wanted.frame_stride,
            "tracker": {"version": VERSION} | asdict(parameters),
        }
        run.finish(
            tracks=_keep_tracks(run, tracks, made_by, list(cuts)),
            made_by=made_by,
            track_count=len(tracks),
            detection_count=sum(
                int((seen.scores >= parameters.high_score).sum())
                for seen in counted
                if seen is not None
            ),
        )
    return run


def parameters_of(settings: Settings) -> TrackerParameters:
    """The tracker's beliefs with the threshold of `settings` as the bar of a new person.

    A person's mean score must be `CONFIRMING` times the threshold. That is kinder than the
    tracker's own bar, which was tuned on a detector that sees much that is nobody.
    """
    defaults, threshold = TrackerParameters(), settings.threshold
    changed = settings.tracker if isinstance(settings, Experiment) else {}
    chosen = {
        "high_score": threshold,
        "low_score": min(defaults.low_score, threshold),
        "min_mean_score": min(CONFIRMING * threshold, (threshold + 1) / 2),
    }
    return replace(defaults, **(chosen | changed))


def sampled_frame_indices(frame_count: int, stride: int) -> list[int]:
    """Every n-th frame of a clip, each whole second (a keyframe), and the last frame.

    >>> sampled_frame_indices(62, 20)
    [0, 20, 30, 40, 60, 61]
    """
    looks = {
        *range(0, frame_count, stride),
        *range(0, frame_count, FRAME_RATE),
        frame_count - 1,
    }
    return sorted(looks)


def _without_hash(config_key: str) -> str:
    # The machine that plans may lack the weights that the machine that detects has.
    return HASH.sub("", config_key)


def _picture_of(clip: Clip) -> dict[str, int]:
    if not clip.video.width or not clip.video.height:
        raise TrackingError(f"The video {clip.video} is not standardised yet.")
    return {"width": clip.video.width, "height": clip.video.height}


def _detections(
    run: TrackingRun, detector: Detector | PrecomputedDetections, cuts: Cuts, *, stride: int
) -> Generator[Detections | None, None, None]:
    """What `detector` sees in each frame of the run's clip; None for frames not looked at.

    A thread reads the next pictures meanwhile, and looks for `cuts` in them.
    Raises ClaimLostError soon after the run was cancelled or taken over.
    """
    clip = run.clip
    looks = set(sampled_frame_indices(clip.frame_count, stride))
    if isinstance(detector, PrecomputedDetections):
        brought = detector.of_clip(
            clip.name,
            video=clip.video.name,
            start_frame=clip.start_frame,
            frame_count=clip.frame_count,
        )
        for frame in range(clip.frame_count):
            yield brought[frame] if frame in looks else None
        return
    with local_path(str(clip.file)) as path:
        pictures = read_frames(path, count=clip.frame_count, only=looks, threads=1)
        checks, frame = _every(SECONDS_BETWEEN_CHECKS), 0
        looked_at = batches(cuts.passing(pictures), size=detector.batch_size)
        with closing(ahead(looked_at)) as read:
            for batch in read:
                found = detector.detect([rgb for _, rgb in batch])
                for (look, _), one in zip(batch, found, strict=True):
                    yield from repeat(None, look - frame)
                    yield one
                    frame = look + 1
                run.report(frame / clip.frame_count)
                if next(checks):
                    _check_ours(run)
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


def _check_ours(run: TrackingRun) -> None:
    mine = TrackingRun.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempts=run.attempts)
    if not mine.exists():
        raise ClaimLostError(f"{run} was cancelled, or is in other hands")


def _keep_tracks(
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
            **_picture_of(clip),
        )
    )
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(content)
        return store(path, f"{clip.video.dataset}/tracks/{run.pk}/{clip.name}.tracks.json.gz")
