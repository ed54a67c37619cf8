"""Bundles taken over: the tracks that another machine has made, with their persons.

What comes from elsewhere is measured against the manifest, and never unpickled.
"""

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.db import transaction
from django.utils import timezone

from datasets.core import manifest as manifests
from datasets.core.clipping import FRAME_RATE
from datasets.core.manifest import ClipEntry, Manifest, ManifestError, VideoEntry
from datasets.files import keep, sha256_of, work_folder
from datasets.models import Clip, Dataset, Upload, Video
from datasets.stages import Stage
from tracking.core import trackfile
from tracking.core.proposals import boxes_at
from tracking.core.trackfile import TrackFile, TrackFileError
from tracking.models import BundleImport, Linking, Person, Proposal, TrackingRun
from tracking.services.bundle import TRACKS, BundleError

LARGEST_TRACKS = 1 << 30  # bytes of one clip's JSON
ROWS_AT_ONCE = 500


def bring_in_bundle(dataset: Dataset, folder: Path) -> list[TrackingRun]:
    """Take over the tracks of the bundle in `folder`; the clips must have come in before.

    What was brought in before is left alone. Raises BundleError if a file is not what the
    manifest says, or not of the clips of `dataset`.
    """
    manifest = read_manifest(folder)
    tracks = _checked_file(manifest, folder, TRACKS)
    runs: list[TrackingRun] = []
    try:
        with zipfile.ZipFile(tracks) as archive:
            for entry in manifest.videos:
                clips = _clips_of(dataset, entry)
                files = [_tracks_of(archive, one, entry) for one in entry.clips]
                runs += _bring_in_video(manifest, entry, clips, files)
    except (zipfile.BadZipFile, TrackFileError) as error:
        raise BundleError(f"{TRACKS} cannot be read: {error}") from error
    return runs


