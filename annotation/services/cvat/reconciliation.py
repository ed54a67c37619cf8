"""Reconciliation with CVAT: poll changed jobs every five minutes, all jobs every hour.

This finds changes whose webhook delivery never arrived. Dates are compared with CVAT's own
earlier dates, never with our clock. A job counts as changed when its date differs, not only
when it is later, so a CVAT clock that was set back hides nothing from the hourly poll.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError, CvatGoneError
from annotation.models import CvatJob, CvatProject, Reconciliation
from annotation.services.answer_fit import AnswersError
from annotation.services.cvat.comments import read_comments
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.cvat.deliveries import delete_old_deliveries
from annotation.services.cvat.job_times import read_job_times
from annotation.services.cvat.jobs import fetch_finished_jobs, mark_job_deleted, sync_job_state
from annotation.services.cvat.other_tasks import find_other_tasks
from annotation.services.cvat.projects import deleted_project
from annotation.services.cvat.reassignment import follow_assignee
from annotation.services.cvat.unassigned_jobs import sync_unassigned_jobs
from avaproject.base.work import Stage
from datasets.models import Dataset

INTERVAL = timedelta(minutes=5)
FULL_INTERVAL = timedelta(hours=1)
RETENTION = timedelta(days=1)
MARGIN = timedelta(minutes=2)  # a change may become visible later than its date says


def plan_reconciliations() -> int:
    """Create a reconciliation for each project whose last one is five minutes old; how many."""
    now = timezone.now()
    orders = []
    rows = Reconciliation.objects.filter(project=OuterRef("pk"))
    recent = rows.filter(created_at__gt=now - INTERVAL)
    due = CvatProject.objects.exclude(project_id=None).exclude(Exists(recent))
    for project in due.exclude(Exists(rows.open())):
        rows = project.reconciliations.all()
        done = rows.filter(stage=Stage.DONE)
        is_full = not done.filter(is_full=True, created_at__gt=now - FULL_INTERVAL).exists()
        orders.append(Reconciliation(project=project, is_full=is_full))
        rows.filter(created_at__lt=now - RETENTION).exclude(pk__in=_newest(project)).delete()
    Reconciliation.objects.bulk_create(orders, ignore_conflicts=True)
    if orders:
        delete_old_deliveries()
    return len(orders)


def request_reconciliation(project: CvatProject) -> Reconciliation:
    """Request a full reconciliation now; one that is waiting already is made full."""
    Reconciliation.objects.bulk_create(
        [Reconciliation(project=project, is_full=True)], ignore_conflicts=True
    )
    waiting = _unfinished(project)
    project.reconciliations.filter(stage=Stage.WAITING).update(
        is_full=True, not_before=None, enqueued_at=None
    )
    return waiting or project.reconciliations.latest("pk")


def reconcile_soon(dataset: Dataset) -> None:
    """Request a reconciliation, so that changed assignments reach CVAT; if it is connected."""
    project = CvatProject.objects.filter(dataset=dataset).exclude(project_id=None).first()
    if project is not None:
        request_reconciliation(project)


def reconcile(reconciliation_id: int) -> Reconciliation | None:
    """Run one reconciliation; None if another worker does."""
    row = Reconciliation.objects.claim(reconciliation_id)
    if row is None:
        return None
    with retrying(row, AnswersError):
        _ProjectReconciler(row).run()
    return row


class _ProjectReconciler:
    """Compares CVAT's jobs with our rows, for one project."""

    def __init__(self, row: Reconciliation) -> None:
        self.row = row
        self.project = row.project
        self.client: CvatClient = client_for(self.project.server)
        self.job_count = self.version_count = self.deleted_count = self.reassigned_count = 0
        jobs = CvatJob.objects.filter(project=self.project).exclude(job_id=None)
        self.rows = {
            job.job_id: job
            for job in jobs.select_related(
                "project__server", "task__annotator", "task__clip__video__dataset"
            )
        }

    def run(self) -> None:
        is_full = self.row.is_full or self.project.cursor is None or self._has_deleted_jobs()
        since = None if is_full else self._cursor() - MARGIN
        listed = {}
        for job in self.client.jobs(self._project_id(), since=since):
            listed[job.job_id] = job
        if is_full and self.rows and not listed:
            self._check_project_is_here()
        changed = [(self.rows[key], job) for key, job in listed.items() if key in self.rows]
        changed = [(row, follow_assignee(self.client, row, job)) for row, job in changed]
        for row, job in changed:
            sync_job_state(row, job)
        self.job_count = len(changed)
        for number, (_, version) in enumerate(
            fetch_finished_jobs(self.client, changed), start=1
        ):
            self.version_count += version is not None
            self.row.report(number / len(changed))
        if is_full:
            self._find_deleted_jobs(set(listed))
        self._move_cursor(job.updated_date for job in listed.values())
        read_comments(self.client, self.project)
        if is_full:
            find_other_tasks(self.client, self.project)
        self.reassigned_count = sync_unassigned_jobs(self.client, self.project)
        read_job_times(self.client, self.project)
        self.row.finish(
            is_full=is_full, job_count=self.job_count, version_count=self.version_count,
            deleted_count=self.deleted_count, summary=self._summary(),
        )  # fmt: skip

    def _cursor(self) -> datetime:
        return self.project.cursor or timezone.now()

    def _check_project_is_here(self) -> None:
        """Raise CvatError if the project was deleted, or is in another organisation.

        CVAT then lists no jobs of it, without an error.
        """
        number = self._project_id()
        try:
            there = self.client.project(number)
        except CvatGoneError as error:
            raise CvatError(deleted_project(self.project)) from error
        listed = self.client.projects_named(there["name"])
        if all(one["id"] != number for one in listed):
            raise CvatError(
                gettext(
                    "CVAT has project %(project)s in another organisation than "
                    "%(organisation)s, so its jobs are not listed: move it back there, then "
                    "assign its jobs again, or enter its organisation on the server's page"
                )
                % {"project": number, "organisation": self.project.server.organisation}
            )

    def _project_id(self) -> int:
        if self.project.project_id is None:
            raise CvatError(gettext("the project is not set up yet"))
        return self.project.project_id

    def _has_deleted_jobs(self) -> bool:
        """Whether CVAT has fewer jobs than we have rows."""
        expected = sum(not job.is_deleted for job in self.rows.values())
        return self.client.job_count(self._project_id()) < expected

    def _find_deleted_jobs(self, listed: set[int]) -> None:
        for key, row in self.rows.items():
            if key in listed or row.is_deleted or key is None:
                continue
            try:
                sync_job_state(row, self.client.job(key))
            except CvatGoneError:
                mark_job_deleted(row)
                self.deleted_count += 1

    def _move_cursor(self, dates: Iterator[datetime]) -> None:
        newest = max(dates, default=None)
        if newest is not None:
            CvatProject.objects.filter(pk=self.project.pk).update(cursor=newest)

    def _summary(self) -> str:
        parts = [
            ngettext("%d new version", "%d new versions", self.version_count)
            % self.version_count
        ]
        if self.deleted_count:
            parts.append(gettext("%(count)s deleted in CVAT") % {"count": self.deleted_count})
        if self.reassigned_count:
            parts.append(
                gettext("%(count)s unassigned or reassigned in CVAT")
                % {"count": self.reassigned_count}
            )
        return ngettext(
            "%(count)s job checked: %(parts)s.",
            "%(count)s jobs checked: %(parts)s.",
            self.job_count,
        ) % {
            "count": self.job_count,
            "parts": ", ".join(parts),
        }


def _unfinished(project: CvatProject) -> Reconciliation | None:
    rows = project.reconciliations.all()
    return rows.open().first()


def _newest(project: CvatProject) -> list[int]:
    return list(project.reconciliations.values_list("pk", flat=True)[:1])
