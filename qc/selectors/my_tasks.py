"""My tasks: what an account labels over all datasets, what came back, and how it agrees."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.http import urlencode

from annotation.core.cvat_issues import ReviewIssue, parse_issues
from annotation.core.plan_forecast import hours
from annotation.models import AnnotationTask, Annotator, AnswerDraft
from annotation.selectors.pace import expected_pace, keyframes_to_answer
from datasets.models import Dataset
from qc.models import Review
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.clip_and_task_states import with_verdict

TASKS_SHOWN = 50  # of a dataset


@dataclass
class MyTask:
    """One task to label."""

    task: AnnotationTask
    keyframes: int  # persons at keyframes left
    is_begun: bool
    remarks: list[ReviewIssue]  # what it was sent back for
    is_returned: bool = False

    @property
    def page(self) -> str:
        args = [self.task.clip.video.dataset.name, self.task.pk]
        return reverse("qc:label", args=args)

    @property
    def linked_remarks(self) -> list[tuple[ReviewIssue, str]]:
        """Each remark with the address of its keyframe on the label page."""
        return [(one, f"{self.page}?{_place(one)}") for one in self.remarks]


@dataclass
class MyDataset:
    """What one dataset holds for the user; `agreement` is a share of 1."""

    dataset: Dataset
    returned: list[MyTask] = field(default_factory=list)
    open: list[MyTask] = field(default_factory=list)
    submitted: int = 0
    hours_left: float = 0.0
    pace: float = 0.0
    agreement: float | None = None
    compared: int = 0
    is_qualifying: bool = False  # gold clips come first; other tasks wait

    @property
    def next(self) -> MyTask | None:
        """What to do next: what came back, what was begun, then as assigned."""
        begun = [task for task in self.open if task.is_begun]
        return next(iter([*self.returned, *begun, *self.open]), None)

    @property
    def left(self) -> int:
        return len(self.returned) + len(self.open)


def my_datasets(user: User | AnonymousUser) -> list[MyDataset]:
    """The datasets in which `user` has tasks, by name; none without a linked annotator."""
    tasks: Any = with_verdict(AnnotationTask.objects.own(user)).select_related(
        "clip__video__dataset", "annotator"
    )
    rows = list(tasks.order_by("clip__video__dataset__name", "pk"))
    drafts = AnswerDraft.objects.filter(task__in=rows).order_by("revision")
    newest = {draft.task_id: draft for draft in drafts}
    left = keyframes_to_answer(rows)
    reasons = _reasons(rows)
    found: dict[int, MyDataset] = {}
    for task in rows:
        dataset = task.clip.video.dataset
        its = found.setdefault(dataset.pk, MyDataset(dataset))
        draft = newest.get(task.pk)
        is_open = draft is not None and draft.version_id is None
        if task.verdict == Review.Verdict.REJECTED:
            its.returned.append(MyTask(task, left[task.pk], is_open, reasons[task.pk], True))
        elif is_open or (draft is None and task.latest_version_id is None):
            its.open.append(MyTask(task, left[task.pk], is_open, []))
        else:
            its.submitted += 1
    for its in found.values():
        _measure(its, user)
    return list(found.values())


def _place(remark: ReviewIssue) -> str:
    """The query of the label page that leads to a keyframe."""
    person = {} if remark.person_id is None else {"person": remark.person_id}
    return urlencode({"second": remark.second} | person)


def _reasons(tasks: list[Any]) -> dict[int, list[ReviewIssue]]:
    """The remarks of the newest rejection by task."""
    rejected = {
        task.pk: (task.clip.keyframes(), task.clip.video.dataset.class_names)
        for task in tasks
        if task.verdict == Review.Verdict.REJECTED
    }
    reviews = Review.objects.filter(task__in=rejected).order_by("pk")
    return {
        pk: parse_issues(reason, *rejected[pk])
        for pk, reason in reviews.values_list("task", "reason")
    }


def _measure(its: MyDataset, user: User | AnonymousUser) -> None:
    annotator = Annotator.objects.get(dataset=its.dataset, user_id=user.pk or 0)
    its.is_qualifying = annotator.is_qualifying
    its.pace = expected_pace(its.dataset, annotator)
    keyframes = sum(task.keyframes for task in (*its.returned, *its.open))
    its.hours_left = hours(keyframes, pace=its.pace)
    figures = newest_summary(its.dataset).figures
    rows = figures.annotators if figures else []
    mine = next((one for one in rows if one.name == annotator.name), None)
    its.compared = mine.totals.compared if mine else 0
    its.agreement = mine.totals.share if mine else None
