"""Stage 5, in files: what was found so far, to be carried to another machine and back in.

`manifest.json` and the tracks are the source; the proposals are there for other programs. What
comes from elsewhere is measured against the manifest, and never unpickled.
"""

import gzip
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from numpy.typing import NDArray

from datasets.core import manifest as manifests
from datasets.core.ava import dump_proposals, format_box, format_score, keyframe_key, parse_box
from datasets.core.clipping import FRAME_RATE, export_window, timestamp
from datasets.core.manifest import ClipEntry, FileEntry, Manifest, ManifestError, VideoEntry
from datasets.core.naming import frame_name
from datasets.core.zipping import NewZip, new_zip
from datasets.files import keep, local_path, sha256_of, work_folder
from datasets.models import Clip, Dataset, Upload, Video
from datasets.stages import Stage
from tracking.core import trackfile
from tracking.core.legacy import LegacyBox, dump_boxes, dump_dense
from tracking.core.proposals import boxes_at
from tracking.core.trackfile import TrackFile, TrackFileError
from tracking.models import Bundle, BundleImport, Linking, Person, Proposal, TrackingRun
from tracking.services.track import chosen_settings, recipe_of

TRACKS = "tracking_jsons.zip"
LARGEST_TRACKS = 1 << 30  # bytes of one clip's JSON
ROWS_AT_ONCE = 500


class BundleError(ValueError):
    """There is nothing to bundle yet, or the folder is no bundle of this dataset's clips."""


@dataclass
class _Contents:
    """What is collected while the clips go by."""

    dense: dict[str, list[tuple[str, list[LegacyBox]]]] = field(default_factory=dict)
    normalised: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    videos: list[VideoEntry] = field(default_factory=list)


class _Zips(NamedTuple):
    """The zips that are written while the clips go by."""

    frames: NewZip
    tracks: NewZip
    clips: NewZip | None


def order_bundle(dataset: Dataset, *, with_clips: bool = True) -> Bundle:
    """Order the files of the videos tracked so far; if nothing is new, the last one stands.

    Args:
        with_clips: Whether the films are among them. A dataset that is brought in without them
            has only its annotation frames.

    Raises BundleError if no video is tracked to its end yet.
    """
    linkings = Linking.objects.done().filter(video__dataset=dataset)
    newest = linkings.order_by("-pk").first()
    if newest is None:
        raise BundleError(
            f"no video of {dataset} is tracked to its end yet: wait, or run manage.py "
            "run_pipeline --once"
        )
    current = recipe_of(chosen_settings(dataset))
    recipe = current if linkings.filter(recipe=current).exists() else newest.recipe
    like = dataset.bundles.filter(recipe=recipe, with_clips=with_clips)
    bundle = like.order_by("-pk").first()
    since = linkings.filter(recipe=recipe).aggregate(last=Max("finished_at"))["last"]
    if bundle and (since is None or bundle.created_at > since):
        if dataset.bundles.filter(pk=bundle.pk).retry():
            bundle.refresh_from_db()
        return bundle
    return Bundle.objects.create(dataset=dataset, recipe=recipe, with_clips=with_clips)


def make_bundle(bundle_id: int) -> Bundle | None:
    """Write the files of one bundle; None if somebody else has it or it is done."""
    bundle = Bundle.objects.claim(bundle_id)
    if bundle is None:
        return None
    with bundle.working(BundleError, TrackFileError, zipfile.BadZipFile):
        with work_folder() as folder:
            _write(bundle, folder)
            files = {
                path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)}
                for path in sorted(folder.iterdir())
            }
            target = f"{bundle.dataset}/bundles/{bundle.pk}"
            for name in files:
                keep(folder / name, f"{target}/{name}")
        bundle.finish(folder=target, files=files, left_out=bundle.left_out)
    return bundle


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


