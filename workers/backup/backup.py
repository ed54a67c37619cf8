"""Making a backup: the stored files, then the rows, then the files that came meanwhile.

Nothing has to stand still. A file is stored before a row names it, and removed after its row
is gone: with the files from before and after the moment of the rows, all they name is there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import NamedTuple
from uuid import uuid4

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from avaproject import VERSION
from avaproject.base.bootstrap import folder_lock
from avaproject.base.stored_files import file_fields
from workers.backup.places import BackupError, BackupPlace, pack, unpack
from workers.backup.rows import dump_table, frozen_database, tables
from workers.backup.snapshots import (
    BackupEntry,
    Snapshot,
    newest,
    save_list,
    snapshot_names,
)
from workers.backup.stored import MEDIA, StoredObject, is_bucket, opened, stored_files

ROUNDS = 3  # of rows, while files that they name are removed meanwhile
SECONDS_BETWEEN_NOTES = 20.0
FILES_BETWEEN_NOTES = 1000
UNUSED_AGE = 24 * 3600.0  # seconds: younger objects may belong to a backup that is being made

Report = Callable[[str, int, int], object]  # what is done, how much, of how much (0: unknown)


class Made(NamedTuple):
    """A finished backup."""

    snapshot: Snapshot
    new_objects: int
    new_bytes: int
    lost: list[str]  # files that rows name and that are not in the storage


@dataclass
class _Copying:
    """What is known of the objects and files of a place while a backup is made."""

    place: BackupPlace
    report: Report
    objects: dict[str, int]
    entries: dict[str, BackupEntry]  # of earlier backups, and of this one so far
    run: str
    notes: int = 0


def make_backup(place: BackupPlace, report: Report) -> Made:
    """Back up database and files to `place`; only what changed is copied.

    A run that was killed is continued by the next one. Raises BackupError, and BlockingIOError
    if another process of this data folder makes a backup.
    """
    migrations = _migrations()
    with folder_lock("backup.lock"):
        known = place.objects()
        copying = _Copying(place, report, known, _known_files(place), uuid4().hex)
        before = dict(known)
        snapshot, lost = _copy_all(copying, migrations)
        _check_sizes(place, snapshot)
        name = snapshot.save(place)
        for file in list(place.files("unfinished")):
            place.remove(file.name)
        new = {found: size for found, size in known.items() if found not in before}
        return Made(replace(snapshot, name=name), len(new), sum(new.values()), lost)


def _migrations() -> list[list[str]]:
    """The last migration of each app. Raises BackupError if some are not applied."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    if executor.migration_plan(leaves):
        raise BackupError(
            "The database is not up to date with this version. First run: "
            "./ava manage bootstrap"
        )
    return [list(leaf) for leaf in leaves]


def _known_files(place: BackupPlace) -> dict[str, BackupEntry]:
    """The files of the newest backup that can be read, and of one that was not finished."""
    found = {}
    for name in reversed(snapshot_names(place)):
        try:
            found = {entry.name: entry for entry in Snapshot.load(place, name).files(place)}
            break
        except BackupError:  # damaged: all files are read again
            continue
    for file in list(place.files("unfinished")):
        with place.open(file.name) as opened_file:
            entries = [BackupEntry(*line) for line in unpack(opened_file.read())]
        found |= {entry.name: entry for entry in entries}
    return found


def _copy_all(copying: _Copying, migrations: list[list[str]]) -> tuple[Snapshot, list[str]]:
    place = copying.place
    made_at = datetime.now(UTC)
    files = _copy_files(copying)
    for _ in range(ROUNDS):
        made_at = datetime.now(UTC)
        names: set[str] = set()
        dumped = {}
        with frozen_database() as alias:
            done = 0

            def count(rows: int) -> None:
                nonlocal done
                done += rows
                copying.report("rows", done, 0)

            for model in tables():
                dumped[model._meta.label] = dump_table(
                    model, alias, place, copying.objects, names=names, on_rows=count
                )
        files |= _copy_files(copying)
        missing = {name for name in names if MEDIA + name not in files}
        lost = _named_now(missing)
        if missing <= lost:
            break
    entries = sorted(files.values())
    snapshot = Snapshot(
        made_at=made_at.isoformat(),
        version=VERSION,
        database=connection.vendor,
        storage="bucket" if is_bucket() else "folder",
        migrations=migrations,
        tables=dumped,
        file_count=len(entries),
        file_bytes=sum(entry.size for entry in entries),
        file_lists=save_list(place, entries, copying.objects),
    )
    return snapshot, sorted(missing)


def _named_now(names: set[str]) -> set[str]:
    """Those of `names` that rows name now, and not only in the frozen database."""
    return {
        name
        for model in apps.get_models()
        for field in file_fields(model)
        for some in _slices(sorted(names))
        for name in model._base_manager.filter(**{f"{field}__in": some}).values_list(
            field, flat=True
        )
    }


