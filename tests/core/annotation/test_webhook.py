import json

import pytest

from annotation.core.webhook import WebhookEvent, parse_event, signature, verify_signature


def body(event: str = "update:job", *, before: dict | None = None, **more: object) -> bytes:
    content = {"event": event, "job": {"id": 5, "project_id": 2}, "before_update": before or {}}
    return json.dumps(content | more).encode()


def test_the_signature_is_that_of_rfc_4231_test_case_2():
    signed = signature(b"what do ya want for nothing?", "Jefe")
    assert signed == "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="no digest"),
        pytest.param(signature(b"{}", "another"), id="another secret"),
        pytest.param(signature(b"{} ", "hook"), id="another body"),
        pytest.param(signature(b"{}", "hook").removeprefix("sha256="), id="no algorithm"),
        pytest.param("sha256=\udcff\u00e9", id="not ASCII"),
    ],
)
def test_an_invalid_signature_is_rejected(header):
    assert not verify_signature(b"{}", header, "hook")
    assert verify_signature(b"{}", signature(b"{}", "hook"), "hook")
    assert not verify_signature(b"{}", signature(b"{}", ""), "")


@pytest.mark.parametrize("changed", ["state", "stage"])
def test_a_job_whose_state_or_stage_changed_is_processed(changed):
    event = parse_event(body(before={changed: "new", "updated_date": "2026"}))
    assert event == WebhookEvent("update:job", 2, 5, ignore_reason="")


def test_the_sender_and_the_new_state_of_a_job_are_told():
    job = {"id": 5, "project_id": 2, "state": "completed", "stage": "annotation"}
    sent = body(before={"state": "new"}, job=job, sender={"username": "kim"})
    assert parse_event(sent)[3:] == ("", "kim", "completed")
    other = body(before={"stage": "validation"}, job=job, sender={"username": "kim"})
    assert parse_event(other)[3:] == ("", "kim", "")


def test_a_deleted_job_is_processed():
    assert parse_event(body("delete:job")).ignore_reason == ""


@pytest.mark.parametrize(
    ("content", "ignore_reason"),
    [
        pytest.param(body(before={"updated_date": "2026"}), "only updated_date", id="saved"),
        pytest.param(body(), "only no field", id="nothing changed"),
        pytest.param(body("update:task"), "update:task: not about answers", id="task"),
        pytest.param(body("ping"), "the webhook works", id="ping"),
        pytest.param(body(before={"state": "new"}, job={}), "names no job", id="no job"),
        pytest.param(body(before={"state": "new"}, job={"id": "5"}), "names no job", id="text"),
        pytest.param(b"", "not a CVAT event", id="empty"),
        pytest.param(b"\xff", "not a CVAT event", id="bytes"),
        pytest.param(b"[]", "not a CVAT event", id="list"),
        pytest.param(b'{"event": "update:job", "job": 5}', "not a CVAT event", id="number"),
    ],
)
def test_an_ignored_event_has_a_reason(content, ignore_reason):
    assert ignore_reason in parse_event(content).ignore_reason
