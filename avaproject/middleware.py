"""What holds for every address: the admin's looser policy, and no text that cannot be kept."""

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse

NUL = "\0"
NUL_SENTENCE = (
    "What you sent holds a NUL character, which no text can keep. It came in with something "
    "pasted: go back, type that part anew, and send it again."
)


class AdminContentSecurityPolicy:
    """Loosens the policy under /admin/ alone; stands below CSPMiddleware in the settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path_info.startswith(reverse("admin:index")):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response


class NoNulCharacter:
    """Refuses text with a NUL character, in an address or a form: PostgreSQL cannot hold it.

    Stands below CsrfViewMiddleware, which reads forms before; other content is its view's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, named: Any
    ) -> HttpResponse | None:
        if NUL in request.path_info:
            raise Http404("No address holds a NUL character.")
        if not any(NUL in text for text in _sent(request, view)):
            return None
        if request.accepts("text/html"):
            return render(request, "400.html", {"sentence": NUL_SENTENCE}, status=400)
        return JsonResponse({"error": NUL_SENTENCE}, status=400)


def _sent(request: HttpRequest, view: Any) -> Iterator[str]:
    """All names and values of the address and of a form."""
    forms = [request.GET]
    if request.method == "POST" and not getattr(view, "csrf_exempt", False):
        forms.append(request.POST)
    for form in forms:
        for name, values in form.lists():
            yield name
            yield from values
