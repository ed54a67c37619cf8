"""`import_answers`: import exported CVAT files as answer versions."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from annotation.models import AnswerVersion
from annotation.services.answer_files import import_answers
from annotation.services.answers import read_answers
from avaproject.base.work import Stage
from datasets.models import Dataset


class Command(BaseCommand):
    help = "Import answer files exported from CVAT: <clip>--<annotator>.zip or .xml."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--dataset", required=True, metavar="NAME")

    def handle(self, **options: Any) -> None:
        dataset = Dataset.objects.filter(name=options["dataset"]).first()
        if dataset is None:
            raise CommandError(f"there is no dataset called {options['dataset']}")
        if not options["folder"].is_dir():
            raise CommandError(f"there is no folder {options['folder']}")
        imported = import_answers(dataset, options["folder"])
        versions = AnswerVersion.objects.filter(task__clip__video__dataset=dataset)
        waiting = list(versions.claimable().values_list("pk", flat=True))
        for pk in track(waiting, "Answers", console=Console(stderr=True)):
            read_answers(pk)
        refused = [f"{one.file}: {one.reason}" for one in imported.refused]
        refused += [
            f"{version.task}: {version.error}"
            for version in versions.filter(pk__in=waiting, stage=Stage.FAILED).select_related(
                "task__clip", "task__annotator"
            )
        ]
        self.stdout.write(
            f"{imported.received} files imported, {imported.unchanged} unchanged, "
            f"{versions.filter(pk__in=waiting).done().count()} versions read, "
            f"{len(refused)} refused."
        )
        for message in refused:
            self.stderr.write(message)
        if refused:
            raise CommandError(f"{len(refused)} files were refused; the others were imported")
