"""Zips that arrive piece by piece, and go on where they were after any interruption.

The bytes that are here already are the length of the file, so nothing has to be remembered. A
piece may come with its SHA-256; if it does not fit, the piece is forgotten.
"""

import base64
import errno
import fcntl
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from datasets.models import Dataset, Transfer, Upload
from datasets.services import direct
from datasets.services.upload import ArchiveError, check_size, receive_unread

CHUNK = 1 << 20
KEPT = timedelta(days=7)


class TransferError(ValueError):
    """The piece or the transfer cannot be taken; the message says why."""


class WrongOffsetError(TransferError):
    """The piece does not begin where the last one ended."""


class WrongChecksumError(TransferError):
    """The piece is not what was sent."""


class BusyError(TransferError):
    """Another piece of the same file is being received."""


class NoSpaceError(TransferError):
    """The disk is full."""


def begin(
    dataset: Dataset, user: User, *, original_name: str, size: int, fingerprint: str = ""
) -> Transfer:
    """A transfer of `size` bytes: the one that `user` has begun with this file, or a new one.

    Raises ArchiveError if the zip is too large, NoSpaceError if the disk has no room for it.
    """
    if size <= 0:
        raise ArchiveError(f"{original_name} is empty: 0 bytes")
    check_size(original_name, size)
    same = {"user": user, "size": size, "fingerprint": fingerprint}
    begun = dataset.transfers.filter(upload=None, **same).first() if fingerprint else None
    if begun:
        return begun
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < size and not direct.is_possible():
        raise NoSpaceError(
            f"{original_name} has {size / 1e9:.1f} GB; only {free / 1e9:.1f} GB are free "
            "on the server; make room, then try again"
        )
    return Transfer.objects.create(
        dataset=dataset, original_name=original_name[:255] or "upload.zip", **same
    )


def received(transfer: Transfer) -> int:
    """Bytes that are here."""
    if transfer.upload:
        return transfer.size
    path = _path(transfer)
    return path.stat().st_size if path.exists() else 0


def append(
    transfer: Transfer, read: Callable[[int], bytes], *, offset: int, sha256: str = ""
) -> int:
    """Add the piece that `read` gives to what is here; return how much is here then.

    Whatever has come when a connection breaks is kept, unless the piece has a checksum.

    Args:
        offset: Where the piece begins.
        sha256: Of the piece, in Base64; not checked if empty.
    """
    if transfer.upload:
        raise WrongOffsetError("all of it is here")
    with _opened(transfer) as file:
        here = file.seek(0, os.SEEK_END)
        if offset != here:
            raise WrongOffsetError(f"the piece begins at {offset}; {here} bytes are here")
        try:
            here = _write(file, read, most=transfer.size, sha256=sha256)
        except (OSError, TransferError) as error:
            if sha256 or isinstance(error, TransferError):
                file.truncate(offset)
            if isinstance(error, TransferError):
                raise
            if error.errno == errno.ENOSPC:
                raise NoSpaceError(
                    "the server's disk is full; make room, then go on"
                ) from error
            raise TransferError(f"the piece did not come to its end ({error})") from error
    transfer.save(update_fields=["touched_at"])
    return here


def _write(file: BinaryIO, read: Callable[[int], bytes], *, most: int, sha256: str) -> int:
    digest = hashlib.sha256()
    for chunk in iter(lambda: read(CHUNK), b""):
        if file.tell() + len(chunk) > most:
            raise TransferError("more bytes came than were announced")
        digest.update(chunk)
        left = memoryview(chunk)
        while left:
            left = left[file.write(left) :]
    if sha256 and base64.b64encode(digest.digest()).decode() != sha256:
        raise WrongChecksumError("the piece changed on its way; send it again")
    os.fsync(file.fileno())
    return file.tell()


def finish(transfer: Transfer) -> Upload:
    """Hand the whole file on to be unpacked; it may be called again, also after a kill.

    Raises ArchiveError if it is no zip, BusyError if somebody else hands it on.
    """
    path = _path(transfer)
    with _opened(transfer):
        transfer.refresh_from_db(fields=["upload"])
        if transfer.upload is None:
            if not zipfile.is_zipfile(path):
                drop(transfer)
                raise ArchiveError(
                    f"{transfer.original_name} is not a zip. Pack the videos into one."
                )
            transfer.upload = receive_unread(
                transfer.dataset,
                path,
                original_name=transfer.original_name,
                key=transfer.key.hex,
            )
            transfer.save()  # kept for a sender who does not hear our answer
        path.unlink(missing_ok=True)
    return transfer.upload


def drop(transfer: Transfer) -> None:
    """Forget a transfer and what has come of it."""
    direct.drop(transfer)
    _path(transfer).unlink(missing_ok=True)
    transfer.delete()


def forget_old_transfers() -> int:
    """Drop those that nothing came of for a week; return how many."""
    count = 0
    for transfer in Transfer.objects.filter(touched_at__lt=timezone.now() - KEPT):
        try:
            drop(transfer)
        except OSError:
            break  # the storage is away; the next worker comes to it again
        count += 1
    return count


def _path(transfer: Transfer) -> Path:
    return Path(settings.DATA_DIR) / "incoming" / f"{transfer.key}.part"


@contextmanager
def _opened(transfer: Transfer) -> Iterator[BinaryIO]:
    """The file of a transfer, ours alone; unbuffered, so that a full disk shows at once."""
    path = _path(transfer)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError("another piece of this file is on its way; wait for it") from error
        yield file
