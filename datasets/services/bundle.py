"""Videos and clips that another machine has made, brought in from the folder of a bundle.

`clips.zip` holds `<clip>.mp4` and the standard videos as `videos/<video>.mp4`, `frames.zip` the
annotation frames as `<clip>/<frame name>`; sizes and SHA-256 of both must be what the manifest
says. A video is known again by the SHA-256 of its raw file. A bundle may come without
`clips.zip`: then the annotation frames are all that is known of its clips.
"""

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from numpy.typing import NDArray

from datasets.core import manifest as manifests
from datasets.core.archive import ArchiveError, extract, list_files
from datasets.core.clipping import FRAME_RATE
from datasets.core.confined import examine, show_pictures
from datasets.core.manifest import ClipEntry, Manifest, ManifestError, VideoEntry
from datasets.core.media import MediaError
from datasets.core.naming import clip_name, frame_name, safe_name
from datasets.core.slides import jpeg_size
from datasets.core.zipping import new_zip
from datasets.files import keep, sha256_of, work_folder
from datasets.models import Clip, Dataset, Video
from datasets.services.clip import annotation_count, poster_of
from datasets.services.standardise import decoder_caps
from datasets.services.upload import archive_limits, check_space
from datasets.stages import Stage

CHUNK = 1 << 20
LARGEST_PICTURE = 64 << 20  # bytes of one annotation frame
NO_STANDARD_VIDEO = "The bundle has no standard video: no release can show its frames."
NO_FILM = (
    "It came without film: all there is are its pictures, {rate} a second. It can be "
    "annotated, reviewed and released as annotations alone; no release can hold frames at 30 a "
    "second or films of it, and it cannot be tracked again."
)
CLIPS_WITHOUT_FILM = (
    "{count} clips came without film: all there is are their pictures, {rate} a second. They "
    "can be annotated, reviewed and released as annotations alone; no release can hold frames "
    "at 30 a second or films of them, and they cannot be tracked again."
)


class BundleError(ValueError):
    """The folder is no bundle that this dataset can take; the message says why."""


class _Bundle(NamedTuple):
    manifest: Manifest
    frames: zipfile.ZipFile
    clips: zipfile.ZipFile | None


class _Entry(NamedTuple):
    """A clip in a bundle, and of what it is one."""

    video: VideoEntry
    clip: ClipEntry
    picture_rate: int


def unpack_bundle(path: Path, folder: Path) -> None:
    """Put the files of the bundle in the zip at `path` into `folder`. Raises BundleError."""
    try:
        members = list_files(path, manifests.FILES, archive_limits())
        if not manifests.is_bundle(members):
            raise BundleError(f"{path.name} is no zip of a bundle: it has {sorted(members)}")
        check_space(sum(member.size for member in members.values()))
        for name, member in members.items():
            extract(path, member, folder / name)
    except ArchiveError as error:
        raise BundleError(str(error)) from error


def bring_in_clips(
    dataset: Dataset, folder: Path, *, progress: Callable[[float], None] = lambda share: None
) -> list[Clip]:
    """Take the videos and clips of the bundle in `folder` as done; return all of its clips.

    What is here already is left alone, so it may be called again at any time. A dataset without
    a video takes over the bundle's number of annotation frames a second. `progress` is told the
    share done. Raises BundleError if the bundle is damaged or does not fit; files that are not
    those of the manifest are found before anything is stored.
    """
    manifest = _manifest(folder)
    _agree_on_rate(dataset, manifest)
    hashes = [video.sha256 for video in manifest.videos]
    _check_known(dataset, hashes)
    known = set(dataset.videos.filter(sha256__in=hashes).values_list("sha256", flat=True))
    names = [name for name in ("frames.zip", "clips.zip") if _is_part(manifest, name)]
    files = [_checked(manifest, folder, name) for name in names]
    try:
        with ExitStack() as stack:
            frames, *clips = [stack.enter_context(zipfile.ZipFile(path)) for path in files]
            bundle = _Bundle(manifest, frames, clips[0] if clips else None)
            for number, video in enumerate(manifest.videos):
                progress(number / len(manifest.videos))
                if video.sha256 not in known:
                    _bring_in(dataset, video, bundle)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError, MediaError) as error:
        raise BundleError(f"it is no whole bundle: {error}") from error
    brought = Clip.objects.of(dataset).filter(video__sha256__in=hashes)
    return list(brought.select_related("video"))


def lacks_of(clips: Iterable[Clip]) -> list[str]:
    """What can never be done with some of `clips`, since they came without film."""
    videos = [clip.video for clip in clips]
    without = Counter(video.picture_rate for video in videos if not video.has_film)
    found = [
        CLIPS_WITHOUT_FILM.format(count=count, rate=rate)
        for rate, count in sorted(without.items())
    ]
    if any(video.has_film and not video.file for video in videos):
        found.append(NO_STANDARD_VIDEO)
    return found


