"""Pipeline task "third opinions": orders of `qc`, assigned by `annotation`."""

from celery import shared_task

from annotation.services.assign_tasks import PlanError, assign_clip
from qc.models import ThirdOpinion


@shared_task
def assign_third_opinion(opinion_id: int) -> None:
    """Assign the clip of an order to its annotator; no-op if another worker claimed it."""
    opinion = ThirdOpinion.objects.claim(opinion_id)
    if opinion is None:
        return
    with opinion.working(PlanError):
        assign_clip(opinion.clip, opinion.annotator)
        opinion.finish()
