"""What no webhook told: every five minutes CVAT is asked for what changed, every hour for all.

Dates are compared with CVAT's own earlier dates, never with our clock, so it does not matter if
the two differ. A job's date is compared for being another, not for being later, so that a clock
that was put back hides nothing from the hourly look at everything.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from annotation.cvat.client import CvatClient, Job
from annotation.cvat.errors import CvatError, CvatGoneError
from annotation.models import CvatJob, CvatProject, Reconciliation
from annotation.services.answers import AnswersError
from annotation.services.deliveries import forget_old_deliveries
from annotation.services.pull import note, note_gone, pull_finished
from annotation.services.reach import client_for, patiently
from annotation.services.withdraw import settle_withdrawn
from avaproject.base.work import Stage
from datasets.models import Dataset

EVERY = timedelta(minutes=5)
EVERYTHING_EVERY = timedelta(hours=1)
KEPT = timedelta(days=1)
MARGIN = timedelta(minutes=2)  # a change may be seen later than its date says


def plan_reconciliations() -> int:
    """Order a look at each project whose last one is five minutes ago; return how many."""
    now = timezone.now()
    orders = []
    for project in CvatProject.objects.exclude(project_id=None):
        rows = project.reconciliations.all()
        if rows.filter(created_at__gt=now - EVERY).exists() or _open(project):
            continue
        done = rows.filter(stage=Stage.DONE)
        is_full = not done.filter(is_full=True, created_at__gt=now - EVERYTHING_EVERY).exists()
        orders.append(Reconciliation(project=project, is_full=is_full))
        rows.filter(created_at__lt=now - KEPT).exclude(pk__in=_newest(project)).delete()
    Reconciliation.objects.bulk_create(orders, ignore_conflicts=True)
    if orders:
        forget_old_deliveries()
    return len(orders)


def order_reconciliation(project: CvatProject) -> Reconciliation:
    """Have everything looked at now; the one that waits already will do."""
    Reconciliation.objects.bulk_create(
        [Reconciliation(project=project, is_full=True)], ignore_conflicts=True
    )
    waiting = _open(project)
    project.reconciliations.filter(stage=Stage.WAITING).update(
        is_full=True, not_before=None, handed_out_at=None
    )
    return waiting or project.reconciliations.latest("pk")


def order_settling(dataset: Dataset) -> None:
    """Have CVAT told soon of what was taken or given back, if `dataset` is there."""
    project = CvatProject.objects.filter(dataset=dataset).exclude(project_id=None).first()
    if project is not None:
        order_reconciliation(project)


def reconcile(reconciliation_id: int) -> Reconciliation | None:
    """Carry one out; None if somebody else does."""
    row = Reconciliation.objects.claim(reconciliation_id)
    if row is None:
        return None
    with patiently(row, AnswersError):
        _Comparison(row).run()
    return row


class _Comparison:
    """CVAT's jobs against our rows, for one project."""

    def __init__(self, row: Reconciliation) -> None:
        self.row = row
        self.project = row.project
        self.client: CvatClient = client_for(self.project.server)
        self.looked_at = self.pulled = self.gone = self.withdrawn = 0
        jobs = CvatJob.objects.filter(project=self.project).exclude(job_id=None)
        self.ours = {
            job.job_id: job
            for job in jobs.select_related(
                "project__server", "task__annotator", "task__clip__video__dataset"
            )
        }

    def run(self) -> None:
        is_full = self.row.is_full or self.project.cursor is None or self._is_fewer()
        since = None if is_full else self._cursor() - MARGIN
        listed = {}
        for job in self._listed(since):
            listed[job.job_id] = job
        if is_full and self.ours and not listed:
            self._check_project()
        changed = [(self.ours[key], job) for key, job in listed.items() if key in self.ours]
        for row, job in changed:
            note(row, job)
        self.looked_at = len(changed)
        for number, (_, pull) in enumerate(pull_finished(self.client, changed), start=1):
            self.pulled += pull is not None
            self.row.report(number / len(changed))
        if is_full:
            self._find_gone(set(listed))
        self._move_cursor(job.updated_date for job in listed.values())
        self.withdrawn = settle_withdrawn(self.client, self.project)
        self.row.finish(
            is_full=is_full, looked_at=self.looked_at, pulled=self.pulled, gone=self.gone,
            sentence=self._sentence(), put_off=0,
        )  # fmt: skip

    def _cursor(self) -> datetime:
        return self.project.cursor or timezone.now()

    def _listed(self, since: datetime | None) -> Iterator[Job]:
        yield from self.client.jobs(self._number(), since=since)

    def _check_project(self) -> None:
        """A project that is not there has no jobs, says CVAT."""
        try:
            self.client.project(self._number())
        except CvatGoneError as error:
            raise CvatError(
                f"the project of {self.project.dataset} was deleted in CVAT. What was pulled "
                "is kept: make it anew, and all tasks are sent again with the answers we have"
            ) from error

    def _number(self) -> int:
        if self.project.project_id is None:
            raise CvatError("the project is not set up yet")
        return self.project.project_id

    def _is_fewer(self) -> bool:
        """Whether CVAT has fewer jobs than we believe: some were deleted."""
        there = sum(not job.is_gone for job in self.ours.values())
        return self.client.job_count(self._number()) < there

    def _find_gone(self, listed: set[int]) -> None:
        for key, row in self.ours.items():
            if key in listed or row.is_gone or key is None:
                continue
            try:
                note(row, self.client.job(key))
            except CvatGoneError:
                note_gone(row)
                self.gone += 1

    def _move_cursor(self, dates: Iterator[datetime]) -> None:
        newest = max(dates, default=None)
        if newest is not None:
            CvatProject.objects.filter(pk=self.project.pk).update(cursor=newest)

    def _sentence(self) -> str:
        parts = [f"{self.pulled} new {'version' if self.pulled == 1 else 'versions'}"]
        if self.gone:
            parts.append(f"{self.gone} deleted in CVAT")
        if self.withdrawn:
            parts.append(f"{self.withdrawn} taken or given back there")
        return f"{self.looked_at} jobs looked at: {', '.join(parts)}."


def _open(project: CvatProject) -> Reconciliation | None:
    rows = project.reconciliations.all()
    return rows.filter(stage__in=[Stage.WAITING, Stage.RUNNING]).first()


def _newest(project: CvatProject) -> list[int]:
    return list(project.reconciliations.values_list("pk", flat=True)[:1])
