"""Models of annotation: annotators, tasks, answer versions, and the rows read from them."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, F, Max, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from annotation.core.assignment_plan import PACE
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.core.roles import Act
from datasets.models import Clip, Dataset
from tracking.models import TrackingRun

# What CVAT allows, and a letter or digit in it: names are part of names of files and pages.
check_user_name = RegexValidator(
    r"^[\w.@+-]*\w[\w.@+-]*\Z",
    "a user name has letters, digits and the signs @ . + - _ only",
)


class PlanSettings(models.Model):
    """The last plan request of a dataset; the form for the next plan starts with it."""

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="plan_settings")
    overlap = models.FloatField(
        default=0.3, help_text="share of the clips with several annotators"
    )
    per_clip = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="annotators of those clips; empty: all"
    )
    blind = models.FloatField(default=0.0, help_text="share without pre-annotation")
    gold = models.FloatField(default=0.0, help_text="gold clips, as a share of one's own clips")
    seed = models.PositiveIntegerField(default=0)
    pace = models.FloatField(
        default=PACE,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600)],
        help_text="seconds of work for each person and second of video",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__range=(0, 1), blind__range=(0, 1), gold__range=(0, 1)),
                name="shares_are_0_to_1",
            ),
            models.CheckConstraint(condition=Q(pace__gt=0), name="pace_is_above_0"),
        ]

    def __str__(self) -> str:
        return f"plan settings of {self.dataset}"


class Annotator(models.Model):
    """A person who annotates clips of a dataset."""

    COUNTED_AS = _("annotators")

    class Tool(models.TextChoices):
        LABEL_PAGE = "label page", "Label page"
        CVAT = "CVAT", "CVAT"
        PACKAGE = "package", "Package"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="annotators")
    name = models.CharField(
        max_length=150,
        db_index=True,
        validators=[check_user_name],
        help_text="the user name in CVAT",
    )
    tool = models.CharField(
        max_length=10, choices=Tool, blank=True,
        help_text="where tasks are annotated; empty: in CVAT if connected, else the label page",
    )  # fmt: skip
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="annotators",
        help_text="the account that labels these tasks here; empty: in CVAT or by packages",
    )
    is_simulated = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, help_text="gets new tasks")
    is_qualifying = models.BooleanField(
        default=False, help_text="does gold checks first; other tasks wait until this is ended"
    )
    capacity = models.FloatField(
        null=True,
        blank=True,
        help_text="maximum hours in this dataset; empty: no limit",
    )

    class Meta:
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="annotator_unique_in_dataset"),
            models.UniqueConstraint("dataset", "user", name="one_annotator_per_user"),
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__gte=0), name="capacity_is_0_or_more"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AnnotationTaskQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def permitting(self, user: User | AnonymousUser, *acts: Act) -> Self:
        return self.filter(clip__video__dataset__in=Dataset.objects.permitting(user, *acts))

    def own(self, user: User | AnonymousUser) -> Self:
        """Tasks that `user` labels: assigned to them, in datasets where they may label."""
        datasets = Dataset.objects.permitting(user, Act.LABEL)
        tasks = self.filter(clip__video__dataset__in=datasets, unassigned_at=None)
        return tasks.filter(annotator__user_id=user.pk or 0).released()

    def released(self) -> Self:
        """Without tasks that wait for the end of a qualification round."""
        check = AnnotationTask.Purpose.CHECK
        return self.filter(Q(annotator__is_qualifying=False) | Q(purpose=check))

    def counting(self) -> Self:
        """Tasks whose answers count in agreement and consensus.

        A gold check only measures its annotator, an unassigned task counts only if it was
        answered, and a revised one no longer when its revision was.
        """
        answered = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
        revised = AnswerVersion.objects.filter(task__revises=OuterRef("pk"), stage=Stage.DONE)
        tasks = self.exclude(purpose=AnnotationTask.Purpose.CHECK)
        return tasks.filter(Q(unassigned_at=None) | Exists(answered), ~Exists(revised))

    def for_cvat(self) -> Self:
        """Tasks of annotators who work in CVAT, if the dataset is connected."""
        return self.filter(
            annotator__is_simulated=False, annotator__tool__in=["", Annotator.Tool.CVAT]
        ).released()

    def with_latest_version(self) -> Self:
        """Tasks with `latest_version_id`: the newest answer version read, or None."""
        newest = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE).order_by(
            "-number"
        )
        return self.annotate(latest_version_id=Subquery(newest.values("pk")[:1]))


class AnnotationTask(StagedModel):
    """One clip assigned to one annotator; its stage is that of writing the package."""

    COUNTED_AS = _("tasks")

    NEEDS_VOCABULARY = True  # its answers are names of actions

    class Purpose(models.TextChoices):
        WORK = "work"
        GOLD = "gold"  # its answers are taken as correct: the clip is a gold clip
        CHECK = "check"  # a gold clip that measures its annotator

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="tasks")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="tasks")
    run = models.ForeignKey(
        TrackingRun, models.PROTECT, related_name="tasks", help_text="the pre-annotation"
    )
    purpose = models.CharField(max_length=5, choices=Purpose, default=Purpose.WORK)
    is_blind = models.BooleanField(default=False, help_text="without pre-annotation")
    revises = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="revisions",
        help_text="the task whose answers this one begins with, and replaces",
    )  # fmt: skip
    unassigned_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="unassigned unanswered; the next plan replaces it",
    )
    package = models.FileField(max_length=500, blank=True, help_text="zip: XML, frames, labels")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AnnotationTaskQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["clip", "annotator"]
        constraints = [
            models.UniqueConstraint(
                "clip", "annotator", name="one_task_per_clip_and_annotator"
            ),
            models.UniqueConstraint(
                "clip", condition=Q(purpose="gold"), name="one_gold_task_per_clip"
            ),
        ]
        indexes = [
            *StagedModel.Meta.indexes,
            models.Index("purpose", "clip", name="tasks_by_purpose"),
        ]

    def __str__(self) -> str:
        return f"{self.clip}--{self.annotator}"

    def other_files(self) -> list[str]:
        """Its package, if a worker has stored it and was killed before it said so."""
        return [self.stored_name]

    @property
    def stored_name(self) -> str:
        """Name of its package in the storage."""
        return f"{self.clip.video.dataset.name}/packages/{self}.zip"


class AnswerVersionQuerySet(StagedQuerySet):
    def without_history(self) -> Self:
        """Without failed versions that a newer one replaced, or that were withdrawn."""
        newer = AnswerVersion.objects.filter(
            task=OuterRef("task"), number__gt=OuterRef("number")
        )
        failed = self.exclude(Exists(newer), stage=Stage.FAILED)
        return failed.filter(withdrawn_at=None)


class AnswerVersion(StagedModel):
    """One version of a task's answers; its stage is that of reading the raw file."""

    COUNTED_AS = _("submissions")

    class Source(models.TextChoices):
        FILE = "file", "File"
        CVAT = "CVAT", "CVAT"
        LABEL_PAGE = "label page", "Label page"
        IMPORT = "import", "Import"

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="versions")
    author = models.ForeignKey(
        Annotator, models.PROTECT, related_name="versions",
        help_text="who finished it; not whom the task is assigned to today",
    )  # fmt: skip
    number = models.PositiveIntegerField(help_text="from 1")
    source = models.CharField(max_length=10, choices=Source, default=Source.FILE)
    raw = models.FileField(
        max_length=500, help_text="gzipped CVAT XML or JSON, unchanged, or of the label page"
    )
    sha256 = models.CharField(max_length=64, help_text="of the XML, or of the JSON's answers")
    job = models.PositiveBigIntegerField(null=True, help_text="job id in CVAT; null: by hand")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_by = models.CharField(
        max_length=150, blank=True, help_text="who finished the job in CVAT, where known"
    )
    editors = models.JSONField(
        default=list, editable=False, help_text="users who saved the job, as far as known"
    )
    person_count = models.PositiveIntegerField(null=True, editable=False)
    unfinished = models.PositiveIntegerField(
        null=True, editable=False, help_text="required answers left unset"
    )
    missing_persons = models.JSONField(
        default=list, editable=False, help_text="persons given out that it says nothing about"
    )
    notes = models.JSONField(
        default=list, editable=False, help_text="sentences on what was changed or left out"
    )
    problems = models.JSONField(
        default=list, editable=False,
        help_text="[{frame, text, box}] to be corrected; the job is reopened for them",
    )  # fmt: skip
    replies = models.JSONField(
        default=list, editable=False,
        help_text="[{remark, text}] of the annotator on the label page",
    )  # fmt: skip
    label_import = models.ForeignKey(
        "LabelImport", models.PROTECT, null=True, editable=False, related_name="versions",
        help_text="the import of another tool's file that it came with",
    )  # fmt: skip
    withdrawn_at = models.DateTimeField(
        null=True, editable=False, help_text="when its import was undone; it counts no longer"
    )
    is_held_back = models.BooleanField(
        default=False,
        editable=False,
        help_text="refused because it looks wrong, not unreadable",
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+",
        help_text="who said that it is right although it looks wrong",
    )  # fmt: skip

    objects = AnswerVersionQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["task", "number"]
        constraints = [
            models.UniqueConstraint("task", "number", name="versions_of_a_task_differ"),
        ]
        indexes = [
            *StagedModel.Meta.indexes,
            models.Index("author", "created_at", name="answers_of_an_author"),
            models.Index("task", condition=~Q(withdrawn_at=None), name="withdrawn_answers"),
        ]

    def __str__(self) -> str:
        return f"{self.task} version {self.number}"

    @classmethod
    def next_number(cls, task: AnnotationTask) -> int:
        newest = cls.objects.filter(task=task).aggregate(newest=Max("number"))["newest"]
        return (newest or 0) + 1


