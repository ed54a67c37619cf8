"""Releases, the frames and clips exported for them, and their copies in a bucket."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.core.roles import Act
from datasets.models import Clip, Dataset, Video
from qc.models.querysets import ClipWorkQuerySet


class ClipExport(StagedModel):
    """The frames and the clip file of one clip for releases; its stage is the export."""

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="exports")
    content_key = models.CharField(
        max_length=12,
        help_text="hash of the standard video, the range of frames and their size",
    )
    longest_side = models.PositiveIntegerField(
        null=True, help_text="pixels of the frames; null for the size of the video"
    )
    blurring = models.CharField(
        max_length=210, blank=True, default="", db_default="",
        help_text="what faces are blurred with, as in the options of a release",
    )  # fmt: skip
    has_frames = models.BooleanField(
        default=True,
        db_default=True,
        help_text="false: the clip file alone, whose faces are blurred",
    )

    objects = ClipWorkQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["clip", "pk"]
        constraints = [
            models.UniqueConstraint("clip", "content_key", name="one_export_per_content")
        ]

    def __str__(self) -> str:
        return f"{self.clip} frames {self.content_key}"

    @property
    def storage_name(self) -> str:
        """The name in the storage: of a folder, or with `.zip` where it has no folders."""
        return (
            f"{self.clip.video.dataset.name}/exportframes/{self.clip.name}-{self.content_key}"
        )

    def other_files(self) -> list[str]:
        """Files that `datasets.services.delete` removes besides those of file fields."""
        return [
            f"{self.storage_name}/",
            f"{self.storage_name}.zip",
            checksum_name(self.clip.video),
        ]


def checksum_name(video: Video) -> str:
    """The name in the storage of the checksum of an exported standard video."""
    return f"{video.dataset.name}/exportframes/{video.name}.sum"


class ReleaseQuerySet(StagedQuerySet):
    def available(self) -> Self:
        """Finished releases whose files were not deleted."""
        return self.done().filter(withdrawn_at=None)

    def passed_on(self) -> Self:
        """Those that may be downloaded and copied: nothing was taken out of them since."""
        return self.available().filter(errata=[])

    def permitting(self, user: User | AnonymousUser, *acts: Act) -> Self:
        return self.filter(dataset__in=Dataset.objects.permitting(user, *acts))


class Release(StagedModel):
    """One numbered AVA dataset of the clips approved at that moment."""

    COUNTED_AS = _("releases")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField(help_text="from 1")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    archive = models.FileField(max_length=500, blank=True, help_text="the release as a zip")
    folder = models.CharField(max_length=500, blank=True, help_text="the release as a folder")
    counts = models.JSONField(default=dict, blank=True)
    checks = models.JSONField(default=list, blank=True, help_text="[{name, passed, sentence}]")
    options = models.JSONField(
        default=dict, blank=True, help_text="see qc.core.release.options"
    )
    errata = models.JSONField(
        default=list, blank=True, editable=False,
        help_text="[{what, reason, at, successor}]: what it holds and may not hold any more",
    )  # fmt: skip
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when its files were deleted"
    )
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = ReleaseQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint("dataset", "number", name="release_numbers_differ"),
            models.CheckConstraint(condition=Q(number__gte=1), name="release_numbers_from_1"),
        ]

    def other_files(self) -> list[str]:
        """Files that `datasets.services.delete` removes besides those of file fields."""
        archives = [str(its["name"]) for its in self.counts.get("archives", {}).values()]
        return [*archives, f"{self.stored_folder}/", f"{self.stored_folder}.index"]

    @property
    def stored_folder(self) -> str:
        """Name of its folder in a storage with paths."""
        return f"{self.dataset.name}/releases/{self.number}"

    def __str__(self) -> str:
        return f"{self.dataset} release {self.number}"

    @property
    def folder_name(self) -> str:
        """The folder that its zips unpack to."""
        return f"{self.dataset.name}-release-{self.number}"

    @property
    def prefix(self) -> str:
        """The default prefix in a bucket."""
        return f"{self.dataset}/release-{self.number}"


class ReleaseSyncQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(release__dataset=dataset)


class ReleaseSync(StagedModel):
    """A release copied to a prefix of a bucket; a second run sends only what is missing."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="syncs")
    prefix = models.CharField(
        max_length=500, unique=True, help_text="without slashes around it"
    )
    parts = models.JSONField(
        default=list, help_text="besides the annotations, which are always sent"
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    counts = models.JSONField(
        default=dict, blank=True, help_text="files and bytes, in all and sent"
    )

    objects = ReleaseSyncQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["release", "pk"]

    def __str__(self) -> str:
        return f"{self.release} in {self.prefix}"
