"""What was given: datasets, who may see them, their vocabulary, and their videos and clips."""

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    FRAME_RATE,
    LONGEST_CLIP_SECONDS,
    SHORTEST_CLIP_SECONDS,
    keyframe_seconds,
)

ANNOTATION_RATES = [(rate, f"{rate} per second") for rate in (1, 2, 3, 5, 6, 10, 15, 30)]


class DatasetQuerySet(models.QuerySet):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        if user.is_superuser:
            return self
        # Somebody without an account has no key, and must not match datasets without members.
        return self.filter(members__user_id=user.pk or 0).distinct()

    def run_by(self, user: User | AnonymousUser) -> Self:
        """Datasets that `user` may change: those they are an admin of."""
        if user.is_superuser:
            return self
        return self.filter(members__user_id=user.pk, members__role=Member.Role.ADMIN)


class Dataset(models.Model):
    """One dataset in the making: its settings, and all that hangs on them."""

    name = models.SlugField(unique=True, help_text="small letters, digits and hyphens")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    longest_side = models.PositiveIntegerField(
        default=1280,
        validators=[MinValueValidator(64), MaxValueValidator(4096)],
        help_text="pixels; larger videos are made smaller, small ones are left alone",
    )
    clip_seconds = models.PositiveSmallIntegerField(
        default=CLIP_SECONDS,
        validators=[
            MinValueValidator(SHORTEST_CLIP_SECONDS),
            MaxValueValidator(LONGEST_CLIP_SECONDS),
        ],
        help_text="seconds of every clip but the last of a video",
    )
    annotation_fps = models.PositiveSmallIntegerField(default=5, choices=ANNOTATION_RATES)
    keep_truncated = models.BooleanField(
        default=True, help_text="keep the good part of a video that was cut off"
    )
    detector = models.CharField(max_length=40, default="rfdetr-medium")
    weights = models.CharField(
        max_length=500, blank=True, help_text="file of one's own, in place of the vendor's"
    )
    threshold = models.FloatField(
        default=0.45, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    frame_stride = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="look for people in every n-th frame; the tracker fills the gaps",
    )
    is_simulated = models.BooleanField(
        default=False, help_text="the answers come from simulated annotators"
    )

    # How its videos are worked on.
    SETTINGS = (
        "detector", "weights", "threshold", "longest_side", "clip_seconds", "annotation_fps",
        "frame_stride", "keep_truncated",
    )  # fmt: skip

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError if files that lie under this name are not of this dataset."""
        if self.name == settings.RELEASE_COPIES:
            raise ValidationError(f"Synced releases lie under {self.name}; take another name.")
        going = Leftover.objects.filter(name__startswith=f"{self.name}/")
        if self._state.adding and going.exists():
            raise ValidationError(
                f"The files of a deleted dataset {self.name} are still being removed; "
                "take another name, or try again in a minute."
            )


class Member(models.Model):
    """A user's part in a dataset."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        REVIEWER = "reviewer"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    role = models.CharField(max_length=10, choices=Role, default=Role.ADMIN)

    class Meta:
        constraints = [
            models.UniqueConstraint("dataset", "user", name="one_membership_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.dataset}"


class ActionGroup(models.Model):
    """A question asked about every person at every keyframe."""

    class Choice(models.TextChoices):
        ONE = "one"
        MANY = "many"

    class LabelType(models.TextChoices):
        PERSON_MOVEMENT = "PERSON_MOVEMENT"
        OBJECT_MANIPULATION = "OBJECT_MANIPULATION"
        PERSON_INTERACTION = "PERSON_INTERACTION"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="groups")
    name = models.SlugField()
    position = models.PositiveSmallIntegerField()
    choice = models.CharField(max_length=4, choices=Choice)
    required = models.BooleanField(default=False)
    label_type = models.CharField(max_length=20, choices=LabelType)
    max_per_person = models.PositiveSmallIntegerField(default=3)

    class Meta:
        ordering = ["dataset", "position"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="group_name_unique_in_dataset")
        ]

    def __str__(self) -> str:
        return self.name


