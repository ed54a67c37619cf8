"""Probes of monitors: `/healthz`, `/readyz` and `/metrics` of this process and its services.

Answered before everything else in the middleware, so that a monitor needs no host name that is
allowed, no HTTPS and no account. None of them says more than states and numbers; `./ava doctor`
says why.
"""

import hmac
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from avaproject.middleware import came_through_a_proxy
from workers.doctor import (
    Check,
    CheckResult,
    Status,
    check_broker,
    check_database,
    check_storage,
)

READY_CHECKS: tuple[Check, ...] = (check_database, check_storage, check_broker)
SECONDS = 5.0  # for which an answer is given again: anybody may ask


class HealthPages:
    """Answers the three addresses; must come first in the middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        page = self._pages.get(request.path_info)
        if page is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        return page(request)


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether database, migrations, storage and broker let it work; 503 if not."""
    found = _ready()
    is_ready = all(one.status is not Status.ERROR for one in found)
    states = {one.subject: str(one.status) for one in found}
    return JsonResponse(states, status=200 if is_ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Numbers for Prometheus (metrics.py beside this); 404 to whoever may not read them."""
    from workers.monitoring.metrics import exposition

    if not may_read_metrics(request):
        return HttpResponse(status=404)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def may_read_metrics(request: HttpRequest) -> bool:
    """The peer is on a private network, or has the token; never through a proxy."""
    if came_through_a_proxy(request):
        return False
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        return False


class _Kept:
    """The results of the checks, made anew by one thread after `SECONDS`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made_at = float("-inf")
        self.results: list[CheckResult] = []


_kept = _Kept()


def _ready() -> list[CheckResult]:
    with _kept.lock:
        if time.monotonic() - _kept.made_at > SECONDS:
            _kept.results = [check() for check in READY_CHECKS]
            _kept.made_at = time.monotonic()
        return _kept.results
