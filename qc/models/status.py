"""Kept states of clips and tasks, so that lists and counts need not look at all their answers.

`qc.selectors.statuses` brings them up to date before they are read.
"""

from django.db import models
from django.db.models import Q

from annotation.models import AnnotationTask, Annotator, AnswerVersion
from datasets.models import Clip, Dataset
from qc.models.consensus import Consensus


class ClipStatus(models.Model):
    """The state of one clip, and what its lists and totals say of it."""

    clip = models.OneToOneField(Clip, models.CASCADE, primary_key=True, related_name="status")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=80, help_text="of the clip")
    state = models.CharField(max_length=10, help_text="see qc.selectors.statuses")
    is_tracked = models.BooleanField()
    is_ready = models.BooleanField(help_text="can be assigned")
    task_count = models.PositiveIntegerField(help_text="tasks that count")
    is_unanswered = models.BooleanField(help_text="somebody else was assigned as well")
    is_releasable = models.BooleanField()
    consensus = models.ForeignKey(
        Consensus, models.SET_NULL, null=True, related_name="statuses", help_text="the newest"
    )
    open_items = models.PositiveIntegerField(help_text="that wait for adjudication")
    box_items = models.PositiveIntegerField(help_text="boxes that differ and wait for it")
    single_labels = models.PositiveIntegerField(help_text="labels that rest on one vote")
    person_count = models.PositiveIntegerField(default=0, help_text="of its tracking run")
    lowest_alpha = models.FloatField(
        null=True, help_text="of its groups; null where there is none"
    )
    lowest_box_f1 = models.FloatField(
        null=True, help_text="of two of its annotators; null where there are none"
    )
    findings = models.PositiveIntegerField(default=0, help_text="of quality rules")
    is_measured = models.BooleanField(help_text="a gold clip, or its answers have scores")
    active_at = models.DateTimeField(help_text="when any row of it last changed")

    class Meta:
        verbose_name_plural = "clip statuses"
        ordering = ["dataset", "name"]
        indexes = [
            models.Index("dataset", "name", name="clips_of_a_dataset"),
            models.Index("dataset", "state", "name", name="clips_in_a_state"),
            models.Index("dataset", "active_at", name="clips_by_activity"),
            models.Index("dataset", "is_measured", "active_at", name="measured_clips"),
            models.Index("dataset", "is_releasable", name="releasable_clips"),
            models.Index("dataset", "open_items", "name", name="clips_with_open_items"),
            models.Index("dataset", "box_items", "name", name="clips_with_box_items"),
            models.Index("dataset", "person_count", "name", name="clips_by_persons"),
            models.Index("dataset", "lowest_alpha", "name", name="clips_by_agreement"),
            models.Index("dataset", "findings", "name", name="clips_by_findings"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class TaskStatus(models.Model):
    """The state of one task, and what its lists and totals say of it."""

    task = models.OneToOneField(
        AnnotationTask, models.CASCADE, primary_key=True, related_name="status"
    )
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+", db_index=False)
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=80, help_text="of the clip")
    state = models.CharField(max_length=10, help_text="see qc.selectors.statuses")
    is_counting = models.BooleanField()
    is_pending = models.BooleanField(help_text="its newest answers wait for review")
    version = models.ForeignKey(
        AnswerVersion, models.CASCADE, null=True, related_name="+",
        help_text="the newest answers read",
    )  # fmt: skip
    verdict = models.CharField(max_length=10, blank=True, help_text="on these answers")

    class Meta:
        verbose_name_plural = "task statuses"
        ordering = ["dataset", "name", "annotator"]
        indexes = [
            models.Index("dataset", "name", "annotator", name="tasks_of_a_dataset"),
            models.Index("dataset", "state", "name", "annotator", name="tasks_in_a_state"),
            models.Index("dataset", "annotator", "state", "name", name="tasks_of_an_annotator"),
            models.Index("dataset", "version", name="tasks_by_answers"),
            models.Index(
                "dataset", "version", condition=Q(is_pending=True), name="tasks_to_review"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.state}"


class StatusClock(models.Model):
    """The moment up to which all changes are in the kept states; one row."""

    as_of = models.DateTimeField()
    checked_at = models.DateTimeField(help_text="when all were last computed")

    def __str__(self) -> str:
        return f"{self.as_of:%Y-%m-%d %H:%M:%S}"
