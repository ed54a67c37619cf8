"""What we know of CVAT: servers, and the project, jobs and events of each dataset there."""

import re
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotation.core.cvat_json import LabelIds
from annotation.core.sealing import seal, unseal
from annotation.models.work import AnnotationTask, Pull
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
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


class PatientQuerySet(StagedQuerySet):
    def claimable(self) -> Self:
        """As ever, but not before a row's time has come."""
        due = Q(not_before=None) | Q(not_before__lte=timezone.now())
        return super().claimable().filter(due)

    def hurry(self) -> int:
        """Let the rows that wait for better times be tried at once; return how many."""
        waiting = self.filter(stage=Stage.WAITING).exclude(not_before=None)
        return waiting.update(not_before=None, handed_out_at=None)

    def start_over(self, **changes: object) -> int:
        """Send rows back to the start of this stage, but those in hand; return how many."""
        return self.exclude(stage=Stage.RUNNING).update(
            stage=Stage.WAITING, attempts=0, lease_until=None, handed_out_at=None,
            not_before=None, error="", **changes,
        )  # fmt: skip


class PatientModel(StagedModel):
    """Work with a server that may be away: put off for a while, it is not a failure."""

    not_before = models.DateTimeField(null=True, blank=True, editable=False)
    put_off = models.PositiveIntegerField(default=0, editable=False, help_text="times in a row")

    class Meta:
        abstract = True

    @property
    def waits_until(self) -> datetime | None:
        return max(filter(None, (self.lease_until, self.not_before)), default=None)

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
    url = models.CharField(
        "address",
        max_length=200,
        validators=[check_address],
        help_text="with http:// or https://",
    )
    organisation = models.SlugField(blank=True, help_text="short name; empty: none")
    user = models.CharField(max_length=150, blank=True, help_text="only without a token")
    sealed_token = models.TextField(blank=True, editable=False)
    sealed_password = models.TextField(blank=True, editable=False)
    own_url = models.CharField(
        "our address",
        max_length=200,
        blank=True,
        validators=[check_address],
        help_text="as CVAT reaches us, for its webhooks",
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
        """Tasks may be sent when their project is set up and nobody holds or took them back."""
        ready = CvatProject.objects.filter(stage=Stage.DONE, is_held=False)
        given = AnnotationTask.objects.filter(withdrawn_at=None)
        # No join: PostgreSQL would let two workers win an UPDATE through one.
        return super().claimable().filter(project__in=ready, task__in=given)

    def sent(self) -> Self:
        """Those that have a job in CVAT."""
        return self.filter(stage=Stage.DONE, is_gone=False)

    def wanted(self) -> Self:
        """Without those that were taken back before they were sent."""
        return self.exclude(~Q(stage=Stage.DONE) & Q(task__withdrawn_at__isnull=False))


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
    is_taken_back = models.BooleanField(
        default=False, editable=False, help_text="nobody has it in CVAT, for the task is ours"
    )
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
