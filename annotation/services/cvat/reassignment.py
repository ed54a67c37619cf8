"""Jobs reassigned in CVAT: the task follows to its new annotator, or the job is given back.

The author of an answer version is who had the job when it was finished: the newest delivery
that says so, else CVAT's events, else the job's assignee. A delivery about answers that were
fetched before says nothing about newer ones.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from annotation.core.cvat_times import event_time
from annotation.core.webhook import date_of, job_in, tells_of_work
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError, CvatTooLongError, CvatUnavailableError
from annotation.cvat.job_calls import Job
from annotation.models import (
    AnnotationTask,
    Annotator,
    CvatJob,
    WebhookDelivery,
    check_user_name,
)
from annotation.services.answer_fit import frame_count_of
from datasets.core.formats.cvat_json import CvatJsonError, document_from, fingerprint

MAX_EDITORS = 20
OLDEST = datetime.min.replace(tzinfo=UTC)
SAVES = {
    f"{action}:{kind}"
    for action in ("create", "update", "delete")
    for kind in ("tracks", "shapes", "tags")
}  # CVAT's scopes of saved annotations
TOLD = SAVES | {"update:job"}


class Finish(NamedTuple):
    """Who finished a job."""

    assignee: str  # at that moment, the author of the answers
    finished_by: str  # who set the state; "" if unknown
    editors: list[str]  # who saved since the last version, as far as known


def who_finished(client: CvatClient, row: CvatJob, job: Job) -> Finish:
    """Who had a finished `job`, who finished it, and who edited it."""
    deliveries = WebhookDelivery.objects.filter(
        server=row.project.server, job_id=job.job_id, event="update:job"
    )
    newest = row.task.versions.order_by("-number").first()
    since = deliveries.filter(received_at__gt=newest.created_at) if newest else deliveries
    editors = {one.sender for one in since.exclude(sender="") if tells_of_work(one.body)}
    said = _newest_finish(deliveries, row.fetched_at)
    if said is not None:
        assignee = job_in(said.body).assignee or job.assignee
        return Finish(assignee, said.sender, _without_account(client, job, editors))
    events = _events(client, job)
    finisher = _finisher(events)
    editors |= _editors(row, events)
    is_reassigned = row.assignee and job.assignee != row.assignee
    return Finish(
        finisher if finisher and is_reassigned else job.assignee,
        finisher,
        _without_account(client, job, editors),
    )


def _without_account(client: CvatClient, job: Job, editors: set[str]) -> list[str]:
    """The editors by name, without the account that sent the task, unless it has the job."""
    others = editors - {job.assignee}
    if others:
        editors = editors - ({client.whoami()} & others)
    return sorted(editors)[:MAX_EDITORS]


def _newest_finish(
    deliveries: QuerySet[WebhookDelivery], since: datetime | None
) -> WebhookDelivery | None:
    """The last delivery, by CVAT's date, that says that the job was finished after `since`."""

    def date(one: WebhookDelivery) -> datetime:
        return date_of(one.body) or OLDEST

    finished = deliveries.filter(state="completed").order_by("pk")
    newer = [one for one in finished if since is None or date(one) > since]
    return max(newer, key=date, default=None)


def digest_of(row: CvatJob, annotations: dict[str, Any]) -> str:
    """SHA-256 of the answers; of the JSON if it cannot be read, so that reading reports why."""
    try:
        document = document_from(
            annotations, row.project.label_ids, task_name=str(row),
            frame_count=frame_count_of(row.task),
        )  # fmt: skip
    except CvatJsonError:
        return sha256(json.dumps(annotations, sort_keys=True).encode()).hexdigest()
    return fingerprint(document)


def author_of(row: CvatJob, finish: Finish) -> Annotator:
    """The annotator who gave the answers; that of the task if CVAT names nobody."""
    task = row.task
    if finish.assignee in ("", task.annotator.name):
        return task.annotator
    return annotator_named(task, finish.assignee) or task.annotator


def annotator_named(task: AnnotationTask, name: str) -> Annotator | None:
    """The annotator of this name; None for an unusable one. Plans give a new one no tasks."""
    try:
        check_user_name(name)
    except ValidationError:
        return None
    dataset = task.annotator.dataset
    found, _ = Annotator.objects.get_or_create(
        dataset=dataset, name=name, defaults={"is_active": False}
    )
    return found


