"""Single sign-on by OpenID Connect: allauth's log-in, with a nonce; refusals say why."""

import secrets
from functools import cached_property
from typing import Any

import jwt
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods
from requests import RequestException

NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
TOO_LATE = gettext_noop(
    "This log-in was begun in another browser, or too long ago. Begin again on the log-in page."
)
UNREACHABLE = gettext_noop(
    "The provider of single sign-on cannot be reached, or answers with an error. Try again "
    "later, or tell an operator."
)
WRONG_NONCE = gettext_noop("The answer of the provider belongs to another log-in. Begin again.")
WRONG_PERSON = gettext_noop(
    "The provider names two different persons in one answer. Tell an operator."
)
UNSIGNED = gettext_noop("The provider sent no identity token. Tell an operator.")
REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: gettext_noop(
        "The answer of the provider has expired. Begin again; if it "
        "happens again, tell an operator to compare the clocks of both servers."
    ),
    jwt.InvalidIssuerError: gettext_noop(
        "The answer comes from another issuer than the provider that is "
        "set up here (AVA_OIDC_URL). Tell an operator."
    ),
    jwt.InvalidAudienceError: gettext_noop(
        "The answer of the provider is meant for another application "
        "than this one (AVA_OIDC_CLIENT_ID). Tell an operator."
    ),
    RequestException: UNREACHABLE,
}
REFUSED = gettext_noop(
    "The provider refused the log-in, or its answer is not valid. Begin again."
)


class RefusedError(OAuth2Error):  # type: ignore[misc]
    """A log-in that is refused; the message is the sentence to be shown."""


class OpenIDConnect(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The protocol of allauth; what a provider should not answer is refused with a sentence."""

    @cached_property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says about itself. Raises RefusedError."""
        try:
            found = super().openid_config
        except (RequestException, ValueError) as error:
            raise RefusedError(_(UNREACHABLE)) from error
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise RefusedError(
                _(
                    "The provider of single sign-on does not name its %(missing)s: tell an "
                    "operator to check AVA_OIDC_URL."
                )
                % {"missing": missing[0]}
            )
        return dict(found)

    def complete_login(self, *args: Any, **kwargs: Any) -> Any:
        """The log-in that the tokens stand for. Raises OAuth2Error."""
        try:
            return super().complete_login(*args, **kwargs)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise RefusedError(_(REFUSED)) from error  # an answer of another shape


class SingleSignOn(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider of this installation; each log-in has a nonce, which its token must name."""

    oauth2_adapter_class = OpenIDConnect

    def redirect(
        self, request: HttpRequest, process: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        nonce = secrets.token_urlsafe(24)
        params = kwargs.pop("auth_params", None) or self.get_auth_params()
        kwargs |= {"auth_params": params | {"nonce": nonce}, "nonce": nonce}
        return super().redirect(request, process, *args, **kwargs)  # type: ignore[no-any-return]


def refusal(sociallogin: Any) -> str:
    """Why a log-in whose tokens are valid is refused; empty if it is not."""
    token = sociallogin.account.extra_data.get("id_token")
    person = sociallogin.account.extra_data.get("userinfo", token)
    if not token:
        return _(UNSIGNED)
    nonce = sociallogin.state.get("nonce")
    if not nonce or token.get("nonce") != nonce:
        return _(WRONG_NONCE)
    return "" if token.get("sub") == person["sub"] else _(WRONG_PERSON)


def reason_of(exception: BaseException | None, *, is_known: bool) -> str:
    """The sentence to be shown for an error of allauth's log-in.

    Args:
        exception: What was raised; None if the provider or the state of the log-in says no.
        is_known: Whether this browser has begun the log-in.
    """
    if isinstance(exception, RefusedError):
        return str(exception)
    if exception is None:
        return _(REFUSED) if is_known else _(TOO_LATE)
    for one in (exception.__cause__, exception):
        for kind, sentence in REASONS.items():
            if isinstance(one, kind):
                return _(sentence)
    return _(REFUSED)


@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Begin a log-in: a redirect to the provider."""
    return _view(OAuth2LoginView, request, provider_id)


@require_http_methods(["GET", "POST"])
def callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """The provider's answer, which the browser brings."""
    return _view(OAuth2CallbackView, request, provider_id)


def _view(kind: Any, request: HttpRequest, provider_id: str) -> HttpResponseBase:
    adapter = OpenIDConnect(request, provider_id)
    try:
        return kind.adapter_view(adapter)(request)  # type: ignore[no-any-return]
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except RefusedError as error:
        page = render_authentication_error(request, adapter.get_provider(), exception=error)
        return page  # type: ignore[no-any-return]
