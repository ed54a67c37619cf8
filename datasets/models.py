"""Datasets, members, vocabularies, uploads, videos and clips."""

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    FRAME_RATE,
    MAX_CLIP_SECONDS,
    MIN_CLIP_SECONDS,
    keyframe_seconds,
)

ANNOTATION_RATES = [(rate, f"{rate} per second") for rate in (1, 2, 3, 5, 6, 10, 15, 30)]


class DatasetQuerySet(models.QuerySet):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        if user.is_superuser:
            return self
        # An anonymous user has no key, and must not match datasets without members.
        return self.filter(members__user_id=user.pk or 0).distinct()

    def managed_by(self, user: User | AnonymousUser) -> Self:
        """Datasets that `user` may change: as admin of the dataset, or superuser."""
        if user.is_superuser:
            return self
        return self.filter(members__user_id=user.pk, members__role=Member.Role.ADMIN)


class Dataset(models.Model):
    """A dataset with the settings of its pipeline."""

    name = models.SlugField(unique=True, help_text="lowercase letters, digits and hyphens")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    longest_side = models.PositiveIntegerField(
        default=1280,
        validators=[MinValueValidator(64), MaxValueValidator(4096)],
        help_text="pixels; larger videos are scaled down, small ones are never enlarged",
    )
    clip_seconds = models.PositiveSmallIntegerField(
        default=CLIP_SECONDS,
        validators=[
            MinValueValidator(MIN_CLIP_SECONDS),
            MaxValueValidator(MAX_CLIP_SECONDS),
        ],
        help_text="seconds; only the last clip of a video may be shorter",
    )
    annotation_fps = models.PositiveSmallIntegerField(default=5, choices=ANNOTATION_RATES)
    keep_truncated = models.BooleanField(
        default=True, help_text="use the readable part of truncated videos"
    )
    detector = models.CharField(max_length=40, default="rfdetr-medium")
    weights = models.CharField(
        max_length=500, blank=True, help_text="your own weights file; empty: the default"
    )
    threshold = models.FloatField(
        default=0.45, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    frame_stride = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="detect in every n-th frame; the tracker interpolates the rest",
    )
    is_simulated = models.BooleanField(
        default=False, help_text="answers come from simulated annotators"
    )

    # Settings of the pipeline.
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
        """Raises ValidationError if the storage has other files under this name."""
        if self.name == settings.RELEASE_COPIES:
            raise ValidationError(
                f"{self.name} is the folder of synced releases; choose another name."
            )
        pending = PendingDeletion.objects.filter(name__startswith=f"{self.name}/")
        if self._state.adding and pending.exists():
            raise ValidationError(
                f"The files of a deleted dataset {self.name} are still being removed; "
                "choose another name, or try again in a minute."
            )


class Member(models.Model):
    """A user's role in a dataset."""

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
    """A question about every person: at each keyframe, once a person, or once a clip."""

    class Scope(models.TextChoices):
        KEYFRAME = "keyframe"
        PERSON = "person"
        CLIP = "clip"

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
    scope = models.CharField(
        max_length=8,
        choices=Scope,
        default=Scope.KEYFRAME,
        help_text="what one answer holds for; those of a person or clip are asked once",
    )

    class Meta:
        ordering = ["dataset", "position"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="group_name_unique_in_dataset")
        ]

    def __str__(self) -> str:
        return self.name

    def spec(self) -> ActionGroupSpec:
        """The group without the database, its actions by id."""
        return ActionGroupSpec(
            self.name,
            self.choice,
            self.required,
            tuple(action.name for action in self.actions.all()),
            self.max_per_person,
            self.scope,
        )


