"""What a dataset waits for people to do, in the order of the road."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet

from datasets.models import Dataset
from qc.selectors.clip_and_task_states import clips_with_state, tasks_with_state


class Chore(NamedTuple):
    """Something only people can do, and the page to do it on."""

    number: int
    one: str  # the sentence about one, without the number
    many: str
    icon: str
    page: str  # URL name, called with the dataset's name
    query: str
    action: str

    @property
    def sentence(self) -> str:
        return self.one if self.number == 1 else self.many


def chores(dataset: Dataset, counts: Mapping[str, int], *, can_run: bool) -> list[Chore]:
    """What waits for people; empty when nothing does.

    Args:
        counts: Those of `qc.selectors.overview.navigation`.
        can_run: Whether to name what only admins of the dataset may do.
    """
    clips = _by_state(clips_with_state(dataset))
    tasks = _by_state(tasks_with_state(dataset))
    approved = 0 if counts["releases"] else clips.get("approved", 0)
    found = [
        Chore(clips.get("tracked", 0) if can_run else 0, "clip can be given to annotators",
              "clips can be given to annotators", "users", "annotation:plan", "", "Make tasks"),
        Chore(tasks.get("given", 0), "task is with its annotator",
              "tasks are with their annotators", "tags", "qc:tasks", "?state=given", "See"),
        Chore(tasks.get("rejected", 0), "task was sent back to its annotator",
              "tasks were sent back to their annotators", "rotate-ccw", "qc:tasks",
              "?state=rejected", "See"),
        Chore(counts["pending"], "task has answers that wait for a verdict",
              "tasks have answers that wait for a verdict", "check-check", "qc:review", "",
              "Review"),
        Chore(counts["questions"], "question is open", "questions are open", "scale",
              "qc:questions", "", "Decide"),
        Chore(approved if can_run else 0, "clip is approved and in no release yet",
              "clips are approved and in no release yet", "package", "qc:release-new", "",
              "Make a release"),
    ]  # fmt: skip
    return [chore for chore in found if chore.number]


def _by_state(rows: QuerySet[Any]) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