def _agree_on_rate(dataset: Dataset, manifest: Manifest) -> None:
    if manifest.annotation_fps == dataset.annotation_fps:
        return
    if dataset.videos.exists():
        raise BundleError(
            f"the bundle has {manifest.annotation_fps} annotation frames a second, and dataset "
            f"{dataset} has {dataset.annotation_fps}: bring it into a dataset with the same"
        )
    dataset.annotation_fps = manifest.annotation_fps
    dataset.save(update_fields=["annotation_fps"])


def _is_part(manifest: Manifest, name: str) -> bool:
    return name != "clips.zip" or name in manifest.files


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
    name = safe_name(
        f"{entry.name}.mp4", taken=set(dataset.videos.values_list("name", flat=True))
    )
    warnings = [f"Brought in by a bundle: the raw file {entry.original_name} is not here."]
    rate = entry.picture_rate if bundle.clips else bundle.manifest.annotation_fps
    inside, file = f"videos/{entry.name}.mp4", ""
    if bundle.clips and inside in bundle.clips.namelist():
        with work_folder() as folder:
            path = _extracted(bundle.clips, inside, folder)
            examine(path, frame_count=entry.frame_count, picture=0, caps=decoder_caps())
            file = keep(path, f"{dataset}/videos/{name}.mp4")
    else:
        has_film = rate == FRAME_RATE
        warnings.append(NO_STANDARD_VIDEO if has_film else NO_FILM.format(rate=rate))
    clips = [
        _stored_clip(dataset, name, _Entry(entry, one, rate), bundle) for one in entry.clips
    ]
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
            picture_rate=rate,
            warnings=warnings,
            stage=Stage.DONE,
            progress=1.0,
        )
        for clip in clips:
            clip.video = video
        Clip.objects.bulk_create(clips)


def _stored_clip(dataset: Dataset, video: str, entry: _Entry, bundle: _Bundle) -> Clip:
    """A clip whose file, annotation frames and poster are in the storage; not saved yet."""
    clip, rate = entry.clip, bundle.manifest.annotation_fps
    name, count = clip_name(video, clip.index), annotation_count(clip.frame_count, rate)
    with work_folder() as folder:
        with new_zip(folder / "frames.zip") as frames:
            for index in range(count):
                frames.add(frame_name(name, index), _picture(bundle, entry, index))
        if entry.picture_rate == FRAME_RATE and bundle.clips:
            film = _extracted(bundle.clips, f"{clip.name}.mp4", folder)
            rgb = _middle_of(film, entry, FRAME_RATE // rate * (count // 2))
        else:
            film = folder / "slides.mp4"
            pictures = folder / "frames.zip"
            rgb = show_pictures(pictures, film, rate=rate, caps=decoder_caps())
        poster = folder / "poster.jpg"
        poster.write_bytes(poster_of(rgb))
        return Clip(
            name=name,
            index=clip.index,
            start_frame=clip.start_frame,
            frame_count=clip.frame_count,
            stage=Stage.DONE,
            progress=1.0,
            file=keep(film, f"{dataset}/clips/{name}.mp4"),
            frames=keep(folder / "frames.zip", f"{dataset}/frames/{name}.zip"),
            poster=keep(poster, f"{dataset}/posters/{name}.jpg"),
        )


def _middle_of(film: Path, entry: _Entry, frame: int) -> NDArray[np.uint8]:
    """One frame of a clip's film, which must be as long and as large as the manifest says."""
    count, caps = entry.clip.frame_count, decoder_caps()
    rgb = examine(film, frame_count=count, picture=frame, caps=caps)
    height, width = rgb.shape[:2]
    if (width, height) != (entry.video.width, entry.video.height):
        raise MediaError(
            f"{film.name} has {width}x{height} pixels, but the manifest says "
            f"{entry.video.width}x{entry.video.height}"
        )
    return rgb


def _picture(bundle: _Bundle, entry: _Entry, index: int) -> bytes:
    """An annotation frame, which must be as large as the manifest says."""
    name = f"{entry.clip.name}/{frame_name(entry.clip.name, index)}"
    with bundle.frames.open(name) as member:
        content = member.read(LARGEST_PICTURE + 1)
    if len(content) > LARGEST_PICTURE:
        raise MediaError(f"{name} has more than {LARGEST_PICTURE >> 20} MB")
    width, height = jpeg_size(content)
    if (width, height) != (entry.video.width, entry.video.height):
        raise MediaError(
            f"{name} has {width}x{height} pixels, but the manifest says "
            f"{entry.video.width}x{entry.video.height}"
        )
    return content


def _extracted(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    with archive.open(name) as member, path.open("wb") as target:
        while chunk := member.read(CHUNK):
            target.write(chunk)
            if target.tell() > settings.MAX_VIDEO_BYTES:
                raise MediaError(
                    f"{name} has more than {settings.MAX_VIDEO_BYTES / 1e9:.1f} GB "
                    "(AVA_MAX_VIDEO_BYTES)"
                )
    return path
