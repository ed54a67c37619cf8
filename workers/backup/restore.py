"""Restoring a backup: the files, then all rows in one transaction, then the newest migrations.

The tables are made as they were when the backup was made, so a newer version restores it, and
the database may be of the other kind. What is killed is repeated or continued by the next run.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.apps.registry import Apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.utils.translation import ngettext

from annotation.core.encryption import DecryptionError, decrypt
from annotation.models import CvatServer
from avaproject.base.bootstrap import check_migration_history, folder_lock
from avaproject.base.storage import CHUNK
from avaproject.base.temporary import allocate, work_folder
from avaproject.base.work import Stage
from datasets.core.hashing import sha256_of
from datasets.models import Dataset
from workers.backup import stored
from workers.backup.backup import Report
from workers.backup.places import BackupError, BackupPlace
from workers.backup.rows import load_table, tables
from workers.backup.snapshots import BackupEntry, Snapshot
from workers.pipeline import STEPS

CREDENTIALS = ("encrypted_token", "encrypted_password", "encrypted_secret")


class Restored(NamedTuple):
    """A finished restore."""

    rows: int
    files: int
    locked: list[str]  # CVAT servers whose credentials the keys of this installation don't open


def restore(
    place: BackupPlace, snapshot: Snapshot, report: Report, *, replace: bool = False
) -> Restored:
    """Restore files and rows; what this database held is gone then.

    Args:
        replace: Whether a database with datasets may be overwritten.

    Raises BackupError if it may not, if workers are at work, if the backup is damaged, or if it
    is of a newer version; and BlockingIOError if another process restores here.
    """
    loader = MigrationExecutor(connection).loader
    # Tables of libraries that this version no longer uses stay away.
    targets = [(app, name) for app, name in snapshot.migrations if app in loader.migrated_apps]
    if unknown := set(targets) - set(loader.disk_migrations):
        app, name = min(unknown)
        raise BackupError(
            f"The backup was made by AVA Studio {snapshot.version}, which has the migration "
            f"{app}.{name}; this version has not. Install that version or a newer one."
        )
    with folder_lock("restore.lock"):
        _check_free(replace=replace or _journal(snapshot).exists())
        files = _restore_files(place, snapshot, report)
        rows = _restore_rows(place, snapshot, targets, report)
        call_command("migrate", verbosity=0, interactive=False)
        _journal(snapshot).unlink(missing_ok=True)
    return Restored(rows, files, locked_servers())


def _check_free(*, replace: bool) -> None:
    """Raises BackupError if this installation has datasets, or workers that are at work."""
    check_migration_history()
    try:
        running = (step.rows.filter(stage=Stage.RUNNING) for step in STEPS)
        busy = any(rows.filter(lease_until__gt=Now()).exists() for rows in running)
        count = Dataset.objects.count()
    except (OperationalError, ProgrammingError):  # no tables, or those of another version
        return
    if busy:
        raise BackupError(
            "Workers are at work in this database. Stop everything that uses it (./ava up, "
            "the web server, workers, beat), then run it again."
        )
    if count and not replace:
        datasets = ngettext("{} dataset", "{} datasets", count).format(count)
        raise BackupError(
            f"This database has {datasets}, which a restore would replace. Choose an empty "
            "data folder with AVA_DATA_DIR, or another database, or add --replace."
        )


# Files


def _journal(snapshot: Snapshot) -> Path:
    """Names of the files that an unfinished restore has stored already."""
    return Path(settings.DATA_DIR) / f"restore-{snapshot.name}.names"


def _restore_files(place: BackupPlace, snapshot: Snapshot, report: Report) -> int:
    journal, count, done = _journal(snapshot), 0, 0
    had = set(journal.read_text(encoding="utf-8").splitlines()) if journal.exists() else set()
    linked: dict[tuple[str, str], str] = {}  # files that were one by hard links
    with journal.open("a", encoding="utf-8") as names, work_folder() as folder:
        for entry in snapshot.files(place):
            key = entry.sha256, entry.stamp
            if entry.name not in had or not _is_there(entry):
                if not _link(entry, linked.get(key)):
                    copy_file(place, entry, folder)
                names.write(f"{entry.name}\n")
                names.flush()
            if entry.name.startswith(stored.MEDIA):
                linked[key] = entry.name
            count += 1
            done += entry.size
            report("files", done, snapshot.file_bytes)
    return count


def _is_there(entry: BackupEntry) -> bool:
    """Whether a file that was stored by an earlier run is still there."""
    path = stored.local(entry.name)
    return path is None or (path.is_file() and path.stat().st_size == entry.size)


def _link(entry: BackupEntry, other: str | None) -> bool:
    """Store a file as a hard link to `other`, if they were one before."""
    if other is None or stored.is_bucket() or not entry.name.startswith(stored.MEDIA):
        return False
    if not _modified(entry):  # it lay in a bucket, which has no links
        return False
    stored.link_to(other, entry.name)
    return True


def copy_file(place: BackupPlace, entry: BackupEntry, folder: Path) -> None:
    """Store a file, made in the temporary `folder`.

    Raises BackupError if its content is not what was backed up.
    """
    path = folder / "file"
    with place.opened(entry.sha256) as source:
        with path.open("wb") as target:
            allocate(target, entry.size)
            shutil.copyfileobj(source, target, CHUNK)
        _check_sum(path, entry)
        if modified := _modified(entry):
            os.utime(path, ns=(modified, modified))
        stored.put(entry.name, path)


def _modified(entry: BackupEntry) -> int:
    """When a file was changed, in nanoseconds since 1970; 0 if it lay in a bucket."""
    time = entry.stamp.partition("-")[0]
    return int(time) if time.isdecimal() else 0


def _check_sum(path: Path, entry: BackupEntry) -> None:
    if sha256_of(path) != entry.sha256:
        raise BackupError(
            f"{entry.name} is damaged in the backup: its content is not what was backed up. "
            "Restore another backup, or copy the object from another place, then run it again."
        )


# Rows


def _restore_rows(
    place: BackupPlace, snapshot: Snapshot, targets: list[tuple[str, str]], report: Report
) -> int:
    total, done = sum(table.rows for table in snapshot.tables.values()), 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        report("rows", done, total)

    apps = _empty_tables(targets)
    with transaction.atomic():
        models = {model._meta.label.lower(): model for model in tables(apps)}
        for model in models.values():  # those that migrations have made
            _delete_all(model._meta.db_table)
        for label, table in snapshot.tables.items():
            if label.partition(".")[0] not in {app for app, _ in targets}:
                continue
            if label.lower() not in models:
                raise BackupError(
                    f"The backup has a table {label}, which its migrations don't make."
                )
            load_table(models[label.lower()], table, place, on_rows=count)
        connection.check_constraints()
    ContentType.objects.clear_cache()
    return done


def _delete_all(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608  of a model


def _empty_tables(targets: list[tuple[str, str]]) -> Apps:
    """Make all tables anew, as after the migrations `targets`; the models of that state."""
    found = set(connection.introspection.table_names())
    executor = MigrationExecutor(connection)
    loader = executor.loader
    applied = sorted(set(loader.applied_migrations) & set(loader.disk_migrations))
    models = loader.project_state(applied).apps.get_models(include_auto_created=True)
    ours = [model._meta.db_table for model in models]
    drop = [name for name in dict.fromkeys([*ours, "django_migrations"]) if name in found]
    with _without_constraints(), connection.cursor() as cursor:
        for name in drop:
            cascade = "CASCADE" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)} {cascade}")
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    apps: Apps = executor.loader.project_state(targets).apps
    return apps


@contextmanager
def _without_constraints() -> Iterator[None]:
    """Let tables be dropped in any order, all or none."""
    with connection.constraint_checks_disabled(), transaction.atomic():
        yield


def locked_servers() -> list[str]:
    """CVAT servers with credentials that none of this installation's keys decrypts."""
    return [
        server.name
        for server in CvatServer.objects.order_by("name")
        if not all(_opens(getattr(server, field)) for field in CREDENTIALS)
    ]


def _opens(encrypted: str) -> bool:
    try:
        decrypt(encrypted, settings.SECRETS_KEYS)
    except DecryptionError:
        return False
    return True
