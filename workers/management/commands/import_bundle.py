from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from datasets.models import Dataset
from datasets.services import bundle as clips
from datasets.services.create import VocabularyError, create_dataset, shipped_vocabularies
from tracking.services import bundle as tracks


class Command(BaseCommand):
    help = "Take over videos, clips and tracks that another machine has put into a bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--dataset", required=True, metavar="NAME")
        known = ", ".join(shipped_vocabularies())
        parser.add_argument(
            "--vocabulary",
            default="ava-v2.2",
            help=f"of a new dataset: {known}, or a YAML or pbtxt file",
        )

    def handle(self, **options: Any) -> None:
        folder = options["folder"]
        try:
            fps = tracks.read_manifest(folder).annotation_fps
            dataset = self._dataset(options["dataset"], options["vocabulary"], fps)
            brought = clips.bring_in_clips(dataset, folder)
            runs = tracks.bring_in_bundle(dataset, folder)
        except (clips.BundleError, tracks.BundleError) as error:
            raise CommandError(str(error)) from error
        persons = sum(run.track_count or 0 for run in runs)
        self.stdout.write(
            f"{len(brought)} clips with {persons} tracks are in dataset {dataset}. "
            f"Go on with: manage.py export_packages --dataset {dataset}"
        )

    def _dataset(self, name: str, vocabulary: str, fps: int) -> Dataset:
        try:
            return create_dataset(name, vocabulary=vocabulary, annotation_fps=fps)
        except VocabularyError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(
                f"dataset {name!r} cannot be made: {'; '.join(error.messages)}"
            ) from error
