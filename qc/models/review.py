"""Review: verdicts and comments on the answers to a task."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from annotation.models import AnnotationTask, AnswerVersion


class Review(models.Model):
    """A reviewer's verdict on one answer version; the newest verdict counts."""

    COUNTED_AS = _("reviews")

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="reviews")
    version = models.ForeignKey(AnswerVersion, models.CASCADE, related_name="reviews")
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    reviewed_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    CHANGED_AT = "reviewed_at"  # a verdict never changes

    class Meta:
        ordering = ["task", "pk"]

    def __str__(self) -> str:
        return f"{self.task} {self.verdict}"


class Comment(models.Model):
    """A comment on a task; it has no effect on the task's state."""

    COUNTED_AS = _("comments")

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="comments")
    text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["task", "pk"]

    def __str__(self) -> str:
        return f"{self.task}: {self.text[:40]}"
