"""Videos and clips that another machine has made, brought in from the folder of a bundle.

`clips.zip` holds `<clip>.mp4` and the standard videos as `videos/<video>.mp4`, `frames.zip` the
annotation frames as `<clip>/<frame name>`; sizes and SHA-256 of both must be what the manifest
says. A video is known again by the SHA-256 of its raw file. A bundle may come without
`clips.zip`: then the annotation frames are all that is known of its clips.
"""

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from numpy.typing import NDArray

from avaproject.base.storage import store, work_folder
from avaproject.base.work import Stage
from datasets.core.formats import bundle_manifest as manifests
from datasets.core.zip_reader import ArchiveError, extract, list_files
from datasets.core.formats.bundle_files import (
    BundleError,
    checked_file,
    content_of,
    member,
    opened,
    read_manifest,
    unpacked_size,
)
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.sandboxed_decoder import examine, show_pictures
from datasets.core.formats.bundle_manifest import ClipEntry, Manifest, VideoEntry
from datasets.core.media.standard_video import MediaError
from datasets.core.naming import clip_name, frame_name
from datasets.core.media.stills import jpeg_size
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Dataset, Video
from datasets.services.clip import annotation_count, poster_of
from datasets.services.name import add_video, give_name
from datasets.services.standardise import decoder_caps
from datasets.services.upload import archive_limits, check_space

CHUNK = 1 << 20
LARGEST_PICTURE = 64 << 20  # bytes of one annotation frame
NO_STANDARD_VIDEO = "The bundle has no standard video: no release can show its frames."
NO_FILM = (
    "{what} came without film: all there is are its pictures, {rate} a second. It can be "
    "annotated, reviewed and released as annotations alone; no release can hold frames at 30 a "
    "second or films of it, and it cannot be tracked again."
)
CLIPS_WITHOUT_FILM = (
    "{count} clips came without film: all there is are their pictures, {rate} a second. They "
    "can be annotated, reviewed and released as annotations alone; no release can hold frames "
    "at 30 a second or films of them, and they cannot be tracked again."
)


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
        check_space(sum(one.size for one in members.values()))
        for name, one in members.items():
            extract(path, one, folder / name)
    except ArchiveError as error:
        raise BundleError(str(error)) from error


def check_room(folder: Path) -> None:
    """Raises BundleError if the disk has no room for what is in the bundle in `folder`."""
    try:
        check_space(unpacked_size(folder))
    except ArchiveError as error:
        raise BundleError(str(error)) from error


def bring_in_clips(
    dataset: Dataset,
    folder: Path,
    *,
    each: Callable[[VideoEntry], object] = lambda video: None,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Clip]:
    """Take the videos and clips of the bundle in `folder` as done; return all of its clips.

    What is here already is left alone, so it may be called again at any time. A dataset without
    a video takes over the bundle's number of annotation frames a second.

    Args:
        each: Told each video as soon as its clips are here.
        progress: Told the share done.

    Raises:
        BundleError: The bundle is damaged or does not fit. Files that are not those of the
            manifest are found before anything is stored; a video with a fault leaves nothing.
    """
    manifest = read_manifest(folder)
    _check_rate(dataset, manifest)
    hashes = [video.sha256 for video in manifest.videos]
    _check_known(dataset, hashes)
    known = set(dataset.videos.filter(sha256__in=hashes).values_list("sha256", flat=True))
    if len(known) < len(hashes):
        check_room(folder)
    names = ["frames.zip", *["clips.zip"] * ("clips.zip" in manifest.files)]
    paths = [checked_file(manifest, folder, name) for name in names]
    with ExitStack() as stack:
        frames, *clips = [stack.enter_context(opened(path)) for path in paths]
        bundle = _Bundle(manifest, frames, clips[0] if clips else None)
        for number, video in enumerate(manifest.videos):
            progress(number / len(manifest.videos))
            if video.sha256 not in known:
                try:
                    _bring_in(dataset, video, bundle)
                except MediaError as error:
                    raise BundleError(f"{video.name} is not whole: {error}") from error
            each(video)
    brought = Clip.objects.of(dataset).filter(video__sha256__in=hashes)
    return list(brought.select_related("video"))


def lacks_of(clips: Iterable[Clip]) -> list[str]:
    """What can never be done with some of `clips`, since they came without film."""
    videos = [clip.video for clip in clips]
    without = Counter(video.picture_rate for video in videos if not video.has_film)
    found = [
        CLIPS_WITHOUT_FILM.format(count=count, rate=rate)
        if count > 1
        else NO_FILM.format(what="1 clip", rate=rate)
        for rate, count in sorted(without.items())
    ]
    if any(video.has_film and not video.file for video in videos):
        found.append(NO_STANDARD_VIDEO)
    return found


def _check_rate(dataset: Dataset, manifest: Manifest) -> None:
    if manifest.annotation_fps != dataset.annotation_fps and dataset.videos.exists():
        raise BundleError(
            f"the bundle has {manifest.annotation_fps} annotation frames a second, and dataset "
            f"{dataset} has {dataset.annotation_fps}: bring it into a dataset with the same"
        )


