"""Saved views: the filters and the order of a list, under a name of one user."""

from django.conf import settings
from django.db import models

from datasets.models import Dataset


class SavedView(models.Model):
    """A query of a list that a user has named."""

    class Page(models.TextChoices):
        CLIPS = "qc:clips", "Clips"
        TASKS = "qc:tasks", "Tasks"
        REVIEW = "qc:review", "Review queue"
        ADJUDICATION = "qc:adjudication", "Adjudication"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    page = models.CharField(max_length=20, choices=Page)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)

    class Meta:
        ordering = ["dataset", "page", "name"]
        constraints = [
            models.UniqueConstraint(
                "user", "dataset", "page", "name", name="saved_views_have_names"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.get_page_display()} {self.name}"