def has_clip(task: AnnotationTask, name: str) -> bool:
    """Whether `name` has the clip as another task, or has answered it."""
    others = AnnotationTask.objects.filter(clip=task.clip_id).exclude(pk=task.pk)
    mine = Q(annotator__name=name) | Q(versions__author__name=name)
    return others.filter(mine).exists()


def follow_assignee(client: CvatClient, row: CvatJob, job: Job) -> Job:
    """Let the task follow to whom the job was reassigned in CVAT; the job as it is then.

    An unassigned task follows nobody. May be repeated after a crash at any point.
    """
    task, name = row.task, job.assignee
    if name in ("", task.annotator.name) or task.unassigned_at or not row.cvat_task_id:
        return job
    if has_clip(task, name):
        return _give_back(client, row, job)
    new = annotator_named(task, name)
    if new is None:
        return job
    client.rename_task(row.cvat_task_id, f"{task.clip}--{name}")
    line = gettext("Reassigned in CVAT from %(annotator)s to %(name)s.") % {
        "annotator": task.annotator,
        "name": name,
    }
    with transaction.atomic():
        # The package is written again: its task has another name now.
        AnnotationTask.objects.filter(pk=task.pk).start_over(annotator=new)
        _add_history(row, line)
    task.refresh_from_db()
    return job


def _give_back(client: CvatClient, row: CvatJob, job: Job) -> Job:
    """Give a job back to its annotator, with an issue that says why."""
    before, now = row.task.annotator.name, job.assignee
    users = {one.name: one.user_id for one in client.members() if one.is_active}
    is_by_new = (
        job.is_finished
        and who_finished(client, row, job).assignee == now
        and _has_new_answers(client, row, job)
    )
    reason = gettext(
        "This job goes back to %(before)s: %(now)s has this clip already as a task of "
        "their own, and two answers of one person cannot be compared."
    ) % {"before": before, "now": now}
    if is_by_new:
        reason += gettext(
            " It was finished by %(now)s, so %(before)s has to check every answer."
        ) % {"now": now, "before": before}
    if not any(_says(client, one["id"], reason) for one in client.issues(job.job_id)):
        video = row.task.clip.video
        whole = (0.0, 0.0, float(video.width or 1), float(video.height or 1))
        client.create_issue(
            job.job_id, frame=0, box=whole, message=reason, user_id=users.get(before),
        )  # fmt: skip
    changes: dict[str, object] = {"assignee": users.get(before)}
    if is_by_new:
        changes |= {"stage": "annotation", "state": "rejected"}
    given_back = client.change_job(job.job_id, **changes)
    _add_history(row, reason)
    return given_back


def _has_new_answers(client: CvatClient, row: CvatJob, job: Job) -> bool:
    """Whether a job has other answers than those that were fetched from it before."""
    newest = row.task.versions.order_by("-number").first()
    return newest is None or newest.sha256 != digest_of(row, client.annotations(job.job_id))


def _says(client: CvatClient, issue_id: int, text: str) -> bool:
    return any(one["message"] == text for one in client.comments(issue=issue_id))


def _add_history(row: CvatJob, text: str) -> None:
    row.history = [*row.history, {"at": timezone.now().isoformat(), "text": text}]
    CvatJob.objects.filter(pk=row.pk).update(history=row.history)


def _events(client: CvatClient, job: Job) -> list[dict[str, str]]:
    """CVAT's events of the job; empty if they cannot be read.

    A CVAT that has none, or not for this account, is asked only once.
    """
    if not client.has_events:
        return []
    try:
        return [one for one in client.job_events(job.job_id) if one["scope"] in TOLD]
    except (CvatTooLongError, CvatUnavailableError):  # of this job alone, or not now
        return []
    except CvatError:  # no right to them, or no event store
        client.has_events = False
        return []


def _editors(row: CvatJob, events: list[dict[str, str]]) -> set[str]:
    """Who saved annotations since the last fetch."""
    since = row.fetched_at
    return {
        one["user_name"]
        for one in events
        if one["scope"] in SAVES
        and one["user_name"]
        and (since is None or ((at := event_time(one)) is not None and at > since))
    }


def _finisher(events: list[dict[str, str]]) -> str:
    """Who set the job to completed last; "" if no event says so."""
    done = [
        one
        for one in events
        if one["obj_name"] == "state"
        and one["obj_val"] == "completed"
        and one["scope"] == "update:job"
    ]
    done.sort(key=lambda one: one["timestamp"])
    return str(done[-1]["user_name"]) if done else ""
