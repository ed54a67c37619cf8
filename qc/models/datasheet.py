"""What the makers of a dataset say of it, and what was taken out of its releases."""

from django.conf import settings
from django.db import models

from datasets.models import Dataset


class Datasheet(models.Model):
    """The answers to the questions of `qc.core.release.docs.datasheet`."""

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="datasheet")
    answers = models.JSONField(default=dict, blank=True, help_text="{key of a question: text}")
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)

    class Meta:
        ordering = ["dataset"]

    def __str__(self) -> str:
        return f"Datasheet of {self.dataset}"


class TakenOut(models.Model):
    """A video, clip or person that no release may hold any more, as when consent is withdrawn.

    Names are kept as texts, because the video itself may be deleted later.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="taken_out")
    video = models.CharField(max_length=100, help_text="name of the source video")
    clip = models.CharField(max_length=120, blank=True, help_text="empty: all clips")
    person_id = models.PositiveIntegerField(
        default=0, help_text="all clips that show this person of the video; 0: nobody alone"
    )
    reason = models.TextField()
    taken_out_at = models.DateTimeField(auto_now_add=True)
    taken_out_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)

    class Meta:
        ordering = ["dataset", "pk"]
        verbose_name_plural = "taken out"
        constraints = [
            models.UniqueConstraint(
                "dataset", "video", "clip", "person_id", name="taken_out_once"
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.what

    @property
    def what(self) -> str:
        """As it is asked for: `street-1`, `street-1-c0003`, or `street-1:7` for a person."""
        if self.person_id:
            return f"{self.video}:{self.person_id}"
        return self.clip or self.video
