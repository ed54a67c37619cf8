"""The to-do list of a dataset: work that only people can do, in pipeline order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets.models import Dataset
from qc.selectors.review.review_queue import next_pending
from qc.selectors.statuses import clip_statuses, task_statuses
from tracking.selectors import detector_problem, doubtful_persons


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
    videos = doubtful_persons(dataset)[1] if counts["doubtful"] else 0
    of_videos = ngettext("in %d video", "in %d videos", videos) % videos
    found = [
        ToDo("configure", counts["doubtful"],
             _("doubtful person %(of_videos)s") % {"of_videos": of_videos},
             _("doubtful persons %(of_videos)s") % {"of_videos": of_videos}, "users",
             "tracking:people-videos", "", _("Look")),
        ToDo("assign", clips.get("tracked", 0), _("clip to assign to annotators"),
              _("clips to assign to annotators"), "users", "annotation:plan", "", _("Assign")),
        ToDo("see_names", tasks.get("given", 0), _("task being annotated"),
              _("tasks being annotated"), "tags", "qc:tasks", "?state=given", _("View")),
        ToDo("see_names", tasks.get("rejected", 0), _("rejected task to be annotated again"),
              _("rejected tasks to be annotated again"), "rotate-ccw", "qc:tasks",
              "?state=rejected", _("View")),
        ToDo("review", counts["pending"], _("submission to review"),
              _("submissions to review"), "check-check", "qc:review", "",
              _("Review")),
        ToDo("adjudicate", counts["adjudication"], _("disagreement to decide"),
             _("disagreements to decide"), "scale", "qc:adjudication", "", _("Decide")),
        ToDo("release", approved, _("approved clip, not released yet"),
              _("approved clips, not released yet"), "package", "qc:release-new", "",
              _("Create release")),
    ]  # fmt: skip
    return [item for item in found if item.number and may.get(item.act)]


class NextStep(NamedTuple):
    """The next chore of a dataset, as the one primary button of its overview."""

    sentence: str
    action: str
    icon: str
    href: str


def next_step(
    dataset: Dataset,
    to_do: list[ToDo],
    counts: Mapping[str, int],
    *,
    to_label: int | None,
    is_operator: bool = False,
) -> NextStep | None:
    """What to do next, in pipeline order; None if only machines have work, or the user may not.

    Args:
        to_do: Of `to_do_list`.
        counts: Of `qc.selectors.overview.sidebar_counts`.
        to_label: Key of the task that the user labels next; None without one.
        is_operator: Whether the user may store detector files on the server.
    """
    return (
        _of_videos(dataset, counts, is_operator=is_operator)
        or _of_persons(dataset, to_do, counts)
        or _of_people(dataset, to_do, to_label)
        or _of_release(dataset, counts)
    )


def _of_videos(
    dataset: Dataset, counts: Mapping[str, int], *, is_operator: bool
) -> NextStep | None:
    """Videos are missing, or the detector cannot work."""
    if not counts["videos"] and dataset.may.get("upload"):
        return NextStep(_("Upload your videos, one by one or as a zip."), _("Add videos"),
                        "upload",
                        reverse("datasets:upload", args=[dataset.name]))  # fmt: skip
    if dataset.may.get("configure") and (problem := detector_problem(dataset)):
        files, tracking = (
            reverse("tracking:files"),
            reverse("tracking:page", args=[dataset.name]),
        )
        page = files if is_operator else tracking
        return NextStep(problem, _("Choose detector"), "scan-search", page)
    return None


def _of_persons(
    dataset: Dataset, to_do: list[ToDo], counts: Mapping[str, int]
) -> NextStep | None:
    """Doubtful persons, before tasks are assigned: answers will point to them."""
    item = next((item for item in to_do if item.act == "configure"), None)
    return _step(item, dataset.name) if item and not counts["tasks"] else None


def _of_people(dataset: Dataset, to_do: list[ToDo], to_label: int | None) -> NextStep | None:
    """The first kind of work that waits for people, the user's own labelling included."""
    name = dataset.name
    by_act = {item.act: item for item in to_do if item.act != "see_names"}
    if item := by_act.get("assign"):
        return _step(item, name)
    if to_label is not None:
        return NextStep(_("You have tasks to label."), _("Label"), "tags",
                        reverse("qc:label", args=[name, to_label]))  # fmt: skip
    if item := by_act.get("adjudicate"):
        return _step(item, name)
    if item := by_act.get("review"):
        first = next_pending(dataset, after=0)
        return _step(item, name, href=reverse("qc:task", args=[name, first]) if first else "")
    if item := by_act.get("release"):
        return _step(item, name)
    return None


def _of_release(dataset: Dataset, counts: Mapping[str, int]) -> NextStep | None:
    if counts["releases"] and dataset.may.get("download"):
        return NextStep(_("The dataset is released."), _("Releases"), "download",
                        reverse("qc:releases", args=[dataset.name]))  # fmt: skip
    return None


def _step(item: ToDo, name: str, *, href: str = "") -> NextStep:
    href = href or reverse(item.page, args=[name]) + item.query
    return NextStep(f"{item.number:,} {item.sentence}.", item.action, item.icon, href)


def _by_state(rows: QuerySet[Any]) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
