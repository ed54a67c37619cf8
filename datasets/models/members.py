"""Models of members: who may do what in a dataset, and invitations to it."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from datasets.models.dataset import Dataset


class Member(models.Model):
    """A user's role in a dataset; `datasets/core/roles.py` says what each role may do."""

    COUNTED_AS = _("members")

    class Role(models.TextChoices):
        OWNER = "owner"
        MANAGER = "manager"
        REVIEWER = "reviewer"
        ANNOTATOR = "annotator"
        VIEWER = "viewer"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.OWNER)

    class Meta:
        constraints = [
            models.UniqueConstraint("dataset", "user", name="one_membership_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.dataset}"


class InvitationQuerySet(models.QuerySet):
    def open(self, now: datetime) -> Self:
        """Invitations that can be accepted at `now`."""
        return self.filter(revoked_at=None, expires_at__gt=now, uses__lt=F("max_uses"))


class Invitation(models.Model):
    """A link that makes whoever opens it a member; only the hash of its token is stored."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Member.Role)
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    annotator = models.CharField(
        max_length=150, blank=True, help_text="name of an existing annotator to link"
    )
    email = models.EmailField(blank=True, help_text="whom the link was sent to")
    max_uses = models.PositiveSmallIntegerField(default=1)
    uses = models.PositiveSmallIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="+",
        help_text="the link is void once they may not invite any more",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_uses__gte=1, uses__lte=F("max_uses")),
                name="invitation_is_used_at_most_as_often_as_allowed",
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.dataset}"
