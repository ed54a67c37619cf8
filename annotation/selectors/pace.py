"""Pace: seconds of work for each person at each keyframe, as measured on the label page."""

from django.db.models import Count, Sum

from annotation.core.assignment_plan import PACE
from annotation.models import AnnotationTask, Annotator, AnswerDraft, PlanSettings
from datasets.models import Dataset

MIN_KEYFRAMES = 50  # of persons; fewer say nothing about the pace


def measured_pace(dataset: Dataset, annotator: Annotator | None = None) -> float | None:
    """Seconds a person-keyframe in submitted drafts, of one annotator or of all.

    None before `MIN_KEYFRAMES` were submitted.
    """
    drafts = AnswerDraft.objects.filter(
        task__clip__video__dataset=dataset, version__isnull=False, total__gt=0
    )
    if annotator is not None:
        drafts = drafts.filter(task__annotator=annotator)
    sums = drafts.aggregate(time=Sum("active_ms"), keyframes=Sum("total"))
    if (sums["keyframes"] or 0) < MIN_KEYFRAMES:
        return None
    return float(sums["time"] / 1000 / sums["keyframes"])


def measured_paces(dataset: Dataset) -> dict[str, float]:
    """The measured pace of each annotator who submitted `MIN_KEYFRAMES` or more; one query."""
    drafts = AnswerDraft.objects.filter(
        task__clip__video__dataset=dataset, version__isnull=False, total__gt=0
    ).order_by()
    rows = drafts.values_list("task__annotator__name").annotate(
        time=Sum("active_ms"), keyframes=Sum("total")
    )
    return {
        name: round(time / 1000 / keyframes, 2)
        for name, time, keyframes in rows
        if keyframes >= MIN_KEYFRAMES and time
    }


def expected_pace(dataset: Dataset, annotator: Annotator | None = None) -> float:
    """The measured pace: of `annotator`, else of all, else that of the plan."""
    own = measured_pace(dataset, annotator) if annotator is not None else None
    pace = own or measured_pace(dataset)
    if pace:
        return pace
    settings = PlanSettings.objects.filter(dataset=dataset)
    return settings.values_list("pace", flat=True).first() or PACE


def keyframes_to_answer(tasks: list[AnnotationTask]) -> dict[int, int]:
    """Persons at keyframes by task: of its draft, else of its pre-annotation; two queries."""
    pks = [task.pk for task in tasks]
    rows = AnnotationTask.objects.filter(pk__in=pks).order_by()
    found = dict(rows.values_list("pk").annotate(count=Count("run__proposals")))
    drafts = AnswerDraft.objects.filter(task__in=pks, total__gt=0).order_by("revision")
    for task, done, total, version in drafts.values_list("task", "done", "total", "version"):
        found[task] = total if version else total - done
    return found