def plan_imports() -> int:
    """Order the taking over of every bundle that was uploaded; return how many."""
    new = Upload.objects.done().filter(is_bundle=True, bundle_import=None)
    rows = [BundleImport(upload_id=pk) for pk in new.values_list("pk", flat=True)]
    BundleImport.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`. Raises BundleError if there is none."""
    try:
        return manifests.load((folder / manifests.FILE).read_bytes())
    except OSError as error:
        raise BundleError(f"{folder} is no bundle: it has no {manifests.FILE}") from error
    except ManifestError as error:
        raise BundleError(f"{folder / manifests.FILE}: {error}") from error


def _checked_file(manifest: Manifest, folder: Path, name: str) -> Path:
    path, said = folder / name, manifest.files.get(name)
    if said is None or not path.is_file():
        raise BundleError(f"{folder} is no whole bundle: {name} is missing")
    if path.stat().st_size != said.size or sha256_of(path) != said.sha256:
        raise BundleError(f"{path} is not the file that the manifest names: copy it again")
    return path


def _clips_of(dataset: Dataset, entry: VideoEntry) -> list[Clip]:
    """The clips of this dataset that are those of `entry`, in their order."""
    video = dataset.videos.filter(sha256=entry.sha256).first()
    if video is None:
        raise BundleError(
            f"the video {entry.name} is not in {dataset}: bring in its clips first"
        )
    clips = list(video.clips.done().select_related("video__dataset").order_by("index"))
    cuts = [(clip.index, clip.start_frame, clip.frame_count) for clip in clips]
    if cuts != [(one.index, one.start_frame, one.frame_count) for one in entry.clips]:
        raise BundleError(f"the video {entry.name} is cut into other clips in {dataset}")
    if (video.width, video.height) != (entry.width, entry.height):
        raise BundleError(
            f"the video {entry.name} has {video.width}x{video.height} pixels in {dataset}, but "
            f"{entry.width}x{entry.height} in the bundle"
        )
    return clips


def _tracks_of(archive: zipfile.ZipFile, one: ClipEntry, entry: VideoEntry) -> TrackFile:
    name = f"{one.name}.tracks.json"
    try:
        with archive.open(name) as member:
            content = member.read(LARGEST_TRACKS + 1)
    except KeyError as error:
        raise BundleError(f"{TRACKS} has no {name}") from error
    if len(content) > LARGEST_TRACKS:
        raise BundleError(f"{name} has more than {LARGEST_TRACKS >> 20} MB")
    file = trackfile.load(gzip.compress(content, compresslevel=1))
    size = (file.width, file.height, file.frame_count, file.fps)
    if size != (entry.width, entry.height, one.frame_count, FRAME_RATE):
        raise BundleError(f"{name} is of another picture or length than the manifest says")
    if file.clip != one.name or not isinstance(file.made_by, dict):
        raise BundleError(f"{name} is not that of {one.name}")
    if sorted(track.track_id for track in file.tracks) != sorted(one.persons):
        raise BundleError(f"{name} has other tracks than the manifest names")
    for track in file.tracks:
        _check_track(track, name, file)
    return file


def _check_track(track: trackfile.Track, name: str, file: TrackFile) -> None:
    frames, boxes, scores = track.frames, track.boxes, track.scores
    is_whole = 0 < len(frames) == len(boxes) == len(scores)
    if not is_whole or (np.diff(frames) <= 0).any() or not np.isfinite(boxes).all():
        raise BundleError(f"{name}: track {track.track_id} is not whole")
    if frames[0] < 0 or frames[-1] >= file.frame_count:
        raise BundleError(f"{name}: track {track.track_id} is longer than its clip")
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise BundleError(f"{name}: track {track.track_id} has a box without area")
    reach = np.array([file.width, file.height, file.width, file.height])
    if (np.abs(boxes) > 2 * reach).any():
        raise BundleError(f"{name}: track {track.track_id} leaves the picture")
    if ((scores < 0) | (scores > 1)).any():
        raise BundleError(f"{name}: track {track.track_id} has a score not from 0 to 1")


def _bring_in_video(
    manifest: Manifest, entry: VideoEntry, clips: list[Clip], files: list[TrackFile]
) -> list[TrackingRun]:
    if not clips:
        return []
    recipe, video = manifest.recipe, clips[0].video
    with transaction.atomic():
        Video.objects.select_for_update().get(pk=video.pk)
        old = TrackingRun.objects.filter(clip__in=clips, recipe=recipe)
        if Linking.objects.done().filter(video=video, recipe=recipe).exists():
            return list(old.order_by("clip__index"))
        TrackingRun.objects.filter(clip__in=clips, stage=Stage.WAITING).delete()
        Linking.objects.filter(video=video, stage=Stage.WAITING).delete()
        if old.exists() or Linking.objects.filter(video=video, recipe=recipe).exists():
            raise BundleError(
                f"the video {video} is being tracked here with {recipe}: wait until it is done"
            )
        runs = [
            _bring_in_clip(manifest, one, clip, file)
            for one, clip, file in zip(entry.clips, clips, files, strict=True)
        ]
        Linking.objects.create(
            video=video, recipe=recipe, stage=Stage.DONE, progress=1.0,
            finished_at=timezone.now(),
            person_count=len({pid for one in entry.clips for pid in one.persons.values()}),
        )  # fmt: skip
    return runs


def _bring_in_clip(
    manifest: Manifest, one: ClipEntry, clip: Clip, file: TrackFile
) -> TrackingRun:
    origin = {"dataset": manifest.dataset, "recipe": manifest.recipe, "clip": one.name}
    made_by = file.made_by | {"bundle": origin}
    file = replace(file, clip=clip.name, made_by=made_by)
    run = TrackingRun.objects.create(
        clip=clip, recipe=manifest.recipe, made_by=made_by, stage=Stage.DONE, progress=1.0,
        finished_at=timezone.now(), track_count=len(file.tracks),
        detection_count=_detection_count(one, file),
    )  # fmt: skip
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(trackfile.dump(file))
        name = f"{clip.video.dataset}/tracks/{run.pk}/{clip.name}.tracks.json.gz"
        run.tracks = keep(path, name)
    run.save(update_fields=["tracks"])
    Person.objects.bulk_create(
        Person(run=run, track_id=track, person_id=person)
        for track, person in sorted(one.persons.items())
    )
    boxes = boxes_at(
        file.tracks, clip.keyframes(), fps=file.fps, width=file.width, height=file.height
    )
    Proposal.objects.bulk_create(
        [
            Proposal(
                run=run, second=box.second, person_id=one.persons[box.track_id],
                x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2, score=box.score,
            )
            for box in boxes
        ],
        batch_size=ROWS_AT_ONCE,
    )  # fmt: skip
    return run


def _detection_count(one: ClipEntry, file: TrackFile) -> int:
    """As the manifest says; else those that are in the tracks."""
    if one.detections is not None:
        return one.detections
    return sum(int((~np.isnan(track.scores)).sum()) for track in file.tracks)
