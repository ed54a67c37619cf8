"""Pipeline step "import clips": the videos and clips of a bundle that another machine has made.

`clips.zip` holds `<clip>.mp4` and the standard videos as `videos/<video>.mp4`, `frames.zip` the
annotation frames as `<clip>/<frame name>`; sizes and SHA-256 of both must be those of the
manifest. A video is recognised by the SHA-256 of its raw file. A bundle may lack `clips.zip`:
then its clips have annotation frames only. A prototype's bare files are converted.

The files with tracks are stored for the next step, `tracking.services.import_tracks`.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.formats import bundle_manifest as manifests
from datasets.core.formats.bundle_files import (
    BundleError,
    open_member,
    open_zip,
    read_manifest,
    read_member,
    unpacked_size,
    verified_file,
)
from datasets.core.formats.bundle_manifest import CLIPS, FRAMES, ClipEntry, Manifest, VideoEntry
from datasets.core.formats.prototype_frames import convert_prototype, is_prototype_bundle
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.sandboxed_decoder import check_video, make_still_video
from datasets.core.media.stills import jpeg_size
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import clip_name, frame_name
from datasets.core.sizes import size_text
from datasets.core.zip_reader import ArchiveError, extract, list_files
from datasets.core.zip_writer import new_zip
from datasets.models import BundleImport, Clip, Dataset, Upload, Video
from datasets.services.bundle_limitations import (
    clips_without_video,
    limitations_of,
    no_standard_video,
)
from datasets.services.cut_clips import annotation_frame_count, encode_poster
from datasets.services.standardise import decoder_limits
from datasets.services.upload import archive_limits, delete_bundle_zip, reserved_for_files
from datasets.services.video_names import add_video, reserve_name

CHUNK = 1 << 20
MAX_FRAME_BYTES = 64 << 20  # of one annotation frame
CONVERTED = 0.4  # share of the work

Progress = Callable[[float], None]


class OpenBundle(NamedTuple):
    """A bundle whose files lie in `folder`; `notes` say what of it was skipped."""

    folder: Path
    notes: list[str]
    start: float  # share of the work that is done


class _Zips(NamedTuple):
    manifest: Manifest
    frames: zipfile.ZipFile
    clips: zipfile.ZipFile | None


class _Entry(NamedTuple):
    """A clip in a bundle, and its video."""

    video: VideoEntry
    clip: ClipEntry
    frame_rate: int


def plan_bundle_imports(since: datetime | None = None) -> int:
    """Create the import of every bundle that was uploaded; return how many.

    The zips of bundles whose clips are imported are deleted.

    Args:
        since: Look only at uploads and imports that have changed since then.
    """
    new = Upload.objects.done().changed_since(since)
    new = new.filter(is_bundle=True, bundle_import=None)
    rows = [BundleImport(upload_id=pk) for pk in new.values_list("pk", flat=True)]
    BundleImport.objects.bulk_create(rows, ignore_conflicts=True)
    imported = BundleImport.objects.done().changed_since(since).exclude(upload__file="")
    for done in imported.select_related("upload"):
        delete_bundle_zip(done.upload)
    return len(rows)


def import_uploaded_clips(import_id: int) -> BundleImport | None:
    """Import the videos and clips of an uploaded bundle, and store its files with tracks.

    None if it is done or in other hands.
    """
    row: BundleImport | None = BundleImport.objects.claim(import_id)
    if row is None:
        return None
    upload = row.upload
    with row.working(BundleError, OSError):
        with (
            local_path(upload.file.name or "") as path,
            open_bundle(path, progress=row.report) as bundle,
        ):
            clips = import_clips(upload.dataset, bundle, upload=upload, progress=row.report)
            folder = row.stored_folder
            for name in manifests.TRACK_FILES:
                if (bundle.folder / name).is_file():
                    store(bundle.folder / name, f"{folder}/{name}")
        notes = [*bundle.notes, *limitations_of(clips)]
        row.finish(clip_count=len(clips), notes=notes, folder=folder)
    return row


@contextmanager
def open_bundle(
    path: Path, *, rate: int | None = None, progress: Progress = lambda share: None
) -> Iterator[OpenBundle]:
    """The files of the bundle at `path`: a folder or a zip, ours or a prototype's bare files.

    Args:
        rate: Frames a second in a prototype's files, if they do not imply it.
        progress: Called with the share done.

    Raises BundleError if it is damaged, or larger than the disk.
    """
    with ExitStack() as stack:
        folder = path
        if path.is_file():
            folder = stack.enter_context(work_folder())
            _unpack(path, folder)
        if not folder.is_dir() or not is_prototype_bundle(
            {one.name for one in folder.iterdir()}
        ):
            yield OpenBundle(folder, [], 0.0)
            return
        _check_disk(folder)
        target = stack.enter_context(work_folder())
        notes = convert_prototype(
            folder, target, rate=rate, progress=lambda share: progress(share * CONVERTED)
        )
        yield OpenBundle(target, notes, CONVERTED)


def import_clips(
    dataset: Dataset,
    bundle: OpenBundle,
    *,
    upload: Upload | None = None,
    progress: Progress = lambda share: None,
) -> list[Clip]:
    """Add the videos and clips of `bundle` as done; return all of its clips.

    What exists already is left alone, so it may be called again at any time. A dataset without
    videos takes the bundle's number of annotation frames a second.

    Raises:
        BundleError: The bundle is damaged or does not fit. Files that differ from the manifest
            are found before anything is stored; a video with a fault leaves nothing.
    """
    manifest = read_manifest(bundle.folder)
    _check_rate(dataset, manifest)
    hashes = [video.sha256 for video in manifest.videos]
    _check_known(dataset, hashes)
    known = set(dataset.videos.filter(sha256__in=hashes).values_list("sha256", flat=True))
    if len(known) < len(hashes):
        _check_disk(bundle.folder)
    # Those of the next step, too: a damaged copy is found before anything is stored.
    optional = [name for name in (CLIPS, manifests.TRACKS) if name in manifest.files]
    paths = {name: verified_file(manifest, bundle.folder, name) for name in (FRAMES, *optional)}
    with ExitStack() as stack:
        frames = stack.enter_context(open_zip(paths[FRAMES]))
        clips = stack.enter_context(open_zip(paths[CLIPS])) if CLIPS in paths else None
        zips = _Zips(manifest, frames, clips)
        for number, video in enumerate(manifest.videos):
            progress(bundle.start + (1 - bundle.start) * number / len(manifest.videos))
            if video.sha256 not in known:
                try:
                    _import_video(dataset, video, zips, upload)
                except MediaError as error:
                    raise BundleError(
                        _("%(video)s is not whole: %(error)s")
                        % {"video": video.name, "error": error}
                    ) from error
    imported = Clip.objects.of(dataset).filter(video__sha256__in=hashes)
    return list(imported.select_related("video"))


def _unpack(path: Path, folder: Path) -> None:
    """Extract the bundle in the zip at `path` into `folder`. Raises BundleError."""
    try:
        members = list_files(path, manifests.FILES, archive_limits())
        if not manifests.is_bundle(members):
            raise BundleError(
                _("%(path)s is not a zip of a bundle: it has %(members)s")
                % {"path": path.name, "members": sorted(members)}
            )
        with reserved_for_files(sum(one.size for one in members.values())) as release:
            for name, one in members.items():
                release(one.size)
                extract(path, one, folder / name)
    except ArchiveError as error:
        raise BundleError(str(error)) from error


def _check_disk(folder: Path) -> None:
    """Raises BundleError if the content of the bundle in `folder` does not fit on the disk."""
    try:
        with reserved_for_files(unpacked_size(folder)):
            return
    except ArchiveError as error:
        raise BundleError(str(error)) from error


def _check_rate(dataset: Dataset, manifest: Manifest) -> None:
    theirs, own = manifest.annotation_fps, dataset.annotation_fps
    if theirs != own and dataset.videos.exists():
        raise BundleError(
            _(
                "the bundle has %(theirs)s annotation frames a second, and dataset "
                "%(dataset)s has %(own)s: import it into a dataset with the same"
            )
            % {"theirs": theirs, "dataset": dataset, "own": own}
        )


def _take_rate(dataset: Dataset, manifest: Manifest) -> None:
    """Give a dataset without a video the bundle's rate, in the transaction of its first one."""
    dataset.refresh_from_db(from_queryset=Dataset.objects.select_for_update())
    _check_rate(dataset, manifest)  # another bundle may have added the first video meanwhile
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
            _(
                "the video %(video)s is in %(dataset)s already, and not finished: wait "
                "until its clips are done, or import the bundle into another dataset"
            )
            % {"video": video, "dataset": dataset}
        )


