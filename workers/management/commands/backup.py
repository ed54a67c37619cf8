"""`backup`: database and files to a folder or a bucket; what has not changed is not copied."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avaproject.base.arguments import positive_int
from datasets.core.sizes import size_text
from workers.backup.backup import make_backup, remove_old
from workers.backup.backup_progress import BackupProgress
from workers.backup.places import BackupError, place_at


class Command(BaseCommand):
    help = (
        "Back up database, files and weights to a folder or s3://bucket/prefix. Nothing has to "
        "be stopped. Repeated, it copies only what has changed, and continues what was killed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", metavar="DIR|s3://BUCKET/PREFIX")
        parser.add_argument(
            "--keep", dest="newest", type=positive_int, metavar="N",
            help="remove all but the newest N backups (default: keep all)",
        )  # fmt: skip

    def handle(self, *, place: str, newest: int | None, **options: Any) -> None:
        try:
            where = place_at(place)
            with BackupProgress(self.stdout) as progress:
                made = make_backup(where, progress.report)
            removed = remove_old(where, newest) if newest else (0, 0)
        except BlockingIOError as error:
            raise CommandError("Another process of this data folder makes a backup.") from error
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        snapshot = made.snapshot
        rows = sum(table.rows for table in snapshot.tables.values())
        self.stdout.write(
            f"Backup {snapshot.name} in {where.address}: {rows} rows, {snapshot.file_count} "
            f"files of {size_text(snapshot.file_bytes)}; {made.new_objects} objects of "
            f"{size_text(made.new_bytes)} are new."
        )
        if any(removed):
            self.stdout.write(f"Removed {removed[0]} old backups, {size_text(removed[1])}.")
        if made.lost:
            self.stderr.write(
                f"Note: {len(made.lost)} files that rows name are not in the storage, such as "
                f"{made.lost[0]}. See: ./ava manage check_storage"
            )
        self.stdout.write(
            "Keep the keys apart from it: AVA_SECRETS_KEY or AVA_SECRET_KEY, or the file "
            "secret-key of the data folder. Without them the credentials of CVAT servers in "
            "the backup stay closed."
        )
