"""`import_bundle`: import videos, clips and tracks from a bundle of another machine."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext
from rich.progress import BarColumn, Progress, TextColumn

from avaproject.base.bootstrap import create_tables
from datasets.core.formats.bundle_files import BundleError
from datasets.models import Clip, Dataset
from datasets.services.bundle_limitations import limitations_of
from datasets.services.create import VocabularyError, create_dataset, shipped_vocabularies
from datasets.services.delete import delete, delete_pending_files
from datasets.services.import_clips import import_clips, open_bundle
from tracking.services.import_tracks import open_tracks


class Command(BaseCommand):
    help = "Import the videos, clips and tracks of a bundle made on another machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", type=Path, metavar="BUNDLE",
            help="folder or zip: a bundle of make_bundle, or the frames.zip and "
            "dense_proposals.pkl of the earlier prototype",
        )  # fmt: skip
        parser.add_argument("--dataset", required=True, metavar="NAME")
        known = ", ".join(shipped_vocabularies())
        parser.add_argument(
            "--vocabulary",
            default="ava-v2.2",
            help=f"vocabulary of a new dataset: {known}, or a YAML or pbtxt file",
        )
        parser.add_argument(
            "--frames-per-second", type=int, dest="rate",
            help="frame rate of a prototype's frames.zip (default: read from its files)",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        if not options["path"].exists():
            raise CommandError(f"There is no file or folder {options['path']}.")
        create_tables()  # it may be the first command
        is_new = not Dataset.objects.filter(name=options["dataset"]).exists()
        dataset = self._dataset(options["dataset"], options["vocabulary"])
        try:
            clips, track_count, notes = self._import(dataset, options["path"], options["rate"])
        except (BundleError, OSError) as error:
            if is_new and not dataset.videos.exists():
                delete(dataset)
                delete_pending_files()
            raise CommandError(str(error)) from error
        for note in notes:
            self.stderr.write(f"Note: {note}")
        tracks = ngettext("{} track", "{} tracks", track_count).format(track_count)
        sentence = ngettext("{} clip with {} is", "{} clips with {} are", len(clips))
        self.stdout.write(
            f"{sentence.format(len(clips), tracks)} in dataset {dataset}. "
            f"Continue with: ./ava manage export_packages --dataset {dataset} "
            "--annotators NAME,NAME --out DIR"
        )

    def _import(
        self, dataset: Dataset, path: Path, rate: int | None
    ) -> tuple[list[Clip], int, list[str]]:
        """Run both steps of the pipeline here; all tracks are checked before the first."""
        with Progress(TextColumn("{task.description}"), BarColumn(), transient=True) as bar:
            task = bar.add_task("Importing", total=1.0)

            def show(share: float) -> None:
                bar.update(task, completed=share)

            with (
                open_bundle(path, rate=rate, progress=show) as bundle,
                open_tracks(bundle.folder) as tracks,
            ):
                clips = import_clips(dataset, bundle, progress=show)
                runs = tracks.import_all(dataset)
        notes = [*bundle.notes, *limitations_of(clips)]
        return clips, sum(run.track_count or 0 for run in runs), notes

    def _dataset(self, name: str, vocabulary: str) -> Dataset:
        try:
            return create_dataset(name, vocabulary=vocabulary)
        except VocabularyError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(
                f"dataset {name!r} cannot be created: {'; '.join(error.messages)}"
            ) from error
