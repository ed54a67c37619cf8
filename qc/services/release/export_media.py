"""Frames and clip files for releases: exported once per clip and shared by all releases.

A release creates a row for every clip without exported frames; all workers export them in
parallel, including the one that creates the release. Frames come from the standard video, read
as for the annotation frames. Local storage has a folder per clip, of which releases hold hard
links; other storages have one zip per clip. Checksums are stored with the frames, so that later
releases need not read them.
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

from django.core.files.storage import default_storage
from django.utils.translation import gettext

from avaproject.base.storage import announce, local_path, store
from avaproject.base.temporary import partial_path, work_folder
from avaproject.base.work import Stage
from datasets.core.formats.ava import frame_file
from datasets.core.hashing import sha256_of
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import cut, read_frames
from datasets.core.media.video_reader import MediaError
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Video
from qc.core.release.images import QUALITY, encode_frame
from qc.core.release.packing import FileSum, ignore, sum_of
from qc.models import ClipExport, checksum_name
from qc.selectors.release.approved_clips import window_of
from qc.services.release.blur_faces import BlurringError, FaceBlurring, blurring_of

READ_ONLY = 0o444
CLIP_FILE = "clip.mp4"
CHECKSUMS = "sums.json"
POLL_SECONDS = 0.5

Progress = Callable[[float], None]


class ExportError(RuntimeError):
    """The frames of a clip could not be exported; the message says which and why."""


def video_sum(video: Video) -> str:
    """SHA-256 of a standard video, computed again only if its file has changed."""
    name = video.file.name or ""
    state = [default_storage.size(name), str(default_storage.get_modified_time(name))]
    note = checksum_name(video)
    if default_storage.exists(note):
        with default_storage.open(note) as file, suppress(ValueError):
            *was, known = json.load(file)
            if was == state:
                return str(known)
    with local_path(name) as path, work_folder() as folder:
        known = sha256_of(path)
        (folder / "note").write_text(json.dumps([*state, known]), encoding="ascii")
        store(folder / "note", note)
    return known


def request_clip_export(
    clip: Clip,
    *,
    video_sum: str,
    longest_side: int | None,
    blurring: FaceBlurring | None = None,
    has_frames: bool = True,
) -> ClipExport:
    """The export of `clip`; an existing one with the same content is reused.

    Args:
        video_sum: SHA-256 of the standard video.
        longest_side: Pixels of the frames; None for the size of the video.
        blurring: How faces are blurred; None to leave them.
        has_frames: Whether frames are exported beside the clip file.
    """
    key = _content_key(clip, video_sum, longest_side, blurring, has_frames=has_frames)
    method = blurring.method if blurring else ""
    if blurring:  # of tracks that have changed since
        others = ClipExport.objects.filter(clip=clip, blurring=method, stage=Stage.FAILED)
        others.exclude(content_key=key).delete()
    export, _ = ClipExport.objects.get_or_create(
        clip=clip, content_key=key,
        defaults={"longest_side": longest_side, "blurring": method, "has_frames": has_frames},
    )  # fmt: skip
    if export.stage == Stage.DONE and not _is_stored(export):
        ClipExport.objects.filter(pk=export.pk, stage=Stage.DONE).update(
            stage=Stage.WAITING, attempts=0
        )
    return export


def _content_key(
    clip: Clip,
    video_sum: str,
    longest_side: int | None,
    blurring: FaceBlurring | None,
    *,
    has_frames: bool,
) -> str:
    window = window_of(clip)
    content = f"{video_sum}/{window.start_frame}/{window.frame_count}/{QUALITY}"
    if longest_side is not None:
        content += f"/{longest_side}"
    if blurring:
        content += f"/{blurring.key(clip)}"
    if not has_frames:
        content += "/clip"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def export_clip(export_id: int, *, progress: Progress = ignore) -> ClipExport | None:
    """Export one clip; None if another worker has it or it is done."""
    export = ClipExport.objects.claim(export_id)
    if export is None:
        return None

    def report(share: float) -> None:
        export.report(share)
        progress(share)

    with export.working(MediaError, ExportError, BlurringError):
        if not _is_stored(export):
            with work_folder() as folder:
                _store(export, _write_media(export, folder / "made", report))
        export.finish()
    return export


def export_all(keys: Collection[int], *, progress: Progress = ignore) -> None:
    """Run all these exports, here or wait for other workers.

    Raises:
        ExportError: if a clip cannot be exported.
    """
    ClipExport.objects.filter(pk__in=keys).retry()
    left, count = list(keys), max(len(keys), 1)
    while left:
        for pk in left:
            _export_or_release(pk)
            done = ClipExport.objects.filter(pk__in=keys).done().count()
            progress(done / count)
        rows = ClipExport.objects.filter(pk__in=left)
        rows.fail_exhausted()
        if failed := rows.filter(stage=Stage.FAILED).first():
            raise ExportError(f"{failed.clip}: {failed.error}")
        left = list(rows.exclude(stage=Stage.DONE).values_list("pk", flat=True))
        if left:
            time.sleep(POLL_SECONDS)


def _export_or_release(pk: int) -> None:
    try:
        export_clip(pk)
    except BaseException:
        ClipExport.objects.release_claim(pk)
        raise


def add_clip_media(export: ClipExport, release: Path) -> dict[str, FileSum]:
    """Add `rawframes/<clip>/`, if exported, and `clips/<clip>.mp4`; sums by path in it."""
    name = export.clip.name
    kept = _stored_folder(export)
    if kept is not None:
        return _place(kept, release, name)
    with work_folder() as folder, local_path(f"{export.storage_name}.zip") as path:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / "made")
        return _place(folder / "made", release, name)


def add_clip_video(clip: Clip, release: Path, *, video: Path) -> None:
    """Add only `clips/<clip>.mp4` to the folder `release`."""
    (release / "clips").mkdir(exist_ok=True)
    start, count, _ = window_of(clip)
    cut(video, release / "clips" / f"{clip.name}.mp4", start_frame=start, frame_count=count)


def _stored_folder(export: ClipExport) -> Path | None:
    """The folder of the frames; None in a storage without paths."""
    try:
        return Path(default_storage.path(export.storage_name))
    except NotImplementedError:
        return None


def _is_stored(export: ClipExport) -> bool:
    kept = _stored_folder(export)
    if kept is None:
        return bool(default_storage.exists(f"{export.storage_name}.zip"))
    return kept.is_dir()


def _write_media(export: ClipExport, folder: Path, progress: Progress) -> Path:
    """Write all frames of the window, the clip file and the checksums to a new folder."""
    folder.mkdir()
    clip = export.clip
    name = clip.video.file.name or ""
    if not name or not default_storage.exists(name):
        raise ExportError(
            gettext("the standard video of %(video)s is no longer in the storage: recreate it")
            % {"video": clip.video}
        )
    start, count, _ = window_of(clip)
    blurring = blurring_of(export.blurring)
    with local_path(name) as video:
        if blurring:
            _require_unchanged(export, blurring)
            blurring.write_clip(clip, video, folder / CLIP_FILE)
            if export.has_frames:
                _write_frames(export, folder / CLIP_FILE, range(count), folder, progress)
        else:
            _write_frames(export, video, range(start, start + count), folder, progress)
            cut(video, folder / CLIP_FILE, start_frame=start, frame_count=count)
    if export.has_frames and not blurring:
        _compare_with_clip_file(export, folder)
    sums = {path.name: sum_of(path) for path in sorted(folder.iterdir())}
    (folder / CHECKSUMS).write_text(json.dumps(sums), encoding="ascii")
    return folder


def _require_unchanged(export: ClipExport, blurring: FaceBlurring) -> None:
    """Raises ExportError if other regions would be blurred than when it was requested."""
    clip = export.clip
    key = _content_key(
        clip, video_sum(clip.video), export.longest_side, blurring, has_frames=export.has_frames
    )
    if key != export.content_key:
        raise ExportError(
            gettext(
                "the video, the tracks or the face detector of %(clip)s changed while the "
                "release was made: try again"
            )
            % {"clip": clip}
        )


def _write_frames(
    export: ClipExport, video: Path, frames: range, folder: Path, progress: Progress
) -> None:
    """Write these frames of a video as images, numbered from the first."""
    for index, rgb in read_frames(video, start=frames.start, count=len(frames)):
        number = index - frames.start
        content = encode_frame(rgb, longest_side=export.longest_side)
        (folder / frame_file(number)).write_bytes(content)
        progress(number / len(frames))


def _compare_with_clip_file(export: ClipExport, folder: Path) -> None:
    """Compare one frame of each second with the clip file, bit for bit."""
    for index, rgb in read_frames(folder / CLIP_FILE, step=FRAME_RATE):
        frame = (folder / frame_file(index)).read_bytes()
        if frame != encode_frame(rgb, longest_side=export.longest_side):
            raise ExportError(
                gettext("frame %(index)s of %(clip)s differs from its clip file")
                % {"index": index + 1, "clip": export.clip}
            )


def _store(export: ClipExport, made: Path) -> None:
    """Move a finished folder to its place; an existing one has the same content."""
    kept = _stored_folder(export)
    if kept is None:
        archive_path = made.with_name("frames.zip")
        with new_zip(archive_path) as archive:
            for path in sorted(made.iterdir()):
                archive.add_file(path.name, path)
        store(archive_path, f"{export.storage_name}.zip")
        return
    for path in made.iterdir():
        path.chmod(READ_ONLY)  # releases share these files
    os.sync()  # once for all: four times faster than hundreds of fsync
    kept.parent.mkdir(parents=True, exist_ok=True)
    announce(f"{export.storage_name}/")
    try:
        made.rename(kept)
    except OSError:
        if kept.is_dir():
            return
        with partial_path(kept) as copy:  # another disk
            shutil.copytree(made, copy)
            copy.rename(kept)


def _place(source: Path, release: Path, clip: str) -> dict[str, FileSum]:
    """Link the files of `source` into a release, or copy them if links are not possible."""
    known = json.loads((source / CHECKSUMS).read_bytes())
    if known.keys() - {CLIP_FILE}:
        (release / "rawframes" / clip).mkdir(parents=True)
    (release / "clips").mkdir(exist_ok=True)
    here, there = os.fspath(source), os.fspath(release)
    sums: dict[str, FileSum] = {}
    for name, its in known.items():
        path = f"clips/{clip}.mp4" if name == CLIP_FILE else f"rawframes/{clip}/{name}"
        try:
            os.link(f"{here}/{name}", f"{there}/{path}")
        except OSError:
            shutil.copyfile(source / name, release / path)
        sums[path] = FileSum(*its)
    return sums
