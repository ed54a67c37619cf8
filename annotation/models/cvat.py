"""Models of CVAT: servers, projects, jobs, deliveries, reconciliations, state changes."""

import re
import secrets
import uuid
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation.core.encryption import decrypt, encrypt
from annotation.models.work import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.core.formats.cvat_json import LabelIds
from datasets.models import Dataset


def check_address(url: str) -> None:
    """Raise ValidationError for an invalid server address; host names need no dot (Docker)."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or re.search(r"[\s<>\"]", url):
        raise ValidationError("Enter it as https://cvat.example.org or http://10.0.0.5:8080.")
    if parts.username or parts.password:
        raise ValidationError(
            "Enter the user and the password in their own fields, not in the address."
        )


class CvatServer(StagedModel):
    """A CVAT server and an account there; its stage is that of the connection test."""

    name = models.SlugField(unique=True, help_text="shown in AVA Studio")
    url = models.CharField(
        "address",
        max_length=200,
        validators=[check_address],
        help_text="with http:// or https://",
    )
    organisation = models.SlugField(blank=True, help_text="short name; empty: none")
    user = models.CharField(max_length=150, blank=True, help_text="only without a token")
    encrypted_token = models.TextField(blank=True, editable=False)
    encrypted_password = models.TextField(blank=True, editable=False)
    callback_url = models.CharField(
        "callback address",
        max_length=200,
        blank=True,
        validators=[check_address],
        help_text="of AVA Studio as CVAT reaches it, for webhooks",
    )
    is_from_environment = models.BooleanField(default=False, editable=False)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    encrypted_secret = models.TextField(blank=True, editable=False, help_text="webhook secret")
    version = models.CharField(max_length=40, blank=True, editable=False)
    account = models.CharField(max_length=150, blank=True, editable=False)
    checks = models.JSONField(
        default=list, editable=False, help_text="[{subject, is_ok, message, fix, snippet}]"
    )
    token_expires_at = models.DateTimeField(null=True, editable=False)
    events_refused_at = models.DateTimeField(
        null=True, editable=False, help_text="when it did not tell its events; null: it does"
    )
    events_refusal = models.CharField(
        max_length=300, blank=True, default="", db_default="", editable=False
    )

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def token(self) -> str:
        """Raises DecryptionError if it was encrypted with another key; so do the others."""
        return decrypt(self.encrypted_token, settings.SECRETS_KEYS)

    @property
    def password(self) -> str:
        return decrypt(self.encrypted_password, settings.SECRETS_KEYS)

    @property
    def secret(self) -> str:
        return decrypt(self.encrypted_secret, settings.SECRETS_KEYS)

    def set_credentials(self, *, token: str = "", user: str = "", password: str = "") -> None:
        """Set a token, or a user and a password."""
        self.encrypted_token = encrypt(token, settings.SECRETS_KEYS)
        self.user = "" if token else user
        self.encrypted_password = "" if token else encrypt(password, settings.SECRETS_KEYS)

    def renew_secret(self) -> None:
        self.encrypted_secret = encrypt(secrets.token_urlsafe(32), settings.SECRETS_KEYS)


class CvatProject(StagedModel):
    """A dataset's project in CVAT; its stage is that of the setup: label, guide, webhook."""

    COUNTED_AS = _("CVAT projects")

    NEEDS_VOCABULARY = True  # CVAT would drop the answers of what is taken away

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="cvat_project")
    server = models.ForeignKey(CvatServer, models.PROTECT, related_name="projects")
    project_id = models.PositiveBigIntegerField(null=True, editable=False)
    label_id = models.PositiveBigIntegerField(null=True, editable=False)
    attribute_ids = models.JSONField(default=dict, editable=False, help_text="{name: id}")
    class_labels = models.JSONField(
        null=True, editable=False,
        help_text="{class: {label: id, attributes: {name: id}}}; empty: persons alone",
    )  # fmt: skip
    webhook_id = models.PositiveBigIntegerField(null=True, editable=False)
    setup_fingerprint = models.CharField(
        max_length=64, blank=True, editable=False, help_text="of the last setup, tried or done"
    )
    warnings = models.JSONField(default=list, editable=False, help_text="messages for the page")
    is_paused = models.BooleanField(default=False, help_text="nothing more is sent to CVAT")
    cursor = models.DateTimeField(
        null=True, editable=False, help_text="CVAT's clock: all earlier changes are known"
    )

    comment_cursor = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="id of the newest comment read"
    )
    other_tasks = models.JSONField(
        default=list, editable=False,
        help_text="tasks in the project that were not sent from here: [{id, name, match}]",
    )  # fmt: skip

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
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
        return LabelIds.of_classes(self.label_id or 0, self.attribute_ids, self.class_labels)


