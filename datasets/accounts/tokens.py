"""Access tokens of the API: shown once, stored as a hash, limited by scopes, end and dataset.

A token never opens more than its account may do: its scopes narrow the acts of the roles.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasets.accounts.activity import record
from datasets.models import AccessToken, Dataset

PREFIX = "ava_"
MAX_DAYS = 366
USE_RECORDED_EVERY = timedelta(minutes=1)  # so that reading does not write each time

SCOPES: Mapping[str, str] = {
    "read": gettext_noop(
        "see what the account sees: datasets, clips, tracks, tasks, agreement, releases"
    ),
    "upload": gettext_noop("upload videos"),
    "label": gettext_noop("label one's own tasks, and import answers"),
    "review": gettext_noop("review and adjudicate"),
    "manage": gettext_noop(
        "create and change datasets, assign tasks, make bundles and releases, invite"
    ),
    "delete": gettext_noop("delete videos, datasets and the files of releases; remove members"),
}


class TokenError(ValueError):
    """A token that cannot be made; the message says why."""


def make_token(
    user: User, *, name: str, scopes: Collection[str], days: int, dataset: Dataset | None = None
) -> tuple[AccessToken, str]:
    """Make a token for `user`; returns its row, and the token itself, which is stored nowhere.

    Args:
        user: Whose permissions it has.
        name: What it is for.
        scopes: Names of `SCOPES`, at least one; `read` is always among them.
        days: 1 to `MAX_DAYS`, how long it holds.
        dataset: The only dataset that it opens; None for all.

    Raises TokenError for an unknown or no scope, or another number of days.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise TokenError(_("Choose scopes among %(scopes)s.") % {"scopes": ", ".join(SCOPES)})
    if not 1 <= days <= MAX_DAYS:
        raise TokenError(_("A token holds 1 to %(max_days)s days.") % {"max_days": MAX_DAYS})
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = AccessToken.objects.create(
            user=user, name=name, token_sha256=hash_of(token), hint=token[:8],
            scopes=[one for one in SCOPES if one in {"read", *scopes}], dataset=dataset,
            expires_at=timezone.now() + timedelta(days=days),
        )  # fmt: skip
        record("make token", name, dataset=dataset, details=", ".join(row.scopes))
    return row, token


def find_token(token: str) -> AccessToken | None:
    """The valid token with these characters, now noted as used; None if there is none."""
    now = timezone.now()
    found = AccessToken.objects.valid(now).filter(token_sha256=hash_of(token))
    row = found.select_related("user").first()
    if row is not None:
        long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_RECORDED_EVERY)
        if row.last_used_at is None or row.last_used_at < now - USE_RECORDED_EVERY:
            AccessToken.objects.filter(long_ago, pk=row.pk).update(last_used_at=now)
    return row


def revoke_token(row: AccessToken) -> bool:
    """Let a token open nothing any more; False if it was revoked before."""
    with transaction.atomic():
        now = timezone.now()
        if not AccessToken.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now):
            return False
        record("revoke token", row.name, dataset=row.dataset)
    return True


def hash_of(token: str) -> str:
    """SHA-256 in hexadecimal; tokens are random, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()
