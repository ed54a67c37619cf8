"""Command `recut`: copy the videos of a dataset to another one with other settings."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from datasets.models import Dataset
from datasets.services.recut import copy_videos


class Command(BaseCommand):
    help = "Copy the videos of a dataset to another one, and cut them with its settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dataset", required=True, metavar="NAME", help="dataset with the videos"
        )
        parser.add_argument(
            "--into", required=True, metavar="NAME", help="dataset with the new settings"
        )

    def handle(self, *, dataset: str, into: str, **options: Any) -> None:
        if dataset == into:
            raise CommandError(
                "a dataset cannot be re-cut into itself: create another one first"
            )
        copied = copy_videos(_dataset(dataset), _dataset(into))
        for name in copied.without_raw:
            self.stdout.write(
                f"  skipped: {name} was imported from a bundle and has no raw file"
            )
        count = ngettext("{} new video", "{} new videos", copied.new).format(copied.new)
        self.stdout.write(f"{count} in dataset {into}.")


def _dataset(name: str) -> Dataset:
    try:
        return Dataset.objects.get(name=name)
    except Dataset.DoesNotExist as error:
        raise CommandError(
            f"there is no dataset {name}; create it on the page first"
        ) from error