class Action(models.Model):
    """One answer of a group. Its AVA id is given once and never reused."""

    group = models.ForeignKey(ActionGroup, models.CASCADE, related_name="actions")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="actions")
    name = models.CharField(max_length=80)
    action_id = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(80)]
    )

    class Meta:
        ordering = ["dataset", "action_id"]
        constraints = [
            models.UniqueConstraint("dataset", "action_id", name="action_id_unique_in_dataset"),
            models.UniqueConstraint("group", "name", name="action_name_unique_in_group"),
            models.CheckConstraint(
                condition=Q(action_id__gte=1, action_id__lte=80), name="action_id_is_1_to_80"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Upload(StagedModel):
    """One zip of videos; its stage is the unpacking into Videos."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="uploads")
    original_name = models.CharField(max_length=255)
    file = models.FileField(max_length=500, blank=True, help_text="gone when unpacked")
    sha256 = models.CharField(
        max_length=64, help_text="begins with ? until the worker has read the file"
    )
    size = models.BigIntegerField(help_text="bytes")
    created_at = models.DateTimeField(auto_now_add=True)
    refused = models.JSONField(
        default=list, blank=True, help_text="[{name, reason}] of members not taken"
    )
    is_bundle = models.BooleanField(
        default=False, help_text="what another machine made; it is taken over, not unpacked"
    )

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "pk"]
        constraints = [
            models.UniqueConstraint("dataset", "sha256", name="zip_comes_once_to_a_dataset")
        ]

    def __str__(self) -> str:
        return self.original_name


class Transfer(models.Model):
    """A zip on its way in, piece by piece; what has arrived lies in a file of this machine."""

    key = models.UUIDField(unique=True, default=uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="transfers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        help_text="nobody: the account is gone, and the transfer is dropped in a week",
    )
    original_name = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="bytes of the whole")
    fingerprint = models.CharField(
        max_length=200, blank=True, help_text="how the sender knows the file again"
    )
    remote_id = models.CharField(
        max_length=500, blank=True, editable=False, help_text="of a multipart upload to S3"
    )
    part_sums = models.JSONField(
        default=dict, editable=False, help_text="{part: its SHA-256 in Base64}"
    )
    touched_at = models.DateTimeField(auto_now=True)
    upload = models.OneToOneField(
        Upload, models.CASCADE, null=True, editable=False, help_text="when all has arrived"
    )

    class Meta:
        ordering = ["-touched_at"]

    def __str__(self) -> str:
        return self.original_name


class Video(StagedModel):
    """One raw video; its stage is the making of the standard video."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="videos")
    upload = models.ForeignKey(Upload, models.SET_NULL, null=True, related_name="videos")
    name = models.SlugField(max_length=60, help_text="safe name; AVA ids are made of it")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="bytes of the raw file")
    raw = models.FileField(max_length=500)
    probe = models.JSONField(default=dict, blank=True, help_text="what the raw file is")
    changes = models.JSONField(
        default=list, blank=True, help_text="sentences: what was changed"
    )
    warnings = models.JSONField(default=list, blank=True, help_text="sentences for the admin")
    unreadable = models.JSONField(
        default=list, blank=True, help_text="[[start, stop]] of frames that no clip may hold"
    )
    file = models.FileField(max_length=500, blank=True)
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)
    frame_count = models.PositiveIntegerField(null=True, editable=False, help_text="at 30 fps")
    picture_rate = models.PositiveSmallIntegerField(
        default=FRAME_RATE, editable=False,
        help_text="pictures a second; fewer than 30 where pictures came without a film",
    )  # fmt: skip

    objects = StagedQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="video_name_unique_in_dataset"),
            models.UniqueConstraint("dataset", "sha256", name="video_comes_once_to_a_dataset"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float | None:
        return None if self.frame_count is None else self.frame_count / FRAME_RATE

    @property
    def has_film(self) -> bool:
        """Whether its clips have all their frames; otherwise only the annotation frames."""
        return self.picture_rate == FRAME_RATE


class VideoName(models.Model):
    """A name that a video of the dataset has or had. No other video is ever called so."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="video_names")
    name = models.SlugField(max_length=60)
    kept_for = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the film on its way in; empty when its video is there",
    )

    class Meta:
        verbose_name = "name given"
        verbose_name_plural = "names given"
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="video_name_is_given_once")
        ]

    def __str__(self) -> str:
        return self.name


class ClipQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(video__dataset=dataset)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(video__dataset__in=Dataset.objects.visible_to(user))


class Clip(StagedModel):
    """A stretch of a standard video; its stage is the cutting of its file and frames."""

    video = models.ForeignKey(Video, models.CASCADE, related_name="clips")
    name = models.SlugField(max_length=80, help_text="the AVA video_id")
    index = models.PositiveIntegerField(help_text="0-based place in the video")
    start_frame = models.PositiveIntegerField(help_text="frame of the standard video")
    frame_count = models.PositiveIntegerField()
    file = models.FileField(max_length=500, blank=True)
    frames = models.FileField(max_length=500, blank=True, help_text="zip of annotation frames")
    poster = models.FileField(max_length=500, blank=True)

    objects = ClipQuerySet.as_manager()

    class Meta:
        ordering = ["video", "index"]
        constraints = [
            models.UniqueConstraint("video", "index", name="one_clip_per_index"),
            models.UniqueConstraint("video", "start_frame", name="one_clip_per_start"),
            models.CheckConstraint(condition=Q(frame_count__gt=0), name="clip_has_frames"),
            models.CheckConstraint(
                condition=Q(start_frame__gte=F("index")), name="clip_start_fits_its_index"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float:
        return self.frame_count / FRAME_RATE

    def keyframes(self) -> list[int]:
        """Clip seconds that are annotated and exported; needs `self.video` done."""
        return keyframe_seconds(
            self.start_frame, self.frame_count, video_frame_count=self.video.frame_count or 0
        )


class Leftover(models.Model):
    """A stored file whose row was deleted; removed as soon as somebody comes to it.

    A name that ends in a slash is a folder and all that lies in it.
    """

    name = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.name
