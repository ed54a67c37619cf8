"""Maps HTTP and network errors to CvatErrors that say what can be done.

CVAT explains a rejection in JSON. Anything else comes from the proxy in front of it, which
answers "not found", or with its pages, while CVAT restarts.
"""

import json
from typing import Any, NamedTuple

import urllib3
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.cvat.errors import (
    CvatBrokenError,
    CvatDeniedError,
    CvatError,
    CvatGoneError,
    CvatRefusedError,
    CvatUnavailableError,
)
from datasets.core.sizes import size_text

CHECK_ADDRESS = gettext_noop("is it running, and is this its address?")
NO_ORGANISATION = "organization does not exist"  # CVAT's 404, to any call
NO_REQUEST = "There is no request"  # CVAT's 404 that is no JSON, to a request it has forgotten
MAX_REASON_LENGTH = 300  # characters of CVAT's own message that are shown


class ErrorMapper(NamedTuple):
    """Maps the errors of one server."""

    url: str
    organisation: str
    request_size: int  # bytes; for the message about a proxy with a lower limit

    def map_error(self, error: Any) -> CvatError:
        """The CvatError for `error`, an exception of the SDK or of urllib3."""
        status = getattr(error, "status", None) or 0
        if not status:
            return self._unreachable(error)
        if status == 429 or status >= 500:
            return self._passing(error)
        if status < 400:
            where = (error.headers or {}).get("Location", "elsewhere")
            return CvatDeniedError(
                _("%(url)s redirects to %(where)s: enter the address of CVAT's own pages")
                % {"url": self.url, "where": where[:MAX_REASON_LENGTH]}
            )
        if status == 413:
            return CvatRefusedError(
                _(
                    "the proxy in front of CVAT at %(url)s rejects requests of "
                    "%(request_size)s: raise its limit"
                )
                % {"url": self.url, "request_size": size_text(self.request_size)},
                status=status,
            )
        if not is_json(error) and not _is_from_cvat(error):
            return self.not_cvat(str(status))
        return self._refusal(error)

    def not_cvat(self, said: str) -> CvatUnavailableError:
        """For a response that does not come from CVAT."""
        return CvatUnavailableError(
            _(
                "%(url)s responds, but not like CVAT (%(said)s): is CVAT starting, and is "
                "this its address?"
            )
            % {"url": self.url, "said": said}
        )

    def _passing(self, error: Any) -> CvatUnavailableError:
        status = error.status
        if status in (429, 502, 503, 504):
            what = (
                _("is throttling requests") if status == 429 else _("is starting or overloaded")
            )
            return CvatUnavailableError(
                _("CVAT at %(url)s %(what)s (%(status)s).")
                % {"url": self.url, "what": what, "status": status},
                retry_after=_retry_after(error),
            )
        return CvatBrokenError(
            _("CVAT at %(url)s failed internally: %(reason)s")
            % {"url": self.url, "reason": _reason(error)}
        )

    def _refusal(self, error: Any) -> CvatError:
        status, reason = error.status, _reason(error)
        if status == 401:
            return CvatDeniedError(
                _(
                    "CVAT at %(url)s rejects the credentials (%(reason)s): the token "
                    "expired or was revoked. Enter a new one on the server's page"
                )
                % {"url": self.url, "reason": reason},
                is_unknown=True,
            )
        if NO_ORGANISATION in reason:
            return CvatDeniedError(
                _(
                    "CVAT has no organisation with the short name %(organisation)s: "
                    "correct it on the server's page"
                )
                % {"organisation": self.organisation}
            )
        if status == 403:
            return CvatDeniedError(
                _(
                    "CVAT denies permission (%(reason)s): the account needs the role "
                    "maintainer in the organisation %(organisation)s"
                )
                % {"reason": reason, "organisation": self.organisation or _("(none given)")}
            )
        if status in (404, 410):
            return CvatGoneError(_("not found in CVAT: %(reason)s") % {"reason": reason})
        return CvatRefusedError(
            _("CVAT rejects it: %(reason)s") % {"reason": reason}, status=status
        )

    def _unreachable(self, error: Any) -> CvatUnavailableError:
        cause = getattr(error, "reason", error)  # the pool wraps the cause
        what, fix = _("cannot be reached, or closed the connection"), _(CHECK_ADDRESS)
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            what = _("does not respond in time")
        elif isinstance(cause, urllib3.exceptions.NameResolutionError):
            what, fix = _("has a host name that cannot be resolved"), _("is the address right?")
        elif "CERTIFICATE_VERIFY_FAILED" in str(cause):
            what = _("has a certificate that is not trusted here")
            fix = _(
                "set SSL_CERT_FILE, for all processes, to a PEM file with its certificate "
                "authority, or use the host name of the certificate"
            )
        elif isinstance(cause, urllib3.exceptions.SSLError):
            what, fix = _("does not use TLS"), _("is its address http:// instead of https://?")
        elif isinstance(cause, urllib3.exceptions.ProtocolError):
            fix = _("is it running, and is this its address, http:// or https://?")
        return CvatUnavailableError(
            _("CVAT at %(url)s %(what)s: %(fix)s") % {"url": self.url, "what": what, "fix": fix}
        )


def is_json(error: Any) -> bool:
    """Whether the body of an error response is JSON."""
    try:
        json.loads(error.body or b"")
    except (ValueError, RecursionError):
        return False
    return True


def _is_from_cvat(error: Any) -> bool:
    """Whether a response without JSON comes from CVAT itself."""
    return error.status == 409 or NO_REQUEST in _text(error)


def _text(error: Any) -> str:
    body = error.body or b""
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def _retry_after(error: Any) -> float | None:
    text = (error.headers or {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _reason(error: Any) -> str:
    """CVAT's own message, without HTML."""
    text = _text(error)
    if "<html" in text.lower():
        return _("error %(status)s") % {"status": error.status}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = text.strip()
    if isinstance(said, dict):
        said = said.get("detail") or said
    if isinstance(said, list):
        said = "; ".join(map(str, said))
    return str(said)[:MAX_REASON_LENGTH] or _("error %(status)s") % {"status": error.status}