def _write(bundle: Bundle, folder: Path) -> None:
    contents = _Contents()
    with ExitStack() as stack:
        names = ["frames.zip", TRACKS, *["clips.zip"] * bundle.with_clips]
        opened = [stack.enter_context(new_zip(folder / name)) for name in names]
        zips = _Zips(opened[0], opened[1], opened[2] if bundle.with_clips else None)
        linked = _linked_videos(bundle)
        for video, of_video in groupby(_runs_of(bundle, linked), lambda run: run.clip.video):
            entries = tuple(_add_clip(zips, contents, run) for run in of_video)
            if zips.clips and video.file:
                with local_path(str(video.file)) as path:
                    zips.clips.add_file(f"videos/{video.name}.mp4", path)
            contents.videos.append(_video_entry(video, entries))
            bundle.report(len(contents.videos) / len(linked))
    bundle.left_out = _left_out(bundle, linked)
    if not contents.videos:
        raise BundleError(f"no video of {bundle.dataset} is tracked with {bundle.recipe} yet")
    (folder / "dense_proposals.pkl").write_bytes(dump_dense(contents.dense))
    (folder / "dense_proposals_mmaction2.pkl").write_bytes(dump_proposals(contents.normalised))
    files = {
        path.name: FileEntry(path.stat().st_size, sha256_of(path))
        for path in sorted(folder.iterdir())
    }
    manifest = Manifest(
        bundle.dataset.name,
        bundle.recipe,
        bundle.dataset.annotation_fps,
        tuple(contents.videos),
        files,
    )
    (folder / manifests.FILE).write_bytes(manifests.dump(manifest))


def _linked_videos(bundle: Bundle) -> list[int]:
    """Videos that are tracked to their end."""
    linkings = Linking.objects.done().filter(
        video__dataset=bundle.dataset, recipe=bundle.recipe
    )
    return list(linkings.values_list("video", flat=True))


def _left_out(bundle: Bundle, linked: list[int]) -> list[dict[str, str]]:
    """The videos that are not in the bundle, by name, and why."""
    missing = Video.objects.filter(dataset=bundle.dataset).exclude(pk__in=linked)
    reasons = {
        Stage.FAILED.value: "it could not be standardised",
        Stage.DONE.value: "not tracked to its end",
    }
    return [
        {"name": video.name, "reason": reasons.get(video.stage, "not standardised yet")}
        for video in missing.order_by("name")
    ]


def _runs_of(bundle: Bundle, videos: list[int]) -> Iterator[TrackingRun]:
    """Runs of `videos`, by video and clip."""
    return (
        TrackingRun.objects.done()
        .filter(clip__video__in=videos, recipe=bundle.recipe)
        .select_related("clip__video__dataset")
        .prefetch_related("persons", "proposals")
        .order_by("clip__video__name", "clip__index")
        .iterator(chunk_size=20)
    )


def _add_clip(zips: _Zips, contents: _Contents, run: TrackingRun) -> ClipEntry:
    clip = run.clip
    if zips.clips and clip.video.has_film:
        with local_path(str(clip.file)) as path:
            zips.clips.add_file(f"{clip.name}.mp4", path)
    with local_path(str(clip.frames)) as path, zipfile.ZipFile(path) as pictures:
        for name in sorted(pictures.namelist()):
            zips.frames.add(f"{clip.name}/{name}", pictures.read(name))
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
    )


def _boxes(run: TrackingRun) -> list[tuple[str, list[LegacyBox]]]:
    """Every keyframe's picture with the persons in it; nobody is an empty list."""
    fps = run.clip.video.dataset.annotation_fps
    found: dict[str, list[LegacyBox]] = {
        frame_name(run.clip.name, second * fps): [] for second in run.clip.keyframes()
    }
    for one in run.proposals.all():
        frame = frame_name(run.clip.name, one.second * fps)
        box = (one.x1, one.y1, one.x2, one.y2)
        found[frame].append(LegacyBox(frame, one.person_id, box, one.score))
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
        video.picture_rate,
    )


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
    if {track.track_id for track in file.tracks} != set(one.persons):
        raise BundleError(f"{name} has other tracks than the manifest names")
    for track in file.tracks:
        _check_track(track, name, one.frame_count)
    return file


def _check_track(track: trackfile.Track, name: str, frame_count: int) -> None:
    frames, boxes = track.frames, track.boxes
    is_whole = 0 < len(frames) == len(boxes) == len(track.scores)
    if not is_whole or (np.diff(frames) <= 0).any() or not np.isfinite(boxes).all():
        raise BundleError(f"{name}: track {track.track_id} is not whole")
    if frames[0] < 0 or frames[-1] >= frame_count:
        raise BundleError(f"{name}: track {track.track_id} is longer than its clip")


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
        detection_count=sum(int((~np.isnan(track.scores)).sum()) for track in file.tracks),
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
