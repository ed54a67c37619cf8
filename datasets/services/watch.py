"""A watched folder: zips laid into `<folder>/<dataset>/` are taken into that dataset."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from datasets.models import Dataset
from datasets.services.upload import ArchiveError, receive_unread

logger = logging.getLogger(__name__)
QUIET_SECONDS = 30.0  # without a change, before a file is taken to be whole
REFUSED = ".not-taken.txt"


def take_watched() -> int:
    """Take the zips in `AVA_WATCH_DIR` that nobody writes to any more; return how many.

    What is taken goes from the folder. Beside what is not, a text says why; it is tried again
    when that text is removed. Folders that are called like no dataset are left alone.
    """
    folder = Path(settings.WATCH_DIR)
    if not settings.WATCH_DIR or not folder.is_dir():
        return 0
    datasets = {dataset.name: dataset for dataset in Dataset.objects.all()}
    with _alone(folder) as is_ours:
        return sum(
            _take(datasets[path.parent.name], path)
            for path in sorted(folder.glob("*/*.zip") if is_ours else ())
            if path.parent.name in datasets and _is_whole(path)
        )


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is taking from `folder`; the next look is soon enough."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _is_locked(handle)
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_whole(path: Path) -> bool:
    try:
        is_quiet = time.time() - path.stat().st_mtime > QUIET_SECONDS
        return is_quiet and path.is_file() and not _note(path).exists()
    except OSError:  # it went just now, or leads nowhere
        return False


def _note(path: Path) -> Path:
    return path.with_name(path.name + REFUSED)


def _take(dataset: Dataset, path: Path) -> bool:
    try:
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(f"we may not remove files from {path.parent}")
        receive_unread(dataset, path, original_name=path.name, key=uuid4().hex)
        path.unlink()
    except (ArchiveError, OSError) as error:
        logger.warning("%s was not taken: %s", path, error)
        with suppress(OSError):
            _note(path).write_text(f"{error}\n")
        return False
    return True
