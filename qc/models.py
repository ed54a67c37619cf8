"""What we believe, and what leaves the house: agreement, consensus, review, releases."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import F, Q

from annotation.models import AnnotationTask, Annotator, Pull
from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models import Clip, Dataset, Video


class ClipWorkQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def newest(self) -> Self:
        """The newest finished row of each clip."""
        done = self.done().order_by().values("clip").annotate(newest=models.Max("pk"))
        return self.filter(pk__in=done.values("newest"))


class AgreementReport(StagedModel):
    """How far the annotators of one clip agree, from one version of each one's answers."""

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="agreement_reports")
    versions = models.CharField(
        max_length=255, help_text="keys of the pulls compared, ascending, joined by commas"
    )
    answered_at = models.DateTimeField(
        null=True, editable=False, help_text="when the last of the answers compared came"
    )
    figures = models.JSONField(default=dict, blank=True)

    objects = ClipWorkQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "pk"]
        constraints = [
            models.UniqueConstraint("clip", "versions", name="one_report_per_set_of_versions")
        ]

    def __str__(self) -> str:
        return f"{self.clip} versions {self.versions}"


class AgreementSummary(StagedModel):
    """How far the annotators of a dataset agree, put together from one report of each clip."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="agreement_summaries")
    period = models.CharField(
        max_length=21, blank=True, help_text="first and last day, 2026-01-01/2026-01-31; or all"
    )
    reports = models.CharField(
        max_length=64,
        help_text="SHA-256 of which reports were put together, and when they were made",
    )
    figures = models.JSONField(default=dict, blank=True)

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "period", "pk"]
        verbose_name_plural = "agreement summaries"
        constraints = [
            models.UniqueConstraint(
                "dataset", "period", "reports", name="one_summary_per_set_of_reports"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.period or 'all'}"


class Consensus(StagedModel):
    """What is believed of one clip, computed from one version of each one's answers.

    It can be thrown away and made again: decisions of people are kept as Adjudications.
    """

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="consensuses")
    versions = models.CharField(max_length=255, help_text="as in AgreementReport")
    rates = models.JSONField(
        default=dict, blank=True,
        help_text="error rates of the annotators, by group, if votes were weighed by them",
    )  # fmt: skip
    open_count = models.PositiveIntegerField(
        null=True, editable=False, help_text="questions that wait for a reviewer"
    )

    objects = ClipWorkQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "pk"]
        verbose_name_plural = "consensuses"
        constraints = [
            models.UniqueConstraint("clip", "versions", name="one_consensus_per_versions")
        ]

    def __str__(self) -> str:
        return f"{self.clip} versions {self.versions}"


class ConsensusBox(models.Model):
    """A person at a keyframe, in the boxes of those who drew them."""

    class Status(models.TextChoices):
        AGREED = "agreed"
        DISPUTED = "disputed"  # too few drew the person, a reviewer must say
        DROPPED = "dropped"

    consensus = models.ForeignKey(Consensus, models.CASCADE, related_name="boxes")
    second = models.PositiveIntegerField(help_text="keyframe, whole clip seconds")
    person_id = models.PositiveIntegerField(help_text="from 1, unique in its source video")
    x1 = models.FloatField(help_text="pixels of the standard video")
    y1 = models.FloatField()
    x2 = models.FloatField(help_text="exclusive")
    y2 = models.FloatField(help_text="exclusive")
    drawn_by = models.JSONField(help_text="names of the annotators, sorted")
    drawn = models.JSONField(default=dict, help_text="{annotator: [x1, y1, x2, y2]}")
    least_iou = models.FloatField(
        null=True, help_text="lowest IoU of two annotators' boxes; null if fewer drew one"
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
        return f"{self.consensus} {self.second} s person {self.person_id}"


class ConsensusLabel(models.Model):
    """The answer to one group for one box, and how it came about."""

    class Rule(models.TextChoices):
        UNANIMOUS = "unanimous"
        MAJORITY = "majority"
        WEIGHED = "weighed"  # by the annotators' error rates
        SINGLE = "single"  # only one annotator answered, and that is enough
        ADJUDICATED = "adjudicated"
        OPEN = "open"  # tie, no quorum, or unset: a reviewer must say

    box = models.ForeignKey(ConsensusBox, models.CASCADE, related_name="labels")
    group = models.CharField(max_length=50)
    actions = models.JSONField(help_text="names of the actions believed; empty for none")
    votes = models.JSONField(help_text="{annotator: answer}")
    rule = models.CharField(max_length=12, choices=Rule)

    class Meta:
        ordering = ["box", "group"]
        constraints = [models.UniqueConstraint("box", "group", name="one_label_per_group")]

    def __str__(self) -> str:
        return f"{self.box} {self.group}: {', '.join(self.actions) or 'none'}"


class AdjudicationQuerySet(models.QuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def standing(self) -> Self:
        return self.filter(withdrawn_at=None)


class Adjudication(models.Model):
    """A reviewer's decision on one open question; it beats votes and outlives the consensus.

    It answers what its fields ask: with a `group`, which actions; with a box, where the person
    is; with neither, whether it is a person. One that was undone stays, as withdrawn.
    """

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="adjudications")
    second = models.PositiveIntegerField()
    person_id = models.PositiveIntegerField()
    group = models.CharField(max_length=50, blank=True, help_text="empty: is this a person?")
    actions = models.JSONField(default=list, help_text="names of actions, or unknown")
    is_person = models.BooleanField(default=True)
    x1 = models.FloatField(null=True, help_text="pixels of the standard video; null: no box")
    y1 = models.FloatField(null=True)
    x2 = models.FloatField(null=True, help_text="exclusive")
    y2 = models.FloatField(null=True, help_text="exclusive")
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    decided_at = models.DateTimeField(auto_now_add=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    objects = AdjudicationQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "second", "person_id", "pk"]
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
        ]

    def __str__(self) -> str:
        return f"{self.clip} {self.second} s person {self.person_id} {self.group}"

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Where the person is, if that was decided."""
        if self.x1 is None or self.y1 is None or self.x2 is None or self.y2 is None:
            return None
        return self.x1, self.y1, self.x2, self.y2


