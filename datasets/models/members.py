"""Models of members: who may do what in a dataset, and invitations to it."""

from django.conf import settings
from django.db import models

from datasets.models.dataset import Dataset


class Member(models.Model):
    """A user's role in a dataset; `datasets/core/roles.py` says what each role may do."""

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
