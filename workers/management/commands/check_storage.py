"""`check_storage`: compares rows with stored files both ways, and mends."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from datasets.core.sizes import size_text
from workers.backup.places import BackupError, place_at
from workers.backup.snapshots import newest
from workers.backup.storage_check import BY_WORKER, StorageFaults, compare, mend

SHOWN = 20


class Command(BaseCommand):
    help = "Find files that rows name and that are gone, and files that no row names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mend", action="store_true",
            help="remove files that no row names; make missing ones again where possible",
        )  # fmt: skip
        parser.add_argument(
            "--from", dest="place", default="", metavar="DIR|s3://BUCKET/PREFIX",
            help="a backup, which missing files are taken from",
        )  # fmt: skip

    def handle(self, *, place: str, **options: Any) -> None:
        try:
            where = place_at(place) if place else None
            faults = compare()
            self._show(faults)
            done: list[str] = []
            if options["mend"] or where:
                done = mend(faults, where, newest(where) if where else None)
            for sentence in done[:SHOWN]:
                self.stdout.write(sentence)
            if len(done) > SHOWN:
                self.stdout.write(f"... and {len(done) - SHOWN} more.")
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        if faults.missing or faults.orphans:
            hint = "" if options["mend"] else " Add --mend."
            if any(sentence.endswith(f"{BY_WORKER}.") for sentence in done):
                hint = " The rest may need what the workers make now: then run it again."
            if faults.missing:
                hint += " Missing files come out of a backup with --from."
            lost, stray = len(faults.missing), len(faults.orphans)
            raise CommandError(
                ngettext("{} file is missing", "{} files are missing", lost).format(lost)
                + ngettext(", {} has no row.", ", {} have no row.", stray).format(stray)
                + hint
            )
        self.stdout.write("Every row has its files, and every file has its row.")

    def _show(self, faults: StorageFaults) -> None:
        for name, rows in list(faults.missing.items())[:SHOWN]:
            meta = rows[0]._meta
            self.stdout.write(f"missing: {name} ({meta.verbose_name} {rows[0].pk})")
        for name, size in list(faults.orphans.items())[:SHOWN]:
            self.stdout.write(f"no row: {name} ({size_text(size)})")
        for found, what in ((faults.missing, "missing"), (faults.orphans, "without a row")):
            if len(found) > SHOWN:
                self.stdout.write(f"... and {len(found) - SHOWN} more {what}.")
        if faults.young:
            sentence = ngettext(
                "{} file of the last day has no row yet: it is left alone.",
                "{} files of the last day have no row yet: they are left alone.",
                faults.young,
            )
            self.stdout.write(sentence.format(faults.young))
