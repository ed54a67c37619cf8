"""A third opinion where two annotators disagree: an order that another room carries out."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db.models import Count

from annotation.models import AnnotationTask, Annotator
from datasets.models import Dataset
from qc.models import ThirdOpinion
from qc.selectors.consensus.third_opinions import clips_in_dispute


class OpinionError(ValueError):
    """Nobody is there who could be asked."""


def ask_third_opinions(
    dataset: Dataset, *, clips: Collection[str], annotators: Collection[str], user: User
) -> list[ThirdOpinion]:
    """Order a third opinion on each of `clips`, of whoever has the fewest tasks.

    Args:
        dataset: Where.
        clips: Names; those that are not in dispute, or asked for already, are left alone.
        annotators: Names of those who may be asked.
        user: Who asks.

    Raises:
        OpinionError: if all that may be asked have answered a clip already.
    """
    tasks = AnnotationTask.objects.of(dataset)
    people = Annotator.objects.filter(dataset=dataset, name__in=annotators)
    load = {person: 0 for person in people.order_by("name")}
    for name, count in people.annotate(count=Count("tasks")).values_list("name", "count"):
        load[next(person for person in load if person.name == name)] = count
    given = set(tasks.values_list("clip_id", "annotator_id"))
    orders = []
    for clip in clips_in_dispute(dataset).filter(name__in=clips):
        free = [one for one in load if (clip.pk, one.pk) not in given]
        if not free:
            raise OpinionError(
                f"All that may be asked have {clip} already: choose somebody else, or give "
                "a clip to a new annotator under Tasks first."
            )
        chosen = min(free, key=lambda one: (load[one], one.name))
        load[chosen] += 1
        orders.append(ThirdOpinion(clip=clip, annotator=chosen, asked_by=user))
    return ThirdOpinion.objects.bulk_create(orders, ignore_conflicts=True)
