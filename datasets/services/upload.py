"""Pipeline stage 1: receive a zip, and unpack it into videos."""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from avaproject.base.storage import link, local_path, remove, store
from avaproject.base.temporary import free_bytes, reserved_space, work_folder
from avaproject.base.work import Stage
from datasets.accounts import quotas
from datasets.accounts.activity import record
from datasets.core.formats.bundle_manifest import FILES, is_bundle
from datasets.core.hashing import sha256_of
from datasets.core.sizes import size_text
from datasets.core.zip_reader import (
    ArchiveError,
    ArchiveLimits,
    ArchiveMember,
    extract,
    list_files,
    list_videos,
)
from datasets.models import Dataset, Upload, Video
from datasets.services.video_names import add_video, reserve_name

__all__ = [
    "ArchiveError",
    "archive_limits",
    "check_size",
    "delete_bundle_zip",
    "delete_unpacked_zips",
    "receive_unhashed",
    "receive_zip",
    "reserved_for_files",
    "unpack_upload",
]

UNHASHED = "?"
HASHING_SHARE = 0.2  # share of the progress bar for computing the SHA-256


def receive_zip(
    dataset: Dataset, path: Path, *, original_name: str, move: bool = False
) -> Upload:
    """Store the zip at `path`, to be unpacked.

    A zip that the dataset has already gives its existing row; if that had failed, it is
    retried.

    Args:
        move: Whether to move `path` into the storage; otherwise it stays, and must until it is
            unpacked.

    Raises ArchiveError if the zip is larger than `AVA_MAX_ZIP_BYTES`, or than what is left of a
    quota.
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
    with transaction.atomic():
        quotas.check_bytes(dataset.charged_to_id, size)
    name = f"{dataset.name}/uploads/{sha256[:16]}.zip"
    if move:
        store(path, name)
    else:
        link(path, name, is_permanent=True)
    with quotas.charging_bytes(dataset, 0 if upload else size):
        upload, is_new = Upload.objects.get_or_create(
            dataset=dataset,
            sha256=sha256,
            defaults={"original_name": original_name[:255], "file": name, "size": size},
        )
        if is_new:
            record("upload", original_name, dataset=dataset)
    if known.retry():
        known.update(file=name)
        upload.refresh_from_db()
    return upload


def receive_unhashed(dataset: Dataset, path: Path, *, original_name: str, key: str) -> Upload:
    """Store the zip at `path` without computing its SHA-256; `path` may be removed afterwards.

    For large zips: the worker hashes the file and detects duplicates later. `key` is unique. A
    process that is killed meanwhile loses nothing: a zip received twice is detected.
    """
    size = path.stat().st_size
    check_size(original_name, size)
    file = link(path, f"{dataset.name}/uploads/{key}.zip", is_permanent=False)
    upload, is_new = Upload.objects.get_or_create(
        dataset=dataset,
        sha256=f"{UNHASHED}{key}",
        defaults={"original_name": original_name[:255], "size": size, "file": file},
    )
    if is_new:
        record("upload", original_name, dataset=dataset)
    return upload


def check_size(original_name: str, size: int) -> None:
    """Raises ArchiveError if a zip of `size` bytes is too large."""
    if size > settings.MAX_ZIP_BYTES:
        raise ArchiveError(
            _("%(name)s has %(size)s; at most %(most)s are allowed (AVA_MAX_ZIP_BYTES)")
            % {
                "name": original_name,
                "size": size_text(size),
                "most": size_text(settings.MAX_ZIP_BYTES),
            }
        )


def unpack_upload(
    upload_id: int, *, progress: Callable[[float], None] | None = None
) -> Upload | None:
    """Create a Video for each new video in a zip; None if it is done or claimed.

    Files that cannot be used are listed with a reason in `Upload.skipped_files`.
    The zip is removed when all is unpacked; that of a bundle stays, to be imported.
    `progress` is called with the share done.
    """
    upload: Upload | None = Upload.objects.claim(upload_id)
    if upload is None:
        return None

    def report(share: float) -> None:
        upload.report(share)
        if progress:
            progress(share)

    with upload.working(ArchiveError, OSError):
        if not upload.file:
            raise ArchiveError(_("the zip was not kept: upload it again"))
        with local_path(str(upload.file.name)) as path:
            hashing_share = HASHING_SHARE if upload.sha256.startswith(UNHASHED) else 0.0
            duplicate_of = _find_duplicate(
                upload, path, lambda share: report(share * hashing_share)
            )
            has_bundle = is_bundle(list_files(path, FILES, archive_limits()))
            skipped: list[dict[str, str]] = []
            if duplicate_of:
                reason = _("the same zip as %(duplicate_of)s") % {"duplicate_of": duplicate_of}
                skipped = [{"name": upload.original_name, "reason": reason}]
            elif not has_bundle:
                skipped = _unpack_videos(
                    upload,
                    path,
                    lambda share: report(hashing_share + share * (1 - hashing_share)),
                )
        upload.finish(skipped_files=skipped, is_bundle=has_bundle and not duplicate_of)
        delete_unpacked_zips()
    return upload


def delete_unpacked_zips(since: datetime | None = None) -> int:
    """Remove zips whose videos are all unpacked; return how many.

    Args:
        since: Look only at uploads that have changed since then.
    """
    unpacked = Upload.objects.done().changed_since(since).filter(is_bundle=False)
    unpacked = unpacked.exclude(file="")
    count = 0
    for upload in unpacked:
        try:
            count += _delete_zip(upload)
        except OSError:
            break  # the storage is unavailable; the next worker continues
    return count


def delete_bundle_zip(upload: Upload) -> None:
    """Remove the zip of an imported bundle."""
    if upload.file:
        _delete_zip(upload)


def _delete_zip(upload: Upload) -> int:
    remove(upload.file.name or "")
    return Upload.objects.filter(pk=upload.pk).update(file="")


def _drop_zip(upload: Upload) -> None:
    """Remove a zip that is refused; the row first, so that no later try looks for the file."""
    name = upload.file.name or ""
    if upload.claimed_rows().update(file=""):
        remove(name)


def _find_duplicate(upload: Upload, path: Path, progress: Callable[[float], None]) -> str:
    """Store the SHA-256 of an unhashed zip; or return the name of an identical zip."""
    if not upload.sha256.startswith(UNHASHED):
        return ""
    sha256 = sha256_of(path, progress=progress)
    same = Upload.objects.filter(dataset=upload.dataset, sha256=sha256)
    duplicate = same.exclude(stage=Stage.FAILED).first()
    if duplicate:
        return duplicate.original_name
    for failed in same:  # this upload replaces it
        Upload.objects.filter(pk=failed.pk).update(sha256=f"{UNHASHED}{failed.pk}")
    try:
        with transaction.atomic():
            Upload.objects.filter(pk=upload.pk).update(sha256=sha256)
    except IntegrityError:
        return _("one that was uploaded at the same time")
    return ""


def _unpack_videos(
    upload: Upload, path: Path, progress: Callable[[float], None]
) -> list[dict[str, str]]:
    """Extract all videos of the zip; return the skipped files with reasons."""
    try:
        listing = list_videos(path, archive_limits())
    except ArchiveError as error:
        reasons = [file._asdict() for file in error.skipped]
        upload.claimed_rows().update(skipped_files=reasons)
        raise
    skipped = [file._asdict() for file in listing.skipped]
    sizes, done = [member.size for member in listing.videos], 0
    try:
        quotas.charge_unpacking(upload, sum(sizes))
    except quotas.StorageQuotaError as error:
        _drop_zip(upload)
        raise ArchiveError(
            _("%(error)s The zip was not kept: upload it again when there is room.")
            % {"error": error}
        ) from error
    # On the way to a bucket one video at a time lies here.
    is_local = isinstance(default_storage, FileSystemStorage)
    with reserved_for_files(sum(sizes) if is_local else max(sizes, default=0)) as release:
        for member in listing.videos:
            release(member.size)
            if reason := _extract_video(upload, path, member):
                skipped.append({"name": member.name, "reason": reason})
            done += member.size
            progress(done / max(listing.size, 1))
    return skipped


def archive_limits() -> ArchiveLimits:
    """The limits for zips, from the settings."""
    return ArchiveLimits(
        members=settings.MAX_ZIP_MEMBERS,
        total_bytes=settings.MAX_ZIP_BYTES,
        member_bytes=settings.MAX_VIDEO_BYTES,
    )


@contextmanager
def reserved_for_files(size: int) -> Iterator[Callable[[int], None]]:
    """Keep `size` bytes of the disk from others, for files that are about to be written.

    Yields a function that gives back as many bytes, to be called before they are written.
    Raises ArchiveError if fewer are free.
    """
    with ExitStack() as stack:
        try:
            release = stack.enter_context(reserved_space(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ArchiveError(
                _(
                    "its files need %(size)s; only %(free)s are free at "
                    "%(data_dir)s; free some space, then try again"
                )
                % {
                    "size": size_text(size),
                    "free": size_text(free_bytes()),
                    "data_dir": settings.DATA_DIR,
                }
            ) from error
        yield release


def _extract_video(upload: Upload, path: Path, member: ArchiveMember) -> str:
    """Create a video from one file of the zip; the reason if it is skipped, else empty."""
    with work_folder() as folder:
        target = folder / "member"
        try:
            sha256 = extract(path, member, target)
        except ArchiveError as error:
            return str(error)
        video = _add_video(upload, member, target, sha256)
    is_new = video.upload_id == upload.pk and video.original_name == member.name[:255]
    return (
        ""
        if is_new
        else _("the same video as %(name)s, already in the dataset")
        % {"name": video.original_name}
    )


def _add_video(upload: Upload, member: ArchiveMember, file: Path, sha256: str) -> Video:
    """The row for these bytes, created if it does not exist yet."""
    dataset = upload.dataset
    same = dataset.videos.filter(sha256=sha256)
    if known := same.first():
        return known
    name = reserve_name(dataset, member.name, sha256)
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
        return same.get()  # another zip of this dataset has just added it
    return video
