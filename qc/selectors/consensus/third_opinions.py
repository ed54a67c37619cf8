"""Disputed clips, on which two annotators disagree, and who could give a third opinion."""

from typing import Any, NamedTuple

from django.db.models import Count, F, QuerySet

from annotation.models import AnnotationTask, Annotator
from datasets.models import Clip, Dataset
from qc.selectors.consensus.adjudication_queue import clips_to_adjudicate


class DisputedClip(NamedTuple):
    """A clip of two annotators with open items and no third opinion requested."""

    clip: Clip
    annotators: list[str]
    open_count: int


def disputed_clips(dataset: Dataset) -> QuerySet[Any]:
    """Clips on which exactly two annotators disagree, most open items (`open_items`) first."""
    clips = clips_to_adjudicate(dataset).order_by()
    return (
        Clip.objects.filter(status__in=clips, status__task_count=2, third_opinion=None)
        .annotate(open_items=F("status__open_items"))
        .select_related("video__dataset")
        .order_by(F("status__open_items").desc(), "status__name")
    )


def disputed_clip_rows(clips: list[Any]) -> list[DisputedClip]:
    """Rows for `clips` of `disputed_clips`; one query."""
    names: dict[int, list[str]] = {}
    tasks = AnnotationTask.objects.counting().filter(clip__in=clips)
    for clip, name in tasks.order_by("annotator__name").values_list("clip", "annotator__name"):
        names.setdefault(clip, []).append(name)
    return [DisputedClip(clip, names.get(clip.pk, []), clip.open_items) for clip in clips]


def task_counts(dataset: Dataset) -> list[tuple[str, int]]:
    """Every annotator with their number of tasks, by name."""
    annotators = Annotator.objects.filter(dataset=dataset).annotate(count=Count("tasks"))
    return list(annotators.order_by("name").values_list("name", "count"))