def _take_rate(dataset: Dataset, manifest: Manifest) -> None:
    """Give a dataset without a video the bundle's rate, in the transaction of its first one."""
    dataset.refresh_from_db(from_queryset=Dataset.objects.select_for_update())
    _check_rate(dataset, manifest)  # another bundle may have brought its first meanwhile
    if dataset.annotation_fps != manifest.annotation_fps:
        dataset.annotation_fps = manifest.annotation_fps
        dataset.save(update_fields=["annotation_fps"])


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
    """Make and check all files of one video, then store them, then write its rows at once."""
    name = give_name(dataset, f"{entry.name}.mp4", entry.sha256)
    warnings = [f"Brought in by a bundle: the raw file {entry.original_name} is not here."]
    rate = entry.picture_rate if bundle.clips else bundle.manifest.annotation_fps
    video = Video(
        dataset=dataset,
        name=name,
        original_name=entry.original_name[:255],
        sha256=entry.sha256,
        size=0,
        width=entry.width,
        height=entry.height,
        frame_count=entry.frame_count,
        picture_rate=rate,
        warnings=warnings,
        stage=Stage.DONE,
        progress=1.0,
    )
    files: list[tuple[Video | Clip, str, Path, str]] = []  # row, field, local, in the storage
    with work_folder() as folder:
        inside = f"videos/{entry.name}.mp4"
        if bundle.clips and inside in bundle.clips.namelist():
            path = _extracted(bundle.clips, inside, folder)
            examine(path, frame_count=entry.frame_count, picture=0, caps=decoder_caps())
            files.append((video, "file", path, f"{dataset}/videos/{name}.mp4"))
        else:
            warnings.append(
                NO_FILM.format(what="It", rate=rate) if rate < FRAME_RATE else NO_STANDARD_VIDEO
            )
        clips = []
        for one in entry.clips:
            clip = Clip(
                video=video,
                name=clip_name(name, one.index),
                index=one.index,
                start_frame=one.start_frame,
                frame_count=one.frame_count,
                stage=Stage.DONE,
                progress=1.0,
            )
            clips.append(clip)
            place = folder / clip.name
            place.mkdir()
            film, frames, poster = _make_files(clip, _Entry(entry, one, rate), bundle, place)
            files += [
                (clip, "file", film, f"{dataset}/clips/{clip.name}.mp4"),
                (clip, "frames", frames, f"{dataset}/frames/{clip.name}.zip"),
                (clip, "poster", poster, f"{dataset}/posters/{clip.name}.jpg"),
            ]
        for row, field, path, stored in files:
            setattr(row, field, store(path, stored))
    try:
        with transaction.atomic():
            _take_rate(dataset, bundle.manifest)
            add_video(video)
            Clip.objects.bulk_create(clips)
    except IntegrityError as error:
        raise BundleError(
            f"the video {entry.name} came to {dataset} in another way meanwhile: try again"
        ) from error


def _make_files(
    clip: Clip, entry: _Entry, bundle: _Bundle, folder: Path
) -> tuple[Path, Path, Path]:
    """The film, the annotation frames and the poster of a clip, made in `folder`."""
    rate = bundle.manifest.annotation_fps
    count = annotation_count(clip.frame_count, rate)
    pictures, poster = folder / "frames.zip", folder / "poster.jpg"
    with new_zip(pictures) as frames:
        for index in range(count):
            frames.add(frame_name(clip.name, index), _picture(bundle, entry, index))
    if entry.picture_rate == FRAME_RATE and bundle.clips:
        film = _extracted(bundle.clips, f"{entry.clip.name}.mp4", folder)
        rgb = _middle_of(film, entry, FRAME_RATE // rate * (count // 2))
    else:
        film = folder / "slides.mp4"
        rgb = show_pictures(pictures, film, rate=rate, caps=decoder_caps())
    poster.write_bytes(poster_of(rgb))
    return film, pictures, poster


def _middle_of(film: Path, entry: _Entry, frame: int) -> NDArray[np.uint8]:
    """One frame of a clip's film, which must be as long and as large as the manifest says."""
    count, caps = entry.clip.frame_count, decoder_caps()
    rgb = examine(film, frame_count=count, picture=frame, caps=caps)
    _check_size(film.name, (rgb.shape[1], rgb.shape[0]), entry.video)
    return rgb


def _picture(bundle: _Bundle, entry: _Entry, index: int) -> bytes:
    """An annotation frame, which must be as large as the manifest says."""
    name = f"{entry.clip.name}/{frame_name(entry.clip.name, index)}"
    content = content_of(bundle.frames, name, most=LARGEST_PICTURE)
    try:
        size = jpeg_size(content)
    except MediaError as error:
        raise BundleError(f"{name} is {error}") from error
    _check_size(name, size, entry.video)
    return content


def _check_size(name: str, size: tuple[int, int], video: VideoEntry) -> None:
    if size != (video.width, video.height):
        raise BundleError(
            f"{name} has {size[0]}x{size[1]} pixels, but the manifest says "
            f"{video.width}x{video.height}"
        )


def _extracted(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    with member(archive, name) as source, path.open("wb") as target:
        # zipfile reads no more of a member than its directory says.
        if archive.getinfo(name).file_size > settings.MAX_VIDEO_BYTES:
            raise BundleError(
                f"{name} has more than {settings.MAX_VIDEO_BYTES / 1e9:.1f} GB "
                "(AVA_MAX_VIDEO_BYTES)"
            )
        shutil.copyfileobj(source, target, CHUNK)
    return path
