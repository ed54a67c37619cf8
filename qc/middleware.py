"""Middleware: a page looks once whether the kept states of clips are up to date."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from qc.selectors.statuses import refreshed_once


class RefreshStatusesOnce:
    """Only of requests that change nothing: others read again what they have written."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        with refreshed_once():
            return self.get_response(request)
