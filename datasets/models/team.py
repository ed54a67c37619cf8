"""Models of the team: activity, access tokens, notifications and what is sent of them."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models.dataset import Dataset


class ActivityRecord(models.Model):
    """One thing that somebody did. Never changed; it outlives its account and its dataset."""

    happened_at = models.DateTimeField(db_default=Now(), editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    user_name = models.CharField(max_length=150)
    dataset = models.ForeignKey(
        Dataset, models.DO_NOTHING, null=True, db_constraint=False, related_name="+",
        help_text="its key stays when the dataset is deleted; keys are never used twice",
    )  # fmt: skip
    dataset_name = models.CharField(max_length=50, blank=True)
    verb = models.CharField(max_length=40, help_text="what was done, such as approve")
    target = models.CharField(max_length=300, blank=True, help_text="to what")
    details = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "activity"
        verbose_name_plural = "activities"
        indexes = [
            models.Index(fields=["dataset", "-id"], name="activity_of_dataset"),
            models.Index(fields=["dataset", "user_name", "-id"], name="activity_of_user"),
            models.Index(fields=["dataset", "verb", "-id"], name="activity_by_verb"),
        ]

    def __str__(self) -> str:
        return f"{self.user_name}: {self.verb} {self.target}".strip()


class AccessTokenQuerySet(models.QuerySet):
    def valid(self, now: datetime) -> Self:
        """Tokens that open the API at `now`, of accounts that may log in."""
        return self.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)


class AccessToken(models.Model):
    """A token of the API; only its hash is stored, and it opens what its scopes name."""

    COUNTED_AS = _("access tokens")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_tokens"
    )
    name = models.CharField(max_length=80, help_text="what it is for")
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, help_text="its first characters")
    scopes = models.JSONField(default=list, help_text="names of scopes")
    dataset = models.ForeignKey(
        Dataset, models.CASCADE, null=True, blank=True, related_name="access_tokens",
        help_text="empty: all datasets of the account",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "access token"

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class Notification(models.Model):
    """What somebody should know; equal ones that are unread are counted in one row."""

    class Kind(models.TextChoices):
        ASSIGNED = "assigned", "work assigned"
        SENT_BACK = "sent-back", "work sent back"
        TO_REVIEW = "to-review", "waiting for review"
        RELEASE_READY = "release-ready", "release ready"
        FAILURE = "failure", "failed work"
        CVAT_UNREACHABLE = "cvat-unreachable", "CVAT unreachable"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications"
    )
    dataset = models.ForeignKey(
        Dataset, models.CASCADE, null=True, related_name="notifications"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    text = models.CharField(max_length=300)
    url = models.CharField(max_length=300, help_text="path of the page that it is about")
    count = models.PositiveIntegerField(default=1, help_text="how often since it was read")
    created_at = models.DateTimeField(db_default=Now(), help_text="of the latest")
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index("user", condition=Q(read_at=None), name="notification_unread"),
            models.Index(fields=["user", "-created_at"], name="notification_of_user"),
        ]
        constraints = [
            models.UniqueConstraint(
                "user", "kind", "url", condition=Q(read_at=None),
                name="equal_unread_notifications_are_one",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.text


class NotificationSettings(models.Model):
    """What an account wants of notifications; without a row the defaults hold."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notification_settings"
    )
    wants_email = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"notifications of {self.user}"


class OutgoingWebhook(models.Model):
    """An address that gets the notifications of a dataset, signed with a secret."""

    COUNTED_AS = _("webhooks")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="outgoing_webhooks")
    url = models.URLField(max_length=500)
    encrypted_secret = models.TextField(editable=False)
    kinds = models.JSONField(default=list, help_text="kinds of notifications; none for all")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["dataset", "pk"]
        verbose_name = "outgoing webhook"

    def __str__(self) -> str:
        return self.url


class OutgoingMessage(StagedModel):
    """An e-mail to an account, or a call of a webhook; its stage is the sending."""

    dataset = models.ForeignKey(
        Dataset, models.CASCADE, null=True, related_name="outgoing_messages"
    )
    webhook = models.ForeignKey(
        OutgoingWebhook, models.CASCADE, null=True, related_name="messages"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+"
    )
    payload = models.JSONField(help_text="{event, dataset, text, url}")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.PositiveSmallIntegerField(null=True, help_text="of the last response")

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["-pk"]
        verbose_name = "outgoing message"

    def __str__(self) -> str:
        return f"{self.payload.get('event', '')} to {self.webhook or self.user}"
