"""`check_backup`: reads a backup and compares every content with its sum."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.backup.backup import check_backup, discard_objects
from workers.backup.backup_progress import BackupProgress
from workers.backup.places import BackupError, place_at


class Command(BaseCommand):
    help = "Read all of a backup, and find what is missing or damaged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", metavar="DIR|s3://BUCKET/PREFIX")
        parser.add_argument("--backup", default="", metavar="NAME", help="default: the newest")
        parser.add_argument(
            "--mend",
            action="store_true",
            help="remove what is damaged, so that the next backup copies it again",
        )

    def handle(self, *, place: str, backup: str, mend: bool, **options: Any) -> None:
        try:
            where = place_at(place)
            with BackupProgress(self.stdout) as progress:
                bad = check_backup(where, progress.report, name=backup)
            if mend:
                discard_objects(where, bad)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        if bad:
            raise CommandError(
                f"{len(bad)} objects are missing or damaged, such as {bad[0]}. Run it with "
                "--mend, then make a new backup, which copies them again."
            )
        self.stdout.write("Every object is there and has the content that was backed up.")
