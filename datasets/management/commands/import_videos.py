"""Command `import_videos`: unpack a zip of videos into a dataset."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext
from rich.console import Console
from rich.progress import Progress

from avaproject.base.arguments import weights_argument
from avaproject.base.bootstrap import create_tables
from avaproject.base.work import Stage
from datasets.core.sizes import size_text
from datasets.models import Dataset, Upload
from datasets.services.create import VocabularyError, create_dataset, shipped_vocabularies
from datasets.services.upload import ArchiveError, receive_zip, unpack_upload


class Command(BaseCommand):
    help = "Unpack a zip of videos into a dataset; creates the dataset if it does not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zip", type=Path, help="zip of videos")
        parser.add_argument(
            "--dataset", required=True, help="name of the dataset: a-z, 0-9 and hyphens"
        )
        new = parser.add_argument_group("settings of a new dataset")
        known = ", ".join(shipped_vocabularies())
        new.add_argument(
            "--vocabulary", default="ava-v2.2", help=f"{known}, or a YAML or pbtxt file"
        )
        new.add_argument("--detector", help="person detector (default rfdetr-medium)")
        new.add_argument(
            "--weights",
            type=weights_argument,
            help="your own weights file: a path, or a name in AVA_WEIGHTS_DIR",
        )
        new.add_argument("--threshold", type=float, help="minimum score of a detection, 0 to 1")
        new.add_argument(
            "--classes", help="what is followed, for example person,vehicle (default person)"
        )
        new.add_argument(
            "--keep-ids", action="store_true", default=None,
            help="of imported boxes: each id of a file is a track",
        )  # fmt: skip
        new.add_argument("--frame-stride", type=int, help="detect in every n-th frame")
        new.add_argument("--clip-seconds", type=int, help="clip length (default 15)")
        new.add_argument("--annotation-fps", type=int, help="annotation frames per second")
        new.add_argument(
            "--longest-side", type=int, help="pixels; larger videos are scaled down"
        )
        parser.add_argument("--run", action="store_true", help="then run all waiting work")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["zip"].is_file():
            raise CommandError(f"there is no file {options['zip']}")
        create_tables()  # it may be the first command
        dataset = self._dataset(options)
        before = set(dataset.videos.values_list("pk", flat=True))
        upload = self._unpack(self._receive(dataset, options["zip"]))
        for file in upload.skipped_files:
            self.stdout.write(f"  skipped: {file['name']}: {file['reason']}")
        new = dataset.videos.exclude(pk__in=before).count()
        self.stdout.write(
            ngettext("{} new video", "{} new videos", new).format(new)
            + f" in dataset {dataset.name}, {dataset.videos.count()} in all."
        )
        if options["run"]:
            call_command("run_pipeline", once=True, stdout=self.stdout, stderr=self.stderr)
        elif options["verbosity"]:
            self.stdout.write("Next: ./ava manage run_pipeline --once")

    def _dataset(self, options: dict[str, Any]) -> Dataset:
        given = {name: options.get(name) for name in Dataset.SETTINGS}
        chosen = {name: value for name, value in given.items() if value is not None}
        name = options["dataset"]
        if Dataset.objects.filter(name=name).exists() and chosen:
            self.stdout.write(f"Dataset {name} exists already; its settings do not change.")
        try:
            return create_dataset(name, vocabulary=options["vocabulary"], **chosen)
        except VocabularyError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            wrong = "; ".join(f"{key}: {' '.join(v)}" for key, v in error.message_dict.items())
            raise CommandError(f"dataset {name!r} cannot be created. {wrong}") from error

    def _receive(self, dataset: Dataset, path: Path) -> Upload:
        self.stdout.write(f"Uploading {path.name} ({size_text(path.stat().st_size)}) ...")
        try:
            return receive_zip(dataset, path, original_name=path.name)
        except ArchiveError as error:
            raise CommandError(str(error)) from error

    def _unpack(self, upload: Upload) -> Upload:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("unpacking", total=1.0)
            unpack_upload(upload.pk, progress=lambda done: bar.update(task, completed=done))
        upload.refresh_from_db()
        if upload.error:
            raise CommandError(f"{upload.original_name}: {upload.error}")
        if upload.stage != Stage.DONE:
            self.stdout.write("Another worker is unpacking this zip.")
        return upload
