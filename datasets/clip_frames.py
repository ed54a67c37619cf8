"""Annotation frames of clips: made when they are wanted, from the standard video.

On a local disk those used last stay stored, up to a limit, because all of them take twice the
space of the videos; the row of a clip says whether its frames are. In a bucket they are stored
with the clip. The frames of an imported clip without its video cannot be made again, and stay.
"""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import models
from django.utils.translation import gettext

from avaproject.base.storage import local_path, open_stored, remove, store
from avaproject.base.temporary import work_folder
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import encode_jpeg, read_frames
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import frame_name
from datasets.core.zip_writer import new_zip
from datasets.models import Clip

__all__ = [
    "FramesError",
    "are_made_on_demand",
    "forget_frames",
    "frame_count",
    "frames_path",
    "open_frames",
    "read_frame",
    "write_frames",
]


class FramesError(OSError):
    """The annotation frames of a clip cannot be made or read; the message says why."""


def are_made_on_demand() -> bool:
    """Whether annotation frames are made when they are wanted; in a bucket they are stored."""
    return isinstance(default_storage, FileSystemStorage)


def frame_count(clip: Clip) -> int:
    """Number of annotation frames of a clip."""
    return -(-clip.frame_count * clip.video.dataset.annotation_fps // FRAME_RATE)


def read_frame(clip: Clip, number: int) -> bytes:
    """Annotation frame `number` of a clip as a JPEG, 0-based. Raises FramesError.

    That of a whole second is decoded alone; for any other all frames are made and kept.
    """
    if not 0 <= number < frame_count(clip):
        raise FramesError(
            gettext("%(clip)s has no annotation frame %(number)s")
            % {"clip": clip, "number": number}
        )
    fps = clip.video.dataset.annotation_fps
    try:
        if clip.frames:
            with suppress(FileNotFoundError), open_stored(str(clip.frames)) as file:
                return _member(file, clip, number)
        if number % fps == 0 and _has_every_frame(clip):
            first = number // fps * FRAME_RATE
            with _source(clip) as (path, start):
                [(_, bgr)] = read_frames(path, start=start + first, count=1, order="bgr")
            return encode_jpeg(bgr, order="bgr")
        with frames_path(clip) as path, path.open("rb") as file:
            return _member(file, clip, number)
    except (KeyError, zipfile.BadZipFile, MediaError) as error:
        raise FramesError(
            gettext("annotation frame %(number)s of %(clip)s: %(error)s")
            % {"number": number, "clip": clip, "error": error}
        ) from error


@contextmanager
def frames_path(clip: Clip) -> Iterator[Path]:
    """A zip of all annotation frames of a clip; read-only, valid inside.

    Raises FramesError if they cannot be made, FileNotFoundError if they are gone.
    """
    if clip.frames and not are_made_on_demand():
        with local_path(str(clip.frames)) as path:
            yield path
        return
    with work_folder() as folder:
        path, name = folder / "frames.zip", clip.stored_names[1]
        stored = Path(default_storage.path(str(clip.frames or name)))
        try:
            os.utime(stored)
            with suppress(OSError):  # on another disk
                path.hardlink_to(stored)  # it stays when the stored one is removed
            yield path if path.exists() else stored
            return
        except FileNotFoundError:
            if not _has_every_frame(clip):
                raise
        try:
            with _source(clip) as (source, start):
                write_frames(clip, path, source=source, start=start)
        except MediaError as error:
            raise FramesError(
                gettext("the annotation frames of %(clip)s: %(error)s")
                % {"clip": clip, "error": error}
            ) from error
        _keep(clip, path, name)
        yield path


@contextmanager
def open_frames(clip: Clip) -> Iterator[zipfile.ZipFile]:
    """The annotation frames of a clip, to read a few; raises like `frames_path`."""
    if clip.frames and not are_made_on_demand():
        with open_stored(str(clip.frames)) as file, zipfile.ZipFile(file) as frames:
            yield frames
        return
    with frames_path(clip) as path, zipfile.ZipFile(path) as frames:
        yield frames


def write_frames(clip: Clip, path: Path, *, source: Path, start: int = 0) -> None:
    """Write the zip of all annotation frames of a clip. Raises MediaError.

    Args:
        source: A standard video in which the clip begins at frame `start`.
    """
    step = FRAME_RATE // clip.video.dataset.annotation_fps
    decoded = read_frames(source, start=start, count=clip.frame_count, step=step, order="bgr")
    with new_zip(path) as frames:
        for number, (_, bgr) in enumerate(decoded):
            frames.add(frame_name(clip.name, number), encode_jpeg(bgr, order="bgr"))


def forget_frames(clip: Clip) -> None:
    """Let the frames of a clip be made when they are wanted; its stored ones are gone."""
    _set_frames([clip.pk], "")


def _member(file: BinaryIO, clip: Clip, number: int) -> bytes:
    with zipfile.ZipFile(file) as frames:
        return frames.read(frame_name(clip.name, number))


def _has_every_frame(clip: Clip) -> bool:
    """Whether the annotation frames can be made: of stills, only they were imported."""
    return clip.video.has_all_frames and bool(clip.video.file or clip.file)


@contextmanager
def _source(clip: Clip) -> Iterator[tuple[Path, int]]:
    """The standard video, and where the clip begins in it; before it is there, its own file."""
    file, start = (clip.video.file, clip.start_frame) if clip.video.file else (clip.file, 0)
    with local_path(str(file)) as path:
        yield path, start


def _keep(clip: Clip, path: Path, name: str) -> None:
    """Store a copy of the zip `path`, and remove those used longest ago beyond the limit."""
    copy = path.with_name("copy.zip")
    try:
        copy.hardlink_to(path)
        store(copy, name)
    except OSError:
        return  # a full disk, or one without hard links: made again next time
    _set_frames([clip.pk], name)
    _remove_oldest(spare=clip.pk)


def _remove_oldest(*, spare: int) -> None:
    clips = Clip.objects.exclude(frames="").exclude(video__file="").exclude(pk=spare)
    stored: list[tuple[int, int, int, str]] = []
    for pk, name in clips.order_by().values_list("pk", "frames"):
        with suppress(OSError):
            stat = Path(default_storage.path(name)).stat()
            stored.append((stat.st_mtime_ns, stat.st_size, pk, name))
    size = sum(each[1] for each in stored)
    for _, bytes_, pk, name in sorted(stored):
        if size <= settings.ANNOTATION_FRAMES_BYTES:
            return
        _set_frames([pk], "")
        with suppress(OSError):
            remove(name)
        size -= bytes_


def _set_frames(clips: list[int], name: str) -> None:
    """Say whether frames are stored; that is no change that the pipeline plans for."""
    models.QuerySet.update(Clip.objects.filter(pk__in=clips), frames=name)
