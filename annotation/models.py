"""Who says what they do: annotators, their tasks, and each version of their answers."""

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, Max, OuterRef, Q, Subquery
from django.utils import timezone

from annotation.core.cvat_json import LabelIds
from annotation.core.forecast import PACE
from annotation.core.sealing import seal, unseal
from datasets.models import Clip, Dataset
from datasets.stages import Stage, StagedModel, StagedQuerySet
from tracking.models import TrackingRun


class Plan(models.Model):
    """How the clips of a dataset are shared out; the next clips are shared out alike."""

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="plan")
    overlap = models.FloatField(default=0.3, help_text="share of the clips that several do")
    per_clip = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="annotators of those clips; empty: all"
    )
    blind = models.FloatField(default=0.0, help_text="share given without pre-annotation")
    gold = models.FloatField(default=0.0, help_text="gold clips, as a share of each one's own")
    seed = models.PositiveIntegerField(default=0)
    pace = models.FloatField(
        default=PACE,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600)],
        help_text="seconds of work for each person and second of footage",
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
        return f"plan of {self.dataset}"


class Annotator(models.Model):
    """Somebody who annotates clips of a dataset."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="annotators")
    name = models.SlugField(help_text="the user name in CVAT")
    is_simulated = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, help_text="gets a part of new clips")
    capacity = models.FloatField(
        null=True, blank=True, help_text="hours of work at most in this dataset; empty: any"
    )

    class Meta:
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="annotator_unique_in_dataset"),
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__gte=0), name="capacity_is_0_or_more"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AnnotationTaskQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(clip__video__dataset__in=Dataset.objects.visible_to(user))

    def counting(self) -> Self:
        """Tasks whose answers are opinions on the clip: what is believed of it rests on them.

        A gold check measures its annotator only, and work taken back counts only if its
        answers come all the same.
        """
        answered = Pull.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
        tasks = self.exclude(purpose=AnnotationTask.Purpose.CHECK)
        return tasks.filter(Q(withdrawn_at=None) | Exists(answered))

    def with_latest_pull(self) -> Self:
        """Each task with `latest_pull_id`: its newest version of answers read, or None."""
        newest = Pull.objects.filter(task=OuterRef("pk"), stage=Stage.DONE).order_by("-version")
        return self.annotate(latest_pull_id=Subquery(newest.values("pk")[:1]))


class AnnotationTask(StagedModel):
    """One clip given to one annotator; its stage is the writing of the package."""

    class Purpose(models.TextChoices):
        WORK = "work"
        KEY = "key"  # its answers are known to be right: the clip is gold
        CHECK = "check"  # a gold clip, mixed in to see how its annotator does

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="tasks")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="tasks")
    run = models.ForeignKey(
        TrackingRun, models.PROTECT, related_name="tasks", help_text="the pre-annotation"
    )
    purpose = models.CharField(max_length=5, choices=Purpose, default=Purpose.WORK)
    is_blind = models.BooleanField(default=False, help_text="given without pre-annotation")
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="taken back unanswered; somebody else does the clip"
    )
    package = models.FileField(max_length=500, blank=True, help_text="zip: XML, frames, labels")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AnnotationTaskQuerySet.as_manager()

    class Meta:
        ordering = ["clip", "annotator"]
        constraints = [
            models.UniqueConstraint(
                "clip", "annotator", name="one_task_per_clip_and_annotator"
            ),
            models.UniqueConstraint(
                "clip", condition=Q(purpose="key"), name="one_key_per_clip"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.clip}--{self.annotator}"


class Pull(StagedModel):
    """One version of a task's answers; its stage is the reading of the raw file."""

    task = models.ForeignKey(AnnotationTask, models.CASCADE, related_name="pulls")
    version = models.PositiveIntegerField(help_text="from 1")
    raw = models.FileField(max_length=500, help_text="gzipped, as it came: CVAT XML or JSON")
    sha256 = models.CharField(max_length=64, help_text="of the XML, or of what the JSON says")
    created_at = models.DateTimeField(auto_now_add=True)
    person_count = models.PositiveIntegerField(null=True, editable=False)
    unfinished = models.PositiveIntegerField(
        null=True, editable=False, help_text="required answers left unset"
    )

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["task", "version"]
        constraints = [
            models.UniqueConstraint("task", "version", name="versions_of_a_task_differ"),
        ]

    def __str__(self) -> str:
        return f"{self.task} version {self.version}"

    @classmethod
    def next_version(cls, task: AnnotationTask) -> int:
        newest = cls.objects.filter(task=task).aggregate(newest=Max("version"))["newest"]
        return (newest or 0) + 1


