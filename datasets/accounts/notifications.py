"""Notifications: who should know what, on the bell, by e-mail and by outgoing webhooks.

Services write them with what they are about, in one transaction. The pipeline sends e-mail and
webhooks afterwards (`workers/team/email_and_webhooks.py`).
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from datasets.accounts.activity import current_actor
from datasets.core.roles import Act, roles_with
from datasets.models import (
    Dataset,
    Member,
    Notification,
    NotificationSettings,
    OutgoingMessage,
    OutgoingWebhook,
)

Kind = Notification.Kind


def members_with(dataset: Dataset, *acts: Act) -> list[int]:
    """Keys of the accounts of members who may do all of `acts`."""
    members = Member.objects.filter(dataset=dataset, role__in=roles_with(*acts))
    return list(members.values_list("user_id", flat=True))


def notify(
    dataset: Dataset, kind: str, *, users: Iterable[int | None], text: str, url: str
) -> None:
    """Tell accounts and webhooks that `kind` has happened in `dataset`.

    Whoever did it is not told. An equal notification that is still unread counts on, without
    another e-mail; webhooks get each.

    Args:
        dataset: Where.
        kind: Of `Notification.Kind`.
        users: Keys of accounts; None is left out.
        text: One sentence, at most 300 characters.
        url: Path of the page that it is about.
    """
    actor = current_actor()
    told = {key for key in users if key is not None} - {actor.pk if actor else None}
    with transaction.atomic():
        new = [key for key in sorted(told) if _tell(key, dataset, kind, text[:300], url)]
        payload = {"event": kind, "dataset": dataset.name, "text": text[:300], "url": url}
        hooks = OutgoingWebhook.objects.filter(dataset=dataset)
        messages = [
            OutgoingMessage(dataset=dataset, webhook=hook, payload=payload)
            for hook in hooks
            if not hook.kinds or kind in hook.kinds
        ]
        messages += [
            OutgoingMessage(dataset=dataset, user_id=key, payload=payload)
            for key in _with_email(new)
        ]
        OutgoingMessage.objects.bulk_create(messages)


def _tell(user: int, dataset: Dataset, kind: str, text: str, url: str) -> bool:
    """Add a notification, or count an equal one that is unread; whether it is new."""
    same = Notification.objects.filter(user_id=user, kind=kind, url=url, read_at=None)
    again = {"count": F("count") + 1, "created_at": Now(), "text": text}
    if same.update(**again):
        return False
    try:
        with transaction.atomic():
            Notification.objects.create(
                user_id=user, dataset=dataset, kind=kind, text=text, url=url
            )
    except IntegrityError:  # another process has just told them
        same.update(**again)
        return False
    return True


def _with_email(keys: list[int]) -> list[int]:
    """Those of the accounts that have an e-mail address and want e-mail."""
    if not settings.EMAIL_URL or not keys:
        return []
    refusing = NotificationSettings.objects.filter(wants_email=False).values("user")
    users = User.objects.filter(pk__in=keys, is_active=True).exclude(email="")
    return list(users.exclude(pk__in=refusing).values_list("pk", flat=True))


def notifications_of(user: Any) -> QuerySet[Notification]:
    """The notifications of `user`, newest first, of datasets that they are still in."""
    found = Notification.objects.filter(user=user).select_related("dataset")
    if not user.is_superuser:
        found = found.filter(dataset__members__user=user)
    return found.order_by("-created_at", "-pk")


def unread_count(user: Any) -> int:
    """How many notifications `user` has not read; one query."""
    return Notification.objects.filter(user_id=user.pk or 0, read_at=None).count()


def mark_read(user: User, keys: Iterable[int] | None = None) -> int:
    """Mark notifications as read, all for None; return how many were unread."""
    unread = Notification.objects.filter(user=user, read_at=None)
    if keys is not None:
        unread = unread.filter(pk__in=list(keys))
    return unread.update(read_at=timezone.now())


def choose_email(user: User, *, wants_email: bool) -> None:
    """Store whether `user` wants e-mail for notifications."""
    NotificationSettings.objects.update_or_create(
        user=user, defaults={"wants_email": wants_email}
    )


def wants_email(user: User) -> bool:
    """Whether `user` wants e-mail; True by default."""
    return not NotificationSettings.objects.filter(user=user, wants_email=False).exists()
