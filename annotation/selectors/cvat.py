"""Queries for the CVAT pages: progress of a dataset's jobs, problems, deliveries, servers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, F, Min, Q, QuerySet, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from annotation.models import (
    AnnotationTask,
    Annotator,
    AnswerVersion,
    CvatJob,
    CvatJobQuerySet,
    CvatProject,
    CvatServer,
    IssueComment,
    JobStateChange,
    JobTimes,
    Reconciliation,
    WebhookDelivery,
)
from avaproject.base.work import Stage, StagedModel, StagedQuerySet, exist
from datasets.models import Dataset

OUT_OF_DATE = Q(fetched_at=None) | ~Q(fetched_at=F("changed_at"))


EXPIRY_WARNING = timedelta(days=7)
RECREATE = gettext_noop(  # the end of an error that is mended so
    "Recreate the project to send all tasks again with the stored answers"
)


class Problem(NamedTuple):
    """Something that needs attention; the message says what happened and what to do."""

    title: str
    message: str
    action: str = ""  # of `annotation:cvat_retry`, if that helps


class JobState(NamedTuple):
    label: str
    tone: str


@dataclass
class CvatPage:
    """A dataset's progress in CVAT."""

    project: CvatProject
    tasks: int  # of the dataset
    unsent: int  # sending was not requested
    waiting: int
    running: int
    failed: int
    sent: int
    finished: int  # in CVAT
    fetched: int  # of those, up to date here and read
    refused: int  # of those, the newest version could not be read
    deleted: int
    has_times: bool  # CVAT's events told how long answers took
    lag: float | None  # seconds since the oldest change that was not fetched
    last_reconciliation: Reconciliation | None
    problems: list[Problem]

    @property
    def percent(self) -> float:
        requested = self.tasks - self.unsent
        return 100 * self.sent / requested if requested else 0.0

    @property
    def is_sending(self) -> bool:
        return bool(self.waiting or self.running) and not self.project.is_paused

    @property
    def project_url(self) -> str:
        return f"{self.project.server.url.rstrip('/')}/projects/{self.project.project_id}"


def cvat_page(dataset: Dataset) -> CvatPage | None:
    """The progress of `dataset` in CVAT; None if it is not connected."""
    project = CvatProject.objects.select_related("server", "dataset").filter(dataset=dataset)
    found = project.first()
    if found is None:
        return None
    jobs = CvatJob.objects.filter(project=found)
    unfinished = (jobs.open() | jobs.failed()).wanted().order_by()
    open_jobs = dict(unfinished.values_list("stage").annotate(Count("pk")))
    is_sent, is_fetched = Q(is_deleted=False), ~OUT_OF_DATE
    is_finished = is_sent & Q(cvat_state="completed")
    counts = jobs.done().aggregate(
        sent=Count("pk", filter=is_sent),
        finished=Count("pk", filter=is_finished),
        fetched=Count("pk", filter=is_finished & is_fetched),
        deleted=Count("pk", filter=~is_sent),
        oldest=Min("changed_at", filter=is_finished & OUT_OF_DATE),
    )
    refused_tasks = list(_refused_versions(found).order_by().values_list("task", flat=True))
    refused = jobs.sent().filter(task__in=refused_tasks).order_by()
    refused_counts = refused.aggregate(
        all=Count("pk"), fetched=Count("pk", filter=is_finished & is_fetched)
    )
    people = dataset.annotators.filter(is_simulated=False, tool__in=["", Annotator.Tool.CVAT])
    tasks = AnnotationTask.objects.filter(annotator__in=people)
    is_assigned = Q(unassigned_at=None)
    asked = tasks.aggregate(
        all=Count("pk", filter=is_assigned | Q(cvat_job__stage=Stage.DONE)),
        unsent=Count("pk", filter=is_assigned & Q(cvat_job=None)),
    )
    return CvatPage(
        project=found,
        tasks=asked["all"],
        unsent=asked["unsent"],
        waiting=open_jobs.get(Stage.WAITING, 0),
        running=open_jobs.get(Stage.RUNNING, 0),
        failed=open_jobs.get(Stage.FAILED, 0),
        sent=counts["sent"],
        finished=counts["finished"],
        fetched=counts["fetched"] - refused_counts["fetched"],
        refused=refused_counts["all"],
        deleted=counts["deleted"],
        has_times=JobTimes.objects.filter(
            version__task__cvat_job__project=found, working_ms__isnull=False
        ).exists(),
        lag=_seconds_since(counts["oldest"]),
        last_reconciliation=found.reconciliations.filter(stage=Stage.DONE).first(),
        problems=_problems(found, jobs.wanted()),
    )


def job_rows(dataset: Dataset) -> QuerySet[CvatJob]:
    """The tasks of `dataset` whose sending was requested, in the order of assignment."""
    return CvatJob.objects.filter(project__dataset=dataset).order_by("task_id")


