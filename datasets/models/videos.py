"""Models of uploads, videos and clips."""

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.core.media.clips_and_keyframes import FRAME_RATE, FrameRange, keyframe_seconds
from datasets.core.roles import Act
from datasets.models.dataset import Dataset


class Upload(StagedModel):
    """A zip of videos or a bundle; its stage is unpacking."""

    COUNTED_AS = _("uploads")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="uploads")
    original_name = models.CharField(max_length=255)
    file = models.FileField(max_length=500, blank=True, help_text="removed when unpacked")
    sha256 = models.CharField(
        max_length=64, help_text="starts with ? until a worker has hashed the file"
    )
    size = models.BigIntegerField(help_text="bytes")
    unpacked_size = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="bytes of its videos, charged when unpacking begins",
    )
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
        return [f"{self.stored_folder}/"]

    @property
    def stored_folder(self) -> str:
        """Name of the folder in the storage that its files with tracks go to."""
        return f"{self.upload.dataset.name}/imports/{self.pk}"


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

    COUNTED_AS = _("videos")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="videos")
    upload = models.ForeignKey(Upload, models.SET_NULL, null=True, related_name="videos")
    name = models.SlugField(max_length=60, help_text="part of the AVA video ids")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="bytes of the raw file")
    group = models.CharField(
        max_length=100, blank=True,
        help_text="the user's own: videos with the same camera, place or subject",
    )  # fmt: skip
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
    stills = models.JSONField(
        default=list, blank=True, help_text="[[start, stop]] of frames that hold one frame"
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

    def other_files(self) -> list[str]:
        """The standard video, if a worker has stored it and was killed before it said so."""
        return [self.standard_name]

    @property
    def standard_name(self) -> str:
        """Name of the standard video in the storage."""
        return f"{self.dataset.name}/videos/{self.name}.mp4"

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

    def permitting(self, user: User | AnonymousUser, *acts: Act) -> Self:
        return self.filter(video__dataset__in=Dataset.objects.permitting(user, *acts))


class Clip(StagedModel):
    """A clip of a standard video; its stage is the cutting of its file and frames."""

    COUNTED_AS = _("clips")

    video = models.ForeignKey(Video, models.CASCADE, related_name="clips")
    name = models.SlugField(max_length=80, help_text="the AVA video_id")
    index = models.PositiveIntegerField(help_text="0-based, in the video")
    start_frame = models.PositiveIntegerField(help_text="first frame, in the standard video")
    frame_count = models.PositiveIntegerField()
    file = models.FileField(max_length=500, blank=True)
    frames = models.FileField(
        max_length=500, blank=True,
        help_text="zip of annotation frames; empty if they are made when they are wanted",
    )  # fmt: skip
    frame_bytes = models.PositiveIntegerField(
        null=True, editable=False, help_text="of an annotation frame, the one in the middle"
    )
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

    def other_files(self) -> list[str]:
        """Its files, if a worker has stored them and was killed before it said so."""
        return list(self.stored_names)

    @property
    def stored_names(self) -> tuple[str, str, str]:
        """Names of its file, frames and poster in the storage."""
        folder = self.video.dataset.name
        return (
            f"{folder}/clips/{self.name}.mp4",
            f"{folder}/frames/{self.name}.zip",
            f"{folder}/posters/{self.name}.jpg",
        )

    @property
    def seconds(self) -> float:
        return self.frame_count / FRAME_RATE

    def keyframes(self) -> list[int]:
        """Clip seconds that are annotated and exported; needs `self.video` done."""
        return keyframe_seconds(
            self.start_frame,
            self.frame_count,
            video_frame_count=self.video.frame_count or 0,
            unreadable=[FrameRange(*each) for each in self.video.unreadable],
        )
