"""Webhook deliveries of CVAT: store each one, and process it later by polling its job.

A delivery only names a job, whose current state is then read from CVAT. So deliveries may
arrive several times, late, in any order, or never (`reconciliation.py` finds those changes).
"""

import os
from hashlib import sha256

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.core.webhook import (
    COMMENT_EVENTS,
    WebhookEvent,
    issue_in,
    job_in,
    names_state,
    parse_event,
    verify_signature,
    webhook_in,
)
from annotation.models import CvatJob, CvatProject, CvatServer, WebhookDelivery
from annotation.selectors.cvat import forgery_log
from annotation.services.answer_fit import AnswersError
from annotation.services.cvat.comments import read_comments
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.cvat.jobs import poll_job
from avaproject.base.work import Stage, StagedQuerySet

MAX_FORGERIES = 1_000_000


class InvalidSignatureError(ValueError):
    """The delivery is not signed with the server's secret."""


def receive(server: CvatServer, body: bytes, signature: str | None) -> WebhookDelivery | None:
    """Store a delivery; None for a copy of a stored one. Raises InvalidSignatureError."""
    if not verify_signature(body, signature, server.secret):
        count_forgery(server)
        raise InvalidSignatureError(_("The signature is invalid."))
    digest = sha256(body).hexdigest()
    event = parse_event(body)
    try:
        with transaction.atomic():
            return WebhookDelivery.objects.create(
                server=server, sha256=digest, event=event.name[:60], job_id=event.job_id,
                project_id=event.project_id, sender=event.sender, state=event.state,
                **_content(body, event),
            )  # fmt: skip
    except IntegrityError:
        same = WebhookDelivery.objects.filter(server=server, sha256=digest)
        if not same.update(copies=F("copies") + 1):
            raise
        return None


def count_forgery(server: CvatServer) -> None:
    """Count a delivery with an invalid signature, without the database: it has one writer.

    The count is the size of a file.
    """
    path = forgery_log(server)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        if log.tell() < MAX_FORGERIES:
            log.write(b".")
        else:
            os.utime(path)


def _content(body: bytes, event: WebhookEvent) -> dict[str, object]:
    text = body.decode("utf-8", "replace").replace("\x00", "")
    if not event.ignore_reason:
        return {"body": text}
    now = timezone.now()
    return {
        "body": text,
        "outcome": event.ignore_reason[:200],
        "stage": Stage.DONE,
        "finished_at": now,
    }


def process_delivery(delivery_id: int) -> WebhookDelivery | None:
    """Poll the job that one delivery is about; None if another worker has it or it is done."""
    delivery = WebhookDelivery.objects.claim(delivery_id)
    if delivery is None:
        return None
    with retrying(delivery, AnswersError):
        delivery.finish(outcome=_outcome(delivery)[:200])
    return delivery


def replay(deliveries: StagedQuerySet) -> int:
    """Process deliveries again, those that name a job; return how many."""
    return deliveries.exclude(job_id=None).start_over()


def delete_old_deliveries() -> int:
    """Delete processed deliveries older than `AVA_KEEP_DELIVERIES_DAYS`; return how many.

    Every save of an annotator may cause one.
    """
    before = timezone.now() - settings.KEEP_DELIVERIES
    return WebhookDelivery.objects.done().filter(received_at__lt=before).delete()[0]


def _is_unchanged(delivery: WebhookDelivery, row: CvatJob) -> bool:
    """Whether a delivery reports nothing new: saved work, or what was done from here."""
    if delivery.event != "update:job" or names_state(delivery.body):
        return False
    job = job_in(delivery.body)
    known = (row.cvat_stage, row.cvat_state, row.assignee)
    return job.state != "completed" and job == known


def _outcome(delivery: WebhookDelivery) -> str:
    if delivery.event in COMMENT_EVENTS:
        return _comment_outcome(delivery)
    row = (
        CvatJob.objects.filter(project__server=delivery.server, job_id=delivery.job_id)
        .select_related("project__server", "project__dataset", "task__clip__video__dataset")
        .first()
    )
    if row is None:
        return _("ignored: not a job of this project")
    later = WebhookDelivery.objects.filter(
        server=delivery.server, job_id=delivery.job_id, pk__gt=delivery.pk,
        stage=Stage.WAITING, not_before=None,
    )  # fmt: skip
    if later.exists():
        return _("ignored: a later delivery is about the same job")
    if _is_unchanged(delivery, row):
        return _("ignored: the job's state is unchanged")
    version = poll_job(client_for(delivery.server), row)
    row.refresh_from_db()
    if row.is_deleted:
        return _("the job was deleted in CVAT")
    if version is not None:
        return _("version %(version)s fetched") % {"version": version.number}
    return (
        _("nothing new")
        if row.cvat_state == "completed"
        else _("the job is %(cvat_state)s") % {"cvat_state": row.cvat_state}
    )


def _comment_outcome(delivery: WebhookDelivery) -> str:
    project = CvatProject.objects.filter(
        server=delivery.server, webhook_id=webhook_in(delivery.body)
    ).first()
    if project is None:
        return _("ignored: not a webhook of this server")
    changed = issue_in(delivery.body)
    count = read_comments(client_for(delivery.server), project, changed=changed)
    return ngettext("%d new comment", "%d new comments", count) % count