def job_lines(rows: Iterable[CvatJob]) -> list[dict[str, Any]]:
    """Table lines: the row, its state in words, its address in CVAT."""
    jobs = list(rows)
    prefetch_related_objects(jobs, "task__clip", "task__annotator", "project__server")
    versions = AnswerVersion.objects.filter(task__in=[job.task_id for job in jobs])
    newest = {one.task_id: one for one in versions.order_by("number")}
    return [_line(job, newest.get(job.task_id)) for job in jobs]


def _line(job: CvatJob, newest: AnswerVersion | None) -> dict[str, Any]:
    state, message = job_state(job), job.error or job.message
    problems = newest.problems if newest else []
    if newest and newest.stage == Stage.FAILED:
        state, message = JobState(_("Answers refused"), "bad"), newest.error
    elif problems:
        count = len(problems)
        sentence = ngettext(
            "%(count)d object to correct: %(text)s.",
            "%(count)d objects to correct: %(text)s.",
            count,
        ) % {"count": count, "text": problems[0]["text"]}
        message = f"{sentence} {message}"
        if job.cvat_state == "rejected":
            state = JobState(_("Returned for correction"), "violet")
    return {"job": job, "state": state, "message": message, "url": _job_url(job)}


def _refused_versions(project: CvatProject) -> QuerySet[AnswerVersion]:
    """Newest versions that could not be read; an older one is history."""
    versions = AnswerVersion.objects.filter(task__cvat_job__project=project)
    return versions.failed().without_history()


def job_of_task(task: AnnotationTask) -> dict[str, Any] | None:
    """The line of a task's job with its `issues` and their comments; None without a job."""
    jobs = CvatJob.objects.filter(task=task).select_related(
        "task__clip", "task__annotator", "project__server"
    )
    job = jobs.first()
    if job is None:
        return None
    comments = list(job.comments.all())
    issues = [
        {
            "issue_id": issue,
            "frame": mine[0].frame,
            "is_resolved": mine[0].is_resolved,
            "comments": mine,
        }
        for issue in dict.fromkeys(one.issue_id for one in comments)
        if (mine := [one for one in comments if one.issue_id == issue])
    ]
    return job_lines([job])[0] | {"issues": issues}


def job_state(job: CvatJob) -> JobState:
    """The state of a task in CVAT, as the page shows it."""
    if job.task.unassigned_at and (job.is_unassigned or job.stage != Stage.DONE):
        return JobState(_("Unassigned"), "grey")
    unsent = {
        Stage.WAITING: JobState(_("Waiting to be sent"), "grey"),
        Stage.RUNNING: JobState(_("Sending"), "info"),
        Stage.FAILED: JobState(_("Sending failed"), "bad"),
    }
    if job.stage in unsent:
        return unsent[Stage(job.stage)]
    if job.is_deleted:
        return JobState(_("Deleted in CVAT"), "bad")
    if job.edited_at:
        return JobState(_("Edited after approval"), "warn")
    if job.cvat_stage == "acceptance":
        return JobState(_("Accepted"), "ok")
    if job.cvat_state == "completed":
        is_fetched = job.fetched_at == job.changed_at
        return (
            JobState(_("Finished"), "ok")
            if is_fetched
            else JobState(_("Finished, not fetched yet"), "info")
        )
    states = {
        "in progress": JobState(_("In progress"), "info"),
        "rejected": JobState(_("Rejected"), "violet"),
    }
    return states.get(job.cvat_state, JobState(_("New"), "grey"))


def deliveries_of(project: CvatProject) -> StagedQuerySet:
    """Webhook deliveries about the dataset's project, newest first; pings name no project."""
    mine = Q(project_id=project.project_id) | Q(project_id=None)
    return WebhookDelivery.objects.filter(mine, server=project.server).order_by("-pk")


def deferrable_rows(projects: Collection[CvatProject]) -> tuple[StagedQuerySet, ...]:
    """All work on `projects` that needs their servers."""
    numbers = [one.project_id for one in projects if one.project_id is not None]
    mine = Q(project_id__in=numbers) | Q(project_id=None)
    return (
        CvatProject.objects.filter(pk__in=[one.pk for one in projects]),
        CvatJob.objects.filter(project__in=projects),
        WebhookDelivery.objects.filter(mine, server__in=[one.server for one in projects]),
        Reconciliation.objects.filter(project__in=projects),
        JobStateChange.objects.filter(job__project__in=projects),
        IssueComment.objects.filter(job__project__in=projects),
    )


def forgery_log(server: CvatServer) -> Path:
    """The file whose size counts the deliveries with an invalid signature."""
    return settings.DATA_DIR / "forged-deliveries" / str(server.uuid)


