"""The list of tasks: who has which clip, and how far it is."""

from dataclasses import dataclass
from typing import Any

from annotation.models import Annotator, Pull
from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.models import Review
from qc.selectors.clip_and_task_states import TASK_STATES, State, tasks_with_state

__all__ = ["TaskRow", "annotators_of", "task_rows", "tasks_with_state"]


@dataclass
class TaskRow:
    """One line of the list of tasks."""

    task: Any
    state: State
    pull: Pull | None  # the newest version that was read
    error: str
    reason: str  # of the newest rejection


def task_rows(tasks: list[Any]) -> list[TaskRow]:
    """Lines for `tasks`, which come from `tasks_with_state`; two queries."""
    pulls = Pull.objects.filter(task__in=tasks).order_by("version")
    read: dict[int, Pull] = {}
    errors: dict[int, str] = {}
    for pull in pulls:
        errors[pull.task_id] = pull.error
        if pull.stage == Stage.DONE:
            read[pull.task_id] = pull
    reviews = Review.objects.filter(task__in=tasks).order_by("pk")
    reasons = dict(reviews.values_list("task_id", "reason"))
    return [
        TaskRow(
            task,
            TASK_STATES[task.state],
            read.get(task.pk),
            task.error or errors.get(task.pk, ""),
            reasons.get(task.pk, "") if task.state == "rejected" else "",
        )
        for task in tasks
    ]


def annotators_of(dataset: Dataset) -> list[str]:
    return list(Annotator.objects.filter(dataset=dataset).values_list("name", flat=True))
