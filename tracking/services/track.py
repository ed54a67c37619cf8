"""Pipeline step "track": detect and track the people of every clip, one run a clip."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from itertools import tee
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext

from avaproject.base.storage import store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.video_reader import MediaError
from datasets.models import BundleImport, Clip, ClipQuerySet
from tracking.core.boxes import Detections
from tracking.core.prefetch import run_consumer
from tracking.core.proposals import clip_to_image
from tracking.core.scene_cuts import SceneCutDetector
from tracking.core.sort import VERSION, TrackerParameters, track
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.detectors.appearance_models import open_appearance
from tracking.detectors.registry import (
    Detector,
    DetectorError,
    PrecomputedDetections,
    PrecomputedTracks,
    open_detector,
)
from tracking.models import (
    IDS_OF_CLIP,
    IDS_OF_VIDEO,
    TrackImport,
    TrackingConfig,
    TrackingRun,
)
from tracking.services.clip_detections import (
    TrackingError,
    clip_frames,
    detections_of_run,
    image_size,
)
from tracking.services.kept_detections import KeptDetections
from tracking.services.tracking_configs import (
    WantedConfig,
    appearance_of,
    check_weights,
    classes_of,
    config_key_of,
    followed_classes,
    keeps_ids,
    tracker_parameters,
    wanted_configs,
)


def plan_runs(since: datetime | None = None) -> int:
    """Create the missing runs: one per clip and configuration; return how many.

    Clips whose tracks come with a bundle need none of the active configuration, and wait until
    the bundle is imported. Waiting runs whose settings were changed meanwhile are deleted.

    Args:
        since: Plan only clips that have changed since then, and new configurations.
    """
    wanted = wanted_configs()
    fresh = [one for one in wanted if since is None or not one.row.is_planned]
    ready = Clip.objects.done().filter(video__frame_rate=FRAME_RATE)
    new = _missing_runs([one for one in wanted if one not in fresh], _changed(ready, since))
    if fresh:
        _delete_outdated(wanted)
        datasets = {one.dataset for one in fresh}
        new += _missing_runs(fresh, ready.filter(video__dataset__in=datasets))
    TrackingRun.objects.bulk_create(new, ignore_conflicts=True)
    if fresh:
        planned = TrackingConfig.objects.filter(pk__in=[one.row.pk for one in wanted])
        planned.filter(is_planned=False).update(is_planned=True)
        others = TrackingConfig.objects.exclude(pk__in=[one.row.pk for one in wanted])
        others.filter(is_planned=True).update(is_planned=False)
    return len(new)


def _changed(clips: ClipQuerySet, since: datetime | None) -> ClipQuerySet:
    """Those of `clips` that changed since then, or whose bundle did."""
    if since is None:
        return clips.none()
    # Their keys first: joined with videos, SQLite would not begin with what has changed.
    changed = Q(pk__in=set(Clip.objects.changed_since(since).values_list("pk", flat=True)))
    imports = BundleImport.objects.changed_since(since).order_by().values("upload")
    tracks = TrackImport.objects.changed_since(since).order_by()
    of_tracks = tracks.values("bundle_import__upload")
    uploads = [pk for (pk,) in imports.union(of_tracks).values_list("upload")]
    return clips.filter(changed | Q(video__upload__in=uploads) if uploads else changed)


def _missing_runs(configs: list[WantedConfig], clips: ClipQuerySet) -> list[TrackingRun]:
    """Runs of `configs` that `clips` lack and are not to get from a bundle."""
    rows = clips.order_by("pk").values_list("pk", "video__dataset", "video__upload")
    found = list(rows) if configs else []
    if not found:
        return []
    of_dataset: dict[int, list[WantedConfig]] = defaultdict(list)
    for one in configs:
        of_dataset[one.dataset].append(one)
    runs = TrackingRun.objects.filter(clip__in=clips.order_by().values("pk")).order_by()
    there = set(runs.values_list("clip", "config_key"))
    imported = runs.done().filter(made_by__has_key="bundle", experiment=None)
    has_tracks = set(imported.values_list("clip", flat=True))
    unfinished = _unfinished_imports()
    return [
        TrackingRun(clip_id=clip, config_key=one.config_key, experiment_id=one.experiment)
        for clip, dataset, upload in found
        if upload not in unfinished
        for one in of_dataset[dataset]
        if (clip, one.config_key) not in there
        and not (clip in has_tracks and one.is_active and not one.experiment)
    ]


def _unfinished_imports() -> set[int]:
    """Uploads whose bundles have tracks that are still to come."""
    ended = (Stage.DONE, Stage.FAILED)
    rows = BundleImport.objects.exclude(stage=Stage.FAILED)
    return set(rows.exclude(track_import__stage__in=ended).values_list("upload", flat=True))


def _delete_outdated(wanted: list[WantedConfig]) -> None:
    """Delete the waiting runs of configurations that are not wanted any more."""
    keys = {(one.dataset, one.experiment, one.config_key) for one in wanted}
    waiting = TrackingRun.objects.open().filter(stage=Stage.WAITING)
    rows = waiting.values_list("pk", "clip__video__dataset", "experiment", "config_key")
    outdated = [pk for pk, *key in rows if tuple(key) not in keys]
    if outdated:
        waiting.filter(pk__in=outdated).delete()


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
        if config_key_of(wanted) != run.config_key:
            raise TrackingError(
                gettext(
                    "The settings of %(wanted)s were changed after this run was planned; a "
                    "new run with them is planned automatically."
                )
                % {"wanted": wanted}
            )
        parameters = tracker_parameters(wanted)
        if detector is None:
            check_weights(wanted)
            detector = open_detector(
                wanted.detector,
                weights=wanted.weights,
                threshold=parameters.low_score,
                classes=classes_of(wanted),
            )
        if keeps_ids(wanted):
            return _finish_with_ids(run, detector)
        cuts = SceneCutDetector()
        appearance = open_appearance(appearance_of(wanted))
        about: dict[str, Any] = dict(detector.about)
        if appearance is not None:
            about["appearance"] = dict(appearance.about)
        kept = KeptDetections(run, about, getattr(detector, "batch_size", 0))
        counts: list[int] = []
        with closing(
            detections_of_run(run, detector, cuts, kept, appearance, stride=wanted.frame_stride)
        ) as found:
            counted = _counted(found, parameters.high_score, counts)
            tracker = partial(
                _track_classes, names=classes_of(wanted), parameters=parameters, cuts=cuts
            )
            tracks = clip_to_image(run_consumer(tracker, counted), **image_size(clip))
        made_by = {
            "detector": dict(detector.about),
            "frame_stride": wanted.frame_stride,
            "tracker": {"version": VERSION} | asdict(parameters),
            **followed_classes(wanted),
        }
        if appearance is not None and not isinstance(detector, PrecomputedDetections):
            made_by["appearance"] = dict(appearance.about)
        run.finish(
            tracks=_store_tracks(run, tracks, made_by, list(cuts)),
            made_by=made_by,
            track_count=len(tracks),
            detection_count=sum(counts),
        )
        kept.discard()
    return run


def _counted(
    found: Iterable[Detections | None], least: float, counts: list[int]
) -> Iterator[Detections | None]:
    """`found`; adds to `counts` how many boxes of each have a score of `least` or more."""
    for one in found:
        if one is not None:
            counts.append(int((one.scores >= least).sum()))
        yield one


def _finish_with_ids(
    run: TrackingRun, detector: Detector | PrecomputedDetections
) -> TrackingRun:
    """Each id of the run's file is a track; nothing is matched, filled in or smoothed."""
    clip = run.clip
    if not isinstance(detector, PrecomputedTracks):
        raise DetectorError(gettext("This detector has no ids that could be kept."))
    found = detector.tracks_of_clip(clip_frames(clip))
    tracks = clip_to_image(found.tracks, **image_size(clip))
    made_by = {
        "detector": dict(detector.about),
        "ids": IDS_OF_VIDEO if found.is_of_video else IDS_OF_CLIP,
        **followed_classes(run.experiment or clip.video.dataset),
    }
    run.finish(
        tracks=_store_tracks(run, tracks, made_by, []),
        made_by=made_by,
        track_count=len(tracks),
        detection_count=sum(len(one.frames) for one in found.tracks),
    )
    return run


def _track_classes(
    found: Iterable[Detections | None],
    *,
    names: Sequence[str],
    parameters: TrackerParameters,
    cuts: Iterable[int],
) -> list[Track]:
    """The tracks of each class that is followed; no track is of two classes."""
    tracks: list[Track] = []
    for number, (name, copy) in enumerate(zip(names, tee(found, len(names)), strict=True)):
        of_class = (None if one is None else one.of_class(number) for one in copy)
        for one in track(of_class, fps=FRAME_RATE, parameters=parameters, cuts=cuts):
            tracks.append(replace(one, track_id=len(tracks) + 1, label=name))
    return tracks


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
            **image_size(clip),
        )
    )
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(content)
        return store(path, run.stored_name)
