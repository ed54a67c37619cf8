"""Pipeline step "send messages": e-mail and calls of webhooks for notifications, retried.

A webhook is called with JSON, signed with its secret: `X-AVA-Signature` is `sha256=` and the
HMAC-SHA-256, in hexadecimal, of the time in `X-AVA-Timestamp`, a dot and the body. Its address
is checked where the connection is made, as CVAT's is (`annotation/cvat/addresses.py`).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from smtplib import SMTPException
from urllib.parse import urlsplit

import urllib3
from celery import shared_task
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.core.encryption import DecryptionError, decrypt, encrypt
from annotation.cvat.addresses import guard
from annotation.cvat.errors import CvatDeniedError
from avaproject import VERSION
from avaproject.base.claimed_work import WILL_RETRY
from datasets.accounts.activity import record
from datasets.models import Dataset, Notification, OutgoingMessage, OutgoingWebhook

MAX_WEBHOOKS = 10  # of a dataset
TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0)
FIRST_PAUSE = timedelta(minutes=1)  # each next one is three times as long
MAX_RETRIES = 7  # about a day and a half in all
MAX_ANSWER = 4096  # bytes that are read of a response
GONE = 410


class MessageError(RuntimeError):
    """A message that cannot be sent, and will not be tried again; it says why."""


class WebhookError(ValueError):
    """A webhook that cannot be added; the message says why."""


def add_webhook(
    dataset: Dataset, *, url: str, kinds: Collection[str], by: User
) -> tuple[OutgoingWebhook, str]:
    """Add an address for the notifications of `dataset`; returns it with its secret.

    Args:
        dataset: The dataset.
        url: An http or https address; with AVA_HTTPS only https.
        kinds: Of `Notification.Kind`; none for all.
        by: Who adds it.

    Raises WebhookError for another address, or if there are ten.
    """
    parts = urlsplit(url)
    schemes = ("https",) if settings.HTTPS else ("https", "http")
    if parts.scheme not in schemes:
        raise WebhookError(_("Enter an address that begins with https://."))
    if not parts.hostname or parts.username or parts.password:
        raise WebhookError(_("Enter an address with a host, and without a user or password."))
    if unknown := set(kinds) - set(Notification.Kind.values):
        raise WebhookError(
            _("There is no notification %(unknown)s.") % {"unknown": sorted(unknown)[0]}
        )
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.outgoing_webhooks.count() >= MAX_WEBHOOKS:
            raise WebhookError(
                _("A dataset has at most %(max_webhooks)s webhooks.")
                % {"max_webhooks": MAX_WEBHOOKS}
            )
        hook = OutgoingWebhook.objects.create(
            dataset=dataset, url=url, kinds=sorted(kinds), created_by=by,
            encrypted_secret=encrypt(secret, settings.SECRETS_KEYS),
        )  # fmt: skip
        record("add webhook", parts.hostname, dataset=dataset)
    return hook, secret


def remove_webhook(hook: OutgoingWebhook) -> None:
    """Remove a webhook, and the messages that wait for it."""
    with transaction.atomic():
        record("remove webhook", urlsplit(hook.url).hostname or "", dataset=hook.dataset)
        hook.delete()


def try_webhook(hook: OutgoingWebhook) -> OutgoingMessage:
    """Queue a message that says no more than that the webhook works."""
    payload = {
        "event": "test", "dataset": hook.dataset.name,
        "text": _("A test of the webhook of %s.") % hook.dataset, "url": "",
    }  # fmt: skip
    return OutgoingMessage.objects.create(dataset=hook.dataset, webhook=hook, payload=payload)


def reencrypt_webhooks(keys: Sequence[str]) -> int:
    """Encrypt the secrets of all webhooks with the first of `keys`; return how many.

    Raises DecryptionError, with nothing changed, if no key decrypts one of them.
    """
    with transaction.atomic():
        hooks = list(OutgoingWebhook.objects.select_for_update())
        for hook in hooks:
            hook.encrypted_secret = encrypt(decrypt(hook.encrypted_secret, keys), keys)
            hook.save(update_fields=["encrypted_secret"])
    return len(hooks)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-AVA-Signature`.

    >>> signature("key", "1700000000", b"{}")[:17]
    'sha256=9d713ed406'
    """
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@shared_task
def send_message(message_id: int) -> None:
    """Send one message; no-op if another worker claimed it.

    A fault of the other side defers it, each time for longer; then it fails.
    """
    message = OutgoingMessage.objects.claim(message_id)
    if message is None:
        return
    with message.working(MessageError, DecryptionError):
        try:
            status = _sent(message)
        except (OSError, SMTPException, urllib3.exceptions.HTTPError) as error:
            _defer(
                message,
                _("%(message)s could not be sent: %(error)s.")
                % {"message": message, "error": error},
            )
            return
        if status is not None and not 200 <= status < 300:
            OutgoingMessage.objects.filter(pk=message.pk).update(status=status)
            if status == GONE:
                raise MessageError(
                    _("%(webhook)s says that it is gone (410): remove it.")
                    % {"webhook": message.webhook}
                )
            _defer(
                message,
                _("%(webhook)s answered with status %(status)s.")
                % {"webhook": message.webhook, "status": status},
            )
            return
        message.finish(status=status)


