"""The pictures and the film of an exported clip: made once, kept, and brought into releases.

A release writes a work order for every clip whose pictures it lacks; all workers make them side
by side, the one that makes the release among them. They come from the standard video, by the
reader that also made the annotation frames. Local storage keeps a folder per clip, of which
every release holds hard links; other storages keep one zip per clip. Beside the pictures lie
their sums, so that a later release need not read them to know them.
"""

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from django.core.files.storage import default_storage

from avaproject.base.storage import keep, local_path, work_folder
from avaproject.base.work import Stage
from datasets.core.ava import frame_file
from datasets.core.clipping import FRAME_RATE, ExportWindow, export_window
from datasets.core.hashing import sha256_of
from datasets.core.media import MediaError, cut, read_frames
from datasets.core.zipping import new_zip
from datasets.models import Clip, Video
from qc.core.release.images import QUALITY, export_picture
from qc.core.release.packing import FileSum, ignore, sum_of
from qc.models import ClipExport, sum_note

READ_ONLY = 0o444
FILM = "clip.mp4"
SUMS = "sums.json"
SECONDS_BETWEEN_LOOKS = 0.5

Progress = Callable[[float], None]


class ExportError(RuntimeError):
    """The pictures of a clip could not be made; the text says whose and why."""


def window_of(clip: Clip) -> ExportWindow:
    """Which frames of the standard video a release shows of `clip`."""
    return export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )


def video_sum(video: Video) -> str:
    """SHA-256 of a standard video, read anew only if its file was written to since."""
    name = video.file.name or ""
    state = [default_storage.size(name), str(default_storage.get_modified_time(name))]
    note = sum_note(video)
    if default_storage.exists(note):
        with default_storage.open(note) as file, suppress(ValueError):
            *was, known = json.load(file)
            if was == state:
                return str(known)
    with local_path(name) as path, work_folder() as folder:
        known = sha256_of(path)
        (folder / "note").write_text(json.dumps([*state, known]), encoding="ascii")
        keep(folder / "note", note)
    return known


def order_export(clip: Clip, *, video_sum: str, longest_side: int | None) -> ClipExport:
    """The work order for the pictures of `clip`; the one that is there already, if any.

    Args:
        video_sum: SHA-256 of the standard video; another one gets pictures of its own.
        longest_side: Of the pictures; None for those of the video.
    """
    window = window_of(clip)
    recipe = f"{video_sum}/{window.start_frame}/{window.frame_count}/{QUALITY}"
    if longest_side is not None:
        recipe += f"/{longest_side}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    export, _ = ClipExport.objects.get_or_create(
        clip=clip, recipe=key, defaults={"longest_side": longest_side}
    )
    if export.stage == Stage.DONE and not _is_kept(export):
        ClipExport.objects.filter(pk=export.pk, stage=Stage.DONE).update(
            stage=Stage.WAITING, attempts=0
        )
    return export


def export_clip(export_id: int, *, progress: Progress = ignore) -> ClipExport | None:
    """Make the pictures of one clip; None if somebody else does, or they are there."""
    export = ClipExport.objects.claim(export_id)
    if export is None:
        return None

    def tell(share: float) -> None:
        export.report(share)
        progress(share)

    with export.working(MediaError, ExportError):
        if not _is_kept(export):
            with work_folder() as folder:
                _keep(export, _make(export, folder / "made", tell))
        export.finish()
    return export


def export_all(keys: Collection[int], *, progress: Progress = ignore) -> None:
    """See that all these exports are made, here or by other workers.

    Raises:
        ExportError: if the pictures of a clip cannot be made.
    """
    ClipExport.objects.filter(pk__in=keys).retry()
    left, count = list(keys), max(len(keys), 1)
    while left:
        for pk in left:
            _export_unless_cut_off(pk)
            done = ClipExport.objects.filter(pk__in=keys).done().count()
            progress(done / count)
        rows = ClipExport.objects.filter(pk__in=left)
        rows.give_up()
        if failed := rows.filter(stage=Stage.FAILED).first():
            raise ExportError(f"{failed.clip}: {failed.error}")
        left = list(rows.exclude(stage=Stage.DONE).values_list("pk", flat=True))
        if left:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _export_unless_cut_off(pk: int) -> None:
    try:
        export_clip(pk)
    except BaseException:
        ClipExport.objects.put_back(pk)
        raise


