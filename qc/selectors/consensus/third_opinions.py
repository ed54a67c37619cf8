"""Disputed clips, on which two annotators disagree, and who could give a third opinion."""

from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, QuerySet

from annotation.models import AnnotationTask, Annotator
from datasets.models import Clip, Dataset
from qc.models import ClipStatus, ThirdOpinion
from qc.selectors.consensus.adjudication_queue import clips_to_adjudicate


class DisputedClip(NamedTuple):
    """A clip of two annotators with open items and no third opinion requested."""

    clip: Clip
    annotators: list[str]
    open_count: int


def disputed_clips(dataset: Dataset) -> QuerySet[ClipStatus]:
    """States of clips on which exactly two annotators disagree, most open items first."""
    is_asked = Exists(ThirdOpinion.objects.filter(clip=OuterRef("clip")))
    clips = clips_to_adjudicate(dataset).filter(~is_asked, task_count=2)
    return clips.select_related("clip__video__dataset").order_by("-open_items", "name")


def disputed_clip_rows(statuses: Collection[ClipStatus]) -> list[DisputedClip]:
    """Rows for a page of `disputed_clips`; one query."""
    names: dict[int, list[str]] = {}
    clips = [status.clip_id for status in statuses]
    tasks = AnnotationTask.objects.counting().filter(clip__in=clips)
    for clip, name in tasks.order_by("annotator__name").values_list("clip", "annotator__name"):
        names.setdefault(clip, []).append(name)
    return [
        DisputedClip(status.clip, names.get(status.clip_id, []), status.open_items)
        for status in statuses
    ]


def task_counts(dataset: Dataset) -> list[tuple[str, int]]:
    """Every annotator with their number of tasks, by name."""
    annotators = Annotator.objects.filter(dataset=dataset).annotate(count=Count("tasks"))
    return list(annotators.order_by("name").values_list("name", "count"))
