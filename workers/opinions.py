"""Third opinions: what quality control orders, and the annotation room gives out."""

from celery import shared_task

from annotation.services.plan import PlanError, give_clip
from qc.models import ThirdOpinion


@shared_task
def give_third_opinion(opinion_id: int) -> None:
    """Give the clip of an order to its annotator; nothing if somebody else has the order."""
    opinion = ThirdOpinion.objects.claim(opinion_id)
    if opinion is None:
        return
    with opinion.working(PlanError):
        give_clip(opinion.clip, opinion.annotator)
        opinion.finish()
