"""Pipeline step "bundle": the clips and tracks of a dataset in files, for another machine.

`manifest.json` and the tracks are what an import reads (`datasets.services.import_clips`, then
`tracking.services.import_tracks`); the proposals are for other programs.
"""

import gzip
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.db.models import Max
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.clip_frames import frames_path
from datasets.core.formats import bundle_manifest as manifests
from datasets.core.formats.ava import (
    TrackedBox,
    dump_proposals,
    dump_track_proposals,
    format_box,
    format_score,
    keyframe_key,
    parse_box,
)
from datasets.core.formats.bundle_manifest import (
    CLIPS,
    DENSE,
    FRAMES,
    MMACTION2,
    TRACKS,
    ClipEntry,
    FileEntry,
    Manifest,
    VideoEntry,
)
from datasets.core.hashing import sha256_of
from datasets.core.media.clips_and_keyframes import export_window, timestamp
from datasets.core.naming import frame_name
from datasets.core.zip_writer import ZipWriter, new_zip
from datasets.models import Dataset, Video
from tracking.core.tracks_file import TracksFileError
from tracking.core.tracks_json import dump_boxes
from tracking.models import Bundle, IdentityRun, TrackingRun
from tracking.services.tracking_configs import active_settings, config_key_of


class NotTrackedError(ValueError):
    """No video is completely tracked, so a bundle would be empty; the message says more."""


@dataclass
class _Contents:
    """What is collected while the clips are written."""

    dense: dict[str, list[tuple[str, list[TrackedBox]]]] = field(default_factory=dict)
    normalised: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    videos: list[VideoEntry] = field(default_factory=list)


class _Zips(NamedTuple):
    """The zips that are written clip by clip."""

    frames: ZipWriter
    tracks: ZipWriter
    clips: ZipWriter | None


def request_bundle(dataset: Dataset, *, with_clips: bool = True) -> Bundle:
    """Request a bundle of the videos tracked so far; the last one if nothing has changed.

    Args:
        with_clips: Whether it contains the videos. A dataset imported without them has only its
            annotation frames.

    Raises NotTrackedError if no video is completely tracked yet.
    """
    done = IdentityRun.objects.done().filter(video__dataset=dataset)
    newest = done.order_by("-pk").first()
    if newest is None:
        raise NotTrackedError(
            _(
                "no video of %(dataset)s is completely tracked yet: wait, or run manage.py "
                "run_pipeline --once"
            )
            % {"dataset": dataset}
        )
    key = config_key_of(active_settings(dataset))
    key = key if done.filter(config_key=key).exists() else newest.config_key
    bundle = (
        dataset.bundles.filter(config_key=key, with_clips=with_clips).order_by("-pk").first()
    )
    since = done.filter(config_key=key).aggregate(last=Max("finished_at"))["last"]
    if bundle and (since is None or bundle.created_at > since):
        if dataset.bundles.filter(pk=bundle.pk).retry():
            bundle.refresh_from_db()
        return bundle
    record("request bundle", key, dataset=dataset)
    return Bundle.objects.create(dataset=dataset, config_key=key, with_clips=with_clips)


def make_bundle(bundle_id: int) -> Bundle | None:
    """Write the files of one bundle; None if it is done or in other hands."""
    bundle = Bundle.objects.claim(bundle_id)
    if bundle is None:
        return None
    with bundle.working(NotTrackedError, TracksFileError, zipfile.BadZipFile):
        with work_folder() as folder:
            _write(bundle, folder)
            files = {
                path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)}
                for path in sorted(folder.iterdir())
            }
            for name in files:
                store(folder / name, f"{bundle.stored_folder}/{name}")
        bundle.finish(folder=bundle.stored_folder, files=files, left_out=bundle.left_out)
    return bundle


def _write(bundle: Bundle, folder: Path) -> None:
    contents = _Contents()
    with ExitStack() as stack:
        names = [FRAMES, TRACKS, *[CLIPS] * bundle.with_clips]
        opened = [stack.enter_context(new_zip(folder / name)) for name in names]
        zips = _Zips(opened[0], opened[1], opened[2] if bundle.with_clips else None)
        identified = _identified_videos(bundle)
        for video, of_video in groupby(
            _runs_of(bundle, identified), lambda run: run.clip.video
        ):
            entries = tuple(_add_clip(zips, contents, run) for run in of_video)
            if zips.clips and video.file:
                with local_path(str(video.file)) as path:
                    zips.clips.add_file(f"videos/{video.name}.mp4", path)
            contents.videos.append(_video_entry(video, entries))
            bundle.report(len(contents.videos) / len(identified))
    bundle.left_out = _left_out(bundle, identified)
    if not contents.videos:
        raise NotTrackedError(
            _("no video of %(dataset)s is tracked with %(configuration)s yet")
            % {"dataset": bundle.dataset, "configuration": bundle.config_key}
        )
    (folder / DENSE).write_bytes(dump_track_proposals(contents.dense))
    (folder / MMACTION2).write_bytes(dump_proposals(contents.normalised))
    files = {
        path.name: FileEntry(path.stat().st_size, sha256_of(path))
        for path in sorted(folder.iterdir())
    }
    manifest = Manifest(
        bundle.dataset.name,
        bundle.config_key,
        bundle.dataset.annotation_fps,
        tuple(contents.videos),
        files,
    )
    (folder / manifests.FILE).write_bytes(manifests.dump(manifest))


