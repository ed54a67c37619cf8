from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext
from rich.progress import BarColumn, Progress, TextColumn

from datasets.core.formats.bundle_files import BundleError
from datasets.models import Dataset
from datasets.services.create import VocabularyError, create_dataset, shipped_vocabularies
from datasets.services.delete import delete, remove_leftovers
from workers.imports import bring_in


class Command(BaseCommand):
    help = "Take over videos, clips and tracks that another machine has put into a bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", type=Path, metavar="BUNDLE",
            help="folder or zip: a bundle of make_bundle, or a prototype's bare frames.zip and "
            "dense_proposals.pkl",
        )  # fmt: skip
        parser.add_argument("--dataset", required=True, metavar="NAME")
        known = ", ".join(shipped_vocabularies())
        parser.add_argument(
            "--vocabulary",
            default="ava-v2.2",
            help=f"of a new dataset: {known}, or a YAML or pbtxt file",
        )
        parser.add_argument(
            "--pictures-per-second", type=int, dest="rate",
            help="in a prototype's frames.zip (default: as its files tell, mostly 1)",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        if not options["path"].exists():
            raise CommandError(f"There is no {options['path']}.")
        call_command("migrate", verbosity=0, interactive=False)  # it may be the first command
        is_new = not Dataset.objects.filter(name=options["dataset"]).exists()
        dataset = self._dataset(options["dataset"], options["vocabulary"])
        try:
            with Progress(TextColumn("{task.description}"), BarColumn(), transient=True) as bar:
                task = bar.add_task("Taking over", total=1.0)
                brought = bring_in(
                    dataset, options["path"], rate=options["rate"],
                    progress=lambda share: bar.update(task, completed=share),
                )  # fmt: skip
        except (BundleError, OSError) as error:
            if is_new and not dataset.videos.exists():
                delete(dataset)
                remove_leftovers()
            raise CommandError(str(error)) from error
        persons = sum(run.track_count or 0 for run in brought.runs)
        for note in brought.notes:
            self.stderr.write(f"Note: {note}")
        count = len(brought.clips)
        tracks = ngettext("{} track", "{} tracks", persons).format(persons)
        said = ngettext("{} clip with {} is", "{} clips with {} are", count)
        self.stdout.write(
            f"{said.format(count, tracks)} in dataset {dataset}. "
            f"Go on with: ./ava manage export_packages --dataset {dataset} "
            "--annotators NAME,NAME --out DIR"
        )

    def _dataset(self, name: str, vocabulary: str) -> Dataset:
        try:
            return create_dataset(name, vocabulary=vocabulary)
        except VocabularyError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(
                f"dataset {name!r} cannot be made: {'; '.join(error.messages)}"
            ) from error
