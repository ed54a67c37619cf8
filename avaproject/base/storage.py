"""File storage on a local disk or S3: atomic writes, and reading through local paths.

Files are made in a work folder next to the storage and stored by one rename (or one upload);
only then does a row refer to them.
"""

import atexit
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.translation import gettext as _
from s3transfer.exceptions import RetriesExceededError

from avaproject.base.file_ranges import FileRange, open_file_range, read_file_range
from avaproject.base.temporary import allocate, partial_path, work_folder

CHUNK = 1 << 20
RANGE_BYTES = 1 << 16  # per request when only part of a file is read
S3_ERRORS = (BotoCoreError, ClientError, Boto3Error, RetriesExceededError)
NOT_FOUND_CODES = ("404", "NoSuchKey")


class StorageError(OSError):
    """The bucket is unavailable or refuses a request; the message says what to do."""


@contextmanager
def map_storage_errors() -> Iterator[None]:
    """Convert S3 errors to FileNotFoundError and StorageError, with a message for users."""
    try:
        yield
    except S3_ERRORS as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in NOT_FOUND_CODES:
            message = _("The file is no longer in the bucket (%(error)s).") % {"error": error}
            raise FileNotFoundError(message) from error
        raise StorageError(
            _(
                "The bucket %(s3_bucket)s is unavailable or refused the request "
                "(%(error)s). Is it running, and are its keys correct?"
            )
            % {"s3_bucket": settings.S3_BUCKET, "error": error}
        ) from error


before_storing: ContextVar[Callable[[str], None] | None] = ContextVar(
    "before_storing", default=None
)


def announce(name: str) -> None:
    """Tell the row that is worked on that the file or folder `name` will now be stored.

    `work.StagedModel.working` listens: a worker whose claim is over stores nothing more.
    """
    if listener := before_storing.get():
        listener(name)


def store(path: Path, name: str) -> str:
    """Move the local file `path` into the storage as `name`, replacing an existing file."""
    announce(name)
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


def link(path: Path, name: str, *, is_permanent: bool) -> str:
    """Add the local file `path` to the storage as `name`, without copying if possible.

    On the same disk it is a hard link. On another disk it is a symbolic link if `path` stays as
    long as the storage needs it (`is_permanent`), else a copy. In a bucket it is an upload.
    """
    announce(name)
    if not isinstance(default_storage, FileSystemStorage):
        with map_storage_errors(), path.open("rb") as file:
            default_storage.save(name, File(file))
        return name
    target = Path(default_storage.path(name))
    target.parent.mkdir(parents=True, exist_ok=True)
    with partial_path(target) as partial:
        try:
            partial.hardlink_to(path)
        except OSError:  # another disk, or one without hard links
            if not is_permanent:
                _copy(path, target)
                return name
            partial.symlink_to(path.resolve())
        partial.replace(target)
    return name


def link_stored(name: str, new: str) -> str:
    """Add the stored file `name` to the storage as `new` too; a bucket copies it itself."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):
        source = {"Bucket": storage.bucket_name, "Key": storage._normalize_name(name)}
        announce(new)
        with map_storage_errors():
            storage.bucket.Object(storage._normalize_name(new)).copy(source)
        return new
    with local_path(name) as path:
        return link(path, new, is_permanent=False)


def _copy(path: Path, target: Path) -> None:
    """Copy to another disk atomically."""
    with partial_path(target) as partial:
        with path.open("rb") as source, partial.open("wb") as copy:
            allocate(copy, path.stat().st_size)
            shutil.copyfileobj(source, copy, CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
        partial.replace(target)


@contextmanager
def local_path(name: str) -> Iterator[Path]:
    """A local path with the content of the stored file `name`; read-only, valid inside."""
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        with work_folder() as folder:
            path = folder / Path(name).name
            with map_storage_errors(), path.open("wb") as target:
                _download(name, target)
            yield path
        return
    found = _file_range(path)
    if found is None:
        yield path
        return
    with work_folder() as folder, open_file_range(found, _source_of(found)) as whole:
        copy = folder / path.name
        with copy.open("wb") as target:
            shutil.copyfileobj(whole, target, CHUNK)
        yield copy


def stored_size(name: str) -> int:
    """Bytes of the stored file `name`, of a range those of the whole file."""
    if isinstance(default_storage, FileSystemStorage):
        found = read_file_range(Path(default_storage.path(name)))
        if found is not None:
            return found.size
    with map_storage_errors():
        return int(default_storage.size(name))


def _file_range(path: Path) -> FileRange | None:
    try:
        return read_file_range(path)
    except FileNotFoundError:
        return None  # whoever opens the path gets the error


def _source_of(found: FileRange) -> Path:
    return Path(default_storage.path(found.source))


class DownloadCache:
    """Keeps the file downloaded last, until another one is requested or the process exits."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._path = Path()
        self._version: tuple[str, datetime] | None = None
        atexit.register(self.clear)

    def path_of(self, name: str) -> Path:
        """A local path with the content of stored file `name`; valid until the next call."""
        try:
            return Path(default_storage.path(name))
        except NotImplementedError:
            pass
        with map_storage_errors():
            version = name, default_storage.get_modified_time(name)
        if version != self._version or not self._path.is_file():
            self.clear()
            self._path = self._stack.enter_context(local_path(name))
            self._version = version
        return self._path

    def clear(self) -> None:
        """Remove the file, if there is one."""
        self._version = None
        self._stack.close()


@contextmanager
def open_stored(name: str) -> Iterator[BinaryIO]:
    """Open the stored file `name` to read part of it; from a bucket only that is fetched."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):
        remote = _S3Object(storage.bucket.Object(storage._normalize_name(name)))
        with map_storage_errors(), io.BufferedReader(remote, RANGE_BYTES) as file:
            yield file
    else:
        with local_path(name) as path, path.open("rb") as file:
            yield file


class _S3Object(io.RawIOBase):
    """An S3 object as a seekable file, read by range requests."""

    def __init__(self, source: Any) -> None:
        self._source, self._position = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size()}
        self._position = max(bases[whence] + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        stop = min(self._position + len(buffer), self._size())
        if stop <= self._position:
            return 0
        response = self._source.get(Range=f"bytes={self._position}-{stop - 1}")
        content = response["Body"].read()
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _size(self) -> int:
        return int(self._source.content_length)  # fetched once


def remove(name: str) -> None:
    """Remove the file `name` from the storage, or the folder `name/` with its content."""
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
    """Write the stored file `name` to `target` in chunks."""
    storage: Any = default_storage
    if hasattr(storage, "bucket"):  # open() would load all of it to memory or disk first
        key = storage._normalize_name(name)
        storage.bucket.Object(key).download_fileobj(target, Config=storage.transfer_config)
    else:
        with storage.open(name, "rb") as source:
            shutil.copyfileobj(source, target, CHUNK)
