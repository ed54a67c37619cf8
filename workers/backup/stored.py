"""Stored files of an installation: those of its storage, and the weights of its detectors."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from django.conf import settings
from django.core.files.storage import default_storage

from avaproject.base.storage import link, local_path, map_storage_errors, store
from avaproject.base.temporary import PART, partial_path

MEDIA, WEIGHTS = "media/", "weights/"


class StoredObject(NamedTuple):
    """A stored file as it is now."""

    name: str  # below `media/` or `weights/`
    size: int  # bytes
    stamp: str  # changes with the file
    modified: float  # seconds since 1970


def is_bucket() -> bool:
    """Whether the files of this installation lie in a bucket."""
    return hasattr(default_storage, "bucket")


def stored_files() -> Iterator[StoredObject]:
    """All stored files and weights. Copies of releases that were synced are left out."""
    if is_bucket():
        yield from _in_bucket()
    else:
        yield from _below(Path(settings.MEDIA_ROOT), MEDIA)
    yield from _below(Path(settings.WEIGHTS_DIR), WEIGHTS)


def _in_bucket() -> Iterator[StoredObject]:
    storage: Any = default_storage
    with map_storage_errors():
        for found in storage.bucket.objects.filter(Prefix=storage.location):
            name = found.key.removeprefix(storage.location).lstrip("/")
            if not name.startswith(f"{settings.RELEASE_COPIES}/"):
                stamp = f"{found.e_tag}-{found.last_modified.isoformat()}"
                modified = found.last_modified.timestamp()
                yield StoredObject(MEDIA + name, found.size, stamp, modified)


def _below(top: Path, prefix: str) -> Iterator[StoredObject]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.endswith(PART))
        for name in sorted(names):
            path = Path(folder, name)
            try:
                stat = path.stat()
            except FileNotFoundError:  # removed just now, or a link to nothing
                continue
            if not name.endswith(PART):
                yield StoredObject(
                    prefix + path.relative_to(top).as_posix(),
                    stat.st_size,
                    f"{stat.st_mtime_ns}-{stat.st_ino}",
                    stat.st_mtime,
                )


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The content of a stored file. Raises FileNotFoundError if it is gone."""
    if name.startswith(WEIGHTS):
        with (settings.WEIGHTS_DIR / name.removeprefix(WEIGHTS)).open("rb") as file:
            yield file
    else:
        with local_path(name.removeprefix(MEDIA)) as path, path.open("rb") as file:
            yield file


def put(name: str, path: Path) -> None:
    """Move the local file `path` to its place as a stored file, replacing what is there."""
    if name.startswith(MEDIA):
        store(path, name.removeprefix(MEDIA))
        return
    target = settings.WEIGHTS_DIR / name.removeprefix(WEIGHTS)
    target.parent.mkdir(parents=True, exist_ok=True)
    with partial_path(target) as partial:
        shutil.move(path, partial)
        partial.replace(target)


def local(name: str) -> Path | None:
    """The path of a stored file; None if it lies in a bucket."""
    if name.startswith(WEIGHTS):
        return Path(settings.WEIGHTS_DIR) / name.removeprefix(WEIGHTS)
    return None if is_bucket() else Path(default_storage.path(name.removeprefix(MEDIA)))


def link_to(other: str, name: str) -> None:
    """Let `name` be the same local file as `other`, both of the storage."""
    link(Path(default_storage.path(other.removeprefix(MEDIA))), name.removeprefix(MEDIA),
         is_permanent=False)  # fmt: skip


def exists(name: str) -> bool:
    """Whether the storage has the file `name`."""
    with map_storage_errors():
        return bool(default_storage.exists(name))
