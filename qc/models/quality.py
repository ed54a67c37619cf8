"""Quality control: the rules of a dataset, and scores of answers against gold or proposals."""

from django.db import models
from django.db.models import F, Q

from annotation.models import AnswerVersion
from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models import Dataset


class QualityRules(models.Model):
    """How a dataset departs from the defaults: rules of `qc/rules.yaml` and majority voting."""

    class VoteRule(models.TextChoices):
        MAJORITY = "majority", "majority: more than half of the votes"
        DAWID_SKENE = "dawid-skene", "votes weighted by error rates (Dawid-Skene)"

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="quality_rules")
    switched_off = models.JSONField(
        default=list, blank=True, help_text="names of the rules that are not checked"
    )
    vote_rule = models.CharField(max_length=12, choices=VoteRule, default=VoteRule.MAJORITY)

    class Meta:
        verbose_name_plural = "quality rules"

    def __str__(self) -> str:
        return f"quality rules of {self.dataset}"


class Score(StagedModel):
    """One answer version measured against gold answers, or against the proposals."""

    version = models.ForeignKey(AnswerVersion, models.CASCADE, related_name="scores")
    key = models.ForeignKey(
        AnswerVersion, models.CASCADE, null=True, related_name="+",
        help_text="the gold answers; empty: the proposals",
    )  # fmt: skip
    figures = models.JSONField(default=dict, blank=True)

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["version", "pk"]
        constraints = [
            models.UniqueConstraint("version", "key", name="one_score_against_gold"),
            models.UniqueConstraint(
                "version", condition=Q(key=None), name="one_score_against_proposals"
            ),
            models.CheckConstraint(
                condition=Q(key=None) | ~Q(key=F("version")), name="no_score_against_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} against {self.key or 'the proposals'}"
