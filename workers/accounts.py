"""The first account of a new installation."""

import secrets

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

ADMIN = "admin"


def ensure_admin() -> str | None:
    """Make the account `admin` if nobody runs this installation yet.

    Returns its random password, which is kept nowhere else; None if nothing was made.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    try:
        with transaction.atomic():
            User.objects.create_superuser(ADMIN, password=password)
    except IntegrityError:  # another process was first, or somebody else has that name
        return None
    return password
