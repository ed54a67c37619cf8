"""Command `take_out`: take a video, clip or person out of all releases of a dataset."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.models import Dataset
from qc.services.release.take_out import TakeOutError, take_out


class Command(BaseCommand):
    help = "Take a video, clip or person out of all releases of a dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument(
            "what", help="a video (street-1), a clip (street-1-c0003) or a person (street-1:7)"
        )
        parser.add_argument("--reason", required=True, help="printed in both releases")

    def handle(self, *args: Any, dataset: str, what: str, reason: str, **options: Any) -> None:
        found = Dataset.objects.filter(name=dataset).first()
        if found is None:
            raise CommandError(f"no dataset {dataset!r}")
        try:
            result = take_out(found, what, reason=reason)
        except TakeOutError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(result.sentence)
