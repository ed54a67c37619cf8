"""Unassigned and reassigned tasks: change the assignees of their jobs in CVAT accordingly.

A job of an unassigned task loses its assignee; its annotations stay. If the task is reassigned,
so is the job. An assignee set by hand in CVAT is kept. A task whose sending was interrupted is
deleted in CVAT.
"""

from django.db.models import Exists, OuterRef, QuerySet

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatGoneError
from annotation.cvat.job_calls import Job
from annotation.models import AnswerVersion, CvatJob, CvatProject
from annotation.services.cvat.jobs import mark_job_deleted, sync_job_state
from avaproject.base.work import Stage


def sync_unassigned_jobs(client: CvatClient, project: CvatProject) -> int:
    """Update the assignees of jobs whose tasks were unassigned or reassigned; how many."""
    rows = CvatJob.objects.filter(project=project, is_deleted=False).select_related(
        "project", "task__clip", "task__annotator"
    )
    answered = Exists(AnswerVersion.objects.filter(task=OuterRef("task")))
    unassigned = rows.exclude(task__unassigned_at=None).filter(is_unassigned=False)
    count = sum(_unassign(client, row) for row in unassigned.sent().exclude(answered))
    count += sum(_delete_task(client, row) for row in _partly_sent(unassigned))
    reassigned = rows.filter(task__unassigned_at=None, is_unassigned=True)
    if reassigned.exists():
        users = {one.name: one.user_id for one in client.members() if one.is_active}
        count += sum(_reassign(client, row, users) for row in reassigned)
    return count


def _partly_sent(rows: QuerySet[CvatJob]) -> QuerySet[CvatJob]:
    """Rows that nobody sends now, but whose sending was started."""
    idle = rows.filter(stage__in=[Stage.WAITING, Stage.FAILED], job_id=None)
    return idle.exclude(started_at=None)


def _unassign(client: CvatClient, row: CvatJob) -> bool:
    if not row.assignee:
        _store(row, is_unassigned=True)
        return True
    if row.assignee != row.task.annotator.name:
        return False
    job = _changed(client, row, assignee=None)
    if job is not None:
        _store(row, is_unassigned=True, job=job)
    return job is not None


def _reassign(client: CvatClient, row: CvatJob, users: dict[str, int]) -> bool:
    user_id = users.get(row.task.annotator.name)
    if row.job_id is None or row.assignee:  # it is being sent, or was assigned by hand
        _store(row, is_unassigned=False)
        return True
    job = _changed(client, row, assignee=user_id) if user_id else None
    if job is not None:
        _store(row, is_unassigned=False, job=job)
    return job is not None


def _changed(client: CvatClient, row: CvatJob, *, assignee: int | None) -> Job | None:
    try:
        return client.change_job(row.job_id or 0, assignee=assignee)
    except CvatGoneError:
        mark_job_deleted(row)
        return None


def _delete_task(client: CvatClient, row: CvatJob) -> bool:
    for task in client.tasks_named(row.project.project_id or 0, str(row.task)):
        if all(job.state == "new" for job in client.jobs_of_task(task["id"])):
            client.delete_task(task["id"])
    _store(row, is_unassigned=True)
    return True


def _store(row: CvatJob, *, is_unassigned: bool, job: Job | None = None) -> None:
    row.is_unassigned = is_unassigned
    CvatJob.objects.filter(pk=row.pk).update(is_unassigned=is_unassigned)
    if job is not None:
        sync_job_state(row, job)
