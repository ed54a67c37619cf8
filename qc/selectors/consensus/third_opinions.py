"""The clips on which two annotators disagree, and whom a third opinion could be asked of."""

from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, QuerySet, Subquery

from annotation.models import AnnotationTask, Annotator
from datasets.models import Clip, Dataset
from qc.selectors.consensus.adjudication_queue import asking


class Dispute(NamedTuple):
    """A clip of two annotators with open questions, on which no third was asked."""

    clip: Clip
    annotators: list[str]
    open_count: int


def clips_in_dispute(dataset: Dataset) -> QuerySet[Any]:
    """Clips on which exactly two disagree, most open questions (`open_questions`) first."""
    open_counts = asking(dataset).filter(clip=OuterRef("pk")).values("open_count")
    opinions = AnnotationTask.objects.counting().filter(clip=OuterRef("pk")).order_by()
    counts = opinions.values("clip").annotate(n=Count("pk")).values("n")
    return (
        Clip.objects.of(dataset)
        .annotate(given=Subquery(counts))
        .filter(given=2, third_opinion=None)
        .annotate(open_questions=Subquery(open_counts[:1]))
        .filter(open_questions__gt=0)
        .select_related("video__dataset")
        .order_by(F("open_questions").desc(), "name")
    )


def dispute_rows(clips: list[Any]) -> list[Dispute]:
    """Lines for `clips`, which come from `clips_in_dispute`; one query."""
    names: dict[int, list[str]] = {}
    tasks = AnnotationTask.objects.counting().filter(clip__in=clips)
    for clip, name in tasks.order_by("annotator__name").values_list("clip", "annotator__name"):
        names.setdefault(clip, []).append(name)
    return [Dispute(clip, names.get(clip.pk, []), clip.open_questions) for clip in clips]


def loads(dataset: Dataset) -> list[tuple[str, int]]:
    """Every annotator and how many tasks he or she has, by name."""
    people = Annotator.objects.filter(dataset=dataset).annotate(count=Count("tasks"))
    return list(people.order_by("name").values_list("name", "count"))
