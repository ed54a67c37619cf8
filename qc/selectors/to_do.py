"""The to-do list of a dataset: work that only people can do, in pipeline order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet

from datasets.models import Dataset
from qc.selectors.statuses import clip_statuses, task_statuses


class ToDo(NamedTuple):
    """One kind of work for people, and the page to do it on."""

    act: str  # key of the act that it needs
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


def to_do_list(
    dataset: Dataset, counts: Mapping[str, int], *, may: Mapping[str, bool]
) -> list[ToDo]:
    """Work that waits for people; empty if there is none.

    Args:
        counts: Of `qc.selectors.overview.sidebar_counts`.
        may: What the user may do; other work is left out.
    """
    clips = _by_state(clip_statuses(dataset))
    tasks = _by_state(task_statuses(dataset))
    approved = 0 if counts["releases"] else clips.get("approved", 0)
    found = [
        ToDo("assign", clips.get("tracked", 0), "clip to assign to annotators",
              "clips to assign to annotators", "users", "annotation:plan", "", "Assign"),
        ToDo("see_names", tasks.get("given", 0), "task being annotated",
              "tasks being annotated", "tags", "qc:tasks", "?state=given", "View"),
        ToDo("see_names", tasks.get("rejected", 0), "rejected task to be annotated again",
              "rejected tasks to be annotated again", "rotate-ccw", "qc:tasks",
              "?state=rejected", "View"),
        ToDo("review", counts["pending"], "submission to review",
              "submissions to review", "check-check", "qc:review", "",
              "Review"),
        ToDo("adjudicate", counts["adjudication"], "disagreement to decide",
             "disagreements to decide", "scale", "qc:adjudication", "", "Decide"),
        ToDo("release", approved, "approved clip, not released yet",
              "approved clips, not released yet", "package", "qc:release-new", "",
              "Create release"),
    ]  # fmt: skip
    return [item for item in found if item.number and may.get(item.act)]


class NextStep(NamedTuple):
    """The next chore of a dataset, as the one primary button of its overview."""

    sentence: str
    action: str
    icon: str
    page: str  # URL name
    query: str = ""
    is_of_dataset: bool = True  # the page is called with the dataset's name


def next_step(
    dataset: Dataset, to_do: list[ToDo], counts: Mapping[str, int], *, labels_here: bool
) -> NextStep | None:
    """What to do next, in pipeline order; None if only machines have work, or the user may not.

    Args:
        to_do: Of `to_do_list`.
        counts: Of `qc.selectors.overview.sidebar_counts`.
        labels_here: Whether the user has tasks of this dataset to label.
    """
    may = dataset.may
    if not counts["videos"] and may.get("upload"):
        return NextStep("Upload your videos, one by one or as a zip.", "Add videos", "upload",
                        "datasets:upload")  # fmt: skip
    by_act = {item.act: item for item in to_do if item.act != "see_names"}
    if item := by_act.get("assign"):
        return _step(item)
    if labels_here:
        return NextStep("You have tasks to label.", "Label", "tags", "qc:my",
                        is_of_dataset=False)  # fmt: skip
    for act in ("adjudicate", "review", "release"):
        if item := by_act.get(act):
            return _step(item)
    if counts["releases"] and may.get("download"):
        return NextStep("The dataset is released.", "Releases", "download", "qc:releases")
    return None


def _step(item: ToDo) -> NextStep:
    sentence = f"{item.number:,} {item.sentence}."
    return NextStep(sentence, item.action, item.icon, item.page, item.query)


def _by_state(rows: QuerySet[Any]) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
