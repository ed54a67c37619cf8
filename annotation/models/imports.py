"""Models of imports: annotations that were made with another tool."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.work import Annotator, check_user_name
from avaproject.base.work import StagedModel, StagedQuerySet
from datasets.models import Dataset


class LabelImportQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(dataset=dataset)


class LabelImport(StagedModel):
    """One imported file; its stage is that of reading it, then of taking what it says.

    Until somebody has confirmed its `choices` it is only read, for a preview; then its answers
    are stored as versions of the annotator `source`.
    """

    COUNTED_AS = _("imports of labels")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="label_imports")
    source_name = models.CharField(
        max_length=150, validators=[check_user_name],
        help_text="the annotator that the answers are stored under",
    )  # fmt: skip
    source = models.ForeignKey(
        Annotator, models.PROTECT, null=True, editable=False, related_name="label_imports"
    )
    original_name = models.CharField(max_length=255)
    file = models.FileField(max_length=500, help_text="as it was uploaded")
    size = models.BigIntegerField(help_text="bytes")
    format = models.CharField(max_length=20, blank=True, help_text="empty: recognised")
    preview = models.JSONField(null=True, editable=False, help_text="what the file holds")
    choices = models.JSONField(
        default=dict, editable=False, help_text="what labels, subjects and times mean"
    )
    confirmed_at = models.DateTimeField(null=True, editable=False)
    outcome = models.JSONField(null=True, editable=False, help_text="what was taken, what not")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, editable=False)

    objects = LabelImportQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.original_name
