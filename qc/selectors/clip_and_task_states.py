"""The state of each clip and each task, computed in the database so that lists can be filtered.

A clip is cutting, detecting, tracked (ready to assign), annotating, review, open (items wait
for adjudication) or approved; or a step of it has failed.
"""

from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage
from datasets.models import Clip, Dataset
from qc.models import Consensus, Review
from tracking.models import TrackingRun


class State(NamedTuple):
    key: str
    label: str
    tone: str


CLIP_STATES = {
    state.key: state
    for state in (
        State("cutting", "Cutting", "grey"),
        State("detecting", "Detecting", "info"),
        State("tracked", "Ready", "violet"),
        State("annotating", "Annotating", "info"),
        State("review", "In review", "warn"),
        State("open", "Adjudication", "warn"),
        State("approved", "Approved", "ok"),
        State("failed", "Failed", "bad"),
    )
}
TASK_STATES = {
    state.key: state
    for state in (
        State("writing", "Writing package", "grey"),
        State("given", "Assigned", "info"),
        State("reading", "Reading answers", "info"),
        State("review", "In review", "warn"),
        State("approved", "Approved", "ok"),
        State("rejected", "Rejected", "violet"),
        State("checked", "Gold check done", "ok"),
        State("withdrawn", "Unassigned", "grey"),
        State("failed", "Failed", "bad"),
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
    versions = AnswerVersion.objects.filter(task=OuterRef("pk")).order_by("-number")
    tasks = with_verdict(AnnotationTask.objects.of(dataset)).annotate(
        newest_stage=Subquery(versions.values("stage")[:1])
    )
    tasks = tasks.select_related("clip", "annotator").order_by("clip__name", "annotator__name")
    return tasks.annotate(
        state=Case(
            When(Q(stage=Stage.FAILED) | Q(newest_stage=Stage.FAILED), then=Value("failed")),
            When(~Q(unassigned_at=None) & Q(newest_stage=None), then=Value("withdrawn")),
            When(~Q(stage=Stage.DONE), then=Value("writing")),
            When(newest_stage=None, then=Value("given")),
            When(~Q(newest_stage=Stage.DONE), then=Value("reading")),
            When(purpose=AnnotationTask.Purpose.CHECK, then=Value("checked")),
            When(verdict=Review.Verdict.APPROVED, then=Value("approved")),
            When(verdict=Review.Verdict.REJECTED, then=Value("rejected")),
            default=Value("review"),
        )
    )


def pending_tasks(dataset: Dataset) -> QuerySet[Any]:
    """Tasks whose newest answers wait for review."""
    tasks = with_verdict(AnnotationTask.objects.of(dataset).counting())
    return tasks.filter(latest_version_id__isnull=False, verdict="")


def newest_consensuses(dataset: Dataset) -> QuerySet[Consensus]:
    """The newest finished consensus of each clip of `dataset`."""
    later = Consensus.objects.filter(
        clip=OuterRef("clip"), stage=Stage.DONE, pk__gt=OuterRef("pk")
    )
    return Consensus.objects.of(dataset).done().filter(~Exists(later))


def clips_with_state(
    dataset: Dataset, user: User | AnonymousUser | None = None
) -> QuerySet[Any]:
    """The clips of `dataset` (that `user` may see), each with `state`, a key of CLIP_STATES."""
    clips = Clip.objects.of(dataset)
    if user is not None:
        clips = clips.filter(video__dataset__in=Dataset.objects.permitting(user))
    runs = TrackingRun.objects.in_use().filter(clip=OuterRef("pk"))
    counting = AnnotationTask.objects.filter(clip=OuterRef("pk")).counting()
    tasks = with_verdict(counting)
    versions = AnswerVersion.objects.filter(task__clip=OuterRef("pk"))
    consensus = Consensus.objects.filter(clip=OuterRef("pk"), stage=Stage.DONE)
    return clips.annotate(
        run_stage=Subquery(runs.values("stage")[:1]),
        has_run=Exists(runs.filter(stage=Stage.DONE)),
        has_tasks=Exists(counting),
        has_failed_work=Exists(
            AnnotationTask.objects.filter(clip=OuterRef("pk"), stage=Stage.FAILED)
        )
        | Exists(versions.filter(stage=Stage.FAILED).without_history()),
        has_unanswered=Exists(tasks.filter(latest_version_id__isnull=True)),
        has_rejected=Exists(tasks.filter(verdict=Review.Verdict.REJECTED)),
        has_unapproved=Exists(tasks.exclude(verdict=Review.Verdict.APPROVED)),
        open_items=Coalesce(
            Subquery(consensus.order_by("-pk").values("open_count")[:1]), Value(0)
        ),
    ).annotate(
        state=Case(
            When(
                Q(stage=Stage.FAILED) | Q(run_stage=Stage.FAILED) | Q(has_failed_work=True),
                then=Value("failed"),
            ),
            When(~Q(stage=Stage.DONE), then=Value("cutting")),
            When(has_run=False, then=Value("detecting")),
            When(has_tasks=False, then=Value("tracked")),
            When(Q(has_unanswered=True) | Q(has_rejected=True), then=Value("annotating")),
            When(has_unapproved=True, then=Value("review")),
            When(open_items__gt=0, then=Value("open")),
            default=Value("approved"),
        )
    )


def tabs(rows: QuerySet[Any], states: dict[str, State], chosen: str) -> list[dict[str, Any]]:
    """Filter tabs with their counts: all, then each state that occurs or is chosen."""
    counts = dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
    found = [("", "All", sum(counts.values()))]
    found += [(one.key, one.label, counts.get(one.key, 0)) for one in states.values()]
    return [
        {"key": key, "label": label, "count": count, "current": key == chosen}
        for key, label, count in found
        if count or key in ("", chosen)
    ]
