"""Disputed clips, on which two annotators disagree, and who could give a third opinion."""

from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, QuerySet, Subquery

from annotation.models import AnnotationTask, Annotator
from datasets.models import Clip, Dataset
from qc.selectors.consensus.adjudication_queue import consensuses_to_adjudicate


class DisputedClip(NamedTuple):
    """A clip of two annotators with open items and no third opinion requested."""

    clip: Clip
    annotators: list[str]
    open_count: int


def disputed_clips(dataset: Dataset) -> QuerySet[Any]:
    """Clips on which exactly two annotators disagree, most open items (`open_items`) first."""
    open_counts = (
        consensuses_to_adjudicate(dataset).filter(clip=OuterRef("pk")).values("open_count")
    )
    tasks = AnnotationTask.objects.counting().filter(clip=OuterRef("pk")).order_by()
    counts = tasks.values("clip").annotate(n=Count("pk")).values("n")
    return (
        Clip.objects.of(dataset)
        .annotate(annotator_count=Subquery(counts))
        .filter(annotator_count=2, third_opinion=None)
        .annotate(open_items=Subquery(open_counts[:1]))
        .filter(open_items__gt=0)
        .select_related("video__dataset")
        .order_by(F("open_items").desc(), "name")
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
