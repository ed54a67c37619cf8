"""Accounts: who may sign up, secrets of second factors, and log-in by OpenID Connect."""

from collections.abc import Sequence
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import render_authentication_error
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from annotation.core.encryption import decrypt, encrypt
from annotation.models.work import check_user_name
from avaproject.single_sign_on import RefusedError, SingleSignOn, reason_of, refusal

ENCRYPTED = ("secret", "seed")  # in the data of an authenticator


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts come from invitations; nobody signs up by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """A name that may also be an annotator's. Raises ValidationError."""
        check_user_name(username)
        return str(super().clean_username(username, shallow=shallow))

    def can_delete_email(self, email_address: Any) -> bool:
        return True


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps the secrets of second factors encrypted, like the passwords of CVAT servers."""

    def encrypt(self, text: str) -> str:
        return encrypt(text, settings.SECRETS_KEYS)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text, settings.SECRETS_KEYS)


def reencrypt_second_factors(keys: Sequence[str]) -> int:
    """Encrypt the secrets of second factors with the first of `keys`; return how many.

    Raises DecryptionError if no key decrypts one of them.
    """
    count = 0
    for row in Authenticator.objects.select_for_update():
        found = {name: row.data[name] for name in ENCRYPTED if row.data.get(name)}
        if found:
            new = {name: encrypt(decrypt(text, keys), keys) for name, text in found.items()}
            Authenticator.objects.filter(pk=row.pk).update(data=row.data | new)
            count += 1
    return count


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Log-in by OpenID Connect: of connected accounts, and of new ones if a setting says so."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: Any = None) -> Any:
        """The provider that is set up, with the checks of `avaproject/single_sign_on.py`."""
        found = super().get_provider(request, provider, client_id=client_id)
        return SingleSignOn(request, app=found.app) if found.id == SingleSignOn.id else found

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Refuse a log-in whose token is not the answer to it. Raises ImmediateHttpResponse."""
        if reason := refusal(sociallogin):
            raise ImmediateHttpResponse(
                render_authentication_error(
                    request, sociallogin.provider, exception=RefusedError(reason)
                )
            )

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,
    ) -> None:
        """Say why, on the page that comes next."""
        if extra_context is not None:
            is_known = bool(extra_context.get("state"))
            extra_context["reason"] = reason_of(exception, is_known=is_known)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return bool(settings.OIDC_SIGN_UP)

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: Any) -> Any:
        """The new account; a user name that annotators cannot have is asked for anew."""
        user = super().populate_user(request, sociallogin, data)
        try:
            check_user_name(user.username)
        except ValidationError:
            user.username = ""
        return user
