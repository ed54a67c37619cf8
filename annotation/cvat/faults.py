"""What an answer of the wire means: every fault as the CvatError that says what can be done.

CVAT says what it refuses in JSON. Whatever else comes back is not its own word but that of the
proxy before it, which while CVAT restarts says "not found", or shows the pages instead.
"""

import json
from typing import Any, NamedTuple

import urllib3

from annotation.cvat.errors import (
    CvatBrokenError,
    CvatDeniedError,
    CvatError,
    CvatGoneError,
    CvatRefusedError,
    CvatUnavailableError,
)

FIND_IT = "is it running, and is this its address?"
NO_ORGANISATION = "organization does not exist"  # CVAT's 404, to any call
NO_REQUEST = "There is no request"  # CVAT's 404 that is no JSON, to a request it has forgotten
LONGEST_REASON = 300  # characters of CVAT's own words that are shown


class Faults(NamedTuple):
    """The faults of one server."""

    url: str
    organisation: str
    request_size: int  # bytes; for the message about a proxy that takes less

    def told(self, error: Any) -> CvatError:
        """`error`, of the SDK or of urllib3, by what can be done."""
        status = getattr(error, "status", None) or 0
        if not status:
            return self._unreachable(error)
        if status == 429 or status >= 500:
            return self._passing(error)
        if status < 400:
            where = (error.headers or {}).get("Location", "elsewhere")
            return CvatDeniedError(
                f"{self.url} sends us on to {where[:LONGEST_REASON]}: enter the address that "
                "CVAT's pages are opened at"
            )
        if status == 413:
            return CvatRefusedError(
                f"the proxy before CVAT at {self.url} takes no request of "
                f"{self.request_size >> 20} MB: raise its limit",
                status=status,
            )
        if not is_json(error) and not _is_word_of_cvat(error):
            return self.no_cvat(str(status))
        return self._refusal(error)

    def no_cvat(self, said: str) -> CvatUnavailableError:
        """For an answer that CVAT does not give."""
        return CvatUnavailableError(
            f"{self.url} answers, but not as CVAT does ({said}): is CVAT starting, and is this "
            "its address?"
        )

    def _passing(self, error: Any) -> CvatUnavailableError:
        status = error.status
        if status in (429, 502, 503, 504):
            what = "asks for patience" if status == 429 else "is starting or overloaded"
            return CvatUnavailableError(
                f"CVAT at {self.url} {what} ({status}).", retry_after=_retry_after(error)
            )
        return CvatBrokenError(f"CVAT at {self.url} failed inside: {_reason(error)}")

    def _refusal(self, error: Any) -> CvatError:
        status, reason = error.status, _reason(error)
        if status == 401:
            return CvatDeniedError(
                f"CVAT at {self.url} does not know us any more ({reason}): the token expired "
                "or was withdrawn; enter a new one on the server's page",
                is_unknown=True,
            )
        if NO_ORGANISATION in reason:
            return CvatDeniedError(
                f"CVAT has no organisation {self.organisation}, by its short name: correct it "
                "on the server's page"
            )
        if status == 403:
            return CvatDeniedError(
                f"CVAT does not let us ({reason}): our account needs the role maintainer in "
                f"the organisation {self.organisation or '(none given)'}"
            )
        if status in (404, 410):
            return CvatGoneError(f"CVAT has no such thing: {reason}")
        return CvatRefusedError(f"CVAT does not take it: {reason}", status=status)

    def _unreachable(self, error: Any) -> CvatUnavailableError:
        cause = getattr(error, "reason", error)  # the pool wraps what went wrong
        what, fix = "cannot be reached, or broke off in the middle", FIND_IT
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            what = "does not answer in time"
        elif isinstance(cause, urllib3.exceptions.NameResolutionError):
            what, fix = "has a name that nobody knows here", "is the address right?"
        elif "CERTIFICATE_VERIFY_FAILED" in str(cause):
            what = "shows a certificate that is not trusted here"
            fix = (
                "set SSL_CERT_FILE, for all our processes, to a PEM file with its authority, "
                "or use the name that the certificate is for"
            )
        elif isinstance(cause, urllib3.exceptions.SSLError):
            what, fix = "speaks no TLS", "is its address http:// instead of https://?"
        elif isinstance(cause, urllib3.exceptions.ProtocolError):
            fix = f"{FIND_IT[:-1]}, http:// or https://?"
        return CvatUnavailableError(f"CVAT at {self.url} {what}: {fix}")


def is_json(error: Any) -> bool:
    """Whether the body of a refusal is JSON."""
    try:
        json.loads(error.body or b"")
    except ValueError:
        return False
    return True


def _is_word_of_cvat(error: Any) -> bool:
    """Whether CVAT itself said this without JSON."""
    return error.status == 409 or NO_REQUEST in _text(error)


def _text(error: Any) -> str:
    body = error.body or b""
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def _retry_after(error: Any) -> float | None:
    text = (error.headers or {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _reason(error: Any) -> str:
    """What CVAT says, without its HTML."""
    text = _text(error)
    if "<html" in text.lower():
        return f"error {error.status}"
    try:
        said = json.loads(text)
    except ValueError:
        said = text.strip()
    if isinstance(said, dict):
        said = said.get("detail") or said
    if isinstance(said, list):
        said = "; ".join(map(str, said))
    return str(said)[:LONGEST_REASON] or f"error {error.status}"