def _slices(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), 500):
        yield names[start : start + 500]


def _copy_files(copying: _Copying) -> dict[str, BackupEntry]:
    """Copy the stored files that are new or changed; return all that are there."""
    report = copying.report
    found = list(stored_files())
    total, done = sum(file.size for file in found), 0
    result: dict[str, BackupEntry] = {}
    links: dict[str, BackupEntry] = {}  # by stamp: names of one file are read once
    with _notes(copying) as note:
        for file in found:
            entry = _unchanged(copying, file) or links.get(f"{file.size}/{file.stamp}")
            if entry is None:
                entry = _copy_one(copying, file)
                if entry is None:  # removed meanwhile
                    continue
                note(entry)
            entry = entry._replace(name=file.name)
            result[file.name] = links[f"{file.size}/{file.stamp}"] = entry
            done += file.size
            report("files", done, total)
    copying.entries |= result
    return result


def _unchanged(copying: _Copying, file: StoredObject) -> BackupEntry | None:
    """The entry of a file that was copied before and has not changed."""
    entry = copying.entries.get(file.name)
    if entry is None or (entry.size, entry.stamp) != (file.size, file.stamp):
        return None
    return entry if copying.objects.get(entry.sha256) == file.size else None


def _copy_one(copying: _Copying, file: StoredObject) -> BackupEntry | None:
    try:
        with opened(file.name) as content:
            sha256, size = copying.place.add(content, copying.objects)
    except FileNotFoundError:
        return None
    return BackupEntry(file.name, sha256, size, file.stamp)


@contextmanager
def _notes(copying: _Copying) -> Iterator[Callable[[BackupEntry], None]]:
    """A function that notes copied files in the place: the next run need not read them."""
    waiting: list[BackupEntry] = []
    last = time.monotonic()

    def write() -> None:
        nonlocal last
        if waiting:
            name = f"unfinished/{copying.run}-{copying.notes}.gz"
            copying.place.put(name, BytesIO(pack(iter(waiting))))
            copying.notes += 1
            waiting.clear()
        last = time.monotonic()

    def note(entry: BackupEntry) -> None:
        waiting.append(entry)
        is_due = time.monotonic() - last > SECONDS_BETWEEN_NOTES
        if is_due or len(waiting) >= FILES_BETWEEN_NOTES:
            write()

    try:
        yield note
    finally:
        write()


def _check_sizes(place: BackupPlace, snapshot: Snapshot) -> None:
    """Raises BackupError if an object of a new backup is missing or incomplete."""
    there = place.objects()
    bad = [
        file.name for file in snapshot.files(place) if there.get(file.sha256) != file.size
    ] + [found for found in snapshot.objects() if found not in there]
    if bad:
        raise BackupError(
            f"{len(bad)} objects are no longer in {place.address}, such as that of {bad[0]}: "
            "something else removes files there. Run it again."
        )


def check_backup(place: BackupPlace, report: Report, *, name: str = "") -> list[str]:
    """Read all objects of a backup; return the SHA-256 of those that are missing or damaged."""
    snapshot = newest(place, name)
    bad, sizes = [], dict.fromkeys(snapshot.objects(), 0)
    for found in snapshot.file_lists:
        if place.check(found):
            entries = [BackupEntry(*line) for line in place.read_json(found)]
            sizes |= {entry.sha256: entry.size for entry in entries}
    done, total = 0, sum(sizes.values())
    for found, size in sizes.items():
        if not place.check(found):
            bad.append(found)
        done += size
        report("bytes", done, total)
    return bad


def discard_objects(place: BackupPlace, bad: list[str]) -> None:
    """Remove damaged objects: the next backup writes them anew from the files."""
    for found in bad:
        place.remove(f"objects/{found[:2]}/{found}")


def remove_old(place: BackupPlace, count: int) -> tuple[int, int]:
    """Remove all but the newest `count` backups, and objects that none of these needs.

    Objects of the last day stay, because an unfinished backup may need them. Returns how many
    backups and how many bytes were removed.
    """
    with folder_lock("backup.lock"):
        names = snapshot_names(place)
        old = names[:-count] if count else []
        for name in old:
            place.remove(f"snapshots/{name}.gz")
        needed = set()
        for name in names[len(old) :]:
            snapshot = Snapshot.load(place, name)
            needed |= set(snapshot.objects())
            needed |= {file.sha256 for file in snapshot.files(place)}
        removed = 0
        for file in list(place.files("objects")):
            if file.name.rpartition("/")[2] not in needed and file.age > UNUSED_AGE:
                place.remove(file.name)
                removed += file.size
        return len(old), removed
