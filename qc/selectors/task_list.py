"""The list of tasks, with the state and answers of each."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from annotation.models import AnswerDraft, AnswerVersion
from avaproject.base.work import Stage
from qc.models import ClipStatus, Review
from qc.selectors.clip_and_task_states import TASK_STATES, State

BEGUN = State("labelling", gettext_lazy("In progress"), "info")  # on the label page


@dataclass
class TaskRow:
    """One row of the list of tasks."""

    task: Any
    state: State
    version: AnswerVersion | None  # the newest imported version
    error: str
    held_back: AnswerVersion | None  # the newest, if it looks wrong and nobody accepted it
    reason: str  # of the newest rejection
    draft: AnswerDraft | None = None  # begun on the label page
    clip: ClipStatus | None = None


def task_rows(tasks: list[Any]) -> list[TaskRow]:
    """Rows for `tasks` of `tasks_with_state`; five queries."""
    versions = AnswerVersion.objects.filter(task__in=tasks).order_by("number")
    read: dict[int, AnswerVersion] = {}
    newest: dict[int, AnswerVersion] = {}
    for version in versions:
        newest[version.task_id] = version
        if version.stage == Stage.DONE:
            read[version.task_id] = version
    reviews = Review.objects.filter(task__in=tasks).order_by("pk")
    reasons = dict(reviews.values_list("task_id", "reason"))
    begun = AnswerDraft.objects.open().filter(task__in=tasks, last__gt=0).defer("start")
    drafts = {draft.task_id: draft for draft in begun}
    clips = ClipStatus.objects.order_by().in_bulk([task.clip_id for task in tasks])
    return [
        TaskRow(
            task,
            BEGUN
            if task.pk in drafts and task.state in ("given", "writing")
            else TASK_STATES[task.state],
            read.get(task.pk),
            task.error or (newest[task.pk].error if task.pk in newest else ""),
            newest[task.pk] if task.pk in newest and newest[task.pk].is_held_back else None,
            reasons.get(task.pk, "") if task.state == "rejected" else "",
            drafts.get(task.pk),
            clips.get(task.clip_id),
        )
        for task in tasks
    ]
