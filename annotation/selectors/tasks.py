"""Queries on annotation tasks: action groups, clips ready to assign, gold clips, annotators."""

from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from annotation.models import AnnotationTask, Annotator, AnswerVersion
from avaproject.base.work import Stage
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.media.clips_and_keyframes import MIN_CLIP_FRAMES
from datasets.models import Clip, Dataset
from tracking.models import IdentityRun, TrackingRun


def group_specs(dataset: Dataset) -> tuple[ActionGroupSpec, ...]:
    """The questions of `dataset`, in their order, the actions of each by AVA id."""
    groups = dataset.groups.all()
    if "groups" not in getattr(dataset, "_prefetched_objects_cache", ()):
        groups = groups.prefetch_related("actions")
    return tuple(group.spec() for group in groups)


def former_names(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Of each group, the names that answers may still have -> what they are called now."""
    groups = dataset.groups.prefetch_related("actions")
    return {group.name: names for group in groups if (names := group.former_names())}


def ready_clips(dataset: Dataset) -> list[tuple[Clip, int]]:
    """Clips that can be annotated, by name, each with the key of its tracking run.

    That is the run in use whose persons are identified over the whole video: of the active
    tracking configuration, else the newest; other experiments don't count. A clip without a
    keyframe is left out; one without detections is not: somebody may be there.
    """
    identified = IdentityRun.objects.done().filter(
        video=OuterRef("clip__video"), config_key=OuterRef("config_key")
    )
    runs = TrackingRun.objects.in_use().filter(
        Exists(identified), clip=OuterRef("pk"), stage=Stage.DONE
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


class ReadyCounts(NamedTuple):
    """How many clips are ready to be assigned or assigned, and how many of them are not yet."""

    ready: int
    unassigned: int


def ready_counts(dataset: Dataset) -> ReadyCounts:
    """Counts of `ready_clips`, without reading them; a clip of full length has a keyframe."""
    clips = Clip.objects.of(dataset)
    has_task = Exists(AnnotationTask.objects.filter(clip=OuterRef("pk")))
    identified = IdentityRun.objects.done().filter(
        video=OuterRef("clip__video"), config_key=OuterRef("config_key")
    )
    runs = TrackingRun.objects.in_use().done().filter(Exists(identified), clip=OuterRef("pk"))
    unassigned = clips.done().filter(
        ~has_task, Exists(runs), frame_count__gte=MIN_CLIP_FRAMES
    ).count()  # fmt: skip
    return ReadyCounts(clips.filter(has_task).count() + unassigned, unassigned)


@dataclass
class GoldClip:
    """A clip with gold answers, or assigned to an expert for them."""

    task: AnnotationTask
    is_answered: bool
    checks: int  # gold checks assigned to others
    checked: int  # of those, answered


def gold_clips(dataset: Dataset) -> list[GoldClip]:
    """The gold clips of `dataset`, by name."""
    tasks = AnnotationTask.objects.of(dataset)
    read = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
    gold = (
        tasks.filter(purpose=AnnotationTask.Purpose.GOLD)
        .annotate(is_answered=Exists(read))
        .select_related("clip", "annotator")
        .order_by("clip__name")
    )
    checks = tasks.filter(purpose=AnnotationTask.Purpose.CHECK).order_by()
    answered = Count("pk", filter=Q(versions__stage=Stage.DONE), distinct=True)
    counts = {
        clip: (assigned, done)
        for clip, assigned, done in checks.values("clip")
        .annotate(assigned=Count("pk", distinct=True), done=answered)
        .values_list("clip", "assigned", "done")
    }
    return [GoldClip(one, one.is_answered, *counts.get(one.clip_id, (0, 0))) for one in gold]


def annotators_with_work(dataset: Dataset) -> QuerySet[Annotator]:
    """The annotators of `dataset` with counts of their tasks and gold checks."""
    assigned = Q(tasks__unassigned_at=None)
    answered = Q(tasks__versions__isnull=False)
    is_check = Q(tasks__purpose=AnnotationTask.Purpose.CHECK)
    return dataset.annotators.annotate(
        task_count=Count("tasks", filter=assigned | answered, distinct=True),
        open_count=Count("tasks", filter=assigned & ~answered, distinct=True),
        unassigned_count=Count("tasks", filter=~assigned & ~answered, distinct=True),
        check_count=Count("tasks", filter=assigned & is_check, distinct=True),
        checked_count=Count("tasks", filter=assigned & is_check & answered, distinct=True),
    )
