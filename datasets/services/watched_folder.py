"""Watched folder: zips copied to `<folder>/<dataset>/` are uploaded to that dataset."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.utils.translation import gettext as _

from datasets.models import Dataset
from datasets.services.upload import ArchiveError, receive_unhashed

logger = logging.getLogger(__name__)
SETTLE_SECONDS = 30.0  # without a change, before a file counts as complete
REASON_SUFFIX = ".skipped.txt"


def ingest_watched() -> int:
    """Upload the complete zips in `AVA_WATCH_DIR`, and remove them there; return how many.

    A text file beside a skipped zip says why; remove it to try again. Folders without a dataset
    of their name are ignored.
    """
    folder = Path(settings.WATCH_DIR)
    if not settings.WATCH_DIR or not folder.is_dir():
        return 0
    datasets = {dataset.name: dataset for dataset in Dataset.objects.all()}
    with _exclusive(folder) as is_locked:
        return sum(
            _ingest(datasets[path.parent.name], path)
            for path in sorted(folder.glob("*/*.zip") if is_locked else ())
            if path.parent.name in datasets and _is_settled(path)
        )


@contextmanager
def _exclusive(folder: Path) -> Iterator[bool]:
    """Whether this process has the lock on `folder`; if not, the next round comes soon."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_settled(path: Path) -> bool:
    try:
        is_quiet = time.time() - path.stat().st_mtime > SETTLE_SECONDS
        return is_quiet and path.is_file() and not _reason_file(path).exists()
    except OSError:  # removed just now, or a broken link
        return False


def _reason_file(path: Path) -> Path:
    return path.with_name(path.name + REASON_SUFFIX)


def _ingest(dataset: Dataset, path: Path) -> bool:
    try:
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(
                _("no permission to remove files from %(parent)s") % {"parent": path.parent}
            )
        receive_unhashed(dataset, path, original_name=path.name, key=uuid4().hex)
        path.unlink()
    except (ArchiveError, OSError) as error:
        logger.warning("%s was skipped: %s", path, error)
        with suppress(OSError):
            _reason_file(path).write_text(f"{error}\n")
        return False
    return True
