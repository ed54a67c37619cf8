"""Reads of this room that more than one caller needs."""

from django.db.models import Exists, OuterRef, Subquery

from annotation.core.labels import GroupSpec
from datasets.models import Clip, Dataset
from datasets.stages import Stage
from tracking.models import Linking, TrackingRun


def group_specs(dataset: Dataset) -> tuple[GroupSpec, ...]:
    """The questions of `dataset`, in their order, the actions of each by AVA id."""
    groups = dataset.groups.prefetch_related("actions")
    return tuple(
        GroupSpec(
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
    linked = Linking.objects.done().filter(
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