class Action(models.Model):
    """An answer of a group. Its AVA action id is never reused."""

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
    """A zip of videos or a bundle; its stage is unpacking."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="uploads")
    original_name = models.CharField(max_length=255)
    file = models.FileField(max_length=500, blank=True, help_text="removed when unpacked")
    sha256 = models.CharField(
        max_length=64, help_text="starts with ? until a worker has hashed the file"
    )
    size = models.BigIntegerField(help_text="bytes")
    created_at = models.DateTimeField(auto_now_add=True)
    skipped_files = models.JSONField(
        default=list, blank=True, help_text="[{name, reason}] of files not used"
    )
    is_bundle = models.BooleanField(
        default=False, help_text="a bundle: imported as it is, not unpacked into videos"
    )

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["dataset", "pk"]
        constraints = [
            models.UniqueConstraint("dataset", "sha256", name="zip_unique_in_dataset")
        ]

    def __str__(self) -> str:
        return self.original_name


class BundleImport(StagedModel):
    """The import of the videos and clips of an uploaded bundle; its tracks come after it."""

    upload = models.OneToOneField(Upload, models.CASCADE, related_name="bundle_import")
    clip_count = models.PositiveIntegerField(null=True, editable=False)
    notes = models.JSONField(default=list, blank=True, help_text="what was skipped or lacks")
    folder = models.CharField(max_length=500, blank=True, help_text="stored files with tracks")

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["upload"]

    def __str__(self) -> str:
        return str(self.upload)

    def other_files(self) -> list[str]:
        """Files to delete with the row, besides those of file fields."""
        return [f"{self.folder}/"] if self.folder else []


class Transfer(models.Model):
    """An unfinished upload; the bytes so far are in a local file, or in the bucket."""

    key = models.UUIDField(unique=True, default=uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="transfers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        help_text="empty: account deleted; the upload is deleted after a week",
    )
    original_name = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="bytes of the complete file")
    fingerprint = models.CharField(
        max_length=200, blank=True, help_text="identifies the file to the client"
    )
    remote_id = models.CharField(
        max_length=500,
        blank=True,
        editable=False,
        help_text="UploadId of an S3 multipart upload",
    )
    part_checksums = models.JSONField(
        default=dict, editable=False, help_text="{part number: SHA-256 in Base64}"
    )
    touched_at = models.DateTimeField(auto_now=True)
    upload = models.OneToOneField(
        Upload, models.CASCADE, null=True, editable=False, help_text="set when complete"
    )

    class Meta:
        ordering = ["-touched_at"]

    def __str__(self) -> str:
        return self.original_name


class Video(StagedModel):
    """A raw video; its stage is the conversion to a standard video."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="videos")
    upload = models.ForeignKey(Upload, models.SET_NULL, null=True, related_name="videos")
    name = models.SlugField(max_length=60, help_text="part of the AVA video ids")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="bytes of the raw file")
    raw = models.FileField(max_length=500)
    probe = models.JSONField(default=dict, blank=True, help_text="properties of the raw file")
    changes = models.JSONField(
        default=list, blank=True, help_text="sentences: what was converted"
    )
    warnings = models.JSONField(
        default=list, blank=True, help_text="sentences: problems of the raw file"
    )
    unreadable = models.JSONField(
        default=list, blank=True, help_text="[[start, stop]] of frames that no clip may contain"
    )
    file = models.FileField(max_length=500, blank=True)
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)
    frame_count = models.PositiveIntegerField(null=True, editable=False, help_text="at 30 fps")
    frame_rate = models.PositiveSmallIntegerField(
        default=FRAME_RATE, editable=False,
        help_text="30; lower if only still images were imported",
    )  # fmt: skip

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="video_name_unique_in_dataset"),
            models.UniqueConstraint("dataset", "sha256", name="video_unique_in_dataset"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float | None:
        return None if self.frame_count is None else self.frame_count / FRAME_RATE

    @property
    def has_all_frames(self) -> bool:
        """Whether its clips have every frame; otherwise only annotation frames."""
        return self.frame_rate == FRAME_RATE


class VideoName(models.Model):
    """A name that a video of the dataset has or had; never reused."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="video_names")
    name = models.SlugField(max_length=60)
    reserved_for = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the video file to be added; empty when its video exists",
    )

    class Meta:
        verbose_name = "video name"
        verbose_name_plural = "video names"
        ordering = ["dataset", "name"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="video_name_is_reserved_once")
        ]

    def __str__(self) -> str:
        return self.name


class ClipQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(video__dataset=dataset)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(video__dataset__in=Dataset.objects.visible_to(user))


class Clip(StagedModel):
    """A clip of a standard video; its stage is the cutting of its file and frames."""

    video = models.ForeignKey(Video, models.CASCADE, related_name="clips")
    name = models.SlugField(max_length=80, help_text="the AVA video_id")
    index = models.PositiveIntegerField(help_text="0-based, in the video")
    start_frame = models.PositiveIntegerField(help_text="first frame, in the standard video")
    frame_count = models.PositiveIntegerField()
    file = models.FileField(max_length=500, blank=True)
    frames = models.FileField(max_length=500, blank=True, help_text="zip of annotation frames")
    poster = models.FileField(max_length=500, blank=True)

    objects = ClipQuerySet.as_manager()

    class Meta(StagedModel.Meta):
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


class PendingDeletion(models.Model):
    """A stored file whose row was deleted; a worker will remove it.

    A name that ends in a slash is a folder with its content.
    """

    name = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.name
