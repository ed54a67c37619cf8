"""CVAT jobs: poll their state, and fetch a finished job's annotations as an answer version.

A job's date of change is read before its annotations, so a change in between is found by the
next poll.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatGoneError
from annotation.cvat.job_calls import Job
from annotation.models import AnswerVersion, CvatJob, JobStateChange, JobTimes
from annotation.services.answers import store_version
from annotation.services.cvat.projects import check_labels
from annotation.services.cvat.reassignment import (
    author_of,
    digest_of,
    follow_assignee,
    who_finished,
)

Found = tuple[CvatJob, Job]
REOPENED = (JobStateChange.Verdict.REJECTED, JobStateChange.Verdict.RETURNED)
EDITED = gettext_noop("Edited after approval. The new version needs a review.")


def poll_job(client: CvatClient, row: CvatJob) -> AnswerVersion | None:
    """Ask CVAT for one job and version it if there is something new. None if there is not."""
    if row.job_id is None:
        return None
    try:
        job = client.job(row.job_id)
    except CvatGoneError:
        mark_job_deleted(row)
        return None
    job = follow_assignee(client, row, job)
    sync_job_state(row, job)
    for _, version in fetch_finished_jobs(client, [(row, job)]):
        return version
    return None


def fetch_finished_jobs(
    client: CvatClient, found: Iterable[Found]
) -> Iterator[tuple[CvatJob, AnswerVersion | None]]:
    """Fetch in parallel the annotations of finished jobs that changed since the last fetch.

    Raises CvatError if a label was deleted in CVAT: what is missing then is no answer.
    """
    wanted = [
        (row, job)
        for row, job in found
        if job.is_finished and row.is_behind(job.updated_date) and not _is_moved(row, job)
    ]
    if wanted:
        check_labels(client, wanted[0][0].project)
    size = settings.CVAT_CONCURRENCY
    with ThreadPoolExecutor(size) as pool:
        for start in range(0, len(wanted), size):  # no more in memory than that
            part = wanted[start : start + size]
            fetched = pool.map(lambda one: _annotations(client, one[1]), part)
            for (row, job), annotations in zip(part, fetched, strict=True):
                if annotations is None:
                    mark_job_deleted(row)
                else:
                    yield row, _store(client, row, job, annotations)


def sync_job_state(row: CvatJob, job: Job) -> None:
    """Store the state that a job has in CVAT."""
    state = {
        "assignee": job.assignee,
        "cvat_stage": job.stage,
        "cvat_state": job.state,
        "changed_at": job.updated_date,
        "is_deleted": False,
        "message": _owner_message(row, job),
    }
    if any(getattr(row, name) != value for name, value in state.items()):
        CvatJob.objects.filter(pk=row.pk).update(**state)


def mark_job_deleted(row: CvatJob) -> None:
    CvatJob.objects.filter(pk=row.pk).update(
        is_deleted=True,
        message=gettext(
            "Deleted in CVAT. Answers fetched before are kept and can be sent again."
        ),
    )


def _is_moved(row: CvatJob, job: Job) -> bool:
    """Whether the task was moved to another project, whose labels are not those known here."""
    return job.project_id not in (None, row.project.project_id)


def _owner_message(row: CvatJob, job: Job) -> str:
    name = row.task.annotator.name
    if _is_moved(row, job):
        return gettext(
            "In CVAT the task was moved to project %(project_id)s, so its answers "
            "cannot be read: move it back, or delete it there and send it again."
        ) % {"project_id": job.project_id}
    if job.assignee == name:
        return gettext(EDITED) if row.edited_at else ""
    if row.task.unassigned_at:
        now = (
            gettext("CVAT has assigned it to %(assignee)s.") % {"assignee": job.assignee}
            if job.assignee
            else gettext("Its annotations stay in CVAT.")
        )
        return gettext("Unassigned from %(name)s. %(now)s") % {"name": name, "now": now}
    return gettext(
        "In CVAT the job is assigned to %(assignee)s, not to %(name)s: assign it to "
        "%(name)s there."
    ) % {"assignee": job.assignee or gettext("nobody"), "name": name}


def _annotations(client: CvatClient, job: Job) -> dict[str, Any] | None:
    try:
        return client.annotations(job.job_id)
    except CvatGoneError:
        return None


def _store(
    client: CvatClient, row: CvatJob, job: Job, annotations: dict[str, Any]
) -> AnswerVersion | None:
    newest = row.task.versions.order_by("-number").first()
    verdict = row.state_changes.order_by("-pk").first()
    is_rework = (
        verdict is not None
        and verdict.verdict in REOPENED
        and verdict.applied_at is not None
        and verdict.applied_at < job.updated_date
        and newest is not None
        and verdict.version_id == newest.pk
    )
    finish = who_finished(client, row, job)
    labels = _other_labels(client, row, annotations)
    version = store_version(
        row.task, _envelope(row, job, annotations, labels), digest_of(row, annotations),
        suffix="json", job=job.job_id, even_if_same=is_rework, author=author_of(row, finish),
        finished_by=finish.finished_by, editors=finish.editors,
        source=AnswerVersion.Source.CVAT,
    )  # fmt: skip
    fetched = version or newest  # the newest also after a crash between the two
    if fetched is not None and fetched.source == AnswerVersion.Source.CVAT:
        JobTimes.objects.get_or_create(
            version=fetched, defaults={"finished_at": job.updated_date}
        )
    changes: dict[str, Any] = {"fetched_at": job.updated_date}
    if version is not None:
        is_approved = verdict is not None and verdict.verdict == JobStateChange.Verdict.APPROVED
        changes["edited_at"] = timezone.now() if is_approved else None
        changes["message"] = gettext(EDITED) if is_approved else ""
    CvatJob.objects.filter(pk=row.pk).update(**changes)
    return version


def _other_labels(
    client: CvatClient, row: CvatJob, annotations: dict[str, Any]
) -> dict[int, str]:
    """Names of the labels in `annotations` that are not ours; asked for only if needed."""
    used = {
        one["label_id"] for kind in ("tracks", "shapes") for one in annotations.get(kind) or []
    }
    own = {one.label for one in row.project.label_ids.all}
    if used <= own or row.project.project_id is None:
        return {}
    there = client.labels(row.project.project_id)
    return {one["id"]: one["name"] for one in there if one["id"] in used}


def _envelope(
    row: CvatJob, job: Job, annotations: dict[str, Any], labels: dict[int, str]
) -> bytes:
    """The annotations as CVAT returned them, with the label ids needed to read them."""
    ids = row.project.label_ids
    content = {
        "server": row.project.server.url,
        "job": job.job_id,
        "task": job.task_id,
        "assignee": job.assignee,
        "updated_date": job.updated_date.isoformat(),
        "label": ids.label,
        "attributes": ids.attributes,
        "labels": labels,
        "annotations": annotations,
    }
    if row.project.class_labels is not None:
        content["classes"] = row.project.class_labels
    return json.dumps(content, separators=(",", ":")).encode()
