"""What a CVAT tells us: kept, looked into, idempotent, in any order."""

import gzip
import json
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from annotation.core.webhook import signature
from annotation.models import (
    AnswerVersion,
    CvatJob,
    CvatServer,
    WebhookDelivery,
)
from annotation.selectors.cvat import forgeries
from annotation.services.cvat.deliveries import (
    InvalidSignatureError,
    delete_old_deliveries,
    process_delivery,
    receive,
    replay,
)
from annotation.views.webhook import FORGED_PER_MINUTE
from avaproject.base.work import Stage
from tests.cvat_double.steps import (
    FINISHED,
    TASK,
    job_named,
    post_delivery,
    process_deliveries,
    project_of,
    read_all,
    reconciled,
    sent_world,
    state_event,
)
from tests.stored_files import content_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(cvat):
    return sent_world(cvat)


@pytest.fixture
def server(dataset):
    return CvatServer.objects.get()


def address(server):
    return f"/api/cvat/webhooks/{server.uuid}/"


def post(client, server, body, **headers):
    signed = headers or {"X-Signature-256": signature(body, server.secret)}
    return client.post(
        address(server), data=body, content_type="application/json", headers=signed
    )


def test_a_delivery_is_stored_and_answered(client, cvat, server):
    response = post(client, server, state_event(cvat))
    assert response.status_code == 200
    assert response.json() == {"ok": True, "server": str(server.uuid)}
    delivery = WebhookDelivery.objects.get()
    assert (delivery.event, delivery.stage, delivery.job_id) == ("update:job", "waiting", 1)


def test_the_finished_job_of_a_delivery_is_fetched_and_read(client, cvat, server):
    cvat.finish(TASK, FINISHED)
    post(client, server, state_event(cvat))
    process_deliveries()
    (version,) = read_all()
    assert WebhookDelivery.objects.get().outcome == "version 1 fetched"
    assert (version.number, version.stage, version.person_count, version.unfinished) == (
        1,
        "done",
        2,
        0,
    )
    said = {"posture": "walk", "doing": ["wave"]}
    assert all(one.answers == said for one in version.annotations.all())
    assert set(version.annotations.values_list("person_id", flat=True)) == {1, 2}
    seconds = version.task.clip.keyframes()
    assert version.annotations.count() == 2 * len(seconds)


def test_the_raw_json_is_stored_compressed_and_unchanged(cvat, dataset):
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    raw = json.loads(gzip.decompress(content_of(AnswerVersion.objects.get().raw)))
    assert raw["annotations"] == cvat.state.annotations[job_named(TASK).cvat_task_id]
    assert raw["attributes"] == project_of(dataset).attribute_ids


def test_ten_times_the_same_delivery_is_one(client, cvat, server):
    cvat.finish(TASK)
    for _ in range(10):
        assert post(client, server, state_event(cvat)).status_code == 200
        process_deliveries()
    assert WebhookDelivery.objects.get().copies == 10
    assert AnswerVersion.objects.count() == 1


def test_deliveries_out_of_order_give_cvats_current_state(cvat, server):
    started = state_event(cvat, before="new")
    cvat.finish(TASK)
    finished = state_event(cvat)
    post_delivery(server, finished)
    post_delivery(server, started)
    process_deliveries()
    assert AnswerVersion.objects.count() == 1
    assert job_named(TASK).cvat_state == "completed"
    outcomes = set(WebhookDelivery.objects.values_list("outcome", flat=True))
    assert outcomes == {"ignored: a later delivery is about the same job", "version 1 fetched"}


def test_a_late_delivery_of_a_reopened_job_fetches_nothing(cvat, server):
    cvat.finish(TASK)
    late = state_event(cvat)
    cvat.set_job(TASK, state="in progress")
    post_delivery(server, late)
    process_deliveries()
    assert WebhookDelivery.objects.get().outcome == "the job is in progress"
    assert not AnswerVersion.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [{"X-Signature-256": "sha256=00"}, {"X-Other": "1"}, {"X-Signature-256": ""}],
)
def test_a_delivery_with_an_invalid_signature_is_refused_and_counted(
    client, cvat, server, headers
):
    assert post(client, server, state_event(cvat), **headers).status_code == 403
    assert not WebhookDelivery.objects.exists()
    count, last = forgeries(server)
    assert (count, last is None) == (1, False)


def test_a_forged_delivery_writes_nothing_to_the_database(client, cvat, server):
    def refused(execute, sql, *rest):
        assert sql.startswith("SELECT"), sql
        return execute(sql, *rest)

    with connection.execute_wrapper(refused):
        answer = post(client, server, state_event(cvat), **{"X-Signature-256": "sha256=00"})
    assert answer.status_code == 403


def test_an_address_that_forges_is_not_listened_to_for_a_minute(client, cvat, server):
    cache.clear()
    wrong = {"X-Signature-256": "sha256=0"}
    body = state_event(cvat)
    for _ in range(FORGED_PER_MINUTE):
        assert post(client, server, body, **wrong).status_code == 403
    refused = post(client, server, body)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    client.defaults["REMOTE_ADDR"] = "10.0.0.9"
    assert post(client, server, body).status_code == 200
    cache.clear()


def test_a_changed_body_has_an_invalid_signature(cvat, server):
    body = state_event(cvat)
    with pytest.raises(InvalidSignatureError):
        receive(server, body + b" ", signature(body, server.secret))


def test_only_posts_to_known_servers_are_accepted(client, server):
    assert client.get(address(server)).status_code == 405
    unknown = "/api/cvat/webhooks/00000000-0000-4000-8000-000000000000/"
    assert client.post(unknown, data=b"{}", content_type="text/plain").status_code == 404


