"""Consensus of a clip's annotators, adjudication of what they leave open, third opinions."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotator
from avaproject.base.work import StagedModel
from datasets.models import Clip, Dataset
from qc.models.querysets import ClipWorkQuerySet
from tracking.core.tracks_file import person_in_sentence, person_label
from tracking.models import VideoPerson


class Consensus(StagedModel):
    """The consensus on one clip, computed from one answer version of each annotator.

    It can be deleted and computed again: reviewers' decisions are kept as Adjudications.
    """

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="consensuses")
    versions = models.JSONField(help_text="as in AgreementReport")
    versions_key = models.CharField(max_length=64, editable=False, help_text="their SHA-256")
    error_rates = models.JSONField(
        default=dict, blank=True,
        help_text="annotators' error rates by group, if votes were weighted by them",
    )  # fmt: skip
    open_count = models.PositiveIntegerField(
        null=True, editable=False, help_text="items that wait for adjudication"
    )
    box_count = models.PositiveIntegerField(
        null=True, editable=False, help_text="boxes that differ and wait for adjudication"
    )
    single_count = models.PositiveIntegerField(
        null=True, editable=False, help_text="labels that rest on one vote"
    )

    objects = ClipWorkQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["clip", "pk"]
        verbose_name_plural = "consensuses"
        constraints = [
            models.UniqueConstraint("clip", "versions_key", name="one_consensus_per_versions")
        ]

    def __str__(self) -> str:
        return f"{self.clip} versions {self.versions}"


class ConsensusBox(models.Model):
    """A person at a keyframe, with the boxes of the annotators who drew it."""

    class Status(models.TextChoices):
        AGREED = "agreed"
        DISPUTED = "disputed"  # too few annotators drew the person: a reviewer decides
        DROPPED = "dropped"

    consensus = models.ForeignKey(Consensus, models.CASCADE, related_name="boxes")
    second = models.PositiveIntegerField(help_text="keyframe, whole clip seconds")
    person_id = models.PositiveIntegerField(help_text="from 1, unique in its source video")
    x1 = models.FloatField(help_text="pixels of the standard video")
    y1 = models.FloatField()
    x2 = models.FloatField(help_text="exclusive")
    y2 = models.FloatField(help_text="exclusive")
    drawn_by = models.JSONField(help_text="names of the annotators who drew the person, sorted")
    drawn = models.JSONField(default=dict, help_text="{annotator: [x1, y1, x2, y2]}")
    min_iou = models.FloatField(
        null=True,
        help_text="lowest IoU of two annotators' boxes; null with fewer than two boxes",
    )
    is_box_decided = models.BooleanField(default=False, help_text="a reviewer chose the box")
    status = models.CharField(max_length=10, choices=Status)

    class Meta:
        verbose_name_plural = "consensus boxes"
        ordering = ["consensus", "second", "person_id"]
        constraints = [
            models.UniqueConstraint(
                "consensus", "second", "person_id", name="one_box_per_person_and_keyframe"
            ),
            models.CheckConstraint(
                condition=Q(x2__gt=F("x1"), y2__gt=F("y1")), name="consensus_box_has_area"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consensus} {self.second} s {person_label(self.person_id)}"


class ConsensusLabel(models.Model):
    """The consensus on one action group for one box, and the rule that decided it."""

    class Rule(models.TextChoices):
        UNANIMOUS = "unanimous"
        MAJORITY = "majority"
        WEIGHTED = "weighted"  # weighted by the annotators' error rates
        SINGLE = "single"  # one annotator answered, and one is enough
        ADJUDICATED = "adjudicated"
        OPEN = "open"  # tie, no quorum, or unset: a reviewer decides

    box = models.ForeignKey(ConsensusBox, models.CASCADE, related_name="labels")
    group = models.CharField(max_length=50)
    actions = models.JSONField(help_text="names of the actions; empty for none")
    votes = models.JSONField(help_text="{annotator: answer}")
    rule = models.CharField(max_length=12, choices=Rule)

    class Meta:
        ordering = ["box", "group"]
        constraints = [models.UniqueConstraint("box", "group", name="one_label_per_group")]

    def __str__(self) -> str:
        return f"{self.box} {self.group}: {', '.join(self.actions) or 'none'}"


class ConsensusAction(models.Model):
    """How often a consensus holds an action, so that clips are found by it."""

    consensus = models.ForeignKey(
        Consensus, models.CASCADE, related_name="action_counts", db_index=False
    )
    group = models.CharField(max_length=50)
    action = models.CharField(max_length=80)
    count = models.PositiveIntegerField(help_text="persons at keyframes")

    class Meta:
        ordering = ["consensus", "group", "action"]
        constraints = [
            models.UniqueConstraint(
                "consensus", "group", "action", name="one_count_per_action_of_a_consensus"
            )
        ]
        indexes = [models.Index("action", "group", "consensus", name="consensuses_by_action")]

    def __str__(self) -> str:
        return f"{self.consensus} {self.action}: {self.count}"


class AdjudicationQuerySet(models.QuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset).select_related("video_person")

    def in_force(self) -> Self:
        return self.filter(withdrawn_at=None).select_related("video_person")


class Adjudication(models.Model):
    """A reviewer's decision on one item; it overrides votes and outlives the consensus.

    With a `group` it decides the actions; with a box, where the person is; with neither,
    whether it is a person. A decision that was undone is kept as withdrawn.
    """

    COUNTED_AS = _("decisions")

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="adjudications")
    second = models.PositiveIntegerField()
    video_person = models.ForeignKey(VideoPerson, models.RESTRICT, related_name="adjudications")
    group = models.CharField(
        max_length=50, blank=True, help_text="empty: whether it is a person"
    )
    actions = models.JSONField(default=list, help_text="names of actions, or unknown")
    is_person = models.BooleanField(default=True)
    x1 = models.FloatField(null=True, help_text="pixels of the standard video; null: no box")
    y1 = models.FloatField(null=True)
    x2 = models.FloatField(null=True, help_text="exclusive")
    y2 = models.FloatField(null=True, help_text="exclusive")
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    decided_at = models.DateTimeField(auto_now_add=True)
    operation = models.UUIDField(
        null=True, editable=False,
        help_text="given by the page that sent it, so that it can be sent again",
    )  # fmt: skip
    decision_ms = models.PositiveIntegerField(
        null=True, editable=False,
        help_text="from shown to decided; null: not measured, or decided with another keyframe",
    )  # fmt: skip
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    objects = AdjudicationQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "second", "video_person__person_id", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(x1=None, y1=None, x2=None, y2=None)
                | Q(x1__isnull=False, y1__isnull=False, x2__gt=F("x1"), y2__gt=F("y1")),
                name="decided_box_has_area",
            ),
            models.CheckConstraint(
                condition=Q(x1=None) | Q(group=""), name="decision_on_box_or_group"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawn_by=None)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="withdrawn_by_somebody",
            ),
            models.UniqueConstraint(
                "operation", "clip", "second", name="one_decision_per_operation"
            ),
        ]

    def __str__(self) -> str:
        who = person_in_sentence(self.person_id, self.video_person.label)
        return f"{self.clip} {self.second} s {who} {self.group}"

    @property
    def person_id(self) -> int:
        """The person's number in its source video."""
        return self.video_person.person_id

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The box, if the decision was on one."""
        if self.x1 is None or self.y1 is None or self.x2 is None or self.y2 is None:
            return None
        return self.x1, self.y1, self.x2, self.y2


class ThirdOpinion(StagedModel):
    """A third annotator requested for a disputed clip; its stage is the assignment."""

    clip = models.OneToOneField(Clip, models.CASCADE, related_name="third_opinion")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="third_opinions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = ClipWorkQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.clip} to {self.annotator}"
