"""What must hold after a chaos run: releases, rows and files as in an undisturbed one."""

import fcntl
import hashlib
import io
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from django.db import connection
from django.db.models import F

from avaproject.base.database_faults import FAULTS
from avaproject.base.storage import local_path
from avaproject.base.stored_files import file_fields
from avaproject.base.temporary import LOCK
from avaproject.base.work import Stage
from datasets.models import Dataset
from datasets.services.delete import rows_of
from qc.core.release.provenance import LABELS
from qc.models import Release
from tests.chaos.faults import Kind
from tests.chaos.services import Installation
from tests.chaos.users import files_below
from workers.pipeline import QUEUES, STEPS
from workers.planning import current_faults

SECONDS_BETWEEN_LOOKS = 2.0
# How often CVAT is asked and what it says is no matter; messages of it may be lost.
TIME_DEPENDENT = {"WebhookDelivery", "Reconciliation", "AgreementSummary"}
SUM = re.compile(rb"[0-9a-f]{64}")  # of another file


def release_content(release: Release) -> dict[str, str]:
    """SHA-256 of every file of a release by its name in the folder.

    The dataset's name, times of decisions and sums of other files are made the same for all.
    """
    name = str(release.counts["archives"]["all"]["name"])
    found = {}
    with local_path(name) as path, zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            file, content = entry.partition("/")[2], archive.read(entry)
            if file == "manifest.json":  # holds little but sums and sizes
                continue
            if file == LABELS:
                content = repr(_without_times(content)).encode()
            content = SUM.sub(b"", content.replace(release.dataset.name.encode(), b"a-dataset"))
            found[file] = hashlib.sha256(content).hexdigest()
    return found


def _without_times(parquet: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(io.BytesIO(parquet)).to_pylist()
    return [row | {"decided_at": row["decided_at"] is not None} for row in rows]


def row_counts(dataset: Dataset) -> Counter[str]:
    """How many rows of each model belong to `dataset`."""
    return Counter(
        {
            model.__name__: rows.count()
            for model, rows in rows_of(dataset).items()
            if model.__name__ not in TIME_DEPENDENT
        }
    )


def file_faults(dataset: Dataset) -> Iterator[str]:
    """Files of `dataset` that rows name and that are not there, or that no row names."""
    named, owned = set(), set()
    for model, rows in rows_of(dataset).items():
        for field in file_fields(model):
            named |= set(rows.exclude(**{field: ""}).values_list(field, flat=True))
        if hasattr(model, "other_files"):
            owned |= {name for row in rows.iterator() for name in row.other_files()}
    there = files_below(f"{dataset.name}/")
    yield from (f"lost: {name}" for name in sorted(named - there))
    folders = tuple(name for name in owned if name.endswith("/"))
    for name in sorted(there - named - owned):
        if not name.startswith(folders or ("?",)):
            yield f"orphaned: {name}"


def temporary_faults(data: Path) -> Iterator[str]:
    """Temporary files that nobody has removed."""
    for path in data.glob("tmp/*"):
        if not _is_in_use(path):
            yield f"temporary: {path.relative_to(data)}"
    for path in data.rglob("*.part"):
        yield f"temporary: {path.relative_to(data)}"


def _is_in_use(folder: Path) -> bool:
    """Whether the process that made a temporary folder lives, and keeps it locked."""
    try:
        with (folder / LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it was removed just now
        return False
    return False


class Watch:
    """Looks at the work all the time: what is finished, and what waits without a cause."""

    def __init__(self, made: Installation, kinds: list[Kind], limit: float) -> None:
        self._made = made
        self.limit = limit  # seconds that a row may wait without a cause
        self.faults: list[str] = []
        self.longest = 0.0
        self._kinds, self._since = kinds, dict[tuple[str, int], float]()
        self._done = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._is_over.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self._look()
            except FAULTS:
                self._since.clear()  # nothing can be done meanwhile
            finally:
                connection.close()

    def _look(self) -> None:
        now, done = time.monotonic(), sum(step.rows.done().count() for step in STEPS)
        if done > self._done:
            for kind in self._kinds:
                kind.recovered += [now - moment for moment in kind.moments]
                kind.moments.clear()
        self._done = done
        self._since = {key: self._since.get(key, now) for key in self._idle_rows()}
        if current_faults():
            return
        for (step_name, pk), since in self._since.items():
            self.longest = max(self.longest, now - since)
            if now - since > self.limit:
                self.faults.append(f"{step_name} {pk} waited {now - since:.0f} s for nothing")
                self._since[step_name, pk] = now

    def _idle_rows(self) -> Iterator[tuple[str, int]]:
        """The rows that could be claimed now, while the workers of their queue are idle."""
        for queue in QUEUES:
            steps = [step for step in STEPS if step.queue == queue]
            is_starting = not self._made.programs.children(queue)
            if is_starting or any(_is_busy(step.rows) for step in steps):
                continue
            for step in steps:
                rows = step.rows.claimable().filter(error="").values_list("pk", flat=True)
                yield from ((step.name, pk) for pk in rows)


def _is_busy(rows: object) -> bool:
    """Whether a worker has one of `rows`, and lives."""
    held = rows.open().filter(stage=Stage.RUNNING, lease_until__gte=F("started_at"))  # type: ignore[attr-defined]
    return bool(held.exclude(worker="").exclude(pk__in=rows.claimable().values("pk")).exists())  # type: ignore[attr-defined]
