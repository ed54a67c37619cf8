"""Middleware: addresses of clients, the admin's policy, compression, NUL, ended sessions."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

NUL = "\0"
NUL_MESSAGE = gettext_noop(
    "Your input contains a NUL character, which can't be stored. It probably came from pasted "
    "text: go back, retype that part, and submit again."
)

PROXY_HEADERS = (
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via",
)  # fmt: skip
FORM_MESSAGE = gettext_noop(
    "This address only takes a form, and none was sent: perhaps your session had ended. "
    "Go back, reload the page, and submit the form again."
)
SESSION_MESSAGE = gettext_noop("Your session has ended. Log in again.")


class RealAddress:
    """Takes the address of a client from `X-Forwarded-For` if a proxy of `AVA_PROXIES` says it.

    Anybody may send that header: so it is read from its end, and only as far as each hop is one
    of these proxies.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        while hops and _is_proxy(request.META.get("REMOTE_ADDR", "")):
            hop = hops.pop().strip()
            if not _is_address(hop):
                break
            request.META["REMOTE_ADDR"] = hop
        return self.get_response(request)


class AdminSecurityPolicy:
    """Relaxes the policy under /admin/; must follow CSPMiddleware in the settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path_info.startswith(reverse("admin:index")):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response


class CompressText(GZipMiddleware):
    """Compresses pages and JSON, and leaves files alone, whose ranges and lengths must hold."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").split(";")[0]
        if response.streaming or kind not in ("text/html", "application/json"):
            return response
        return super().process_response(request, response)


class RejectNulCharacters:
    """Rejects NUL characters in URLs and forms, because PostgreSQL can't store them.

    Must follow CsrfViewMiddleware, which reads forms first; other bodies are up to the view.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, named: Any
    ) -> HttpResponse | None:
        if NUL in request.path_info:
            raise Http404("No URL contains a NUL character.")
        if not any(NUL in text for text in _submitted_texts(request, view)):
            return None
        if request.accepts("text/html") and not is_from_program(request):
            return render(request, "400.html", {"sentence": _(NUL_MESSAGE)}, status=400)
        return JsonResponse({"error": _(NUL_MESSAGE), "detail": _(NUL_MESSAGE)}, status=400)


class RefuseOtherMethods:
    """Answers 405 to PUT, PATCH and DELETE on pages of libraries, which take them as a POST.

    Who opens an address that takes only forms, as after a log-in in between, gets a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_by_a_person = request.method == "GET" and request.accepts("text/html")
        if response.status_code != 405 or not is_by_a_person:
            return response
        if is_from_script(request) or is_from_program(request):
            return response
        page = render(request, "400.html", {"sentence": _(FORM_MESSAGE)}, status=405)
        page["Allow"] = response.headers["Allow"]
        return page

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, named: Any
    ) -> HttpResponse | None:
        is_of_library = view.__module__.startswith(("allauth.", "django.contrib.auth."))
        if is_of_library and request.method in ("PUT", "PATCH", "DELETE"):
            return HttpResponseNotAllowed(["GET", "POST"])
        return None


class RefuseScriptsWithoutSession:
    """Answers 401 to a script whose session has ended, which would take a log-in page for data.

    Scripts are htmx and what sends `X-Requested-With`, see static/js/requests.js.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        target = response.headers.get("Location", "") if response.status_code == 302 else ""
        is_to_login = urlsplit(target).path == reverse(settings.LOGIN_URL)
        if is_to_login and is_from_script(request) and not request.user.is_authenticated:
            return JsonResponse({"error": _(SESSION_MESSAGE)}, status=401)
        return response


def came_through_a_proxy(request: HttpRequest) -> bool:
    return any(name in request.headers for name in PROXY_HEADERS)


def is_from_program(request: HttpRequest) -> bool:
    """Whether the request is to the API, which answers in JSON."""
    return request.path_info.startswith("/api/")


def is_from_script(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers or "X-Requested-With" in request.headers


def _submitted_texts(request: HttpRequest, view: Any) -> Iterator[str]:
    """All names and values of the query string and the form."""
    forms = [request.GET]
    if request.method == "POST" and not getattr(view, "csrf_exempt", False):
        forms.append(request.POST)
    for form in forms:
        for name, values in form.lists():
            yield name
            yield from values


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_proxy(text: str) -> bool:
    return _is_address(text) and any(ip_address(text) in one for one in settings.PROXIES)
