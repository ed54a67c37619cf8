"""`restore`: database and files out of a backup, into SQLite or PostgreSQL."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from datasets.core.sizes import size_text
from workers.backup.backup_progress import BackupProgress
from workers.backup.places import BackupError, BackupPlace, place_at
from workers.backup.restore import restore
from workers.backup.snapshots import Snapshot, newest, snapshot_names
from workers.backup.stored import is_bucket


class Command(BaseCommand):
    help = (
        "Restore a backup into the database and the storage that the settings name, which may "
        "be of another kind. Stop everything else first. Repeated, it continues what was "
        "killed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", metavar="DIR|s3://BUCKET/PREFIX")
        parser.add_argument("--backup", default="", metavar="NAME", help="default: the newest")
        parser.add_argument("--list", action="store_true", help="only list the backups")
        parser.add_argument(
            "--replace", action="store_true", help="overwrite a database that has datasets"
        )

    def handle(self, *, place: str, backup: str, replace: bool, **options: Any) -> None:
        try:
            where = place_at(place)
            if options["list"]:
                self._list(where)
                return
            snapshot = newest(where, backup)
            with BackupProgress(self.stdout) as progress:
                done = restore(where, snapshot, progress.report, replace=replace)
        except BlockingIOError as error:
            raise CommandError("Another process of this data folder restores it.") from error
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored {snapshot.name}: {done.rows} rows and {done.files} files. Everybody "
            "logs in again; unfinished uploads are sent again."
        )
        if snapshot.storage != ("bucket" if is_bucket() else "folder"):
            self.stderr.write(
                f"Note: the files lay in a {snapshot.storage}, and here they don't. Releases "
                "are stored otherwise here: make them again."
            )
        if done.locked:
            self.stderr.write(
                f"Note: the credentials of {', '.join(done.locked)} were encrypted with "
                "another key. Set AVA_SECRETS_KEY to that of the installation that was backed "
                "up, or enter them again on the page CVAT servers."
            )

    def _list(self, where: BackupPlace) -> None:
        """All finished backups, oldest first. Raises BackupError if there is none."""
        newest(where)
        for name in snapshot_names(where):
            try:
                found = _sentence(Snapshot.load(where, name))
            except BackupError as error:
                found = str(error)
            self.stdout.write(f"{name}  {found}")


def _sentence(snapshot: Snapshot) -> str:
    rows = sum(table.rows for table in snapshot.tables.values())
    return (
        f"AVA Studio {snapshot.version}, {snapshot.database}: {rows} rows, "
        f"{snapshot.file_count} files of {size_text(snapshot.file_bytes)}"
    )
