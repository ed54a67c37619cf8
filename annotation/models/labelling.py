"""Models of the label page: drafts of answers, and the operations that they consist of."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation.models.work import AnnotationTask, AnswerVersion


class AnswerDraftQuerySet(models.QuerySet):
    def open(self) -> Self:
        """Those that were not submitted; at most one a task."""
        return self.filter(version=None)


class AnswerDraft(models.Model):
    """Answers to a task that are being made on the label page, until they are submitted.

    Its state is the fold of its counting operations over `start`
    (`annotation.core.answer_segments`).
    One tab of one browser holds it; another one must take it over.
    """

    COUNTED_AS = _("drafts on the label page")

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="drafts")
    revision = models.PositiveIntegerField(help_text="of the task, from 1")
    base = models.ForeignKey(
        AnswerVersion, models.PROTECT, null=True, related_name="+",
        help_text="the version it began with; null: the pre-annotation",
    )  # fmt: skip
    start = models.JSONField(help_text="the state it began with")
    holder = models.CharField(max_length=40, blank=True, help_text="a tab; empty: nobody")
    held_at = models.DateTimeField(
        null=True, help_text="when the holder opened it or was last heard of"
    )
    last = models.PositiveIntegerField(default=0, help_text="number of the newest operation")
    saved_at = models.DateTimeField(null=True, help_text="when that operation arrived")
    active_ms = models.PositiveBigIntegerField(default=0, help_text="working time so far")
    done = models.PositiveIntegerField(default=0, help_text="keyframes of persons answered")
    total = models.PositiveIntegerField(default=0, help_text="keyframes of persons to answer")
    version = models.OneToOneField(
        AnswerVersion, models.CASCADE, null=True, related_name="draft",
        help_text="what was submitted",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AnswerDraftQuerySet.as_manager()

    class Meta:
        ordering = ["task", "revision"]
        constraints = [
            models.UniqueConstraint("task", "revision", name="one_draft_per_revision"),
            models.UniqueConstraint(
                "task", condition=Q(version=None), name="one_open_draft_per_task"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} revision {self.revision}"


class DraftOperationQuerySet(models.QuerySet):
    def counting(self) -> Self:
        return self.filter(discarded_at=None).order_by("number")


class DraftOperation(models.Model):
    """One operation of a draft; never changed. A discarded one stays readable."""

    draft = models.ForeignKey(
        AnswerDraft, models.CASCADE, related_name="operations", db_index=False
    )
    key = models.CharField(max_length=40, help_text="made by the browser")
    number = models.PositiveIntegerField(help_text="its place in the log, from 1")
    content = models.JSONField(help_text="{kind, ...} as in docs/labelling.md")
    active_ms = models.PositiveIntegerField(
        default=0, help_text="working time since the operation before; pauses are cut off"
    )
    holder = models.CharField(max_length=40)
    received_at = models.DateTimeField(auto_now_add=True)
    discarded_at = models.DateTimeField(
        null=True, help_text="when another tab's operations were chosen instead"
    )

    objects = DraftOperationQuerySet.as_manager()

    class Meta:
        ordering = ["draft", "number", "pk"]
        constraints = [
            models.UniqueConstraint("draft", "key", name="an_operation_counts_once"),
            models.UniqueConstraint(
                "draft", "number", condition=Q(discarded_at=None),
                name="one_counting_operation_per_number",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.draft} operation {self.number}"
