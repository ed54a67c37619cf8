"""Inter-annotator agreement: one report a clip, one summary a dataset and period."""

from django.db import models

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models import Clip, Dataset
from qc.models.querysets import ClipWorkQuerySet


class AgreementReport(StagedModel):
    """Agreement of the annotators of one clip, computed from one answer version of each."""

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="agreement_reports")
    versions = models.JSONField(help_text="keys of the answer versions compared, ascending")
    versions_key = models.CharField(max_length=64, editable=False, help_text="their SHA-256")
    answered_at = models.DateTimeField(
        null=True, editable=False, help_text="when the newest of these answers was imported"
    )
    figures = models.JSONField(default=dict, blank=True)

    objects = ClipWorkQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["clip", "pk"]
        constraints = [
            models.UniqueConstraint(
                "clip", "versions_key", name="one_report_per_set_of_versions"
            )
        ]

    def __str__(self) -> str:
        return f"{self.clip} versions {self.versions}"


class AgreementSummary(StagedModel):
    """Agreement of the annotators of a dataset, aggregated from one report of each clip."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="agreement_summaries")
    period = models.CharField(
        max_length=21,
        blank=True,
        help_text="first and last day, such as 2026-01-01/2026-01-31; empty: all",
    )
    reports = models.CharField(
        max_length=64,
        help_text="SHA-256 of the keys of the reports and when each was computed",
    )
    figures = models.JSONField(default=dict, blank=True)

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["dataset", "period", "pk"]
        verbose_name_plural = "agreement summaries"
        constraints = [
            models.UniqueConstraint(
                "dataset", "period", "reports", name="one_summary_per_set_of_reports"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.period or 'all'}"


class AgreementPart(models.Model):
    """What of a summary only some pages show; see `qc.core.agreement.summary_figures.split`."""

    summary = models.ForeignKey(AgreementSummary, models.CASCADE, related_name="parts")
    name = models.CharField(
        max_length=60, blank=True, help_text="key of an annotator, or of two; empty: all clips"
    )
    groups = models.JSONField(default=dict, blank=True, help_text="figures by group")
    clips = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["summary", "name"]
        constraints = [models.UniqueConstraint("summary", "name", name="one_part_per_name")]

    def __str__(self) -> str:
        return f"{self.summary} {self.name or 'clips'}"
