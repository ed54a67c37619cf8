"""What we know of CVAT: servers, and the project, jobs and events of each dataset there."""

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

from annotation.core.encryption import decrypt, encrypt
from annotation.models.work import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.core.formats.cvat_json import LabelIds
from datasets.models import Dataset


def check_address(url: str) -> None:
    """Refuse what is no address of a server; names without a dot, as in Docker, are fine."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or re.search(r"[\s<>\"]", url):
        raise ValidationError("Write it as https://cvat.example.org or http://10.0.0.5:8080.")
    if parts.username or parts.password:
        raise ValidationError(
            "Leave user and password out of the address: they have own fields."
        )


class CvatServer(StagedModel):
    """A CVAT and our account there; its stage is the test of the connection."""

    name = models.SlugField(unique=True, help_text="what it is called here")
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
        "our address",
        max_length=200,
        blank=True,
        validators=[check_address],
        help_text="as CVAT reaches us, for its webhooks",
    )
    is_from_environment = models.BooleanField(default=False, editable=False)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    encrypted_secret = models.TextField(blank=True, editable=False, help_text="of the webhooks")
    version = models.CharField(max_length=40, blank=True, editable=False)
    account = models.CharField(max_length=150, blank=True, editable=False)
    checks = models.JSONField(
        default=list, editable=False, help_text="[{subject, is_ok, message, fix, snippet}]"
    )
    invalid_signature_count = models.PositiveIntegerField(default=0, editable=False)
    invalid_signature_at = models.DateTimeField(null=True, editable=False)

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def token(self) -> str:
        """Raises DecryptionError if it was sealed with another key, as the others do."""
        return decrypt(self.encrypted_token, settings.SECRETS_KEYS)

    @property
    def password(self) -> str:
        return decrypt(self.encrypted_password, settings.SECRETS_KEYS)

    @property
    def secret(self) -> str:
        return decrypt(self.encrypted_secret, settings.SECRETS_KEYS)

    def set_credentials(self, *, token: str = "", user: str = "", password: str = "") -> None:
        """Take over a token, or a user and a password."""
        self.encrypted_token = encrypt(token, settings.SECRETS_KEYS)
        self.user = "" if token else user
        self.encrypted_password = "" if token else encrypt(password, settings.SECRETS_KEYS)

    def renew_secret(self) -> None:
        self.encrypted_secret = encrypt(secrets.token_urlsafe(32), settings.SECRETS_KEYS)


class CvatProject(StagedModel):
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
    setup_fingerprint = models.CharField(
        max_length=64, blank=True, editable=False, help_text="fingerprint of what was tried"
    )
    warnings = models.JSONField(default=list, editable=False, help_text="messages for the page")
    is_paused = models.BooleanField(default=False, help_text="nothing more is sent to CVAT")
    cursor = models.DateTimeField(
        null=True, editable=False, help_text="CVAT's clock: all changes before it are known"
    )

    objects = StagedQuerySet.as_manager()

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


class CvatJobQuerySet(StagedQuerySet):
    def claimable(self) -> Self:
        """Tasks may be sent when their project is set up and nobody holds or took them back."""
        ready = CvatProject.objects.filter(stage=Stage.DONE, is_paused=False)
        given = AnnotationTask.objects.filter(unassigned_at=None)
        # No join: PostgreSQL would let two workers win an UPDATE through one.
        return super().claimable().filter(project__in=ready, task__in=given)

    def sent(self) -> Self:
        """Those that have a job in CVAT."""
        return self.filter(stage=Stage.DONE, is_deleted=False)

    def wanted(self) -> Self:
        """Without those that were taken back before they were sent."""
        return self.exclude(~Q(stage=Stage.DONE) & Q(task__unassigned_at__isnull=False))


class CvatJob(StagedModel):
    """One task as a task with one job in CVAT; its stage is the sending."""

    task = models.OneToOneField(AnnotationTask, models.CASCADE, related_name="cvat_job")
    project = models.ForeignKey(CvatProject, models.CASCADE, related_name="jobs")
    cvat_task_id = models.PositiveBigIntegerField(null=True, editable=False)
    job_id = models.PositiveBigIntegerField(null=True, editable=False)
    assignee = models.CharField(max_length=150, blank=True, editable=False)
    cvat_stage = models.CharField(max_length=20, blank=True, editable=False)
    cvat_state = models.CharField(max_length=20, blank=True, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")
    fetched_at = models.DateTimeField(
        null=True, editable=False, help_text="`changed_at` of what was pulled last"
    )
    is_deleted = models.BooleanField(default=False, editable=False, help_text="deleted in CVAT")
    is_unassigned = models.BooleanField(
        default=False, editable=False, help_text="nobody has it in CVAT, for the task is ours"
    )
    edited_at = models.DateTimeField(
        null=True, editable=False, help_text="when an edit after approval was noticed"
    )
    message = models.TextField(blank=True, editable=False, help_text="a message for the page")

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
        return self.fetched_at != changed_at


class WebhookDelivery(StagedModel):
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

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint("server", "sha256", name="a_delivery_is_kept_once")
        ]
        indexes = [models.Index("server", "project_id", name="deliveries_of_a_project")]

    def __str__(self) -> str:
        return f"{self.event} {self.job_id or ''}".strip()


class Reconciliation(StagedModel):
    """One comparison of what CVAT has with what we have; every five minutes, or asked for."""

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


class JobStateChange(StagedModel):
    """A verdict that goes to CVAT: a job reopened with its issues, or moved to acceptance."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    job = models.ForeignKey(CvatJob, models.CASCADE, related_name="state_changes")
    version = models.ForeignKey(AnswerVersion, models.CASCADE, help_text="the version judged")
    review = models.PositiveBigIntegerField(unique=True, help_text="number of the verdict")
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True, editable=False, help_text="CVAT's clock")

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["job", "review"]

    def __str__(self) -> str:
        return f"{self.job} {self.verdict}"
