"""Log-in limits: how many wrong passwords are taken for a name, from an address, and both.

Counted by django-axes over `AXES_COOLOFF_TIME`. Whoever guesses from many addresses can lock a
name, so a browser in which its user has logged in before is a known device: it has a signed
cookie, and its own count, which no other failures raise.
"""

import secrets
from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import signing
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponseBase

FROM_ADDRESS_WITH_NAME = 5
WITH_NAME = 30  # from all addresses
FROM_ADDRESS = 30  # with all names
FROM_DEVICE = 10

COOKIE = "known_device"
COOKIE_SECONDS = 365 * 24 * 3600
SALT = "known device"
DEVICE = "known device "  # in place of the user agent, in the rows of such attempts


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, so that many log-ins at once do not fill the memory."""

    time_cost = 2
    memory_cost = 19456
    parallelism = 1


class LogInLimits(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures as shares of their limits, so that all fit axes' one limit."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """`AXES_FAILURE_LIMIT` or more if any limit is reached, else less."""
        name = get_client_username(request, credentials)
        recent = self.get_user_attempts(request, credentials)[0]
        if device := known_device(request, name):
            counted = [(recent.filter(username=name, user_agent=device), FROM_DEVICE)]
        else:
            same_name, same_address = (
                {"username": name},
                {"ip_address": request.axes_ip_address},
            )
            counted = [
                (recent.filter(**same_name, **same_address), FROM_ADDRESS_WITH_NAME),
                (recent.filter(**same_name), WITH_NAME),
                (recent.filter(**same_address), FROM_ADDRESS),
            ]
        limit = settings.AXES_FAILURE_LIMIT
        return max(limit * _sum(attempts) // allowed for attempts, allowed in counted)

    def filter_user_attempts(
        self, request: Any, credentials: dict[str, Any] | None = None
    ) -> list[QuerySet[AccessAttempt]]:
        """All attempts; which of them count is decided above."""
        return [AccessAttempt.objects.all()]

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any
    ) -> None:
        if request is not None:
            name = get_client_username(request, credentials)
            request.axes_user_agent = known_device(request, name) or _user_agent(request)
        super().user_login_failed(sender, credentials, request, **kwargs)


class RememberDevices:
    """Gives a browser its cookie when somebody logs in, and lists their session.

    Follows AuthenticationMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST":
            return self.get_response(request)
        before = request.session.get(SESSION_KEY)
        response = self.get_response(request)
        if request.session.get(SESSION_KEY) not in (None, before):
            remember_device(request, response, request.user.get_username())
            UserSession.objects.create_from_request(request)
        return response


def known_device(request: HttpRequest, name: str | None) -> str:
    """The name of this browser if `name` has logged in with it before, else ""."""
    try:
        user, number = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=COOKIE_SECONDS
        )
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return f"{DEVICE}{number}" if name and user == name else ""


def remember_device(request: HttpRequest, response: HttpResponseBase, name: str) -> None:
    """After a log-in of `name`: let this browser be known."""
    device = known_device(request, name)
    number = device.removeprefix(DEVICE) or secrets.token_hex(8)
    response.set_cookie(
        COOKIE,
        signing.dumps([name, number], salt=SALT),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _user_agent(request: Any) -> str:
    """What the browser says it is; nobody can pass for a known device with it."""
    return str(request.axes_user_agent).replace(DEVICE, "")


def _sum(attempts: QuerySet[AccessAttempt]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
