"""Stage 1: a zip is received, and unpacked into videos."""

import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from avaproject.base.storage import link, local_path, remove, store, work_folder
from avaproject.base.work import Stage
from datasets.core.zip_reader import (
    ArchiveError,
    ArchiveLimits,
    ArchiveMember,
    extract,
    list_files,
    list_videos,
)
from datasets.core.hashing import sha256_of
from datasets.core.formats.bundle_manifest import FILES, is_bundle
from datasets.models import Dataset, Upload, Video
from datasets.services.name import add_video, give_name

__all__ = [
    "ArchiveError",
    "archive_limits",
    "check_size",
    "check_space",
    "forget_bundle",
    "forget_unpacked",
    "receive_unread",
    "receive_zip",
    "unpack_upload",
]

UNREAD = "?"
READING = 0.2  # share of the work that is finding the SHA-256


def receive_zip(
    dataset: Dataset, path: Path, *, original_name: str, move: bool = False
) -> Upload:
    """Take the zip at `path` into the storage, to be unpacked.

    The row of a zip that is here already is given back; if it had failed, it is tried again.

    Args:
        move: Whether `path` is ours to use up; otherwise it stays, and must until it is
            unpacked.

    Raises ArchiveError if the zip is larger than `AVA_MAX_ZIP_BYTES`.
    """
    size = path.stat().st_size
    check_size(original_name, size)
    sha256 = sha256_of(path)
    known = Upload.objects.filter(dataset=dataset, sha256=sha256)
    upload = known.first()
    if upload is not None and upload.stage != Stage.FAILED:
        if move:
            path.unlink()
        return upload
    name = f"{dataset.name}/uploads/{sha256[:16]}.zip"
    if move:
        store(path, name)
    else:
        link(path, name, stays=True)
    upload, _ = Upload.objects.get_or_create(
        dataset=dataset,
        sha256=sha256,
        defaults={"original_name": original_name[:255], "file": name, "size": size},
    )
    if known.retry():
        known.update(file=name)
        upload.refresh_from_db()
    return upload


def receive_unread(dataset: Dataset, path: Path, *, original_name: str, key: str) -> Upload:
    """Take the zip at `path`, which may then go; whether it is known is seen later.

    For zips so large that nobody should wait for their SHA-256; `key` is one of a kind. Whoever
    is killed meanwhile has lost nothing: a zip that comes twice is known.
    """
    size = path.stat().st_size
    check_size(original_name, size)
    file = link(path, f"{dataset.name}/uploads/{key}.zip", stays=False)
    upload, _ = Upload.objects.get_or_create(
        dataset=dataset,
        sha256=f"{UNREAD}{key}",
        defaults={"original_name": original_name[:255], "size": size, "file": file},
    )
    return upload


def check_size(original_name: str, size: int) -> None:
    """Raises ArchiveError if a zip of `size` bytes is too large."""
    if size > settings.MAX_ZIP_BYTES:
        raise ArchiveError(
            f"{original_name} has {size / 1e9:.1f} GB; "
            f"at most {settings.MAX_ZIP_BYTES / 1e9:.1f} are allowed (AVA_MAX_ZIP_BYTES)"
        )


def unpack_upload(
    upload_id: int, *, progress: Callable[[float], None] | None = None
) -> Upload | None:
    """Make a Video of each new video in a zip; None if the upload is done or in other hands.

    A member that cannot be taken is kept as a sentence in `Upload.refused` and stops no other.
    The zip itself is removed when all is unpacked; a bundle stays as it is, to be taken over.
    `progress` is told the share done.
    """
    upload: Upload | None = Upload.objects.claim(upload_id)
    if upload is None:
        return None

    def report(share: float) -> None:
        upload.report(share)
        if progress:
            progress(share)

    with upload.working(ArchiveError, OSError):
        with local_path(str(upload.file.name)) as path:
            begun = READING if upload.sha256.startswith(UNREAD) else 0.0
            twin = _identified(upload, path, lambda share: report(share * begun))
            is_brought = is_bundle(list_files(path, FILES, archive_limits()))
            refused: list[dict[str, str]] = []
            if twin:
                refused = [{"name": upload.original_name, "reason": f"the same zip as {twin}"}]
            elif not is_brought:
                refused = _unpacked(
                    upload, path, lambda share: report(begun + share * (1 - begun))
                )
        upload.finish(refused=refused, is_bundle=is_brought and not twin)
        forget_unpacked()
    return upload


