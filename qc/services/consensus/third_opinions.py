"""Requests of a third annotator for disputed clips; the pipeline creates the tasks."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db.models import Count
from django.utils.translation import gettext as _

from annotation.models import AnnotationTask, Annotator
from datasets.accounts.activity import record_many
from datasets.models import Dataset
from qc.models import ThirdOpinion
from qc.selectors.consensus.third_opinions import disputed_clips


class ThirdOpinionError(ValueError):
    """No annotator is available."""


def request_third_opinions(
    dataset: Dataset, *, clips: Collection[str], annotators: Collection[str], user: User
) -> list[ThirdOpinion]:
    """Request a third opinion on each of `clips` from the annotator with the fewest tasks.

    Args:
        dataset: The dataset of the clips.
        clips: Names; clips without dispute or with a request are skipped.
        annotators: Names of the annotators to choose from.
        user: Who requests it.

    Raises:
        ThirdOpinionError: if all these annotators have a clip already.
    """
    tasks = AnnotationTask.objects.of(dataset)
    rows = Annotator.objects.filter(dataset=dataset, name__in=annotators)
    load = {person: 0 for person in rows.order_by("name")}
    for name, count in rows.annotate(count=Count("tasks")).values_list("name", "count"):
        load[next(person for person in load if person.name == name)] = count
    given = set(tasks.values_list("clip_id", "annotator_id"))
    requests = []
    for status in disputed_clips(dataset).filter(name__in=clips):
        clip = status.clip
        free = [one for one in load if (clip.pk, one.pk) not in given]
        if not free:
            raise ThirdOpinionError(
                _(
                    "All selected annotators have %(clip)s already: select another "
                    "annotator, or add one under Tasks first."
                )
                % {"clip": clip}
            )
        chosen = min(free, key=lambda one: (load[one], one.name))
        load[chosen] += 1
        requests.append(ThirdOpinion(clip=clip, annotator=chosen, asked_by=user))
    made = ThirdOpinion.objects.bulk_create(requests, ignore_conflicts=True)
    record_many("ask third opinion", [one.clip for one in made], "clips", dataset=dataset)
    return made