class Brought(NamedTuple):
    """What came into a release with a clip."""

    sums: dict[str, FileSum]  # by path in the release
    is_compared: bool  # whether its pictures were held against its film when made


def bring_clip(export: ClipExport, release: Path) -> Brought:
    """Put `rawframes/<clip>/` and `clips/<clip>.mp4` into the folder `release`."""
    name = export.clip.name
    kept = _kept_folder(export)
    if kept is not None:
        return _place(kept, release, name)
    with work_folder() as folder, local_path(f"{export.kept_name}.zip") as path:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / "made")
        return _place(folder / "made", release, name)


def bring_film(clip: Clip, release: Path, *, video: Path) -> None:
    """Put `clips/<clip>.mp4` alone into the folder `release`."""
    (release / "clips").mkdir(exist_ok=True)
    start, count, _ = window_of(clip)
    cut(video, release / "clips" / f"{clip.name}.mp4", start_frame=start, frame_count=count)


def _kept_folder(export: ClipExport) -> Path | None:
    """Where the pictures lie; None in a storage whose files have no paths."""
    try:
        return Path(default_storage.path(export.kept_name))
    except NotImplementedError:
        return None


def _is_kept(export: ClipExport) -> bool:
    kept = _kept_folder(export)
    if kept is None:
        return bool(default_storage.exists(f"{export.kept_name}.zip"))
    return kept.is_dir()


def _make(export: ClipExport, folder: Path, progress: Progress) -> Path:
    """Write all pictures of the window, the film, and their sums into a new folder."""
    folder.mkdir()
    clip = export.clip
    name = clip.video.file.name or ""
    if not name or not default_storage.exists(name):
        raise ExportError(
            f"the standard video of {clip.video} is not in the storage any more: make it again"
        )
    start, count, _ = window_of(clip)
    with local_path(name) as video:
        for index, rgb in read_frames(video, start=start, count=count):
            content = export_picture(rgb, longest_side=export.longest_side)
            (folder / frame_file(index - start)).write_bytes(content)
            progress((index - start) / count)
        cut(video, folder / FILM, start_frame=start, frame_count=count)
    _compare_with_film(export, folder)
    _write_sums(folder)
    return folder


def _compare_with_film(export: ClipExport, folder: Path) -> None:
    """Hold one picture of each second against the film, bit for bit."""
    for index, rgb in read_frames(folder / FILM, step=FRAME_RATE):
        picture = (folder / frame_file(index)).read_bytes()
        if picture != export_picture(rgb, longest_side=export.longest_side):
            raise ExportError(f"picture {index + 1} of {export.clip} is not that of its film")


def _write_sums(folder: Path) -> dict[str, FileSum]:
    sums = {path.name: sum_of(path) for path in sorted(folder.iterdir())}
    (folder / SUMS).write_text(json.dumps(sums), encoding="ascii")
    return sums


def _keep(export: ClipExport, made: Path) -> None:
    """Move a finished folder to its place; whoever came first has made the same."""
    kept = _kept_folder(export)
    if kept is None:
        archive_path = made.with_name("frames.zip")
        with new_zip(archive_path) as archive:
            for path in sorted(made.iterdir()):
                archive.add_file(path.name, path)
        keep(archive_path, f"{export.kept_name}.zip")
        return
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


def _place(source: Path, release: Path, clip: str) -> Brought:
    """Link the files of `source` into a release, or copy them where links cannot be made."""
    (release / "rawframes" / clip).mkdir(parents=True)
    (release / "clips").mkdir(exist_ok=True)
    here, there = os.fspath(source), os.fspath(release)
    sums: dict[str, FileSum] = {}
    for name, its in _sums_of(source).items():
        path = f"clips/{clip}.mp4" if name == FILM else f"rawframes/{clip}/{name}"
        try:
            os.link(f"{here}/{name}", f"{there}/{path}")
        except OSError:
            shutil.copyfile(source / name, release / path)
        sums[path] = its
    return Brought(sums, is_compared=(source / SUMS).is_file())


def _sums_of(folder: Path) -> dict[str, FileSum]:
    path = folder / SUMS
    if not path.is_file():  # kept before there were sums
        return {path.name: sum_of(path) for path in sorted(folder.iterdir())}
    return {name: FileSum(*its) for name, its in json.loads(path.read_bytes()).items()}