class Annotation(models.Model):
    """The answers of one version for one person at one AVA keyframe."""

    version = models.ForeignKey(AnswerVersion, models.CASCADE, related_name="annotations")
    second = models.PositiveIntegerField(help_text="keyframe, whole clip seconds")
    person_id = models.PositiveIntegerField(
        null=True, help_text="of the pre-annotation; null for a person the annotator drew"
    )
    track = models.PositiveIntegerField(help_text="track in the answer file, 0-based")
    label = models.CharField(
        max_length=80, blank=True, default="", db_default="",
        help_text="class of what was drawn; empty: a person, or as `person_id`",
    )  # fmt: skip
    x1 = models.FloatField(help_text="pixels of the standard video")
    y1 = models.FloatField()
    x2 = models.FloatField(help_text="exclusive")
    y2 = models.FloatField(help_text="exclusive")
    answers = models.JSONField(
        help_text='{group: action, "unset" or "unknown"} or {group: [action, ...]}'
    )

    class Meta:
        ordering = ["version", "second", "track"]
        constraints = [
            models.UniqueConstraint(
                "version", "second", "track", name="one_annotation_per_track_and_keyframe"
            ),
            models.CheckConstraint(
                condition=Q(x2__gt=F("x1"), y2__gt=F("y1")), name="annotation_has_area"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.second} s track {self.track}"


class StoredBox(models.Model):
    """One box of a version at a CVAT keyframe, as CVAT stores it; never changed.

    Annotations are interpolated from these at the AVA keyframes. Task, job and annotator repeat
    those of the version, so that the table is complete by itself.
    """

    version = models.ForeignKey(
        AnswerVersion, models.CASCADE, related_name="boxes", db_index=False
    )
    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="boxes")
    job = models.PositiveBigIntegerField(null=True, help_text="job id in CVAT; null: by hand")
    track = models.PositiveIntegerField(help_text="track in the answers, 0-based")
    frame = models.PositiveIntegerField(help_text="of the CVAT task, 0-based")
    xtl = models.FloatField(help_text="pixels of the standard video")
    ytl = models.FloatField()
    xbr = models.FloatField(help_text="exclusive")
    ybr = models.FloatField(help_text="exclusive")
    outside = models.BooleanField(help_text="outside the frame from here on")
    attributes = models.JSONField(help_text="{name: value}, valid from this frame on")
    annotator = models.CharField(max_length=150, help_text="the user name in CVAT")

    class Meta:
        ordering = ["version", "track", "frame"]
        verbose_name_plural = "stored boxes"
        constraints = [
            models.UniqueConstraint(
                "version", "track", "frame", name="one_box_per_track_and_frame"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} track {self.track} frame {self.frame}"
