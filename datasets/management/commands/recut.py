"""`recut`: the videos of a dataset are cut again in another one, with its settings."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from datasets.models import Dataset
from datasets.services.recut import bring_over


class Command(BaseCommand):
    help = "Cut the videos of a dataset again in another dataset, with that one's settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="has the videos")
        parser.add_argument("--into", required=True, metavar="NAME", help="has the settings")

    def handle(self, *, dataset: str, into: str, **options: Any) -> None:
        if dataset == into:
            raise CommandError("a dataset cannot be cut into itself: make another one first")
        brought = bring_over(_dataset(dataset), _dataset(into))
        for name in brought.without_raw:
            self.stdout.write(f"  left out: {name} came by a bundle and has no raw file")
        count = ngettext("{} new video", "{} new videos", brought.new).format(brought.new)
        self.stdout.write(f"{count} in dataset {into}.")


def _dataset(name: str) -> Dataset:
    try:
        return Dataset.objects.get(name=name)
    except Dataset.DoesNotExist as error:
        raise CommandError(f"there is no dataset {name}; make it on the page first") from error
