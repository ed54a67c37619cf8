"""Reads of this room that more than one caller needs."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from annotation.core.labels import ActionGroupSpec
from annotation.models import AnnotationTask, Annotator, AnswerVersion
from avaproject.base.work import Stage
from datasets.models import Clip, Dataset
from tracking.models import IdentityRun, TrackingRun


def group_specs(dataset: Dataset) -> tuple[ActionGroupSpec, ...]:
    """The questions of `dataset`, in their order, the actions of each by AVA id."""
    groups = dataset.groups.prefetch_related("actions")
    return tuple(
        ActionGroupSpec(
            group.name,
            group.choice,
            group.required,
            tuple(action.name for action in group.actions.all()),
        )
        for group in groups
    )


def ready_clips(dataset: Dataset) -> list[tuple[Clip, int]]:
    """Clips that can be annotated, by name, each with the key of the run to start from.

    It is the run in use whose persons are named over the whole video: the chosen way's, else
    the newest; a trial that nobody chose does not count. A clip without a keyframe asks nothing
    and is left out; one in which nobody was found is not: somebody may be there.
    """
    linked = IdentityRun.objects.done().filter(
        video=OuterRef("clip__video"), recipe=OuterRef("recipe")
    )
    runs = TrackingRun.objects.in_use().filter(
        Exists(linked), clip=OuterRef("pk"), stage=Stage.DONE
    )
    clips = (
        Clip.objects.of(dataset)
        .done()
        .annotate(run_id=Subquery(runs.values("pk")[:1]))
        .exclude(run_id=None)
        .select_related("video")
        .order_by("name")
    )
    return [(clip, clip.run_id) for clip in clips if clip.keyframes()]


@dataclass
class GoldClip:
    """A clip whose right answers are known, or soon will be."""

    task: AnnotationTask
    is_answered: bool
    checks: int  # given to others to see how they do
    checked: int  # of those, answered


def gold_clips(dataset: Dataset) -> list[GoldClip]:
    """The gold clips of `dataset`, by name."""
    tasks = AnnotationTask.objects.of(dataset)
    read = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
    keys = (
        tasks.filter(purpose=AnnotationTask.Purpose.KEY)
        .annotate(is_answered=Exists(read))
        .select_related("clip", "annotator")
        .order_by("clip__name")
    )
    checks = tasks.filter(purpose=AnnotationTask.Purpose.CHECK).order_by()
    answered = Count("pk", filter=Q(versions__stage=Stage.DONE), distinct=True)
    counts = {
        clip: (given, done)
        for clip, given, done in checks.values("clip")
        .annotate(given=Count("pk", distinct=True), done=answered)
        .values_list("clip", "given", "done")
    }
    return [GoldClip(key, key.is_answered, *counts.get(key.clip_id, (0, 0))) for key in keys]


def people_with_work(dataset: Dataset) -> QuerySet[Annotator]:
    """The annotators of `dataset`, each with `task_count`, `open_count` and `gone_count`."""
    here = Q(tasks__unassigned_at=None)
    answered = Q(tasks__versions__isnull=False)
    return dataset.annotators.annotate(
        task_count=Count("tasks", filter=here | answered, distinct=True),
        open_count=Count("tasks", filter=here & ~answered, distinct=True),
        gone_count=Count("tasks", filter=~here & ~answered, distinct=True),
    )
