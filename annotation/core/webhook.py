"""What CVAT tells us unasked: the signature of a delivery, and what its body is about.

CVAT signs the raw body with HMAC-SHA256 and the webhook's secret. It sends no number of the
delivery and no header that names the event. Saving annotations fires events too, of which only
those are worth a look in which a job's state or stage changed. The newest CVATs no longer say
what changed: there every change of a job may be worth one.
"""

import hmac
import json
from hashlib import sha256
from typing import Any, NamedTuple

SIGNATURE_HEADER = "X-Signature-256"
EVENTS = ("update:job", "delete:job")  # what we ask CVAT to tell
WORTH_A_LOOK = {"state", "stage"}
PING = "ping"


class Event(NamedTuple):
    """A delivery read: `noise` says why nothing needs to be done, and is empty if something."""

    name: str
    project_id: int | None
    job_id: int | None
    noise: str


def signature(body: bytes, secret: str) -> str:
    """The value of the header `X-Signature-256` for `body`.

    >>> signature(b"{}", "hook-secret")[:15]
    'sha256=db756148'
    """
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


def is_genuine(body: bytes, header: str | None, secret: str) -> bool:
    """Whether CVAT signed `body` with `secret`, compared in constant time.

    No header is forged, and so is whatever comes to a server without a secret.

    >>> is_genuine(b"{}", signature(b"{}", "a"), "a"), is_genuine(b"{}", None, "a")
    (True, False)
    """
    expected = signature(body, secret).encode()
    given = (header or "").encode("utf-8", "replace")
    return bool(secret) and hmac.compare_digest(expected, given)


def read_event(body: bytes) -> Event:
    """What `body` is about; never raises: what cannot be read is noise.

    >>> read_event(b'{"event": "ping"}').noise
    'a ping: the webhook works'
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
        return Event("", None, None, "it is no event of CVAT")
    return Event(name, _number(project), _number(job), _noise(name, changed, _number(job)))


def standing(body: bytes | str) -> tuple[str, str]:
    """Stage and state of the job in a delivery that does not say what changed; "" if it does.

    >>> standing('{"job": {"stage": "annotation", "state": "completed"}}')
    ('annotation', 'completed')
    """
    content = json.loads(body)
    if "before_update" in content:
        return "", ""
    job = content.get("job") or {}
    return str(job.get("stage", "")), str(job.get("state", ""))


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 1 << 62 else None


def _noise(name: str, changed: set[str] | None, job: int | None) -> str:
    if name == PING:
        return "a ping: the webhook works"
    if name not in EVENTS:
        return f"{name[:40]} says nothing about answers"
    if job is None:
        return "it names no job"
    if name == "update:job" and changed is not None and not changed & WORTH_A_LOOK:
        return f"only {', '.join(sorted(changed)) or 'nothing'} changed"
    return ""
