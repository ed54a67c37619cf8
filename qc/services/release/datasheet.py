"""The datasheet of a dataset: saved question by question."""

from collections.abc import Mapping

from django.contrib.auth.models import User

from datasets.models import Dataset
from qc.core.release.docs.datasheet import MAX_ANSWER, QUESTIONS, SheetQuestion, unanswered
from qc.models import Datasheet


def save_datasheet(
    dataset: Dataset, given: Mapping[str, str], *, user: User | None = None
) -> list[SheetQuestion]:
    """Store the answers to known questions; return those that are still open."""
    answers = {
        question.key: text
        for question in QUESTIONS
        if (text := given.get(question.key, "").strip()[:MAX_ANSWER])
    }
    Datasheet.objects.update_or_create(
        dataset=dataset, defaults={"answers": answers, "changed_by": user}
    )
    return unanswered(answers)
