"""Temporary files: work folders, partial files and reserved space, gone with their process.

Each of them belongs to a folder in `tmp/` of `AVA_DATA_DIR` that its process keeps locked
(flock). Whoever gets the lock knows that the process has ended, in whichever container on this
disk it ran, and removes the folder with what it names elsewhere. No other code makes files that
a killed process would leave behind.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import models

OWN, PART = "tmp", ".part"  # how names begin, and end
NEW, LOCK, FILES, BESIDE = "new", "lock", "files", "beside"
MAX_AGE = timedelta(days=1)  # of a cache, or on a disk without locks
BRIEF = timedelta(minutes=1)  # a folder without a lock is being made or removed
KEPT_AGE = timedelta(weeks=1)
FALLOC_FL_KEEP_SIZE = 1
NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS)


def _base() -> Path:
    base: Path = settings.DATA_DIR / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    return base


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A new folder in `tmp/`, locked as long as this process lives; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=OWN, dir=_base()))
    lock = os.open(folder / NEW, os.O_RDWR | os.O_CREAT)
    try:
        with suppress(OSError):  # a disk without locks: its age decides
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / NEW).rename(folder / LOCK)  # from here on a sweep looks at it
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty temporary folder on the disk of the storage."""
    with _own_folder() as own:
        folder = own / FILES
        folder.mkdir()
        yield folder


@contextmanager
def partial_path(target: Path) -> Iterator[Path]:
    """A hidden path beside `target`, for a file or folder that is renamed when it is complete.

    What still lies there at the end is removed.
    """
    with _own_folder() as own:
        partial = target.absolute().with_name(f".{own.name}{PART}")
        (own / BESIDE).write_text(os.fspath(partial))
        try:
            yield partial
        finally:
            _discard(partial)


@contextmanager
def reserved_space(size: int) -> Iterator[Callable[[int], None]]:
    """Keep `size` bytes of the disk of the storage from others.

    Yields a function that gives back as many bytes, to be called before they are written.
    Raises OSError (ENOSPC) if there is no room.
    """
    with work_folder() as folder, (folder / "reserved").open("wb") as file:
        left = size
        allocate(file, size, keep_length=False)

        def release(count: int) -> None:
            nonlocal left
            left = max(left - count, 0)
            if os.fstat(file.fileno()).st_size > left:
                file.truncate(left)

        yield release


def allocate(file: BinaryIO, size: int, *, keep_length: bool = True) -> None:
    """Keep room for `size` bytes of `file`, counted from its start.

    The disk itself keeps it, whatever other processes write. A disk that cannot is only asked
    how much is free. Raises OSError (ENOSPC) if there is no room.

    Args:
        keep_length: Whether the length of the file stays as it is.
    """
    if size <= 0:
        return
    handle, mode = file.fileno(), FALLOC_FL_KEEP_SIZE if keep_length else 0
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate
    except AttributeError:  # not Linux
        code = errno.ENOSYS
    else:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        code = ctypes.get_errno() if call(handle, mode, 0, size) else 0
    if code in NOT_SUPPORTED:
        space = os.fstatvfs(handle)
        missing = size - os.fstat(handle).st_size
        code = errno.ENOSPC if space.f_bavail * space.f_frsize < missing else 0
    if code:
        raise OSError(code, os.strerror(code), file.name)


def kept_folder(row: models.Model) -> Path:
    """The folder for finished parts of a row's work, for a later attempt on this machine."""
    return Path(settings.DATA_DIR / "kept" / f"{row._meta.label_lower}-{row.pk}")


def discard_kept(row: models.Model) -> None:
    """Remove the finished parts of a row's work."""
    shutil.rmtree(kept_folder(row), ignore_errors=True)


def free_bytes() -> int:
    """How many bytes are free on the disk of the storage."""
    return shutil.disk_usage(settings.DATA_DIR).free


def remove_stale() -> int:
    """Remove the temporary files of processes that have ended; return how many.

    Finished parts of rows stay for a week.
    """
    for folder in (settings.DATA_DIR / "kept").glob("*"):
        if _age(folder) > KEPT_AGE.total_seconds():
            _discard(folder)
    return sum(_remove_if_stale(folder) for folder in _base().iterdir())


def _age(path: Path) -> float:
    """Seconds since the last change; 0 if it was removed meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_if_stale(folder: Path) -> bool:
    try:
        age = _age(folder)
        is_old = age > MAX_AGE.total_seconds()
        if not (folder / LOCK).exists():
            is_half = folder.name.startswith(OWN) and not (folder / NEW).exists()
            is_dead = is_half and age > BRIEF.total_seconds()  # killed just there
            return (is_old or is_dead) and _discard_all(folder)
        lock = os.open(folder / LOCK, os.O_RDWR)
    except OSError:  # its process has just removed it
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return is_old and _discard_all(folder)
    else:
        return _discard_all(folder)
    finally:
        os.close(lock)


def _discard_all(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        partial = Path((folder / BESIDE).read_text())
        if partial.name == f".{folder.name}{PART}":
            _discard(partial)
    return _discard(folder)


def _discard(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True
