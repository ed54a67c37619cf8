"""CVAT webhooks: verify the signature of a delivery and parse the event in its body.

CVAT signs the raw body with HMAC-SHA256 and the webhook's secret. It sends no delivery id and
no header that names the event. Saving annotations triggers events too; only those that change a
job's state or stage matter. The newest CVAT versions do not name the changed fields: there any
change of a job may matter.
"""

import hmac
import json
from hashlib import sha256
from typing import Any, NamedTuple

SIGNATURE_HEADER = "X-Signature-256"
EVENTS = ("update:job", "delete:job")  # that we subscribe to
RELEVANT_FIELDS = {"state", "stage"}
PING = "ping"


class WebhookEvent(NamedTuple):
    """A parsed delivery; `ignore_reason` is empty if it must be processed."""

    name: str
    project_id: int | None
    job_id: int | None
    ignore_reason: str


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
        before = content.get("before_update")
        changed = None if before is None else set(map(str, before))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return WebhookEvent("", None, None, "not a CVAT event")
    return WebhookEvent(
        name, _number(project), _number(job), _ignore_reason(name, changed, _number(job))
    )


def job_state_in(body: bytes | str) -> tuple[str, str]:
    """Stage and state of the job in a delivery without the changed fields; "" if it has them.

    >>> job_state_in('{"job": {"stage": "annotation", "state": "completed"}}')
    ('annotation', 'completed')
    """
    content = json.loads(body)
    if "before_update" in content:
        return "", ""
    job = content.get("job") or {}
    return str(job.get("stage", "")), str(job.get("state", ""))


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 1 << 62 else None


def _ignore_reason(name: str, changed: set[str] | None, job: int | None) -> str:
    if name == PING:
        return "ping: the webhook works"
    if name not in EVENTS:
        return f"{name[:40]}: not about answers"
    if job is None:
        return "names no job"
    if name == "update:job" and changed is not None and not changed & RELEVANT_FIELDS:
        return f"only {', '.join(sorted(changed)) or 'no field'} changed"
    return ""
