"""Comparison of rows and stored files, both ways, and what can be mended."""

import io
import time
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.apps import apps
from django.db import models

from annotation.models import AnnotationTask
from avaproject.base.storage import open_stored, remove
from avaproject.base.stored_files import file_fields, still_referenced
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.clip_frames import are_made_on_demand, forget_frames
from datasets.models import Clip, PendingDeletion, Video
from qc.core.release.packing import PARTS, load_index
from qc.models import Release
from tracking.models import Bundle
from workers.backup import stored
from workers.backup.places import BackupPlace
from workers.backup.restore import copy_file
from workers.backup.snapshots import Snapshot

YOUNG = 24 * 3600.0  # seconds: a file is stored before its row names it
BATCH = 500
BY_WORKER, WHEN_WANTED = "by the next worker", "when it is wanted"
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

    A file is missing if a row or the index of a release names it; folders of releases and
    bundles are missing if nothing is in them. It is an orphan if nothing names it or its folder
    and it is older than a day.
    """
    there = {file.name: file for file in stored.stored_files()}
    there = {
        name.removeprefix(stored.MEDIA): file
        for name, file in there.items()
        if name.startswith(stored.MEDIA)
    }
    faults, named, names = StorageFaults(), set[str](), sorted(there)
    for row, name in chain(_named_files(), _files_of_releases(names)):
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


def _files_of_releases(names: list[str]) -> Iterator[tuple[Release, str]]:
    """Each file that a release has besides what its row names in fields, with the release.

    Args:
        names: Of all stored files, sorted. A folder with no file at all is named by its row.
    """
    for release in Release.objects.available().iterator(BATCH):
        for archive in release.counts.get("archives", {}).values():
            yield release, archive["name"]
        if release.folder:
            index = f"{release.folder}.index"
            yield release, index
            at = bisect_left(names, index)
            is_there = names[at : at + 1] == [index]
            if is_there and _has_below(names, f"{release.folder}/"):
                with open_stored(index) as file, io.TextIOWrapper(file, "utf-8") as lines:
                    found = load_index(lines, parts=PARTS)
                yield from ((release, f"{release.folder}/{path}") for path, _, _ in found)


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
    makes them again if it can. Annotation frames on a local disk are made when they are wanted.
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
        when = {_made_again(row, name) for row in rows}
        if "" not in when:
            del faults.missing[name]
            done.append(f"{name} is made again {' and '.join(sorted(when))}.")
    return done


def _mend_from(place: BackupPlace, snapshot: Snapshot, faults: StorageFaults) -> Iterator[str]:
    """Store missing files, and those of missing folders, out of a backup."""
    folders = tuple(one for one in faults.missing if one.endswith("/"))
    count = dict.fromkeys(folders, 0)
    for entry in snapshot.files(place):
        name = entry.name.removeprefix(stored.MEDIA)
        inside = [one for one in folders if name.startswith(one)]
        if entry.name.startswith(stored.MEDIA) and (name in faults.missing or inside):
            with work_folder() as folder:
                copy_file(place, entry, folder)
            faults.missing.pop(name, None)
            for one in inside:
                count[one] += 1
            if not inside:
                yield f"{name} is back from backup {snapshot.name}."
    for name, files in count.items():
        if files:
            del faults.missing[name]
            yield f"{name} is back from backup {snapshot.name}: {files} files."


def _made_again(row: models.Model, name: str) -> str:
    """Let the file of a row be made again, if it can be; says when, "" if it can't."""
    if type(row) not in MADE_AGAIN:
        return ""
    fields, source = MADE_AGAIN[type(row)]
    own = [field for field in fields.split() if str(getattr(row, field)) == name]
    needed = source(row)
    if not own or not needed or not stored.exists(needed):
        return ""
    if isinstance(row, Clip) and own == ["frames"] and are_made_on_demand():
        if not row.video.has_all_frames:
            return ""
        forget_frames(row)
        return WHEN_WANTED
    rows: Any = type(row)._default_manager
    return BY_WORKER if rows.filter(pk=row.pk, stage=Stage.DONE).start_over() else ""