def _import_video(
    dataset: Dataset, entry: VideoEntry, bundle: _Zips, upload: Upload | None
) -> None:
    """Make and check all files of one video, then store them, then write its rows at once."""
    name = reserve_name(dataset, f"{entry.name}.mp4", entry.sha256)
    warnings = [_("Imported from a bundle: the raw file %s is not here.") % entry.original_name]
    rate = entry.frame_rate if bundle.clips else bundle.manifest.annotation_fps
    video = Video(
        dataset=dataset,
        upload=upload,
        name=name,
        original_name=entry.original_name[:255],
        sha256=entry.sha256,
        size=0,
        width=entry.width,
        height=entry.height,
        frame_count=entry.frame_count,
        frame_rate=rate,
        warnings=warnings,
        stage=Stage.DONE,
        progress=1.0,
    )
    files: list[tuple[Video | Clip, str, Path, str]] = []  # row, field, local, in the storage
    with work_folder() as folder:
        inside = f"videos/{entry.name}.mp4"
        if bundle.clips and inside in bundle.clips.namelist():
            path = _extracted(bundle.clips, inside, folder)
            check_video(
                path, frame_count=entry.frame_count, frame=0, resources=decoder_limits()
            )
            files.append((video, "file", path, video.standard_name))
        else:
            warnings.append(
                clips_without_video(len(entry.clips), rate)
                if rate < FRAME_RATE
                else no_standard_video()
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
            made = _make_files(clip, _Entry(entry, one, rate), bundle, place)
            fields = zip(("file", "frames", "poster"), made, clip.stored_names, strict=True)
            files += [(clip, *each) for each in fields]
        for row, field, path, stored in files:
            setattr(row, field, store(path, stored))
    try:
        with transaction.atomic():
            _take_rate(dataset, bundle.manifest)
            add_video(video)
            Clip.objects.bulk_create(clips)
    except IntegrityError as error:
        raise BundleError(
            _("the video %(entry)s was added to %(dataset)s meanwhile: try again")
            % {"entry": entry.name, "dataset": dataset}
        ) from error


def _make_files(
    clip: Clip, entry: _Entry, bundle: _Zips, folder: Path
) -> tuple[Path, Path, Path]:
    """The video file, the annotation frames and the poster of a clip, made in `folder`."""
    rate = bundle.manifest.annotation_fps
    count = annotation_frame_count(clip.frame_count, rate)
    frames, poster = folder / FRAMES, folder / "poster.jpg"
    with new_zip(frames) as archive:
        for index in range(count):
            archive.add(frame_name(clip.name, index), _frame(bundle, entry, index))
    if entry.frame_rate == FRAME_RATE and bundle.clips:
        file = _extracted(bundle.clips, f"{entry.clip.name}.mp4", folder)
        rgb = _middle_of(file, entry, FRAME_RATE // rate * (count // 2))
    else:
        file = folder / "stills.mp4"
        rgb = make_still_video(frames, file, rate=rate, resources=decoder_limits())
    poster.write_bytes(encode_poster(rgb))
    return file, frames, poster


def _middle_of(file: Path, entry: _Entry, frame: int) -> NDArray[np.uint8]:
    """One frame of a clip, which must be as long and as large as the manifest says."""
    count, resources = entry.clip.frame_count, decoder_limits()
    rgb = check_video(file, frame_count=count, frame=frame, resources=resources)
    _check_size(file.name, (rgb.shape[1], rgb.shape[0]), entry.video)
    return rgb


def _frame(bundle: _Zips, entry: _Entry, index: int) -> bytes:
    """An annotation frame, which must be as large as the manifest says."""
    name = f"{entry.clip.name}/{frame_name(entry.clip.name, index)}"
    content = read_member(bundle.frames, name, max_bytes=MAX_FRAME_BYTES)
    try:
        size = jpeg_size(content)
    except MediaError as error:
        raise BundleError(f"{name} is {error}") from error
    _check_size(name, size, entry.video)
    return content


def _check_size(name: str, size: tuple[int, int], video: VideoEntry) -> None:
    if size != (video.width, video.height):
        raise BundleError(
            _("%(name)s has %(x)sx%(y)s pixels, but the manifest says %(size)s")
            % {
                "name": name,
                "x": size[0],
                "y": size[1],
                "size": f"{video.width}x{video.height}",
            }
        )


def _extracted(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    with open_member(archive, name) as source, path.open("wb") as target:
        # zipfile reads no more of a member than its directory says.
        if archive.getinfo(name).file_size > settings.MAX_VIDEO_BYTES:
            raise BundleError(
                _("%(name)s has more than %(most)s (AVA_MAX_VIDEO_BYTES)")
                % {"name": name, "most": size_text(settings.MAX_VIDEO_BYTES)}
            )
        shutil.copyfileobj(source, target, CHUNK)
    return path