def _defer(message: OutgoingMessage, sentence: str) -> None:
    if message.deferrals >= MAX_RETRIES:
        raise MessageError(
            _("%(sentence)s It was tried %(deferrals)s times.")
            % {"sentence": sentence, "deferrals": message.deferrals + 1}
        )
    message.defer(FIRST_PAUSE * 3**message.deferrals, f"{sentence} {_(WILL_RETRY)}")


def _sent(message: OutgoingMessage) -> int | None:
    """Send it; the status of a webhook's response, None for e-mail."""
    if message.webhook:
        return _call(message)
    _mail(message)
    return None


def _mail(message: OutgoingMessage) -> None:
    """Send an e-mail. Raises OSError or SMTPException if the server does not take it."""
    user, payload = message.user, message.payload
    if user is None or not user.email or not settings.EMAIL_URL:
        raise MessageError(
            _("There is no e-mail address, or no e-mail server (AVA_EMAIL_URL).")
        )
    link = f"\n\n{settings.PUBLIC_URL}{payload['url']}" if settings.PUBLIC_URL else ""
    body = _(
        "%(payload)s%(link)s\n\nYou can switch off e-mail on the page Notifications.\n"
    ) % {"payload": payload["text"], "link": link}
    send_mail(f"AVA Studio: {payload['text']}"[:150], body, None, [user.email])


def _call(message: OutgoingMessage) -> int:
    """Call a webhook; the status of its response. Raises HTTPError, or MessageError."""
    hook = message.webhook
    assert hook is not None  # noqa: S101  asked for by the caller
    payload = {"id": message.pk, "created_at": message.created_at.isoformat()}
    payload |= message.payload
    payload["url"] = f"{settings.PUBLIC_URL}{payload['url']}" if payload["url"] else ""
    body = json.dumps(payload, sort_keys=True).encode()
    timestamp = str(int(timezone.now().timestamp()))
    secret = decrypt(hook.encrypted_secret, settings.SECRETS_KEYS)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"AVA-Studio/{VERSION}",
        "X-AVA-Event": str(payload["event"]),
        "X-AVA-Delivery": str(message.pk),  # the same when it is sent again
        "X-AVA-Timestamp": timestamp,
        "X-AVA-Signature": signature(secret, timestamp, body),
    }
    pools = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
    guard(pools)
    try:
        response = pools.request(
            "POST", hook.url, body=body, headers=headers, redirect=False, preload_content=False
        )
        try:
            response.read(MAX_ANSWER)
        finally:
            response.close()
    except CvatDeniedError as error:
        raise MessageError(
            _(
                "%(hook)s may not be called: it is on this machine or a private network, "
                "or local to a link (AVA_PRIVATE_ADDRESSES)."
            )
            % {"hook": hook}
        ) from error
    finally:
        pools.clear()
    return response.status