class Review(models.Model):
    """A verdict on one version of a task; the newest one counts."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="reviews")
    pull = models.ForeignKey(Pull, models.CASCADE, related_name="reviews")
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    reviewed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["task", "pk"]

    def __str__(self) -> str:
        return f"{self.task} {self.verdict}"


class Comment(models.Model):
    """What somebody says about a task; it changes nothing."""

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="comments")
    text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["task", "pk"]

    def __str__(self) -> str:
        return f"{self.task}: {self.text[:40]}"


class ThirdOpinion(StagedModel):
    """A clip on which two disagree, and whom to ask; its stage is the giving out."""

    clip = models.OneToOneField(Clip, models.CASCADE, related_name="third_opinion")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="third_opinions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = ClipWorkQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.clip} to {self.annotator}"


class ClipExport(StagedModel):
    """The pictures and the film of one clip for releases; its stage is their making."""

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="exports")
    recipe = models.CharField(
        max_length=12, help_text="of the standard video, the frames and their size"
    )
    longest_side = models.PositiveIntegerField(
        null=True, help_text="pixels of the pictures; null for those of the film"
    )

    objects = ClipWorkQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "pk"]
        constraints = [models.UniqueConstraint("clip", "recipe", name="one_export_per_recipe")]

    def __str__(self) -> str:
        return f"{self.clip} pictures {self.recipe}"

    @property
    def kept_name(self) -> str:
        """Where the pictures lie in the storage: a folder, or a zip where it has none."""
        return f"{self.clip.video.dataset.name}/exportframes/{self.clip.name}-{self.recipe}"

    def other_files(self) -> list[str]:
        """What `datasets.services.delete` frees, beside the files of fields."""
        return [f"{self.kept_name}/", f"{self.kept_name}.zip", sum_note(self.clip.video)]


def sum_note(video: Video) -> str:
    """Where the storage has the sum of a standard video that was exported."""
    return f"{video.dataset.name}/exportframes/{video.name}.sum"


class HouseRules(models.Model):
    """What one dataset does otherwise than `qc/rules.yaml` and the majority."""

    class Decides(models.TextChoices):
        MAJORITY = "majority", "more than half of the votes"
        DAWID_SKENE = "dawid-skene", "votes weighed by error rates (Dawid & Skene)"

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="house_rules")
    switched_off = models.JSONField(
        default=list, blank=True, help_text="names of rules that are not checked"
    )
    decides = models.CharField(max_length=12, choices=Decides, default=Decides.MAJORITY)

    class Meta:
        verbose_name_plural = "house rules"

    def __str__(self) -> str:
        return f"house rules of {self.dataset}"


class ReleaseQuerySet(StagedQuerySet):
    def there(self) -> Self:
        """Finished ones whose files were not deleted."""
        return self.done().filter(withdrawn_at=None)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(dataset__in=Dataset.objects.visible_to(user))


class Release(StagedModel):
    """One numbered AVA dataset, made from what was approved at that moment."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField(help_text="from 1")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    archive = models.FileField(max_length=500, blank=True, help_text="the zip")
    folder = models.CharField(max_length=500, blank=True, help_text="the same, unpacked")
    counts = models.JSONField(default=dict, blank=True)
    checks = models.JSONField(default=list, blank=True, help_text="[{name, passed, sentence}]")
    options = models.JSONField(default=dict, blank=True, help_text="see core.release_options")
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when its files were deleted"
    )
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint("dataset", "number", name="release_numbers_differ"),
            models.CheckConstraint(condition=Q(number__gte=1), name="release_numbers_from_1"),
        ]

    def other_files(self) -> list[str]:
        """What `datasets.services.delete` frees, beside the files of fields."""
        return [f"{self.folder}/", f"{self.folder}.index"] if self.folder else []

    def __str__(self) -> str:
        return f"{self.dataset} release {self.number}"

    @property
    def prefix(self) -> str:
        """Where it is synced to in a bucket, unless somebody says otherwise."""
        return f"{self.dataset}/release-{self.number}"


class ReleaseSyncQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(release__dataset=dataset)


class ReleaseSync(StagedModel):
    """A release put under a prefix of a bucket; done again, it sends only what is missing."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="syncs")
    prefix = models.CharField(
        max_length=500, unique=True, help_text="without slashes around it"
    )
    parts = models.JSONField(default=list, help_text="beside the annotations, which always go")
    ordered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    counts = models.JSONField(
        default=dict, blank=True, help_text="files and bytes, sent and there"
    )

    objects = ReleaseSyncQuerySet.as_manager()

    class Meta:
        ordering = ["release", "pk"]

    def __str__(self) -> str:
        return f"{self.release} in {self.prefix}"


class Score(StagedModel):
    """One version of a task measured: against known answers, or against the machine's boxes."""

    pull = models.ForeignKey(Pull, models.CASCADE, related_name="scores")
    key = models.ForeignKey(
        Pull, models.CASCADE, null=True, related_name="+",
        help_text="the known answers; empty: the machine's boxes",
    )  # fmt: skip
    figures = models.JSONField(default=dict, blank=True)

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["pull", "pk"]
        constraints = [
            models.UniqueConstraint("pull", "key", name="one_score_against_known_answers"),
            models.UniqueConstraint(
                "pull", condition=Q(key=None), name="one_score_against_the_machine"
            ),
            models.CheckConstraint(
                condition=Q(key=None) | ~Q(key=F("pull")), name="no_score_against_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pull} against {self.key or 'the machine'}"
