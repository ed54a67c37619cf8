"""`export_packages`: assign clips to annotators and write their task packages."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from annotation.models import AnnotationTask
from annotation.services.assign_tasks import PlanError, plan_tasks
from annotation.services.downloads import write_backups
from annotation.services.packages import copy_packages, write_package
from avaproject.base.work import Stage
from datasets.models import Dataset


class Command(BaseCommand):
    help = "Assign the clips of a dataset to annotators and export a package for each task."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument(
            "--annotators", required=True, metavar="A,B,C", help="their user names in CVAT"
        )
        parser.add_argument(
            "--overlap",
            type=float,
            default=0.3,
            help="share of the clips that several annotators do, 0 to 1 (default: %(default)s)",
        )
        parser.add_argument(
            "--per-clip", type=int, metavar="N", help="annotators of those clips (default: all)"
        )
        parser.add_argument(
            "--blind",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="share of one's clips without pre-annotation (default: %(default)s)",
        )
        parser.add_argument(
            "--gold",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="gold clips added, as a share of one's clips (default: %(default)s)",
        )
        parser.add_argument(
            "--seed", type=int, default=0, help="random seed (default: %(default)s)"
        )
        parser.add_argument(
            "--out", required=True, type=Path, metavar="DIR", help="output folder for the zips"
        )
        parser.add_argument(
            "--backups",
            action="store_true",
            help="also write each annotator's open tasks as a backup of a CVAT project, into "
            "the folder backups in DIR",
        )

    def handle(self, **options: Any) -> None:
        dataset = Dataset.objects.filter(name=options["dataset"]).first()
        if dataset is None:
            raise CommandError(f"there is no dataset called {options['dataset']}")
        try:
            new = plan_tasks(
                dataset,
                annotators=[name.strip() for name in options["annotators"].split(",")],
                overlap=options["overlap"],
                per_clip=options["per_clip"],
                seed=options["seed"],
                blind=options["blind"],
                gold=options["gold"],
            )
        except PlanError as error:
            raise CommandError(str(error)) from error
        tasks = AnnotationTask.objects.of(dataset)
        if not tasks.exists():
            raise CommandError(
                f"no clip of {dataset} is ready for annotation: run "
                "./ava manage run_pipeline --once"
            )
        waiting = list(tasks.claimable().values_list("pk", flat=True))
        for pk in track(waiting, "Packages", console=Console(stderr=True)):
            write_package(pk)
        copied = copy_packages(dataset, options["out"])
        self.stdout.write(
            f"{new} new tasks, {len(waiting)} packages written, {copied} copied to "
            f"{options['out']}; {tasks.done().count()} packages in total."
        )
        if options["backups"]:
            written = write_backups(dataset, options["out"] / "backups")
            self.stdout.write(f"{written} CVAT backups in {options['out'] / 'backups'}.")
        self._refuse_failures(tasks.filter(stage=Stage.FAILED))

    def _refuse_failures(self, failed: Any) -> None:
        for task in failed.select_related("clip", "annotator"):
            self.stderr.write(f"{task}: {task.error}")
        if failed.exists():
            raise CommandError(f"{failed.count()} packages could not be written")
