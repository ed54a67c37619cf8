"""`sync_annotations`: import what is finished in CVAT now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.models import AnswerVersion, CvatJob, CvatProject, Reconciliation
from annotation.services.answers import read_answers
from annotation.services.cvat.reconciliation import reconcile, request_reconciliation
from avaproject.base.work import Stage


class Command(BaseCommand):
    help = (
        "Fetch and read the finished CVAT jobs of a dataset that changed since the last fetch."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")

    def handle(self, *, dataset: str, **options: Any) -> None:
        project = CvatProject.objects.filter(dataset__name=dataset).first()
        if project is None:
            raise CommandError(
                f"there is no dataset {dataset} connected to a CVAT server: connect it on its "
                "CVAT page"
            )
        order = request_reconciliation(project)
        done = reconcile(order.pk) or Reconciliation.objects.get(pk=order.pk)
        if done.stage == Stage.RUNNING:
            raise CommandError("another worker is syncing with CVAT now; try again later")
        if done.error:
            raise CommandError(done.error)
        read, refused = self._read(dataset)
        jobs = CvatJob.objects.filter(project=project)
        self.stdout.write(f"{done.summary} {read} versions read, {len(refused)} refused.")
        for row in jobs.filter(is_deleted=True).select_related("task__clip", "task__annotator"):
            self.stderr.write(f"{row}: {row.message}")
        for message in refused:
            self.stderr.write(message)
        if refused:
            raise CommandError(f"{len(refused)} versions were refused; the others were read")

    def _read(self, dataset: str) -> tuple[int, list[str]]:
        versions = AnswerVersion.objects.filter(task__clip__video__dataset__name=dataset)
        read, refused = 0, []
        for pk in list(versions.claimable().values_list("pk", flat=True)):
            version = read_answers(pk)
            if version is not None and version.stage == Stage.DONE:
                read += 1
            elif version is not None:
                refused.append(f"{version.task}: {version.error}")
        return read, refused
