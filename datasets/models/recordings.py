"""Models of recordings: fingerprints of videos, and the footage that two videos share."""

from django.db import models
from django.db.models import F, Q

from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models.videos import Video


class Fingerprint(StagedModel):
    """The fingerprint of a video; its stage is the comparison with those of its dataset."""

    video = models.OneToOneField(Video, models.CASCADE, related_name="fingerprint")
    hashes = models.BinaryField(
        default=bytes, editable=False, help_text="8 bytes for each second"
    )
    thumbnails = models.BinaryField(
        default=bytes, editable=False, help_text="64 bytes for each fifth of a second"
    )

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["video"]

    def __str__(self) -> str:
        return str(self.video)


class SharedFootage(models.Model):
    """Footage that two videos of a dataset have in common, or that goes on in the other one."""

    class Kind(models.TextChoices):
        REPEAT = "repeat", "the same footage"
        CHAPTER = "chapter", "the next chapter"

    video = models.ForeignKey(Video, models.CASCADE, related_name="shared_with_earlier")
    other = models.ForeignKey(
        Video, models.CASCADE, related_name="shared_with_later", help_text="added earlier"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    start = models.FloatField(help_text="seconds, in the video")
    other_start = models.FloatField(help_text="seconds, in the other one")
    seconds = models.FloatField()

    class Meta:
        verbose_name_plural = "shared footage"
        ordering = ["video", "other", "start"]
        constraints = [
            models.UniqueConstraint(
                "video", "other", "kind", "start", name="footage_is_shared_once"
            ),
            models.CheckConstraint(
                condition=Q(video__gt=F("other")), name="later_video_comes_first"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.video}, {self.other}: {self.get_kind_display()}"
