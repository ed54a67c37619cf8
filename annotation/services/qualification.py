"""Qualification rounds: gold clips that a newcomer does before all other tasks."""

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.core.assignment import gold_assignments
from annotation.models import AnnotationTask, Annotator
from annotation.services.assign_tasks import PlanError, dataset_state
from datasets.accounts.activity import record
from datasets.models import Clip, Dataset

MAX_CLIPS = 50


def ask_qualification(annotator: Annotator, count: int) -> int:
    """Let `annotator` do `count` gold clips before all other tasks; return how many they got.

    Gold clips that were assigned already count, so a second call adds none. Raises PlanError if
    there is no gold clip that they have not done.
    """
    if not 1 <= count <= MAX_CLIPS:
        raise PlanError(
            _("a qualification round has 1 to %(most)s clips") % {"most": MAX_CLIPS}
        )
    dataset = annotator.dataset
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        open_checks = annotator.tasks.filter(
            purpose=AnnotationTask.Purpose.CHECK, unassigned_at=None, versions=None
        )
        there = open_checks.count()
        state = dataset_state(dataset)
        had: dict[str, list[str]] = {clip: [] for clip in state.gold}
        for task in state.tasks:
            if task.clip in had:
                had[task.clip].append(task.annotator)
        wanted = {annotator.name: max(count - there, 0)}
        chosen = gold_assignments(had, wanted)
        if not chosen and not there:
            raise PlanError(
                _(
                    "there is no gold clip that %(annotator)s has not done: make some "
                    "under Gold clips"
                )
                % {"annotator": annotator}
            )
        names = [one.clip for one in chosen]
        gold = AnnotationTask.objects.filter(purpose=AnnotationTask.Purpose.GOLD)
        runs = dict(gold.filter(clip__name__in=names).values_list("clip", "run"))
        AnnotationTask.objects.bulk_create(
            AnnotationTask(
                clip=clip, run_id=runs[clip.pk], annotator=annotator,
                purpose=AnnotationTask.Purpose.CHECK,
            )
            for clip in Clip.objects.of(dataset).filter(name__in=names).order_by("name")
        )  # fmt: skip
        Annotator.objects.filter(pk=annotator.pk).update(is_qualifying=True)
        record("ask qualification", annotator, dataset=dataset, details=f"{count} clips")
    return there + len(chosen)


def end_qualification(annotator: Annotator) -> None:
    """Let `annotator` do all tasks that are assigned."""
    qualifying = Annotator.objects.filter(pk=annotator.pk, is_qualifying=True)
    if qualifying.update(is_qualifying=False):
        record("end qualification", annotator, dataset=annotator.dataset)