class CvatJobQuerySet(StagedQuerySet):
    def claimable(self) -> Self:
        """Rows of assigned tasks whose project is set up and not paused."""
        ready = CvatProject.objects.filter(stage=Stage.DONE, is_paused=False)
        assigned = AnnotationTask.objects.filter(unassigned_at=None)
        # No join: PostgreSQL would let two workers win an UPDATE through one.
        return super().claimable().filter(project__in=ready, task__in=assigned)

    def sent(self) -> Self:
        """Rows that have a job in CVAT."""
        return self.filter(stage=Stage.DONE, is_deleted=False)

    def wanted(self) -> Self:
        """Without rows whose task was unassigned before it was sent."""
        return self.exclude(~Q(stage=Stage.DONE) & Q(task__unassigned_at__isnull=False))


class CvatJob(StagedModel):
    """The CVAT task and job of one annotation task; its stage is that of sending."""

    COUNTED_AS = _("CVAT jobs")

    task = models.OneToOneField(AnnotationTask, models.CASCADE, related_name="cvat_job")
    project = models.ForeignKey(CvatProject, models.CASCADE, related_name="jobs")
    cvat_task_id = models.PositiveBigIntegerField(null=True, editable=False)
    job_id = models.PositiveBigIntegerField(null=True, editable=False)
    assignee = models.CharField(max_length=150, blank=True, editable=False)
    cvat_stage = models.CharField(max_length=20, blank=True, editable=False)
    cvat_state = models.CharField(max_length=20, blank=True, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")
    fetched_at = models.DateTimeField(
        null=True, editable=False, help_text="`changed_at` of the answers fetched last"
    )
    is_deleted = models.BooleanField(default=False, editable=False, help_text="deleted in CVAT")
    is_unassigned = models.BooleanField(
        default=False,
        editable=False,
        help_text="without assignee in CVAT, like our task",
    )
    edited_at = models.DateTimeField(
        null=True, editable=False, help_text="when an edit after approval was found"
    )
    message = models.TextField(blank=True, editable=False, help_text="a message for the page")
    history = models.JSONField(
        default=list, editable=False, help_text="[{at, text}]: reassignments in CVAT"
    )

    objects = CvatJobQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["task"]
        constraints = [
            models.UniqueConstraint("project", "job_id", name="one_task_per_job_of_a_project")
        ]
        indexes = [
            *StagedModel.Meta.indexes,
            models.Index("project", "stage", "is_deleted", name="jobs_of_a_project"),
            models.Index("project", "task", name="jobs_by_task"),
        ]

    def __str__(self) -> str:
        return str(self.task)

    def is_behind(self, changed_at: datetime) -> bool:
        """Whether the answers fetched last are not those that CVAT has since `changed_at`."""
        return self.fetched_at != changed_at


class WebhookDelivery(StagedModel):
    """One webhook delivery of CVAT; its stage is that of processing."""

    server = models.ForeignKey(CvatServer, models.CASCADE, related_name="deliveries")
    received_at = models.DateTimeField(auto_now_add=True)
    sha256 = models.CharField(max_length=64)
    copies = models.PositiveIntegerField(default=1, help_text="how often it was received")
    body = models.TextField()
    event = models.CharField(max_length=60, blank=True)
    project_id = models.PositiveBigIntegerField(null=True, help_text="id in CVAT")
    job_id = models.PositiveBigIntegerField(null=True, help_text="id in CVAT")
    sender = models.CharField(max_length=150, blank=True, help_text="user name in CVAT")
    state = models.CharField(
        max_length=20, blank=True, help_text="the job's new state; empty: not changed"
    )
    outcome = models.CharField(max_length=200, blank=True, help_text="result of processing")

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint("server", "sha256", name="a_delivery_is_kept_once")
        ]
        indexes = [
            *StagedModel.Meta.indexes,
            models.Index("server", "project_id", name="deliveries_of_a_project"),
            models.Index("server", "job_id", name="deliveries_of_a_job"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.job_id or ''}".strip()


class Reconciliation(StagedModel):
    """One comparison of CVAT's jobs with our rows; every five minutes, or on request."""

    project = models.ForeignKey(CvatProject, models.CASCADE, related_name="reconciliations")
    created_at = models.DateTimeField(auto_now_add=True)
    is_full = models.BooleanField(default=False, help_text="every job, not only changed ones")
    job_count = models.PositiveIntegerField(default=0, editable=False)
    version_count = models.PositiveIntegerField(
        default=0, editable=False, help_text="new versions"
    )
    deleted_count = models.PositiveIntegerField(default=0, editable=False)
    summary = models.CharField(max_length=300, blank=True, editable=False)

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
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


class JobStateChange(StagedModel):
    """A change of a job's state in CVAT: a reviewer's verdict, or answers that were refused."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"  # to acceptance
        REJECTED = "rejected"  # reopened with issues
        RETURNED = "returned"  # reopened by itself: the answers could not be taken
        CONFIRMED = "confirmed"  # finished again: refused answers were accepted as they are

    job = models.ForeignKey(CvatJob, models.CASCADE, related_name="state_changes")
    version = models.ForeignKey(AnswerVersion, models.CASCADE, related_name="state_changes")
    review = models.PositiveBigIntegerField(
        unique=True, null=True, help_text="key of the review; null: by itself"
    )
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                "version", "verdict", condition=Q(review=None), name="one_return_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.verdict}"


class IssueComment(StagedModel):
    """A comment in an issue of CVAT; its stage is that of sending one written here."""

    job = models.ForeignKey(CvatJob, models.CASCADE, related_name="comments")
    issue_id = models.PositiveBigIntegerField(help_text="id in CVAT")
    comment_id = models.PositiveBigIntegerField(null=True, help_text="id in CVAT")
    frame = models.PositiveIntegerField(help_text="of the CVAT task, 0-based")
    author = models.CharField(max_length=150, help_text="user name in CVAT, or here")
    text = models.TextField()
    created_at = models.DateTimeField(help_text="CVAT's clock; ours until it is sent")
    is_resolved = models.BooleanField(default=False, help_text="the issue")

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["job", "issue_id", "created_at", "pk"]
        constraints = [
            models.UniqueConstraint("job", "comment_id", name="a_comment_is_kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.author} on {self.job}, frame {self.frame}"


class JobTimes(models.Model):
    """How long the answers of one version took in CVAT, as its events tell."""

    version = models.OneToOneField(
        AnswerVersion, models.CASCADE, related_name="job_times", editable=False
    )
    finished_at = models.DateTimeField(
        editable=False, help_text="CVAT's clock: the job's date when the version was fetched"
    )
    asked_at = models.DateTimeField(null=True, editable=False, help_text="null: not yet")
    working_ms = models.PositiveBigIntegerField(
        null=True, editable=False, help_text="by CVAT's count; null: its events tell nothing"
    )
    answers = models.PositiveIntegerField(default=0, editable=False, help_text="set, timed")
    answer_ms = models.PositiveBigIntegerField(default=0, editable=False, help_text="of these")

    class Meta:
        ordering = ["version"]
        verbose_name_plural = "job times"
        indexes = [models.Index("asked_at", name="job_times_asked")]

    def __str__(self) -> str:
        return f"times of {self.version}"
