"""What waits for a verdict, what speaks for and against it, and a task's history."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, QuerySet

from annotation.models import Annotation, AnnotationTask, JobMove, Pull
from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.models import AgreementReport, Comment, Review, ThirdOpinion
from qc.selectors.agreement import TONE_OF_SEVERITY, lowest_alpha
from qc.selectors.player_scene import look_at, person_of
from qc.selectors.clip_and_task_states import pending_tasks
from qc.selectors.tables import Figure, figure_of

SECONDS_SHOWN = 5


class FindingLine(NamedTuple):
    tone: str
    icon: str
    sentence: str
    url: str  # of the player where to look first; empty: everywhere


class Changed(NamedTuple):
    """How a version differs from the one that was judged, in persons at keyframes."""

    answers: int
    boxes: int
    added: int
    removed: int

    @property
    def sentence(self) -> str:
        parts = (
            (self.answers, "answered otherwise"),
            (self.boxes, "drawn otherwise"),
            (self.added, "added"),
            (self.removed, "removed"),
        )
        said = ", ".join(f"{count} {word}" for count, word in parts if count)
        return said or "nothing that counts"


@dataclass
class PendingTask:
    """A task with answers that nobody has judged, and what speaks for and against it."""

    task: Any
    pull: Pull
    group: str  # the one agreed on least
    figure: Figure | None
    no_figure: str  # why there is none
    boxes: Figure | None  # F1 with the one whose boxes match least
    findings: list[FindingLine] = field(default_factory=list)
    judged: Review | None = None  # the last verdict, on an earlier version
    changed: Changed | None = None  # since then
    rejections: int = 0
    comments: int = 0

    @property
    def is_blocked(self) -> bool:
        return any(line.tone == "bad" for line in self.findings)

    @property
    def is_edited_since_approval(self) -> bool:
        return self.judged is not None and self.judged.verdict == Review.Verdict.APPROVED

    @property
    def is_back(self) -> bool:
        return self.judged is not None and self.judged.verdict == Review.Verdict.REJECTED


def verdicts_for_cvat() -> QuerySet[Review]:
    """Verdicts on versions pulled from a CVAT server, not handed over yet; in order."""
    handed_over = JobMove.objects.filter(review=OuterRef("pk"))
    pulled = Review.objects.filter(pull__raw__endswith=".json.gz", task__cvat_job__isnull=False)
    return pulled.filter(~Exists(handed_over)).order_by("pk")


def pending(dataset: Dataset) -> Any:
    """Tasks that wait for a verdict, oldest answers first."""
    tasks = pending_tasks(dataset).select_related("clip__video__dataset", "annotator")
    return tasks.order_by("latest_pull_id")


def pending_rows(tasks: list[Any]) -> list[PendingTask]:
    """`tasks`, of `judged`, with their answers and the newest report; a few queries in all."""
    pulls = Pull.objects.in_bulk([task.latest_pull_id for task in tasks])
    reports = AgreementReport.objects.done().filter(clip__in={task.clip_id for task in tasks})
    newest = {
        clip: report
        for clip, *report in reports.order_by("pk").values_list(
            "clip", "versions", "figures__groups", "figures__boxes__pairs", "figures__findings"
        )
    }
    rows = [_pending_row(task, pulls[task.latest_pull_id], newest) for task in tasks]
    _add_history(rows)
    return rows


def _pending_row(task: Any, pull: Pull, reports: dict[int, Any]) -> PendingTask:
    if task.clip_id not in reports:
        return PendingTask(task, pull, "", None, "not compared yet", None)
    versions, groups, pairs, findings = reports[task.clip_id]
    if str(pull.pk) not in versions.split(","):
        return PendingTask(task, pull, "", None, "this version is not compared yet", None)
    group, lowest = lowest_alpha(groups)
    reason = next((one["alpha"]["reason"] for one in groups), "no groups")
    name = task.annotator.name
    matched = [figure_of(pair, "f1") for pair in pairs or [] if name in (pair["a"], pair["b"])]
    defined = [one for one in matched if one.value is not None]
    boxes = min(defined, key=lambda one: one.value or 0.0, default=None)
    lines = sorted(_line(task.clip, one) for one in findings if one["pull"] == pull.pk)
    return PendingTask(task, pull, group, lowest, f"not defined: {reason}", boxes, lines)


def _line(clip: Clip, finding: dict[str, Any]) -> FindingLine:
    """The sentence of a finding, and where to look."""
    tone, icon = TONE_OF_SEVERITY[finding["severity"]]
    seconds = finding["seconds"]
    if not seconds:
        return FindingLine(tone, icon, str(finding["sentence"]), "")
    shown = ", ".join(map(str, seconds[:SECONDS_SHOWN]))
    more = " and more" if len(seconds) > SECONDS_SHOWN else ""
    sentence = f"{finding['sentence']} (second {shown}{more})"
    frame = seconds[0] * FRAME_RATE
    url = look_at(clip.video.dataset.name, clip.name, frame=frame, person=person_of(finding))
    return FindingLine(tone, icon, sentence, url)


def _add_history(rows: list[PendingTask]) -> None:
    tasks = [row.task.pk for row in rows]
    last: dict[int, Review] = {}
    rejections: dict[int, int] = {}
    for review in Review.objects.filter(task__in=tasks).select_related("pull").order_by("pk"):
        last[review.task_id] = review
        rejected = review.verdict == Review.Verdict.REJECTED
        rejections[review.task_id] = rejections.get(review.task_id, 0) + rejected
    said = Comment.objects.filter(task__in=tasks).order_by().values_list("task")
    comments = dict(said.annotate(count=Count("pk")))
    edited = [
        (last[row.task.pk].pull_id, row.pull.pk)
        for row in rows
        if row.task.pk in last and last[row.task.pk].pull_id != row.pull.pk
    ]
    changes = changes_between(edited)
    for row in rows:
        row.comments = comments.get(row.task.pk, 0)
        row.rejections = rejections.get(row.task.pk, 0)
        judged = last.get(row.task.pk)
        if judged is not None and judged.pull_id != row.pull.pk:
            row.judged, row.changed = judged, changes[row.pull.pk]


def changes_between(pairs: Collection[tuple[int, int]]) -> dict[int, Changed]:
    """How versions differ: of pairs (earlier, later) of pulls, by the later; one query.

    A person at a keyframe is the same if it is on the same track of the file.
    """
    said: dict[int, dict[tuple[int, int], tuple[Any, tuple[float, ...]]]] = {}
    rows = Annotation.objects.filter(pull__in={one for pair in pairs for one in pair})
    for pull, second, track, answers, *box in rows.values_list(
        "pull_id", "second", "track", "answers", "x1", "y1", "x2", "y2"
    ):
        said.setdefault(pull, {})[second, track] = (answers, tuple(box))
    found = {}
    for earlier, later in pairs:
        before, after = said.get(earlier, {}), said.get(later, {})
        both = before.keys() & after.keys()
        found[later] = Changed(
            answers=sum(before[one][0] != after[one][0] for one in both),
            boxes=sum(before[one][1] != after[one][1] for one in both),
            added=len(after.keys() - before.keys()),
            removed=len(before.keys() - after.keys()),
        )
    return found


def above_threshold(tasks: list[Any], *, alpha: float, f1: float) -> list[PendingTask]:
    """Those of `tasks`, of `pending`, good enough to approve unseen, by clip and annotator.

    Good enough: alpha is defined for a group of the clip, and none is below `alpha`; the boxes
    match those of each other annotator with at least `f1`; no required answer is left unset,
    and no rule blocks it. What was judged before, or was commented on, is left to be seen.
    """
    return sorted(
        (row for row in pending_rows(tasks) if _is_good_enough(row, alpha, f1)),
        key=lambda row: (row.task.clip.name, row.task.annotator.name),
    )


def _is_good_enough(row: PendingTask, alpha: float, f1: float) -> bool:
    figures = ((row.figure, alpha), (row.boxes, f1))
    is_agreed = all(
        one is not None and one.value is not None and one.value >= least
        for one, least in figures
    )
    is_unseen = row.judged is None and not row.comments
    return is_agreed and is_unseen and not row.pull.unfinished and not row.is_blocked


class Act(NamedTuple):
    """Something that happened to a task."""

    moment: datetime
    icon: str
    tone: str
    who: str
    sentence: str
    text: str


def history(task: AnnotationTask) -> list[Act]:
    """All that happened to `task`, newest first."""
    name = task.annotator.name
    acts = [Act(task.created_at, "users", "info", "", f"Given out to {name}", "")]
    asked = ThirdOpinion.objects.filter(clip=task.clip_id, annotator=task.annotator_id)
    for one in asked.select_related("asked_by"):
        who = str(one.asked_by)
        acts.append(Act(one.asked_at, "users", "info", who, "Asked for a third opinion", ""))
    for pull in task.pulls.all():
        sentence = f"Answers, version {pull.version}"
        acts.append(Act(pull.created_at, "file-check", "info", name, sentence, pull.error))
    for review in task.reviews.select_related("reviewer", "pull"):
        is_approval = review.verdict == Review.Verdict.APPROVED
        icon, tone = ("check", "ok") if is_approval else ("rotate-ccw", "violet")
        word = "Approved" if is_approval else "Sent back"
        sentence = f"{word}, version {review.pull.version}"
        who = str(review.reviewer)
        acts.append(Act(review.reviewed_at, icon, tone, who, sentence, review.reason))
    acts += [
        Act(said.written_at, "info", "grey", str(said.author), "Comment", said.text)
        for said in task.comments.select_related("author")
    ]
    return sorted(acts, reverse=True)