class Annotation(models.Model):
    """What one version says of one person at one keyframe."""

    pull = models.ForeignKey(Pull, models.CASCADE, related_name="annotations")
    second = models.PositiveIntegerField(help_text="keyframe, whole clip seconds")
    person_id = models.PositiveIntegerField(
        null=True, help_text="of the pre-annotation; null for a person the annotator drew"
    )
    track = models.PositiveIntegerField(help_text="track in the answer file, 0-based")
    x1 = models.FloatField(help_text="pixels of the standard video")
    y1 = models.FloatField()
    x2 = models.FloatField(help_text="exclusive")
    y2 = models.FloatField(help_text="exclusive")
    answers = models.JSONField(
        help_text='{group: action, "unset" or "unknown"} or {group: [action, ...]}'
    )

    class Meta:
        ordering = ["pull", "second", "track"]
        constraints = [
            models.UniqueConstraint(
                "pull", "second", "track", name="one_annotation_per_track_and_keyframe"
            ),
            models.CheckConstraint(
                condition=Q(x2__gt=F("x1"), y2__gt=F("y1")), name="annotation_has_area"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pull} {self.second} s track {self.track}"


class PatientQuerySet(StagedQuerySet):
    def claimable(self) -> Self:
        """As ever, but not before a row's time has come."""
        due = Q(not_before=None) | Q(not_before__lte=timezone.now())
        return super().claimable().filter(due)

    def hurry(self) -> int:
        """Let the rows that wait for better times be tried at once; return how many."""
        waiting = self.filter(stage=Stage.WAITING).exclude(not_before=None)
        return waiting.update(not_before=None, handed_out_at=None)


class PatientModel(StagedModel):
    """Work with a server that may be away: put off for a while, it is not a failure."""

    not_before = models.DateTimeField(null=True, blank=True, editable=False)
    put_off = models.PositiveIntegerField(default=0, editable=False, help_text="times in a row")

    class Meta:
        abstract = True

    def postpone(self, seconds: float, reason: str = "") -> None:
        """Give the row back, to be taken again in `seconds`; `reason` is shown meanwhile."""
        self._leave(
            Stage.WAITING,
            attempts=0,
            handed_out_at=None,
            finished_at=None,
            not_before=timezone.now() + timedelta(seconds=seconds),
            put_off=self.put_off + 1 if reason else 0,
            error=reason,
        )


class CvatServer(PatientModel):
    """A CVAT and our account there; its stage is the test of the connection."""

    name = models.SlugField(unique=True, help_text="what it is called here")
    url = models.URLField("address", help_text="with http:// or https://")
    organisation = models.SlugField(blank=True, help_text="short name; empty: none")
    user = models.CharField(max_length=150, blank=True, help_text="only without a token")
    sealed_token = models.TextField(blank=True, editable=False)
    sealed_password = models.TextField(blank=True, editable=False)
    own_url = models.URLField(
        "our address", blank=True, help_text="as CVAT reaches us, for its webhooks"
    )
    is_from_environment = models.BooleanField(default=False, editable=False)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed_secret = models.TextField(blank=True, editable=False, help_text="of the webhooks")
    version = models.CharField(max_length=40, blank=True, editable=False)
    account = models.CharField(max_length=150, blank=True, editable=False)
    findings = models.JSONField(
        default=list, editable=False, help_text="[{subject, is_ok, sentence, way_out}]"
    )
    forged_count = models.PositiveIntegerField(default=0, editable=False)
    forged_at = models.DateTimeField(null=True, editable=False)

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def token(self) -> str:
        """Raises SealBrokenError if it was sealed with another key, as the others do."""
        return unseal(self.sealed_token, settings.SECRETS_KEYS)

    @property
    def password(self) -> str:
        return unseal(self.sealed_password, settings.SECRETS_KEYS)

    @property
    def secret(self) -> str:
        return unseal(self.sealed_secret, settings.SECRETS_KEYS)

    def set_credentials(self, *, token: str = "", user: str = "", password: str = "") -> None:
        """Take over a token, or a user and a password."""
        self.sealed_token = seal(token, settings.SECRETS_KEYS)
        self.user = "" if token else user
        self.sealed_password = "" if token else seal(password, settings.SECRETS_KEYS)

    def renew_secret(self) -> None:
        self.sealed_secret = seal(secrets.token_urlsafe(32), settings.SECRETS_KEYS)


class CvatProject(PatientModel):
    """A dataset in a CVAT; its stage is the setting up there: labels, guide, webhook."""

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="cvat_project")
    server = models.ForeignKey(CvatServer, models.PROTECT, related_name="projects")
    guidelines = models.TextField(
        blank=True, help_text="Markdown; shown to annotators in CVAT, after the questions"
    )
    project_id = models.PositiveBigIntegerField(null=True, editable=False)
    label_id = models.PositiveBigIntegerField(null=True, editable=False)
    attribute_ids = models.JSONField(default=dict, editable=False, help_text="{name: id}")
    webhook_id = models.PositiveBigIntegerField(null=True, editable=False)
    set_up = models.CharField(
        max_length=64, blank=True, editable=False, help_text="fingerprint of what was tried"
    )
    notes = models.JSONField(default=list, editable=False, help_text="sentences")
    is_held = models.BooleanField(default=False, help_text="nothing more is sent to CVAT")
    cursor = models.DateTimeField(
        null=True, editable=False, help_text="CVAT's clock: all changes before it are known"
    )

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["dataset"]
        constraints = [
            models.UniqueConstraint(
                "server", "project_id", name="one_dataset_per_project_of_a_server"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} in {self.server}"

    @property
    def label_ids(self) -> LabelIds:
        return LabelIds(self.label_id or 0, self.attribute_ids)


class CvatJobQuerySet(PatientQuerySet):
    def claimable(self) -> Self:
        """Tasks may be sent when their project is set up and nobody holds them back."""
        ready = CvatProject.objects.filter(stage=Stage.DONE, is_held=False)
        # No join: PostgreSQL would let two workers win an UPDATE through one.
        return super().claimable().filter(project__in=ready)

    def sent(self) -> Self:
        """Those that have a job in CVAT."""
        return self.filter(stage=Stage.DONE, is_gone=False)


class CvatJob(PatientModel):
    """One task as a task with one job in CVAT; its stage is the sending."""

    task = models.OneToOneField(AnnotationTask, models.CASCADE, related_name="cvat_job")
    project = models.ForeignKey(CvatProject, models.CASCADE, related_name="jobs")
    cvat_task_id = models.PositiveBigIntegerField(null=True, editable=False)
    job_id = models.PositiveBigIntegerField(null=True, editable=False)
    assignee = models.CharField(max_length=150, blank=True, editable=False)
    cvat_stage = models.CharField(max_length=20, blank=True, editable=False)
    cvat_state = models.CharField(max_length=20, blank=True, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")
    pulled_at = models.DateTimeField(
        null=True, editable=False, help_text="`changed_at` of what was pulled last"
    )
    is_gone = models.BooleanField(default=False, editable=False, help_text="deleted in CVAT")
    edited_at = models.DateTimeField(
        null=True, editable=False, help_text="when an edit after approval was noticed"
    )
    note = models.TextField(blank=True, editable=False, help_text="a sentence for the page")

    objects = CvatJobQuerySet.as_manager()

    class Meta:
        ordering = ["task"]
        constraints = [
            models.UniqueConstraint("project", "job_id", name="one_task_per_job_of_a_project")
        ]

    def __str__(self) -> str:
        return str(self.task)

    def is_behind(self, changed_at: datetime) -> bool:
        """Whether what we have is not what CVAT has had since `changed_at`."""
        return self.pulled_at != changed_at


class Delivery(PatientModel):
    """One thing a CVAT told us; its stage is the looking into it. Noise is done at once."""

    server = models.ForeignKey(CvatServer, models.CASCADE, related_name="deliveries")
    received_at = models.DateTimeField(auto_now_add=True)
    sha256 = models.CharField(max_length=64)
    copies = models.PositiveIntegerField(default=1, help_text="how often it came")
    body = models.TextField()
    event = models.CharField(max_length=60, blank=True)
    project_id = models.PositiveBigIntegerField(null=True, help_text="CVAT's number")
    job_id = models.PositiveBigIntegerField(null=True, help_text="CVAT's number")
    outcome = models.CharField(max_length=200, blank=True, help_text="what became of it")

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint("server", "sha256", name="a_delivery_is_kept_once")
        ]
        indexes = [models.Index("server", "project_id", name="deliveries_of_a_project")]

    def __str__(self) -> str:
        return f"{self.event} {self.job_id or ''}".strip()


class Reconciliation(PatientModel):
    """One comparison of what CVAT has with what we have; every five minutes, or asked for."""

    project = models.ForeignKey(CvatProject, models.CASCADE, related_name="reconciliations")
    created_at = models.DateTimeField(auto_now_add=True)
    is_full = models.BooleanField(default=False, help_text="every job, not only changed ones")
    looked_at = models.PositiveIntegerField(default=0, editable=False)
    pulled = models.PositiveIntegerField(default=0, editable=False, help_text="new versions")
    gone = models.PositiveIntegerField(default=0, editable=False)
    sentence = models.CharField(max_length=300, blank=True, editable=False)

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                "project",
                condition=Q(stage__in=[Stage.WAITING, Stage.RUNNING]),
                name="one_open_reconciliation_per_project",
            )
        ]

    def __str__(self) -> str:
        return f"{self.project}, {self.created_at:%Y-%m-%d %H:%M}"


class JobMove(PatientModel):
    """A verdict that goes to CVAT: a job reopened with its issues, or moved to acceptance."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    job = models.ForeignKey(CvatJob, models.CASCADE, related_name="moves")
    pull = models.ForeignKey(Pull, models.CASCADE, help_text="the version judged")
    review = models.PositiveBigIntegerField(unique=True, help_text="number of the verdict")
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True)
    moved_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["job", "review"]

    def __str__(self) -> str:
        return f"{self.job} {self.verdict}"
