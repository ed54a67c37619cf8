"""Command `check_dataset`: say who can read an AVA folder, and what is wrong with it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from qc.core.ava_folder.check import FolderReport, check_folder


class Command(BaseCommand):
    help = "Check any folder in AVA format: what it is, who reads it, and how to mend it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="any AVA folder")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            fix = "; unpack the zip first" if folder.is_file() else ""
            raise CommandError(f"{folder} is not a folder{fix}.")
        report = check_folder(folder)
        self._write(folder, report)
        unread = [one.consumer for one in report.verdicts if one.word != "reads it"]
        if len(unread) == len(report.verdicts):
            raise CommandError(f"No consumer reads {folder} as it is.")

    def _write(self, folder: Path, report: FolderReport) -> None:
        self.stdout.write(f"{folder} is {report.title}.")
        for line in report.summary:
            self.stdout.write(f"  {line}")
        self.stdout.write("")
        width = max(len(one.consumer) for one in report.verdicts)
        for verdict in report.verdicts:
            line = f"  {verdict.consumer:{width}}  {verdict.word}: {verdict.sentence}"
            self.stdout.write(line)
        for number, fault in enumerate(report.faults, start=1):
            self.stdout.write(f"\n{number}. {fault}.")
            if fault.stops:
                self.stdout.write(f"   Stops: {', '.join(fault.stops)}")
            if fault.misleads:
                self.stdout.write(f"   Misleads: {', '.join(fault.misleads)}")
            self.stdout.write(f"   Mend: {fault.mend}")
        if report.hints:
            self.stdout.write("")
        for hint in report.hints:
            self.stdout.write(f"Note: {hint}")
