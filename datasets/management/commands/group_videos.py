"""Command `group_videos`: read the recording groups of videos from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from datasets.models import Dataset
from datasets.services.recordings import GroupsError, read_groups, set_groups


class Command(BaseCommand):
    help = "Put videos with the same camera, place or subject into recording groups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("table", type=Path, help="CSV file: video, group")
        parser.add_argument("--dataset", required=True, metavar="NAME", help="their dataset")

    def handle(self, *, table: Path, dataset: str, **options: Any) -> None:
        found = Dataset.objects.filter(name=dataset).first()
        if found is None:
            raise CommandError(f"there is no dataset {dataset}; create it on the page first")
        try:
            count = set_groups(found, read_groups(table.read_text("utf-8")))
        except (GroupsError, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{table}: {error}") from error
        self.stdout.write(f"{count} video{'s' * (count != 1)} changed.")