def forget_unpacked() -> int:
    """Remove zips whose videos are all unpacked; return how many."""
    unpacked = Upload.objects.done().filter(is_bundle=False).exclude(file="")
    count = 0
    for upload in unpacked:
        try:
            count += _forget(upload)
        except OSError:
            break  # the storage is away; the next worker comes to it again
    return count


def forget_bundle(upload: Upload) -> None:
    """Remove the zip of a bundle that was taken over."""
    if upload.file:
        _forget(upload)


def _forget(upload: Upload) -> int:
    remove(upload.file.name or "")
    return Upload.objects.filter(pk=upload.pk).update(file="")


def _identified(upload: Upload, path: Path, progress: Callable[[float], None]) -> str:
    """Give the row of an unread zip its SHA-256; or the name of the zip that has it already."""
    if not upload.sha256.startswith(UNREAD):
        return ""
    sha256 = sha256_of(path, progress=progress)
    same = Upload.objects.filter(dataset=upload.dataset, sha256=sha256)
    twin = same.exclude(stage=Stage.FAILED).first()
    if twin:
        return twin.original_name
    for failed in same:  # this one takes its place
        Upload.objects.filter(pk=failed.pk).update(sha256=f"{UNREAD}{failed.pk}")
    try:
        with transaction.atomic():
            Upload.objects.filter(pk=upload.pk).update(sha256=sha256)
    except IntegrityError:
        return "one that came in this very moment"
    return ""


def _unpacked(
    upload: Upload, path: Path, progress: Callable[[float], None]
) -> list[dict[str, str]]:
    """Take all videos of the zip; what was not taken, with the reasons."""
    listing = list_videos(path, archive_limits())
    check_space(listing.size)
    refused = [refusal._asdict() for refusal in listing.refused]
    done = 0
    for member in listing.videos:
        if reason := _take(upload, path, member):
            refused.append({"name": member.name, "reason": reason})
        done += member.size
        progress(done / max(listing.size, 1))
    return refused


def archive_limits() -> ArchiveLimits:
    """What a zip from outside may hold here."""
    return ArchiveLimits(
        members=settings.MAX_ZIP_MEMBERS,
        total_bytes=settings.MAX_ZIP_BYTES,
        member_bytes=settings.MAX_VIDEO_BYTES,
    )


def check_space(size: int) -> None:
    """Raises ArchiveError if the disk has no room for `size` bytes of unpacked files."""
    free = shutil.disk_usage(settings.DATA_DIR).free
    if size > free:
        raise ArchiveError(
            f"its files need {size / 1e9:.1f} GB; only {free / 1e9:.1f} GB are free "
            f"at {settings.DATA_DIR}; make room, then try again"
        )


def _take(upload: Upload, path: Path, member: ArchiveMember) -> str:
    """Make a video of one member; the reason why not, or an empty text."""
    with work_folder() as folder:
        target = folder / "member"
        try:
            sha256 = extract(path, member, target)
        except ArchiveError as error:
            return str(error)
        video = _add_video(upload, member, target, sha256)
    is_ours = video.upload_id == upload.pk and video.original_name == member.name[:255]
    return "" if is_ours else f"the same film as {video.original_name}, which is here already"


def _add_video(upload: Upload, member: ArchiveMember, file: Path, sha256: str) -> Video:
    """The row of these bytes, made if it is not there yet."""
    dataset = upload.dataset
    films = dataset.videos.filter(sha256=sha256)
    if known := films.first():
        return known
    name = give_name(dataset, member.name, sha256)
    video = Video(
        dataset=dataset,
        upload=upload,
        name=name,
        original_name=member.name[:255],
        sha256=sha256,
        size=member.size,
        raw=store(file, f"{dataset.name}/raw/{sha256[:16]}-{name}"),
    )
    try:
        add_video(video)
    except IntegrityError:
        return films.get()  # another zip of this dataset brought it just now
    return video