def test_what_is_too_large_is_refused(client, server):
    assert post(client, server, b" " * (2 << 20)).status_code == 413


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_the_webhook_answers_503_when_it_cannot_store(client, cvat, server, monkeypatch, error):
    def full(*args, **kwargs):
        raise error("disk full, or restarting")

    monkeypatch.setattr(WebhookDelivery.objects, "create", full)
    assert post(client, server, state_event(cvat)).status_code == 503


def test_the_webhook_answers_503_when_the_key_is_lost(client, cvat, server, settings):
    body = state_event(cvat)
    signed = {"X-Signature-256": signature(body, server.secret)}
    settings.SECRETS_KEYS = ["another"]
    assert post(client, server, body, **signed).status_code == 503


def test_an_irrelevant_delivery_is_done_at_once_with_a_reason(cvat, server):
    content = json.loads(state_event(cvat)) | {"before_update": {"updated_date": "2026"}}
    delivery = post_delivery(server, json.dumps(content).encode())
    assert (delivery.stage, delivery.outcome) == (Stage.DONE, "only updated_date changed")


def test_a_delivery_about_another_projects_job_is_ignored(cvat, server):
    post_delivery(server, state_event(cvat, id=99))
    process_deliveries()
    assert WebhookDelivery.objects.get().outcome == "ignored: not a job of this project"


def test_old_deliveries_are_deleted_unless_they_wait(cvat, server):
    saved = json.loads(state_event(cvat)) | {"before_update": {"updated_date": "2026"}}
    for body in (b'{"event": "ping"}', json.dumps(saved).encode(), state_event(cvat)):
        post_delivery(server, body)
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=13))
    assert delete_old_deliveries() == 0
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=15))
    assert delete_old_deliveries() == 2
    assert WebhookDelivery.objects.get().stage == Stage.WAITING


def test_deliveries_can_be_replayed(cvat, server):
    cvat.finish(TASK)
    post_delivery(server, state_event(cvat))
    process_deliveries()
    AnswerVersion.objects.all().delete()
    CvatJob.objects.update(fetched_at=None)
    assert replay(WebhookDelivery.objects.all()) == 1
    process_deliveries()
    assert AnswerVersion.objects.count() == 1


def test_with_cvat_down_a_delivery_waits(cvat, server):
    cvat.finish(TASK)
    post_delivery(server, state_event(cvat))
    cvat.stop()
    process_deliveries()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.stage, "cannot be reached" in delivery.error) == (Stage.WAITING, True)
    cvat.start()
    WebhookDelivery.objects.update(not_before=None)
    process_deliveries()
    assert AnswerVersion.objects.count() == 1


def test_a_claimed_delivery_is_not_processed_twice(cvat, server):
    delivery = post_delivery(server, state_event(cvat))
    WebhookDelivery.objects.claim(delivery.pk)
    assert process_delivery(delivery.pk) is None


def untold(cvat, **job):
    """What the newest CVATs deliver: the job as it is, and not what changed."""
    content = {"event": "update:job", "webhook_id": 1, "job": cvat.job_of(TASK) | job}
    return json.dumps(content).encode()


def test_a_delivery_without_changed_fields_is_processed(cvat, server):
    cvat.finish(TASK, FINISHED)
    post_delivery(server, untold(cvat))
    process_deliveries()
    assert WebhookDelivery.objects.get().outcome == "version 1 fetched"


def test_a_save_without_changed_fields_is_ignored(cvat, server):
    cvat.set_job(TASK, state="in progress")
    post_delivery(server, untold(cvat))
    process_deliveries()
    before = len(cvat.calls)
    for second in range(3):
        post_delivery(server, untold(cvat, updated_date=f"2026-11-22T09:39:{second:02d}Z"))
    process_deliveries()
    outcomes = list(WebhookDelivery.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes[0] == "the job is in progress"
    assert outcomes[-1] == "ignored: the job's state is unchanged"
    assert len(cvat.calls) == before


def test_an_edit_after_approval_without_changed_fields_is_found(cvat, server):
    cvat.finish(TASK, FINISHED)
    post_delivery(server, untold(cvat))
    process_deliveries()
    cvat.annotate(TASK, {"posture": "sit"})
    post_delivery(server, untold(cvat))
    process_deliveries()
    assert AnswerVersion.objects.count() == 2


def test_the_double_can_omit_the_changed_fields(cvat, dataset):
    cvat.state.says_what_changed = False
    cvat.state.webhooks[1] = {
        "id": 1, "project_id": 1, "events": ["update:job"], "is_active": True
    }  # fmt: skip
    with cvat.state.lock:
        cvat.state.change_job(cvat.job_of(TASK)["id"], {"state": "completed"})
    ((_, body),) = cvat.state.outbox
    assert set(json.loads(body)) == {"event", "job", "sender", "webhook_id"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"event": 1}'),
        b'{"event": "update:job", "job": {"id": 1}, "before_update": [1, "2"]}',
    ],
)
def test_a_signed_body_that_is_no_event_is_stored_and_ignored(client, server, body):
    assert post(client, server, body).status_code == 200
    assert WebhookDelivery.objects.get().outcome != ""


def test_the_type_of_the_content_does_not_matter(client, cvat, server):
    body = state_event(cvat)
    signed = {"X-Signature-256": signature(body, server.secret)}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        answer = client.post(address(server), data=body, content_type=kind, headers=signed)
        assert answer.status_code == 200
    assert WebhookDelivery.objects.get().copies == 3
