"""The pictures and the film of an exported clip: made once, kept, and brought into releases.

They are made from the standard video by the reader that also made the annotation frames. Local
storage keeps a folder per clip, of which every release holds hard links; other storages keep
one zip per clip. A clip that is there is whole, so a killed run goes on with the next one.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from django.core.files.storage import default_storage

from datasets.core.ava import frame_file
from datasets.core.clipping import ExportWindow
from datasets.core.media import cut, encode_jpeg, read_frames
from datasets.core.zipping import new_zip
from datasets.files import keep, local_path, work_folder
from datasets.models import Clip

QUALITY = 90
READ_ONLY = 0o444
FILM = "clip.mp4"


def bring_clip(
    clip: Clip,
    window: ExportWindow,
    release: Path,
    *,
    video: Path,
    video_sum: str,
    progress: Callable[[float], None],
) -> None:
    """Put `rawframes/<clip>/` and `clips/<clip>.mp4` into the folder `release`.

    Args:
        window: Which frames of the standard video.
        video: The standard video.
        video_sum: Its SHA-256; another film under the same name gets pictures of its own.
        progress: Told the share done of this clip.

    Raises:
        MediaError: if the standard video cannot be read.
    """
    recipe = f"{video_sum}/{window.start_frame}/{window.frame_count}/{QUALITY}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    name = f"{clip.video.dataset.name}/exportframes/{clip.name}-{key}"
    try:
        kept = Path(default_storage.path(name))
    except NotImplementedError:
        with work_folder() as folder:
            made = _from_zip(f"{name}.zip", folder, video, window, progress)
            _place(made, release, clip.name)
    else:
        if not kept.is_dir():
            with work_folder() as folder:
                _keep_folder(_make(video, window, folder / "made", progress), kept)
        _place(kept, release, clip.name)


def _make(
    video: Path, window: ExportWindow, folder: Path, progress: Callable[[float], None]
) -> Path:
    """Write all pictures of the window, and its film, into a new folder."""
    folder.mkdir()
    start, count, _ = window
    for index, rgb in read_frames(video, start=start, count=count):
        picture = folder / frame_file(index - start)
        picture.write_bytes(encode_jpeg(rgb, quality=QUALITY))
        progress((index - start) / count)
    cut(video, folder / FILM, start_frame=start, frame_count=count)
    return folder


def _keep_folder(made: Path, kept: Path) -> None:
    """Move a finished folder to its place; whoever came first has made the same."""
    for path in made.iterdir():
        path.chmod(READ_ONLY)  # releases share these files
    os.sync()  # one for all: a quarter of the time that hundreds of fsync take
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(kept)
    except OSError:
        if kept.is_dir():
            return
        beside = kept.with_name(f".{kept.name}.{os.getpid()}.part")  # another disk
        shutil.copytree(made, beside)
        beside.rename(kept)


def _from_zip(
    name: str,
    folder: Path,
    video: Path,
    window: ExportWindow,
    progress: Callable[[float], None],
) -> Path:
    """The pictures out of the zip `name` of the storage, which is made if it is not there."""
    made = folder / "made"
    if default_storage.exists(name):
        with local_path(name) as path, zipfile.ZipFile(path) as archive:
            archive.extractall(made)
        return made
    _make(video, window, made, progress)
    with new_zip(folder / "frames.zip") as archive:
        for path in sorted(made.iterdir()):
            archive.add_file(path.name, path)
    keep(folder / "frames.zip", name)
    return made


def _place(source: Path, release: Path, clip: str) -> None:
    """Link the files of `source` into a release, or copy them where links cannot be made."""
    pictures = release / "rawframes" / clip
    pictures.mkdir(parents=True)
    (release / "clips").mkdir(exist_ok=True)
    for path in source.iterdir():
        target = (
            release / "clips" / f"{clip}.mp4" if path.name == FILM else pictures / path.name
        )
        try:
            target.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, target)
