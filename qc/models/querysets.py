"""The queryset of background work on single clips."""

from typing import Self

from django.db import models

from avaproject.base.work import StagedQuerySet
from datasets.models import Dataset


class ClipWorkQuerySet(StagedQuerySet):
    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def newest(self) -> Self:
        """The newest finished row of each clip."""
        done = self.done().order_by().values("clip").annotate(newest=models.Max("pk"))
        return self.filter(pk__in=done.values("newest"))
