"""What CVAT tells: kept as it comes, looked into later.

A delivery only says where to look: the job is asked for how it stands now. So deliveries may
come ten times, late, in any order, or not at all (reconcile.py finds the rest).
"""

from datetime import timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from annotation.core.webhook import Event, is_genuine, read_event, standing
from annotation.models import CvatJob, CvatServer, WebhookDelivery
from annotation.services.answers import AnswersError
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.cvat.jobs import poll_job
from avaproject.base.work import Stage, StagedQuerySet

DAYS_KEPT = 14


class InvalidSignatureError(ValueError):
    """The delivery was not signed with the server's secret."""


def receive(server: CvatServer, body: bytes, signature: str | None) -> WebhookDelivery | None:
    """Keep a delivery; None if it is a copy of one that is kept. Raises InvalidSignatureError."""
    if not is_genuine(body, signature, server.secret):
        CvatServer.objects.filter(pk=server.pk).update(
            invalid_signature_count=F("invalid_signature_count") + 1,
            invalid_signature_at=timezone.now(),
        )
        raise InvalidSignatureError("The signature is wrong.")
    digest = sha256(body).hexdigest()
    event = read_event(body)
    try:
        with transaction.atomic():
            return WebhookDelivery.objects.create(
                server=server, sha256=digest, event=event.name[:60], job_id=event.job_id,
                project_id=event.project_id, **_content(body, event),
            )  # fmt: skip
    except IntegrityError:
        same = WebhookDelivery.objects.filter(server=server, sha256=digest)
        if not same.update(copies=F("copies") + 1):
            raise
        return None


def _content(body: bytes, event: Event) -> dict[str, object]:
    text = body.decode("utf-8", "replace").replace("\x00", "")
    if not event.noise:
        return {"body": text}
    now = timezone.now()
    return {"body": text, "outcome": event.noise[:200], "stage": Stage.DONE, "finished_at": now}


def process_delivery(delivery_id: int) -> WebhookDelivery | None:
    """Do what one delivery calls for; None if somebody else has it or it is done."""
    delivery = WebhookDelivery.objects.claim(delivery_id)
    if delivery is None:
        return None
    with retrying(delivery, AnswersError):
        delivery.finish(outcome=_outcome(delivery)[:200])
    return delivery


def replay(deliveries: StagedQuerySet) -> int:
    """Look into deliveries once more, those that name a job; return how many."""
    return deliveries.exclude(job_id=None).start_over()


def delete_old_deliveries() -> int:
    """Delete what came more than two weeks ago and is done; return how many.

    Every save of an annotator may bring one.
    """
    before = timezone.now() - timedelta(days=DAYS_KEPT)
    return WebhookDelivery.objects.done().filter(received_at__lt=before).delete()[0]


def _is_as_known(delivery: WebhookDelivery, row: CvatJob) -> bool:
    """Whether a delivery that does not say what changed tells of saved work alone."""
    stage, state = standing(delivery.body)
    known = (row.cvat_stage, row.cvat_state)
    return delivery.event == "update:job" and state != "completed" and (stage, state) == known


def _outcome(delivery: WebhookDelivery) -> str:
    row = (
        CvatJob.objects.filter(project__server=delivery.server, job_id=delivery.job_id)
        .select_related("project__server", "project__dataset", "task__clip__video__dataset")
        .first()
    )
    if row is None:
        return "it is about a job that is not ours"
    later = WebhookDelivery.objects.filter(
        server=delivery.server, job_id=delivery.job_id, pk__gt=delivery.pk,
        stage=Stage.WAITING, not_before=None,
    )  # fmt: skip
    if later.exists():
        return "a later delivery is about the same job"
    if _is_as_known(delivery, row):
        return "work went on: the job is where it was"
    version = poll_job(client_for(delivery.server), row)
    row.refresh_from_db()
    if row.is_deleted:
        return "the job was deleted in CVAT"
    if version is not None:
        return f"version {version.number} was pulled"
    return "nothing new" if row.cvat_state == "completed" else f"the job is {row.cvat_state}"