def _identified_videos(bundle: Bundle) -> list[int]:
    """Videos that are completely tracked."""
    done = IdentityRun.objects.done().filter(
        video__dataset=bundle.dataset, config_key=bundle.config_key
    )
    return list(done.values_list("video", flat=True))


def _left_out(bundle: Bundle, identified: list[int]) -> list[dict[str, str]]:
    """The videos that are not in the bundle, by name, and why."""
    missing = Video.objects.filter(dataset=bundle.dataset).exclude(pk__in=identified)
    reasons = {
        Stage.FAILED.value: _("it could not be standardised"),
        Stage.DONE.value: _("not completely tracked"),
    }
    return [
        {"name": video.name, "reason": reasons.get(video.stage, _("not standardised yet"))}
        for video in missing.order_by("name")
    ]


def _runs_of(bundle: Bundle, videos: list[int]) -> Iterator[TrackingRun]:
    """Runs of `videos`, by video and clip."""
    return (
        TrackingRun.objects.done()
        .filter(clip__video__in=videos, config_key=bundle.config_key)
        .select_related("clip__video__dataset")
        .prefetch_related("persons", "proposals")
        .order_by("clip__video__name", "clip__index")
        .iterator(chunk_size=20)
    )


def _add_clip(zips: _Zips, contents: _Contents, run: TrackingRun) -> ClipEntry:
    clip = run.clip
    if zips.clips and clip.video.has_all_frames:
        with local_path(str(clip.file)) as path:
            zips.clips.add_file(f"{clip.name}.mp4", path)
    with frames_path(clip) as path, zipfile.ZipFile(path) as frames:
        for name in sorted(frames.namelist()):
            zips.frames.add(f"{clip.name}/{name}", frames.read(name))
    with local_path(str(run.tracks)) as path:
        content = gzip.decompress(path.read_bytes())
    boxes = _boxes(run)
    contents.dense[clip.name] = boxes
    contents.normalised |= _normalised(run)
    listed = [box for _, found in boxes for box in found]
    zips.tracks.add(f"{clip.name}.json", dump_boxes(clip.name, listed))
    zips.tracks.add(f"{clip.name}.tracks.json", content)
    return ClipEntry(
        clip.name,
        clip.index,
        clip.start_frame,
        clip.frame_count,
        {person.track_id: person.person_id for person in run.persons.all()},
        run.detection_count,
    )


def _boxes(run: TrackingRun) -> list[tuple[str, list[TrackedBox]]]:
    """Every keyframe with the persons in it; without persons an empty list."""
    fps = run.clip.video.dataset.annotation_fps
    found: dict[str, list[TrackedBox]] = {
        frame_name(run.clip.name, second * fps): [] for second in run.clip.keyframes()
    }
    for one in run.proposals.all():
        frame = frame_name(run.clip.name, one.second * fps)
        box = (one.x1, one.y1, one.x2, one.y2)
        found[frame].append(TrackedBox(frame, one.person_id, box, one.score))
    return list(found.items())


def _normalised(run: TrackingRun) -> dict[str, NDArray[np.float64]]:
    """The proposals as MMAction2 reads them, the best first."""
    clip, video = run.clip, run.clip.video
    pad = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=video.frame_count or 0
    ).pad_seconds
    found: dict[str, list[list[float]]] = {}
    for one in sorted(run.proposals.all(), key=lambda one: (one.second, -one.score)):
        key = keyframe_key(clip.name, timestamp(one.second, pad_seconds=pad))
        text = format_box(
            (one.x1, one.y1, one.x2, one.y2), width=video.width or 0, height=video.height or 0
        )
        row = [*parse_box(text).tolist(), float(format_score(one.score))]
        found.setdefault(key, []).append(row)
    return {key: np.array(rows) for key, rows in found.items()}


def _video_entry(video: Video, clips: tuple[ClipEntry, ...]) -> VideoEntry:
    return VideoEntry(
        video.name,
        video.original_name,
        video.sha256,
        video.width or 0,
        video.height or 0,
        video.frame_count or 0,
        clips,
        video.frame_rate,
    )
