"""Evaluations of models that were trained on releases."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from qc.models.release import Release


class ReleaseEvaluation(models.Model):
    """The frame mAP that a model trained on the train split of a release reached on another."""

    COUNTED_AS = _("evaluations of releases")

    release = models.ForeignKey(Release, models.CASCADE, related_name="evaluations")
    model = models.CharField(max_length=100, help_text="name of the model, as in the curve")
    split = models.CharField(max_length=10, default="val", help_text="what it was measured on")
    mean_ap = models.FloatField(
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="frame mAP at an IoU of 0.5, 0 to 1",
    )
    per_action = models.JSONField(
        default=dict, blank=True, help_text="average precision by action id, if it is known"
    )
    recorded_at = models.DateTimeField(auto_now=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)

    class Meta:
        ordering = ["release", "model", "split"]
        constraints = [
            models.UniqueConstraint(
                "release", "model", "split", name="one_evaluation_per_model_and_split"
            ),
            models.CheckConstraint(
                condition=Q(mean_ap__gte=0, mean_ap__lte=1), name="mean_ap_from_0_to_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} on {self.split} of {self.release}"
