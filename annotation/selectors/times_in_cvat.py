"""Times of work in CVAT, by annotator, as far as CVAT's events tell."""

from typing import NamedTuple

from django.db.models import Count, Sum

from annotation.models import AnswerVersion
from datasets.models import Dataset


class CvatTimes(NamedTuple):
    """What the answers of one annotator took in CVAT."""

    versions: int  # fetched from CVAT
    timed: int  # of these, with times
    hours: float  # of work, by CVAT's count
    answers: int
    seconds_per_answer: float | None  # None without an answer whose time is known


def cvat_times(dataset: Dataset) -> dict[str, CvatTimes]:
    """The times of each annotator with answers from CVAT, by name; one query."""
    versions = AnswerVersion.objects.filter(
        task__clip__video__dataset=dataset, source=AnswerVersion.Source.CVAT
    ).order_by()
    rows = versions.values_list("author__name").annotate(
        versions=Count("pk"), timed=Count("job_times__working_ms"),
        ms=Sum("job_times__working_ms"), answers=Sum("job_times__answers"),
        answer_ms=Sum("job_times__answer_ms"),
    )  # fmt: skip
    return {
        name: CvatTimes(
            count, timed, (ms or 0) / 3_600_000, answers or 0,
            answer_ms / 1000 / answers if answers else None,
        )
        for name, count, timed, ms, answers, answer_ms in rows
    }  # fmt: skip
