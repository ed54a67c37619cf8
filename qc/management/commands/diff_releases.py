"""Command `diff_releases`: print the changes between two releases."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from qc.models import Release
from qc.services.release.changes import ReleaseDiffError, release_changes


class Command(BaseCommand):
    help = "Print the changes between two releases of a dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("before", type=int)
        parser.add_argument("after", type=int)

    def handle(self, *args: Any, dataset: str, before: int, after: int, **options: Any) -> None:
        releases = Release.objects.available().filter(dataset__name=dataset)
        found = {each.number: each for each in releases.select_related("dataset")}
        for number in (before, after):
            if number not in found:
                there = ", ".join(map(str, sorted(found))) or "none"
                raise CommandError(f"{dataset} has no release {number}; there are: {there}")
        try:
            changes = release_changes(found[before], found[after])
        except ReleaseDiffError as error:
            raise CommandError(str(error)) from error
        for sentence in changes["sentences"]:
            self.stdout.write(sentence)
