"""Comparison of rows and stored files, both ways, and what can be mended."""

import time
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models

from annotation.models import AnnotationTask
from avaproject.base.storage import remove
from avaproject.base.stored_files import file_fields, still_referenced
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.models import Clip, PendingDeletion, Video
from qc.models import Release
from tracking.models import Bundle
from workers.backup import stored
from workers.backup.places import BackupPlace
from workers.backup.restore import copy_file
from workers.backup.snapshots import Snapshot

YOUNG = 24 * 3600.0  # seconds: a file is stored before its row names it
BATCH = 500
# Files that their step makes again with the same content, and the file that it needs for that.
MADE_AGAIN: dict[type[models.Model], tuple[str, Callable[[Any], str | None]]] = {
    Video: ("file", lambda video: video.raw.name),
    Clip: ("file frames poster", lambda clip: clip.video.file.name),
    AnnotationTask: (
        "package", lambda task: task.clip.frames.name or task.clip.video.file.name
    ),
}  # fmt: skip


@dataclass
class StorageFaults:
    """How rows and stored files differ."""

    missing: dict[str, list[models.Model]] = field(default_factory=dict)  # name: its rows
    orphans: dict[str, int] = field(default_factory=dict)  # name: bytes; no row names it
    young: int = 0  # files that no row names yet


def compare() -> StorageFaults:
    """Compare all rows with all stored files.

    A file is missing if a row names it; folders of releases and bundles are missing if nothing
    is in them. It is an orphan if nothing names it or its folder and it is older than a day.
    """
    there = {file.name: file for file in stored.stored_files()}
    there = {
        name.removeprefix(stored.MEDIA): file
        for name, file in there.items()
        if name.startswith(stored.MEDIA)
    }
    faults, named, names = StorageFaults(), set[str](), sorted(there)
    for row, name in _named_files():
        named.add(name)
        if name not in there and not _has_below(names, name):
            faults.missing.setdefault(name, []).append(row)
    candidates = set(there) - named
    if candidates:
        folders = set()
        for name in _owned_names():
            folders.add(name) if name.endswith("/") else candidates.discard(name)
        candidates = {name for name in candidates if not _is_below(name, folders)}
    now = time.time()
    for name in sorted(candidates):
        if now - there[name].modified > YOUNG:
            faults.orphans[name] = there[name].size
        else:
            faults.young += 1
    return faults


def _named_files() -> Iterator[tuple[models.Model, str]]:
    """Each name that a row has, of a file or of a folder, with the row."""
    for model in apps.get_models():
        names = file_fields(model)
        if model in (Bundle, Release):  # the folder of an imported bundle empties
            names.append("folder")
        for name in names:
            rows = model._base_manager.exclude(**{name: ""}).only("pk", name)
            for row in rows.iterator(BATCH):
                value = str(getattr(row, name))
                yield row, f"{value}/" if name == "folder" else value


def _owned_names() -> Iterator[str]:
    """Names of what goes with rows besides what they name, and of what will be removed."""
    for model in apps.get_models():
        if hasattr(model, "other_files"):
            rows: Any = model._base_manager.select_related()
            for row in rows.iterator(BATCH):
                yield from row.other_files()
    yield from PendingDeletion.objects.values_list("name", flat=True)


def _has_below(names: list[str], folder: str) -> bool:
    """Whether one of sorted `names` lies in `folder`, whose name ends with a slash."""
    at = bisect(names, folder)
    return folder.endswith("/") and names[at : at + 1] != [] and names[at].startswith(folder)


def _is_below(name: str, folders: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:end]) + "/" in folders for end in range(1, len(parts)))


def mend(
    faults: StorageFaults, place: BackupPlace | None, snapshot: Snapshot | None
) -> list[str]:
    """Mend what can be; return a sentence for each thing that was done.

    Orphans are removed. Missing files come out of a backup if there is one, else their step
    makes them again if it can.
    """
    done = []
    orphans = sorted(faults.orphans)
    for start in range(0, len(orphans), BATCH):
        some = orphans[start : start + BATCH]
        for name in sorted(set(some) - still_referenced(some)):
            remove(name)
            done.append(f"Removed {name}, which no row names.")
            del faults.orphans[name]
    if place and snapshot:
        done += _mend_from(place, snapshot, faults)
    for name, rows in list(faults.missing.items()):
        if all([_is_made_again(row, name) for row in rows]):
            del faults.missing[name]
            done.append(f"{name} is made again by the next worker.")
    return done


def _mend_from(place: BackupPlace, snapshot: Snapshot, faults: StorageFaults) -> Iterator[str]:
    """Store missing files, and those of missing folders, out of a backup."""
    for entry in snapshot.files(place):
        name = entry.name.removeprefix(stored.MEDIA)
        folders = [one for one in faults.missing if one.endswith("/") and name.startswith(one)]
        if entry.name.startswith(stored.MEDIA) and (name in faults.missing or folders):
            with work_folder() as folder:
                copy_file(place, entry, folder)
            faults.missing.pop(name, None)
            yield f"{name} is back from backup {snapshot.name}."
    there = {file.name.removeprefix(stored.MEDIA) for file in stored.stored_files()}
    for name in [one for one in faults.missing if one.endswith("/")]:
        if any(file.startswith(name) for file in there):
            del faults.missing[name]


def _is_made_again(row: models.Model, name: str) -> bool:
    """Let the step of a row make its file again, if it can; whether it will."""
    if type(row) not in MADE_AGAIN:
        return False
    fields, source = MADE_AGAIN[type(row)]
    own = [field for field in fields.split() if str(getattr(row, field)) == name]
    needed = source(row)
    if not own or not needed or not stored.exists(needed):
        return False
    rows: Any = type(row)._default_manager
    return bool(rows.filter(pk=row.pk, stage=Stage.DONE).start_over())
