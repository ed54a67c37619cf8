"""Reads for the pages about CVAT: how far a dataset is there, and what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from annotation.models import (
    AnnotationTask,
    CvatJob,
    CvatProject,
    CvatServer,
    JobStateChange,
    Reconciliation,
    WebhookDelivery,
)
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.models import Dataset

BEHIND = Q(fetched_at=None) | ~Q(fetched_at=F("changed_at"))


class Trouble(NamedTuple):
    """Something that people should know: what happened and what to do, in one message."""

    what: str
    message: str
    action: str = ""  # name of the button that helps


class JobState(NamedTuple):
    label: str
    tone: str


@dataclass
class CvatPage:
    """A dataset in CVAT, at a glance."""

    project: CvatProject
    tasks: int  # of the dataset
    unsent: int  # nobody ordered to send them
    waiting: int
    running: int
    failed: int
    sent: int
    finished: int  # CVAT has
    have: int  # of those, we have
    gone: int
    lag: float | None  # seconds since the oldest change that we have not got
    last_look: Reconciliation | None
    troubles: list[Trouble]

    @property
    def percent(self) -> float:
        ordered = self.tasks - self.unsent
        return 100 * self.sent / ordered if ordered else 0.0

    @property
    def is_sending(self) -> bool:
        return bool(self.waiting or self.running) and not self.project.is_paused

    @property
    def project_url(self) -> str:
        return f"{self.project.server.url.rstrip('/')}/projects/{self.project.project_id}"


def cvat_page(dataset: Dataset) -> CvatPage | None:
    """What there is to say of `dataset` in CVAT; None if it is not connected."""
    project = CvatProject.objects.select_related("server", "dataset").filter(dataset=dataset)
    found = project.first()
    if found is None:
        return None
    jobs = CvatJob.objects.filter(project=found).wanted()
    counts = jobs.counts()
    finished = jobs.sent().filter(cvat_state="completed")
    oldest = finished.filter(BEHIND).order_by("changed_at").values_list("changed_at").first()
    looks = found.reconciliations.all()
    tasks = AnnotationTask.objects.of(dataset).filter(annotator__is_simulated=False)
    given = tasks.filter(Q(unassigned_at=None) | Q(cvat_job__stage=Stage.DONE))
    return CvatPage(
        project=found,
        tasks=given.count(),
        unsent=given.filter(cvat_job=None).count(),
        waiting=counts[Stage.WAITING],
        running=counts[Stage.RUNNING],
        failed=counts[Stage.FAILED],
        sent=jobs.sent().count(),
        finished=finished.count(),
        have=finished.exclude(BEHIND).count(),
        gone=jobs.filter(is_deleted=True).count(),
        lag=_seconds_since(oldest[0] if oldest else None),
        last_look=looks.filter(stage=Stage.DONE).first(),
        troubles=_troubles(found, jobs),
    )


def job_rows(dataset: Dataset) -> QuerySet[CvatJob]:
    """The tasks of `dataset` that were to be sent, by clip and annotator."""
    rows = CvatJob.objects.filter(project__dataset=dataset)
    rows = rows.select_related("task__clip", "task__annotator", "project__server")
    return rows.order_by("task__clip__name", "task__annotator__name")


def job_lines(jobs: list[CvatJob]) -> list[dict[str, Any]]:
    """Lines of the table: the row, its state in words, its address in CVAT."""
    return [
        {
            "job": job,
            "state": job_state(job),
            "message": job.error or job.message,
            "url": _job_url(job),
        }
        for job in jobs
    ]


def job_state(job: CvatJob) -> JobState:
    """Where a task is on its way to CVAT and back."""
    if job.task.unassigned_at and (job.is_unassigned or job.stage != Stage.DONE):
        return JobState("Taken back", "grey")
    unsent = {
        Stage.WAITING: JobState("Waiting to be sent", "grey"),
        Stage.RUNNING: JobState("Being sent", "info"),
        Stage.FAILED: JobState("Not sent", "bad"),
    }
    if job.stage in unsent:
        return unsent[Stage(job.stage)]
    if job.is_deleted:
        return JobState("Deleted in CVAT", "bad")
    if job.edited_at:
        return JobState("Edited after approval", "warn")
    if job.cvat_stage == "acceptance":
        return JobState("Accepted", "ok")
    if job.cvat_state == "completed":
        is_here = job.fetched_at == job.changed_at
        return (
            JobState("Finished", "ok") if is_here else JobState("Finished, on its way", "info")
        )
    states = {
        "in progress": JobState("In progress", "info"),
        "rejected": JobState("Sent back", "violet"),
    }
    return states.get(job.cvat_state, JobState("New", "grey"))


def deliveries_of(project: CvatProject) -> StagedQuerySet:
    """What CVAT told of the dataset's project, newest first; pings are of no project."""
    mine = Q(project_id=project.project_id) | Q(project_id=None)
    return WebhookDelivery.objects.filter(mine, server=project.server).order_by("-pk")


def servers_in_use() -> QuerySet[CvatServer]:
    return CvatServer.objects.prefetch_related("projects__dataset")


def _job_url(job: CvatJob) -> str:
    if job.job_id is None or job.is_deleted:
        return ""
    base = job.project.server.url.rstrip("/")
    return f"{base}/tasks/{job.cvat_task_id}/jobs/{job.job_id}"


def _seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else max((timezone.now() - moment).total_seconds(), 0.0)


def _troubles(project: CvatProject, jobs: QuerySet[CvatJob]) -> list[Trouble]:
    server = project.server
    found = []
    if server.stage == Stage.FAILED:
        found.append(Trouble(f"The connection to {server} failed", server.error))
    if project.error:
        is_deleted = "make it anew" in project.error
        found.append(Trouble("The project is not as it should be", project.error,
                             "anew" if is_deleted else "setup"))  # fmt: skip
    found += [Trouble("To know", message) for message in project.warnings]
    rows: list[tuple[str, QuerySet[Any]]] = [
        ("Sending waits", jobs.filter(stage=Stage.WAITING)),
        ("The last look at CVAT did not succeed", _last_look(project)),
        ("A verdict did not reach CVAT", JobStateChange.objects.filter(job__project=project)),
        ("A delivery could not be looked into", deliveries_of(project)),
    ]
    for what, candidates in rows:
        row: StagedModel | None = candidates.exclude(error="").first()
        if row is not None:
            found.append(Trouble(what, row.error))
    if server.invalid_signature_count:
        found.append(
            Trouble(
                f"{server.invalid_signature_count} deliveries had a wrong signature and were refused",
                "If you changed the secret of the webhook in CVAT, save the server here again: "
                "that puts it right. Otherwise somebody is trying.",
            )
        )
    return found


def _last_look(project: CvatProject) -> QuerySet[Reconciliation]:
    newest = Reconciliation.objects.filter(project=project).order_by("-pk").values("pk")[:1]
    return Reconciliation.objects.filter(pk__in=list(newest.values_list("pk", flat=True)))
