"""Models of guidelines: what annotators read on a dataset and its actions, with images."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation.core.guidelines import image_name
from datasets.models import Action, Clip, Dataset


class Guideline(models.Model):
    """What annotators read: the Markdown of a dataset, or the definition of one action."""

    COUNTED_AS = _("guidelines")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="guidelines")
    action = models.OneToOneField(
        Action, models.CASCADE, null=True, blank=True, related_name="guideline",
        help_text="which it defines; empty: the text of the dataset",
    )  # fmt: skip
    text = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["dataset", "action"]
        constraints = [
            models.UniqueConstraint(
                "dataset", condition=Q(action=None), name="one_text_of_guidelines_per_dataset"
            )
        ]

    def __str__(self) -> str:
        return f"guideline of {self.action or self.dataset}"


class GuidelineImageQuerySet(models.QuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(guideline__dataset=dataset)


class GuidelineImage(models.Model):
    """An image of guidelines: uploaded, or a frame of a clip with one person outlined."""

    COUNTED_AS = _("images of guidelines")

    class Kind(models.TextChoices):
        TEXT = "text", "In the text"
        YES = "yes", "Yes"
        NO = "no", "No"

    guideline = models.ForeignKey(Guideline, models.CASCADE, related_name="images")
    kind = models.CharField(max_length=4, choices=Kind)
    caption = models.CharField(max_length=200, blank=True)
    file = models.FileField(max_length=500, help_text="JPEG")
    clip = models.ForeignKey(
        Clip, models.SET_NULL, null=True, blank=True, related_name="guideline_images",
        help_text="of which it is a frame; empty: uploaded",
    )  # fmt: skip
    second = models.PositiveIntegerField(null=True, blank=True, help_text="whole clip seconds")
    person_id = models.PositiveIntegerField(null=True, blank=True, help_text="outlined person")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GuidelineImageQuerySet.as_manager()

    class Meta:
        ordering = ["guideline", "-kind", "pk"]  # yes before no

    def __str__(self) -> str:
        return image_name(self.pk)
