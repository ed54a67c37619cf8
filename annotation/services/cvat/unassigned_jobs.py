"""What was taken back here is taken back in CVAT: nobody is left working for nothing.

A job that was sent loses its annotator, and what he or she did so far stays in it. If the task
is given back, so is the job. Whoever was assigned in CVAT by hand is left alone. A task whose
sending was broken off is deleted in CVAT.
"""

from django.db.models import Exists, OuterRef, QuerySet

from annotation.cvat.client import CvatClient, Job
from annotation.cvat.errors import CvatGoneError
from annotation.models import AnswerVersion, CvatJob, CvatProject
from annotation.services.cvat.jobs import mark_job_deleted, sync_job_state
from avaproject.base.work import Stage


def sync_unassigned_jobs(client: CvatClient, project: CvatProject) -> int:
    """Bring the jobs of `project` in line with what was taken and given back; how many."""
    rows = CvatJob.objects.filter(project=project, is_deleted=False).select_related(
        "project", "task__clip", "task__annotator"
    )
    answered = Exists(AnswerVersion.objects.filter(task=OuterRef("task")))
    withdrawn = rows.exclude(task__unassigned_at=None).filter(is_unassigned=False)
    count = sum(_take(client, row) for row in withdrawn.sent().exclude(answered))
    count += sum(_delete(client, row) for row in _begun(withdrawn))
    returned = rows.filter(task__unassigned_at=None, is_unassigned=True)
    if returned.exists():
        users = {one.name: one.user_id for one in client.members() if one.is_active}
        count += sum(_give(client, row, users) for row in returned)
    return count


def _begun(rows: QuerySet[CvatJob]) -> QuerySet[CvatJob]:
    """Those that nobody sends now, but somebody tried to."""
    idle = rows.filter(stage__in=[Stage.WAITING, Stage.FAILED], job_id=None)
    return idle.exclude(started_at=None)


def _take(client: CvatClient, row: CvatJob) -> bool:
    if not row.assignee:
        _settle(row, is_unassigned=True)
        return True
    if row.assignee != row.task.annotator.name:
        return False
    job = _changed(client, row, assignee=None)
    if job is not None:
        _settle(row, is_unassigned=True, job=job)
    return job is not None


def _give(client: CvatClient, row: CvatJob, users: dict[str, int]) -> bool:
    user_id = users.get(row.task.annotator.name)
    if row.job_id is None or row.assignee:  # it is sent now, or somebody has it by hand
        _settle(row, is_unassigned=False)
        return True
    job = _changed(client, row, assignee=user_id) if user_id else None
    if job is not None:
        _settle(row, is_unassigned=False, job=job)
    return job is not None


def _changed(client: CvatClient, row: CvatJob, *, assignee: int | None) -> Job | None:
    try:
        return client.change_job(row.job_id or 0, assignee=assignee)
    except CvatGoneError:
        mark_job_deleted(row)
        return None


def _delete(client: CvatClient, row: CvatJob) -> bool:
    for task in client.tasks_named(row.project.project_id or 0, str(row.task)):
        if all(job.state == "new" for job in client.jobs_of_task(task["id"])):
            client.delete_task(task["id"])
    _settle(row, is_unassigned=True)
    return True


def _settle(row: CvatJob, *, is_unassigned: bool, job: Job | None = None) -> None:
    row.is_unassigned = is_unassigned
    CvatJob.objects.filter(pk=row.pk).update(is_unassigned=is_unassigned)
    if job is not None:
        sync_job_state(row, job)
