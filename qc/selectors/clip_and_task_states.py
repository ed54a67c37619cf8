"""The state of each clip and each task, kept in the database so that lists can be filtered.

A clip is cutting, detecting, tracked (ready to assign), annotating, review, open (items wait
for adjudication) or approved; or a step of it has failed.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.views import Text
from avaproject.base.work import Stage
from datasets.models import Clip, Dataset
from qc.models import Consensus, Review, TaskStatus
from qc.selectors.statuses import refresh


class State(NamedTuple):
    key: str
    label: Text
    tone: str


CLIP_STATES = {
    state.key: state
    for state in (
        State("cutting", gettext_lazy("Cutting"), "grey"),
        State("detecting", gettext_lazy("Detecting"), "info"),
        State("tracked", gettext_lazy("Ready"), "violet"),
        State("annotating", gettext_lazy("Annotating"), "info"),
        State("review", gettext_lazy("In review"), "warn"),
        State("open", gettext_lazy("Adjudication"), "warn"),
        State("approved", gettext_lazy("Approved"), "ok"),
        State("failed", gettext_lazy("Failed"), "bad"),
    )
}
TASK_STATES = {
    state.key: state
    for state in (
        State("writing", gettext_lazy("Writing package"), "grey"),
        State("given", gettext_lazy("Assigned"), "info"),
        State("reading", gettext_lazy("Reading answers"), "info"),
        State("review", gettext_lazy("In review"), "warn"),
        State("approved", gettext_lazy("Approved"), "ok"),
        State("rejected", gettext_lazy("Rejected"), "violet"),
        State("checked", gettext_lazy("Gold check done"), "ok"),
        State("withdrawn", gettext_lazy("Unassigned"), "grey"),
        State("failed", gettext_lazy("Failed"), "bad"),
    )
}


def with_verdict(tasks: QuerySet[AnnotationTask]) -> QuerySet[Any]:
    """Tasks with `latest_version_id` and `verdict`: the newest review of it, or ""."""
    newest = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE).order_by(
        "-number"
    )
    reviews = Review.objects.filter(task=OuterRef("pk"), version=OuterRef("latest_version_id"))
    return tasks.annotate(
        latest_version_id=Subquery(newest.values("pk")[:1]),
        verdict=Coalesce(Subquery(reviews.order_by("-pk").values("verdict")[:1]), Value("")),
    )


def tasks_with_state(dataset: Dataset) -> QuerySet[Any]:
    """The tasks of `dataset`, each with `state`, a key of TASK_STATES."""
    refresh()
    tasks = AnnotationTask.objects.filter(status__dataset=dataset)
    return (
        tasks.select_related("clip", "annotator")
        .annotate(
            state=F("status__state"),
            latest_version_id=F("status__version_id"),
            verdict=F("status__verdict"),
        )
        .order_by("status__name", "annotator__name")
    )


def tasks_of(statuses: Iterable[TaskStatus]) -> list[Any]:
    """The tasks of a page of `task_statuses`, in its order, with state and newest answers."""
    order = {status.pk: status for status in statuses}
    rows = AnnotationTask.objects.select_related("clip__video__dataset", "annotator")
    tasks = rows.order_by().in_bulk(order)
    found: list[Any] = [tasks[pk] for pk in order if pk in tasks]
    for task in found:
        status = order[task.pk]
        task.state, task.verdict = status.state, status.verdict
        task.latest_version_id = status.version_id
    return found


def newest_consensuses(
    dataset: Dataset, *, clips: Collection[str] | None = None
) -> QuerySet[Consensus]:
    """The newest finished consensus of each clip of `dataset`, or of those with these names."""
    refresh()
    of = {} if clips is None else {"statuses__name__in": clips}
    return Consensus.objects.filter(statuses__dataset=dataset, **of)


def clips_with_state(dataset: Dataset) -> QuerySet[Any]:
    """The clips of `dataset`, each with `state`, a key of CLIP_STATES."""
    refresh()
    return Clip.objects.filter(status__dataset=dataset).annotate(state=F("status__state"))


def tabs(rows: QuerySet[Any], states: dict[str, State], chosen: str) -> list[dict[str, Any]]:
    """Filter tabs with their counts: all, then each state that occurs or is chosen."""
    counts = dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
    found: list[tuple[str, Text, int]] = [("", _("All"), sum(counts.values()))]
    found += [(one.key, one.label, counts.get(one.key, 0)) for one in states.values()]
    return [
        {"key": key, "label": label, "count": count, "current": key == chosen}
        for key, label, count in found
        if count or key in ("", chosen)
    ]


def count_of(shown: Iterable[dict[str, Any]]) -> int:
    """How many rows the chosen tab has, of `tabs`; 0 if there is no such state."""
    return sum(tab["count"] for tab in shown if tab["current"])
