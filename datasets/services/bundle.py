"""Videos and clips that another machine has made, brought in from the folder of a bundle.

`clips.zip` holds `<clip>.mp4` and the standard videos as `videos/<video>.mp4`, `frames.zip` the
annotation frames as `<clip>/<frame name>`; sizes and SHA-256 of both must be what the manifest
says. A video is known again by the SHA-256 of its raw file.
"""

import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from datasets.core import manifest as manifests
from datasets.core.clipping import FRAME_RATE
from datasets.core.confined import examine
from datasets.core.manifest import ClipEntry, Manifest, ManifestError, VideoEntry
from datasets.core.media import MediaError
from datasets.core.naming import clip_name, frame_name, safe_name
from datasets.core.zipping import new_zip
from datasets.files import keep, sha256_of, work_folder
from datasets.models import Clip, Dataset, Video
from datasets.services.clip import annotation_count, poster_of
from datasets.services.standardise import decoder_caps
from datasets.stages import Stage

CHUNK = 1 << 20


class BundleError(ValueError):
    """The folder is no bundle that this dataset can take; the message says why."""


class _Bundle(NamedTuple):
    manifest: Manifest
    clips: zipfile.ZipFile
    frames: zipfile.ZipFile


def bring_in_clips(dataset: Dataset, folder: Path) -> list[Clip]:
    """Take the videos and clips of the bundle in `folder` as done; return all of its clips.

    What is here already is left alone, so it may be called again at any time. Raises
    BundleError, before anything is stored, if the bundle is damaged or does not fit.
    """
    manifest = _manifest(folder)
    if manifest.annotation_fps != dataset.annotation_fps:
        raise BundleError(
            f"the bundle has {manifest.annotation_fps} annotation frames a second, and dataset "
            f"{dataset} has {dataset.annotation_fps}: bring it into a dataset with the same"
        )
    hashes = [video.sha256 for video in manifest.videos]
    _check_known(dataset, hashes)
    known = set(dataset.videos.filter(sha256__in=hashes).values_list("sha256", flat=True))
    clips, frames = (_checked(manifest, folder, name) for name in ("clips.zip", "frames.zip"))
    try:
        with zipfile.ZipFile(clips) as open_clips, zipfile.ZipFile(frames) as open_frames:
            bundle = _Bundle(manifest, open_clips, open_frames)
            for video in manifest.videos:
                if video.sha256 not in known:
                    _bring_in(dataset, video, bundle)
    except (zipfile.BadZipFile, KeyError, MediaError) as error:
        raise BundleError(f"{folder} is no whole bundle: {error}") from error
    return list(Clip.objects.of(dataset).filter(video__sha256__in=hashes))


def _manifest(folder: Path) -> Manifest:
    path = folder / "manifest.json"
    try:
        return manifests.load(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{folder} is no bundle: it has no manifest.json") from error
    except ManifestError as error:
        raise BundleError(f"{path}: {error}") from error


def _checked(manifest: Manifest, folder: Path, name: str) -> Path:
    path, said = folder / name, manifest.files.get(name)
    if said is None or not path.is_file():
        raise BundleError(f"{folder} is no whole bundle: {name} is missing")
    if path.stat().st_size != said.size or sha256_of(path) != said.sha256:
        raise BundleError(f"{path} is not the file that the manifest names: copy it again")
    return path


def _check_known(dataset: Dataset, hashes: list[str]) -> None:
    """Videos that are in the dataset already must be finished here."""
    open_stages = [stage for stage in Stage if stage != Stage.DONE]
    unfinished = dataset.videos.filter(sha256__in=hashes).filter(
        Q(stage__in=open_stages) | Q(clips=None) | Q(clips__stage__in=open_stages)
    )
    if video := unfinished.first():
        raise BundleError(
            f"the video {video} is in {dataset} already, and still being made: wait until its "
            "clips are done, or bring the bundle into a dataset of its own"
        )


def _bring_in(dataset: Dataset, entry: VideoEntry, bundle: _Bundle) -> None:
    """Store the files of one video and its clips, then write all their rows at once."""
    name = safe_name(entry.name, taken=set(dataset.videos.values_list("name", flat=True)))
    warnings = [f"Brought in by a bundle: the raw file {entry.original_name} is not here."]
    inside, file = f"videos/{entry.name}.mp4", ""
    if inside in bundle.clips.namelist():
        with work_folder() as folder:
            path = _extracted(bundle.clips, inside, folder)
            examine(path, frame_count=entry.frame_count, picture=0, caps=decoder_caps())
            file = keep(path, f"{dataset}/videos/{name}.mp4")
    else:
        warnings.append("The bundle has no standard video: no release can show its frames.")
    clips = [_stored_clip(dataset, name, clip, bundle) for clip in entry.clips]
    with transaction.atomic():
        video = Video.objects.create(
            dataset=dataset,
            name=name,
            original_name=entry.original_name[:255],
            sha256=entry.sha256,
            size=0,
            file=file,
            width=entry.width,
            height=entry.height,
            frame_count=entry.frame_count,
            warnings=warnings,
            stage=Stage.DONE,
            progress=1.0,
        )
        for clip in clips:
            clip.video = video
        Clip.objects.bulk_create(clips)


def _stored_clip(dataset: Dataset, video: str, entry: ClipEntry, bundle: _Bundle) -> Clip:
    """A clip whose file, annotation frames and poster are in the storage; not saved yet."""
    name, rate = clip_name(video, entry.index), bundle.manifest.annotation_fps
    count = annotation_count(entry.frame_count, rate)
    with work_folder() as folder:
        film = _extracted(bundle.clips, f"{entry.name}.mp4", folder)
        middle = FRAME_RATE // rate * (count // 2)
        rgb = examine(film, frame_count=entry.frame_count, picture=middle, caps=decoder_caps())
        poster = folder / "poster.jpg"
        poster.write_bytes(poster_of(rgb))
        with new_zip(folder / "frames.zip") as frames:
            for index in range(count):
                picture = bundle.frames.read(f"{entry.name}/{frame_name(entry.name, index)}")
                frames.add(frame_name(name, index), picture)
        return Clip(
            name=name,
            index=entry.index,
            start_frame=entry.start_frame,
            frame_count=entry.frame_count,
            stage=Stage.DONE,
            progress=1.0,
            file=keep(film, f"{dataset}/clips/{name}.mp4"),
            frames=keep(folder / "frames.zip", f"{dataset}/frames/{name}.zip"),
            poster=keep(poster, f"{dataset}/posters/{name}.jpg"),
        )


def _extracted(archive: zipfile.ZipFile, member: str, folder: Path) -> Path:
    path = folder / Path(member).name
    with archive.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
    return path
