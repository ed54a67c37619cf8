"""Command `check_release`: run the checks of a release on its folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from qc.core.release.checks.run_checks import checks_of


class Command(BaseCommand):
    help = "Run the checks of a release on its folder, for example on an unpacked zip."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, metavar="DIR", help="folder with manifest.json"
        )

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            fix = "; unpack the zip first" if folder.is_file() else ""
            raise CommandError(f"{folder} is not a folder{fix}.")
        if not (folder / "manifest.json").is_file():
            raise CommandError(f"{folder} is not a release: it has no manifest.json.")
        checks = []
        progress = track(
            checks_of(folder), "checking", console=Console(stderr=True), transient=True
        )
        for check in progress:
            checks.append(check["passed"])
            mark = "passed" if check["passed"] else "FAILED"
            self.stdout.write(f"  {mark}  {check['name']}: {check['sentence']}")
        if failed := checks.count(False):
            raise CommandError(f"{folder} failed {failed} of {len(checks)} checks.")
        self.stdout.write(f"{folder} passed all {len(checks)} checks.")