def forgeries(server: CvatServer) -> tuple[int, datetime | None]:
    """How many deliveries had an invalid signature since the server was saved; the last one."""
    try:
        found = forgery_log(server).stat()
    except FileNotFoundError:
        return 0, None
    return found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)


def expiry_text(expires: datetime, now: datetime | None = None) -> str:
    """When a token ends, in words.

    >>> expiry_text(datetime(2026, 5, 3, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
    'ends tomorrow'
    """
    now = now or timezone.now()
    days = (timezone.localtime(expires).date() - timezone.localtime(now).date()).days
    if expires <= now:
        return _("has ended")
    if days < 2:
        return _("ends tomorrow") if days else _("ends today")
    if days <= EXPIRY_WARNING.days:
        return ngettext("ends in %d day", "ends in %d days", days) % days
    return _("is valid until %(day)s") % {"day": f"{timezone.localtime(expires):%Y-%m-%d}"}


def servers_in_use() -> QuerySet[CvatServer]:
    return CvatServer.objects.prefetch_related("projects__dataset")


def _job_url(job: CvatJob) -> str:
    if job.job_id is None or job.is_deleted:
        return ""
    base = job.project.server.url.rstrip("/")
    return f"{base}/tasks/{job.cvat_task_id}/jobs/{job.job_id}"


def _seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else max((timezone.now() - moment).total_seconds(), 0.0)


def _setup_problems(project: CvatProject) -> list[Problem]:
    """What the setup said; the first of its notes has the button to repeat it."""
    button = "" if project.error else "setup"
    found = [
        Problem(_("Note"), message, "" if number else button)
        for number, message in enumerate(project.warnings)
    ]
    if project.error:
        action = _mended_by(project.error) or "setup"
        found.insert(0, Problem(_("Project setup failed"), project.error, action))
    return found


def _mended_by(error: str) -> str:
    """The action of a button beside an error: what it asks to recreate the project by."""
    return "project" if _(RECREATE) in error else ""


def _problems(project: CvatProject, jobs: CvatJobQuerySet) -> list[Problem]:
    server = project.server
    found = []
    if server.stage == Stage.FAILED:
        found.append(
            Problem(_("The connection to %(server)s failed") % {"server": server}, server.error)
        )
    expires = server.token_expires_at
    if expires is not None and expires - timezone.now() < EXPIRY_WARNING:
        found.append(
            Problem(
                _("The token of %(server)s %(expiry_text)s")
                % {"server": server, "expiry_text": expiry_text(expires)},
                _(
                    "Then nothing is sent or fetched any more. Create a new one in CVAT and "
                    "enter it on the server's page."
                ),
            )
        )
    found += [
        Problem(_("The account lacks permissions in CVAT"), f"{one['message']} {one['fix']}")
        for one in server.checks
        if one["subject"] == "permissions" and not one["is_ok"]
    ]
    kinds = {rows.model.__name__: rows for rows in deferrable_rows([project])}
    there = exist({name: rows.model._default_manager.open() for name, rows in kinds.items()})
    deferred = sum(kinds[name].deferred().count() for name in there)
    if deferred:
        sentence = ngettext(
            "%(count)d operation with %(server)s deferred",
            "%(count)d operations with %(server)s deferred",
            deferred,
        )
        found.append(
            Problem(
                sentence % {"count": deferred, "server": server},
                _(
                    "They are retried automatically, each time later, at most five minutes "
                    "apart."
                ),
                "deferred",
            )
        )
    found += _setup_problems(project)
    rows: list[tuple[str, QuerySet[Any]]] = [
        (_("Sending is deferred"), jobs.open().filter(stage=Stage.WAITING)),
        (_("The last sync with CVAT failed"), _last_reconciliation(project)),
        (
            _("A review result did not reach CVAT"),
            JobStateChange.objects.filter(job__project=project),
        ),
        (_("A webhook delivery could not be processed"), deliveries_of(project)),
    ]
    for title, candidates in rows:
        row: StagedModel | None = candidates.exclude(error="").first()
        if row is not None:
            is_offered = any(one.action == "project" for one in found)
            action = "" if is_offered else _mended_by(row.error)
            found.append(Problem(title, row.error, action))
    forged, __ = forgeries(server)
    if forged:
        found.append(
            Problem(
                ngettext(
                    "%d delivery had an invalid signature",
                    "%d deliveries had an invalid signature",
                    forged,
                )
                % forged,
                _(
                    "If you changed the webhook's secret in CVAT, save the server here again "
                    "to restore it. Otherwise somebody else is sending requests to this "
                    "address."
                ),
            )
        )
    return found


def _last_reconciliation(project: CvatProject) -> QuerySet[Reconciliation]:
    newest = Reconciliation.objects.filter(project=project).order_by("-pk").values("pk")[:1]
    return Reconciliation.objects.filter(pk__in=list(newest.values_list("pk", flat=True)))
