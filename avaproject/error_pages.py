"""What a page answers when it fails: 404, 500, or 503 if it will succeed in a moment."""

import sys

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.defaults import page_not_found, permission_denied

from avaproject.base.database_faults import FAULTS
from avaproject.base.storage import S3_ERRORS, StorageError, map_storage_errors
from avaproject.middleware import SESSION_MESSAGE, is_from_program, is_from_script

RETRY_AFTER = 2  # seconds
BUSY = gettext_noop(
    "The database is busy or restarts. Nothing was changed. Try again in a few seconds."
)
NO_ACCESS = gettext_noop(
    "This is no longer there, or you have no access to it any more. "
    "Ask an owner of the dataset."
)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`; programs and scripts get JSON."""
    if is_from_program(request):
        return JsonResponse({"detail": _("Not found.")}, status=404)
    if is_from_script(request):
        return JsonResponse({"error": _(NO_ACCESS)}, status=404)
    return page_not_found(request, exception)


def no_permission(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`; scripts get JSON."""
    if is_from_script(request):
        return JsonResponse({"error": _(NO_ACCESS)}, status=403)
    return permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW; to scripts it is a session that has ended.

    Who logged in since the page was opened has another token (`static/js/log_in_dialog.js`).
    """
    if is_from_script(request):
        return JsonResponse({"error": _(SESSION_MESSAGE)}, status=401)
    return django_csrf_failure(request, reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is handled."""
    error = sys.exc_info()[1]
    if is_passing(error):
        return _unavailable(request, _("Busy"), _(BUSY))
    if sentence := _storage_fault(error):
        return _unavailable(request, _("Storage unavailable"), sentence)
    return HttpResponse(render_to_string("500.html"), status=500)


def is_passing(error: BaseException | None) -> bool:
    """Whether the database could not answer now: locked by others, or not there."""
    if not isinstance(error, FAULTS):
        return False
    return connection.vendor != "sqlite" or "locked" in str(error)


def _storage_fault(error: BaseException | None) -> str:
    """What is wrong if the bucket did not answer; empty for any other error."""
    try:
        with map_storage_errors():
            if isinstance(error, (StorageError, *S3_ERRORS)):
                raise error
    except StorageError as fault:
        return str(fault)
    except FileNotFoundError:  # the bucket answers: the file is gone
        pass
    return ""


def _unavailable(request: HttpRequest, title: str, sentence: str) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_AFTER)}
    if is_from_script(request) or is_from_program(request):
        content = {"error": sentence, "detail": sentence}
        return JsonResponse(content, status=503, headers=headers)
    page = render_to_string("500.html", {"title": title, "sentence": sentence})
    return HttpResponse(page, status=503, headers=headers)
