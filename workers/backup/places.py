"""Places of backups: a folder, or a prefix in a bucket, with files named by their content.

    objects/ab/ab12...      a stored file, a part of a table, or a part of a list: its SHA-256
    snapshots/TIME-SUM.gz   what belongs to one backup; the last file that is written
    unfinished/RUN-N.gz     what an unfinished backup has copied so far

Every file is complete or absent, whenever a process is killed.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from django.conf import settings
from storages.backends.s3 import S3Storage

from avaproject.base.storage import CHUNK, S3_ERRORS
from avaproject.base.temporary import PART, partial_path, work_folder

BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


class BackupError(RuntimeError):
    """A backup can't be made, read or restored; the message says which part and what to do."""


class PlacedFile(NamedTuple):
    """A file in a place of backups."""

    name: str
    size: int
    age: float  # seconds since it was written


class BackupPlace(ABC):
    """Where backups lie. Names have slashes; contents never change."""

    address: str

    @abstractmethod
    def files(self, folder: str) -> Iterator[PlacedFile]:
        """All files below `folder`, such as `objects`, in any order."""

    @abstractmethod
    def put(self, name: str, file: BinaryIO) -> str:
        """Write the rest of `file` as `name` at once; return the SHA-256 of what was read."""

    @abstractmethod
    def open(self, name: str) -> Any:
        """A context with the file `name` to read. Raises FileNotFoundError."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there."""

    def objects(self) -> dict[str, int]:
        """The size of every object by its SHA-256."""
        return {file.name.rpartition("/")[2]: file.size for file in self.files("objects")}

    def add(self, file: BinaryIO, known: dict[str, int]) -> tuple[str, int]:
        """Add the content of `file` unless it is in `known`, which it joins.

        Returns its SHA-256 and size. Raises BackupError if it changes meanwhile.
        """
        found, size = _sum_of(file)
        if known.get(found) != size:
            file.seek(0)
            if self.put(object_name(found), file) != found:
                self.remove(object_name(found))
                raise BackupError("A file was changed while it was copied; run it again.")
            known[found] = size
        return found, size

    def add_json(self, lines: Iterator[Any], known: dict[str, int]) -> str:
        """Add values as compressed lines of JSON; return the SHA-256 of the object."""
        return self.add(io.BytesIO(pack(lines)), known)[0]

    def read_json(self, found: str) -> Iterator[Any]:
        """The values of an object of `add_json`. Raises BackupError if it is damaged."""
        with self.opened(found) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != found:
            raise damaged(found)
        return unpack(content)

    @contextmanager
    def opened(self, found: str) -> Iterator[BinaryIO]:
        """The object with this SHA-256 to read. Raises BackupError if it is not there."""
        try:
            with self.open(object_name(found)) as file:
                yield file
        except FileNotFoundError as error:
            raise BackupError(
                f"The object {found} is missing in {self.address}. Restore another backup, or "
                "make a new one: it adds what is missing."
            ) from error

    def check(self, found: str) -> bool:
        """Whether the object with this SHA-256 is there and has that content."""
        try:
            with self.open(object_name(found)) as file:
                return _sum_of(file)[0] == found
        except FileNotFoundError:
            return False


def object_name(found: str) -> str:
    return f"objects/{found[:2]}/{found}"


def damaged(found: str) -> BackupError:
    return BackupError(
        f"The object {found} is damaged: its content is not what was backed up. Run "
        "check_backup with --mend, then make a new backup."
    )


def pack(lines: Iterator[Any]) -> bytes:
    """Values as compressed lines of JSON; equal values give equal bytes.

    >>> list(unpack(pack(iter([[1, "é"], None]))))
    [[1, 'é'], None]
    """
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as file:
        for line in lines:
            text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
            file.write(text.encode() + b"\n")
    return buffer.getvalue()


def unpack(content: bytes) -> Iterator[Any]:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        for line in file:
            yield json.loads(line)


def _sum_of(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and number of the bytes that are left in `file`."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


class _Summing(io.RawIOBase):
    """A file to read that also sums what was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._file.read(len(buffer))
        self.digest.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


class BackupFolder(BackupPlace):
    """Backups in a local folder, such as that of another disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.address = str(self._folder)

    def files(self, folder: str) -> Iterator[PlacedFile]:
        now = time.time()
        for path in (self._folder / folder).rglob("*"):
            if path.is_file() and not path.name.endswith(PART):
                stat, name = path.stat(), path.relative_to(self._folder).as_posix()
                yield PlacedFile(name, stat.st_size, now - stat.st_mtime)

    def put(self, name: str, file: BinaryIO) -> str:
        target, source = self._folder / name, _Summing(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(target) as partial:
            with partial.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            partial.replace(target)
        return source.digest.hexdigest()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with (self._folder / name).open("rb") as file:
            yield file

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class BackupBucket(BackupPlace):
    """Backups below a prefix of a bucket, reached as `AVA_BACKUP_S3_*` say."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        storage: Any = S3Storage(bucket_name=bucket, **settings.BACKUP_S3)
        self._bucket, self._transfer = storage.bucket, storage.transfer_config

    def files(self, folder: str) -> Iterator[PlacedFile]:
        now = time.time()
        with self._errors():
            for found in self._bucket.objects.filter(Prefix=f"{self._prefix}{folder}/"):
                name = found.key.removeprefix(self._prefix)
                yield PlacedFile(name, found.size, now - found.last_modified.timestamp())

    def put(self, name: str, file: BinaryIO) -> str:
        source = _Summing(file)
        with self._errors():
            self._bucket.upload_fileobj(source, self._prefix + name, Config=self._transfer)
        return source.digest.hexdigest()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with work_folder() as folder, (folder / "object").open("w+b") as file:
            with self._errors():
                self._bucket.download_fileobj(self._prefix + name, file)
            file.seek(0)
            yield file

    def remove(self, name: str) -> None:
        with self._errors():
            self._bucket.Object(self._prefix + name).delete()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except S3_ERRORS as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            if code in ("404", "NoSuchKey"):
                raise FileNotFoundError(str(error)) from error
            raise BackupError(
                f"{self.address} is unavailable or refused the request ({error}). Is the "
                "bucket there, and are AVA_BACKUP_S3_* correct? Run it again: what is there "
                "stays."
            ) from error


def place_at(address: str) -> BackupPlace:
    """The place at a path, or at `s3://bucket/prefix`.

    Raises BackupError for another kind of address, and for a folder that is backed up itself.
    """
    if "://" in address:
        match = BUCKET.fullmatch(address)
        if not match:
            raise BackupError(f"{address!r} is neither a folder nor s3://bucket/prefix.")
        options: Any = settings.STORAGES["default"].get("OPTIONS", {})
        endpoint = options.get("endpoint_url")
        if (match[1], settings.BACKUP_S3["endpoint_url"]) == (settings.S3_BUCKET, endpoint):
            raise BackupError(f"The bucket {match[1]} holds the files to back up; use another.")
        return BackupBucket(match[1], match[2] or "")
    folder = Path(address).absolute()
    if folder.is_relative_to(Path(settings.MEDIA_ROOT).absolute()):
        raise BackupError(f"{folder} lies inside the files to back up; choose another folder.")
    return BackupFolder(folder)
