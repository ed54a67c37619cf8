"""CVAT webhooks: verify the signature of a delivery and parse the event in its body.

CVAT signs the raw body with HMAC-SHA256 and the webhook's secret. It sends no delivery id and
no header that names the event. Saving annotations triggers events too; only those that change a
job's state, stage or assignee matter. CVAT names the changed fields in `before_update`, from
2.73 in `changes` as well; without both any change of a job may matter.
"""

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

SIGNATURE_HEADER = "X-Signature-256"
COMMENT_EVENTS = ("create:comment", "update:comment", "update:issue")
EVENTS = ("update:job", "delete:job", *COMMENT_EVENTS)  # that we subscribe to
RELEVANT_FIELDS = {"state", "stage", "assignee", "assignee_id"}
PING = "ping"


class WebhookEvent(NamedTuple):
    """A parsed delivery; `ignore_reason` is empty if it must be processed."""

    name: str
    project_id: int | None
    job_id: int | None
    ignore_reason: str
    sender: str = ""  # user name
    state: str = ""  # the job's, if it changed


def signature(body: bytes, secret: str) -> str:
    """The value of the header `X-Signature-256` for `body`.

    >>> signature(b"{}", "hook-secret")[:15]
    'sha256=db756148'
    """
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


def verify_signature(body: bytes, header: str | None, secret: str) -> bool:
    """Whether CVAT signed `body` with `secret`, compared in constant time.

    False without a header, and for a server without a secret.

    >>> verify_signature(b"{}", signature(b"{}", "a"), "a"), verify_signature(b"{}", None, "a")
    (True, False)
    """
    expected = signature(body, secret).encode()
    given = (header or "").encode("utf-8", "replace")
    return bool(secret) and hmac.compare_digest(expected, given)


def parse_event(body: bytes) -> WebhookEvent:
    """The event in `body`; never raises: a body that cannot be parsed is ignored.

    >>> parse_event(b'{"event": "ping"}').ignore_reason
    'ping: the webhook works'
    """
    try:
        content = json.loads(body)
        name = str(content["event"])
        subject = content.get("job") or content.get("task") or {}
        project = subject.get("project_id") or (content.get("webhook") or {}).get("project_id")
        job = subject.get("id") if "job" in content else None
        changed = _changed_fields(content)
        sender = str((content.get("sender") or {}).get("username") or "")
        state = subject.get("state") if "state" in (changed or ()) else ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return WebhookEvent("", None, None, "not a CVAT event")
    return WebhookEvent(
        name, _number(project), _number(job), _ignore_reason(name, changed, _number(job)),
        sender[:150], str(state or "")[:20] if name == "update:job" else "",
    )  # fmt: skip


def _changed_fields(content: dict[str, Any]) -> set[str] | None:
    """The fields that changed; None if the delivery does not say."""
    for key in ("before_update", "changes"):
        if content.get(key) is not None:
            return set(map(str, content[key]))
    return None


class JobInDelivery(NamedTuple):
    stage: str
    state: str
    assignee: str  # user name


def job_in(body: bytes | str) -> JobInDelivery:
    """The job in a delivery, as it was then.

    >>> job_in('{"job": {"stage": "annotation", "state": "completed", "assignee": null}}')
    JobInDelivery(stage='annotation', state='completed', assignee='')
    """
    job = json.loads(body).get("job") or {}
    assignee = (job.get("assignee") or {}).get("username", "")
    return JobInDelivery(str(job.get("stage", "")), str(job.get("state", "")), str(assignee))


def date_of(body: bytes | str) -> datetime | None:
    """CVAT's date of the job in a delivery; None if it does not say.

    >>> date_of('{"job": {"updated_date": "2026-11-22T09:39:17Z"}}').isoformat()
    '2026-11-22T09:39:17+00:00'
    """
    text = str((json.loads(body).get("job") or {}).get("updated_date") or "")
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def names_state(body: bytes | str) -> bool:
    """Whether a delivery says that the job's state or stage changed."""
    return bool((_changed_fields(json.loads(body)) or set()) & {"state", "stage"})


def tells_of_work(body: bytes | str) -> bool:
    """Whether a delivery may be of work on a job: it was not only assigned, or moved on.

    >>> tells_of_work('{"before_update": {"assignee": null, "updated_date": "2026"}}')
    False
    """
    changed = _changed_fields(json.loads(body)) or set()
    return "state" in changed or not changed & RELEVANT_FIELDS


def issue_in(body: bytes | str) -> int:
    """The id of the issue that a delivery is about; 0 if it is about none."""
    return _number((json.loads(body).get("issue") or {}).get("id")) or 0


def webhook_in(body: bytes | str) -> int:
    """The id of the webhook that sent a delivery; 0 if it does not say."""
    return _number(json.loads(body).get("webhook_id")) or 0


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 1 << 62 else None


def _ignore_reason(name: str, changed: set[str] | None, job: int | None) -> str:
    if name == PING:
        return "ping: the webhook works"
    if name not in EVENTS:
        return f"{name[:40]}: not about answers"
    if name in COMMENT_EVENTS:
        return ""
    if job is None:
        return "names no job"
    if name == "update:job" and changed is not None and not changed & RELEVANT_FIELDS:
        return f"only {', '.join(sorted(changed)) or 'no field'} changed"
    return ""
