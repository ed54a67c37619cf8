"""What a page answers when it fails: 500, or 503 if it will succeed in a moment."""

import sys

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from avaproject.base.database_faults import FAULTS
from avaproject.middleware import is_from_script

RETRY_AFTER = 2  # seconds
BUSY = "The database is busy or restarts. Nothing was changed. Try again in a few seconds."


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is handled."""
    if not is_passing(sys.exc_info()[1]):
        return HttpResponse(render_to_string("500.html"), status=500)
    headers = {"Retry-After": str(RETRY_AFTER)}
    if is_from_script(request):
        return JsonResponse({"error": BUSY}, status=503, headers=headers)
    page = render_to_string("500.html", {"title": "Busy", "sentence": BUSY})
    return HttpResponse(page, status=503, headers=headers)


def is_passing(error: BaseException | None) -> bool:
    """Whether the database could not answer now: locked by others, or not there."""
    if not isinstance(error, FAULTS):
        return False
    return connection.vendor != "sqlite" or "locked" in str(error)
