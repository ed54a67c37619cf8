"""Resumable uploads: zips are received chunk by chunk, and continue after an interruption.

The length of the partial file is the state. A chunk may come with its SHA-256; if it does not
match, the chunk is discarded.
"""

import base64
import errno
import fcntl
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from avaproject.base.temporary import allocate, free_bytes
from datasets.accounts import quotas
from datasets.core.sizes import size_text
from datasets.models import Dataset, Transfer, Upload
from datasets.services import s3_multipart
from datasets.services.upload import ArchiveError, check_size, receive_unhashed

CHUNK = 1 << 20


class TransferError(ValueError):
    """The chunk or the upload is rejected; the message says why."""


class WrongOffsetError(TransferError):
    """The chunk does not start where the last one ended."""


class WrongChecksumError(TransferError):
    """The chunk was corrupted in transit."""


class BusyError(TransferError):
    """Another chunk of the same file is being received."""


class NoSpaceError(TransferError):
    """The disk is full."""


def start(
    dataset: Dataset, user: User, *, original_name: str, size: int, fingerprint: str = ""
) -> Transfer:
    """Start an upload of `size` bytes, or resume the one that `user` started with this file.

    Raises ArchiveError if the zip is too large or does not fit the quota, NoSpaceError if the
    disk is too full.
    """
    if size <= 0:
        raise ArchiveError(_("%(name)s is empty: 0 bytes") % {"name": original_name})
    check_size(original_name, size)
    same = {"user": user, "size": size, "fingerprint": fingerprint}
    unfinished = dataset.transfers.filter(upload=None, **same).first() if fingerprint else None
    if unfinished:
        return unfinished
    transfer = Transfer(
        dataset=dataset, original_name=original_name[:255] or "upload.zip", **same
    )
    with quotas.charging_bytes(dataset, size):
        transfer.save()
    if not s3_multipart.is_available():
        try:
            _reserve_space(transfer)
        except BaseException:
            transfer.delete()
            raise
    return transfer


def _reserve_space(transfer: Transfer) -> None:
    """Let the disk keep room for the whole file, so that no other upload is promised it."""
    try:
        with _locked_file(transfer) as file:
            allocate(file, transfer.size)
    except OSError as error:
        _path(transfer).unlink(missing_ok=True)
        if error.errno != errno.ENOSPC:
            raise
        raise NoSpaceError(
            _(
                "%(name)s has %(size)s; only %(free)s are free on the server; "
                "free some space, then try again"
            )
            % {
                "name": transfer.original_name,
                "size": size_text(transfer.size),
                "free": size_text(free_bytes()),
            }
        ) from error


def received_bytes(transfer: Transfer) -> int:
    """Number of bytes received."""
    if transfer.upload:
        return transfer.size
    path = _path(transfer)
    return path.stat().st_size if path.exists() else 0


def append(
    transfer: Transfer, read: Callable[[int], bytes], *, offset: int, sha256: str = ""
) -> int:
    """Append the chunk from `read`; return the number of bytes received in all.

    If the connection breaks, the bytes so far are kept, unless the chunk has a checksum.

    Args:
        offset: Where the chunk starts.
        sha256: Of the chunk, in Base64; not checked if empty.
    """
    if transfer.upload:
        raise WrongOffsetError(_("the file is complete already"))
    with _locked_file(transfer) as file:
        length = file.seek(0, os.SEEK_END)
        if offset != length:
            raise WrongOffsetError(
                _("the chunk starts at %(offset)s; %(length)s bytes were received")
                % {"offset": offset, "length": length}
            )
        try:
            length = _write(file, read, max_bytes=transfer.size, sha256=sha256)
        except (OSError, TransferError) as error:
            if sha256 or isinstance(error, TransferError):
                file.truncate(offset)
                with suppress(OSError):  # then the next chunk may find no room
                    allocate(file, transfer.size)
            if isinstance(error, TransferError):
                raise
            if error.errno == errno.ENOSPC:
                raise NoSpaceError(
                    _("the server's disk is full; free some space, then continue")
                ) from error
            raise TransferError(
                _("the chunk is incomplete (%(error)s)") % {"error": error}
            ) from error
    transfer.save(update_fields=["touched_at"])
    return length


def _write(file: BinaryIO, read: Callable[[int], bytes], *, max_bytes: int, sha256: str) -> int:
    digest = hashlib.sha256()
    for chunk in iter(lambda: read(CHUNK), b""):
        if file.tell() + len(chunk) > max_bytes:
            raise TransferError(_("more bytes were sent than announced"))
        digest.update(chunk)
        left = memoryview(chunk)
        while left:
            left = left[file.write(left) :]
    if sha256 and base64.b64encode(digest.digest()).decode() != sha256:
        raise WrongChecksumError(_("the chunk was corrupted in transit; send it again"))
    os.fsync(file.fileno())
    return file.tell()


def finish(transfer: Transfer) -> Upload:
    """Turn the complete file into an Upload; may be called again, also after a kill.

    Raises ArchiveError if it is no zip, BusyError if another process does the same.
    """
    path = _path(transfer)
    with _locked_file(transfer):
        transfer.refresh_from_db(fields=["upload"])
        if transfer.upload is None:
            if not zipfile.is_zipfile(path):
                discard(transfer)
                raise ArchiveError(
                    _("%(name)s is not a zip. Pack the videos into one.")
                    % {"name": transfer.original_name}
                )
            transfer.upload = receive_unhashed(
                transfer.dataset,
                path,
                original_name=transfer.original_name,
                key=transfer.key.hex,
            )
            transfer.save()  # kept for a client that misses the response
        path.unlink(missing_ok=True)
    return transfer.upload


def discard(transfer: Transfer) -> None:
    """Delete an unfinished upload and its data."""
    s3_multipart.abort(transfer)
    _path(transfer).unlink(missing_ok=True)
    transfer.delete()


def delete_stale_transfers() -> int:
    """Delete uploads that were left unfinished some days ago; return how many."""
    count = 0
    before = timezone.now() - settings.KEEP_UNFINISHED_UPLOADS
    for transfer in Transfer.objects.filter(touched_at__lt=before):
        try:
            discard(transfer)
        except OSError:
            break  # the storage is unavailable; the next worker continues
        count += 1
    return count


def _path(transfer: Transfer) -> Path:
    return Path(settings.DATA_DIR) / "incoming" / f"{transfer.key}.part"


@contextmanager
def _locked_file(transfer: Transfer) -> Iterator[BinaryIO]:
    """The file of an upload, locked; unbuffered, so that a full disk shows at once."""
    path = _path(transfer)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                _("another chunk of this file is being received; wait for it")
            ) from error
        yield file
