"""Defaults of all views of the API: access tokens, their scopes, rates, and pages of rows.

A request carries `Authorization: Token ava_...` (or `Bearer`), or a browser's session. A token
opens what its account may do, as far as its scopes and its dataset go.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from datasets.accounts.tokens import find_token
from datasets.models import AccessToken

SCHEMES = (b"token", b"bearer")
INVALID = "This token is not valid: it has ended, was revoked, or is not complete."
MAX_ROWS = 1000
SAFE = ("GET", "HEAD", "OPTIONS")


class AccessTokenAuthentication(BaseAuthentication):
    """Logs in whoever sends a valid access token."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() not in SCHEMES:
            return None
        if len(words) != 2:
            raise AuthenticationFailed(INVALID)
        try:
            token = find_token(words[1].decode())
        except UnicodeDecodeError as error:
            raise AuthenticationFailed(INVALID) from error
        if token is None:
            raise AuthenticationFailed(INVALID)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Token"


class HasScope(BasePermission):
    """Whether the token has the scope of the method, and is for the dataset of the address.

    A view names scopes in `scopes`, by method; else GET needs `read`, anything else `manage`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        if not isinstance(token, AccessToken):
            return True  # a session, or nobody, whom IsAuthenticated refuses
        wanted = scope_of(view, request.method or "")
        self.message = f"This token has not the scope {wanted}."
        if token.dataset_id is not None and not self._is_for(token, request, view):
            raise Http404
        return wanted in token.scopes

    def _is_for(self, token: AccessToken, request: Request, view: Any) -> bool:
        name = view.kwargs.get("name")
        if name is None:  # lists leave out other datasets themselves
            return request.method in SAFE
        return token.dataset is not None and name == token.dataset.name


def scope_of(view: Any, method: str) -> str:
    """The scope that a method of a view needs."""
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get(method, "read" if method in SAFE else "manage")


class ApiRate(SimpleRateThrottle):
    """At most `AVA_API_RATE` requests a minute of each token and each account."""

    scope = "api"

    def get_rate(self) -> str:
        return f"{settings.API_RATE}/min"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if isinstance(request.auth, AccessToken):
            return f"api-rate-token-{request.auth.pk}"
        return f"api-rate-user-{request.user.pk}" if request.user.pk else None


class Pages(LimitOffsetPagination):
    """`?limit=` and `?offset=` select a page."""

    default_limit = 100
    max_limit = MAX_ROWS
