"""Forms of accounts: a log-in that offers to reset a password where that can be sent."""

from typing import Any

from allauth.account.forms import LoginForm
from django.conf import settings


class LogInForm(LoginForm):  # type: ignore[misc]
    """User name and password."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not settings.EMAIL_URL:
            self.fields["password"].help_text = ""
