"""Files in the storage, local disk or S3: kept whole or not at all, and read as local paths.

Work happens in a folder of its own beside the storage; what is finished is put in its place by
one rename (or one upload), and only then does a row name it.
"""

import atexit
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from s3transfer.exceptions import RetriesExceededError

CHUNK = 1 << 20
FETCHED_AT_ONCE = 1 << 16  # of a file of which little is wanted
TROUBLE = (BotoCoreError, ClientError, Boto3Error, RetriesExceededError)
NOT_THERE = ("404", "NoSuchKey")


class StorageError(OSError):
    """The bucket does not do what it is asked; the message says what to do."""


@contextmanager
def map_storage_errors() -> Iterator[None]:
    """What a bucket raises becomes the system's errors, so that a page can show them."""
    try:
        yield
    except TROUBLE as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in NOT_THERE:
            gone = f"The file is not in the bucket any more ({error})."
            raise FileNotFoundError(gone) from error
        raise StorageError(
            f"The bucket {settings.S3_BUCKET} does not take or give the file ({error}): is it "
            "running, and are its keys right?"
        ) from error


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder on the storage's own disk, gone afterwards."""
    base = settings.DATA_DIR / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, prefix=f"{os.getpid()}-") as name:
        yield Path(name)


def remove_stale_work_folders() -> int:
    """Remove work folders that killed processes left behind a day ago; return how many."""
    yesterday = time.time() - timedelta(days=1).total_seconds()
    base = settings.DATA_DIR / "tmp"
    left = [path for path in base.glob("*-*") if path.stat().st_mtime < yesterday]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return len(left)


def store(path: Path, name: str) -> str:
    """Move the local file `path` into the storage as `name`, replacing what is there."""
    if isinstance(default_storage, FileSystemStorage):
        target = Path(default_storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        try:
            path.replace(target)
        except OSError:  # another disk
            _copy(path, target)
            path.unlink()
    else:
        with map_storage_errors(), path.open("rb") as file:
            default_storage.save(name, File(file))
        path.unlink()
    return name


def link(path: Path, name: str, *, stays: bool) -> str:
    """Make the local file `path` the storage's file `name` as well, if it can be uncopied.

    On one disk the name is a second one of the same file. On another disk it leads to `path` if
    that `stays` as long as the storage needs it; otherwise it is a copy.
    """
    if not isinstance(default_storage, FileSystemStorage):
        with map_storage_errors(), path.open("rb") as file:
            default_storage.save(name, File(file))
        return name
    target = Path(default_storage.path(name))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(target)
    beside.unlink(missing_ok=True)
    try:
        beside.hardlink_to(path)
    except OSError:  # another disk, or one without hard links
        if not stays:
            _copy(path, target)
            return name
        beside.symlink_to(path.resolve())
    beside.replace(target)
    beside.unlink(missing_ok=True)  # replacing one name of a file by another does nothing
    return name


def link_stored(name: str, new: str) -> str:
    """Make the storage's file `name` its file `new` as well; a bucket copies by itself."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):
        source = {"Bucket": storage.bucket_name, "Key": storage._normalize_name(name)}
        with map_storage_errors():
            storage.bucket.Object(storage._normalize_name(new)).copy(source)
        return new
    with local_path(name) as path:
        return link(path, new, stays=False)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _copy(path: Path, target: Path) -> None:
    """Copy to another disk, whole or not at all."""
    beside = _beside(target)
    try:
        with path.open("rb") as source, beside.open("wb") as copy:
            shutil.copyfileobj(source, copy, CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def local_path(name: str) -> Iterator[Path]:
    """A local path with the content of storage file `name`; read only, valid inside only."""
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        with work_folder() as folder:
            path = folder / Path(name).name
            with map_storage_errors(), path.open("wb") as target:
                _download(name, target)
            yield path
    else:
        yield path


class DownloadCache:
    """The file that was fetched last, kept for whoever wants it next; never more than one.

    It goes with the process; what a killed one leaves goes with the old work folders.
    """

    def __init__(self) -> None:
        self._kept = ExitStack()
        self._path = Path()
        self._version: tuple[str, datetime] | None = None
        atexit.register(self.forget)

    def path_of(self, name: str) -> Path:
        """A local path with the content of storage file `name`; valid until the next call."""
        try:
            return Path(default_storage.path(name))
        except NotImplementedError:
            pass
        with map_storage_errors():
            version = name, default_storage.get_modified_time(name)
        if version != self._version or not self._path.is_file():
            self.forget()
            self._path = self._kept.enter_context(local_path(name))
            self._version = version
        return self._path

    def forget(self) -> None:
        """Remove the file, if there is one."""
        self._version = None
        self._kept.close()


@contextmanager
def open_stored(name: str) -> Iterator[BinaryIO]:
    """The storage's file `name`, to read a little of it: a bucket gives only what is read."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):
        part = _Part(storage.bucket.Object(storage._normalize_name(name)))
        with map_storage_errors(), io.BufferedReader(part, FETCHED_AT_ONCE) as file:
            yield file
    else:
        with local_path(name) as path, path.open("rb") as file:
            yield file


class _Part(io.RawIOBase):
    """An object of a bucket, fetched piece by piece."""

    def __init__(self, found: Any) -> None:
        self._found, self._place = found, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size()}
        self._place = max(bases[whence] + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        stop = min(self._place + len(buffer), self._size())
        if stop <= self._place:
            return 0
        answer = self._found.get(Range=f"bytes={self._place}-{stop - 1}")
        content = answer["Body"].read()
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _size(self) -> int:
        return int(self._found.content_length)  # asked for once


def remove(name: str) -> None:
    """Remove the file `name` from the storage, or all that lies in the folder `name/`."""
    with map_storage_errors():
        if not name.endswith("/"):
            default_storage.delete(name)
            return
        try:
            folders, files = default_storage.listdir(name)
        except FileNotFoundError:
            return
        for file in filter(None, files):
            default_storage.delete(f"{name}{file}")
    for folder in folders:
        remove(f"{name}{folder}/")
    if isinstance(default_storage, FileSystemStorage):
        default_storage.delete(name)


def _download(name: str, target: BinaryIO) -> None:
    """Write the storage's file `name` into `target`, chunk by chunk."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):  # opened, it would go to memory or disk as a whole first
        key = storage._normalize_name(name)
        storage.bucket.Object(key).download_fileobj(target, Config=storage.transfer_config)
    else:
        with storage.open(name, "rb") as source:
            shutil.copyfileobj(source, target, CHUNK)
