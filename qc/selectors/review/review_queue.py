"""The review queue: submissions to review with findings and agreement; history of a task."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from annotation.models import Annotation, AnnotationTask, AnswerVersion, CvatJob, JobStateChange
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.core.agreement.figures import ClipFinding, Figure, LowestAlpha, PairBoxFigures
from qc.core.annotator_keys import annotator_key
from qc.models import AgreementReport, Comment, Review, TaskStatus, ThirdOpinion
from qc.selectors.agreement.agreement_tables import TONE_OF_SEVERITY
from qc.selectors.clip_and_task_filters import REVIEW_ORDERS, TASK, narrowed, ordered
from qc.selectors.clip_and_task_states import tasks_of
from qc.selectors.player_scene import finding_person, player_url
from qc.selectors.statuses import task_statuses

SECONDS_SHOWN = 5


class FindingLine(NamedTuple):
    """A finding of a quality rule, ready for display."""

    tone: str
    icon: str
    sentence: str
    url: str  # of the player at the first place; empty if it concerns the whole task


class VersionChanges(NamedTuple):
    """Differences between two answer versions, counted in persons at keyframes."""

    answers: int
    boxes: int
    added: int
    removed: int

    @property
    def sentence(self) -> str:
        parts = (
            (self.answers, _("answer changed"), _("answers changed")),
            (self.boxes, _("box changed"), _("boxes changed")),
            (self.added, _("person added"), _("persons added")),
            (self.removed, _("person removed"), _("persons removed")),
        )
        words = [
            f"{count} {one if count == 1 else many}" for count, one, many in parts if count
        ]
        return ", ".join(words) or _("no changes")


@dataclass
class PendingTask:
    """A submission to review, with its findings and agreement."""

    task: Any
    version: AnswerVersion
    group: str  # the one with the lowest agreement
    figure: Figure | None
    no_figure: str  # the reason if there is no figure
    boxes: Figure | None  # lowest F1 with another annotator's boxes
    findings: list[FindingLine] = field(default_factory=list)
    last_review: Review | None = None  # of an earlier version
    changes: VersionChanges | None = None  # since that version
    rejections: int = 0
    comments: int = 0
    is_selected: bool = False  # in a verdict that was refused
    override: str = ""  # why it is approved in spite of its findings

    @property
    def is_blocked(self) -> bool:
        return any(line.tone == "bad" for line in self.findings)

    @property
    def is_edited_since_approval(self) -> bool:
        return (
            self.last_review is not None and self.last_review.verdict == Review.Verdict.APPROVED
        )

    @property
    def is_resubmitted(self) -> bool:
        return (
            self.last_review is not None and self.last_review.verdict == Review.Verdict.REJECTED
        )


def unsent_verdicts(since: datetime | None = None) -> QuerySet[Review]:
    """Verdicts on versions from a CVAT server that were not sent to it yet, in order.

    Args:
        since: Only those given since then.
    """
    handed_over = JobStateChange.objects.filter(review=OuterRef("pk"))
    pulled = Review.objects.filter(
        version__source=AnswerVersion.Source.CVAT, task__cvat_job__isnull=False
    )
    if since is not None:
        recent = Review.objects.filter(reviewed_at__gte=since).order_by()
        pulled = pulled.filter(pk__in=set(recent.values_list("pk", flat=True)))
    return pulled.filter(~Exists(handed_over)).order_by("pk")


def pending(dataset: Dataset, query: Mapping[str, str] | None = None) -> QuerySet[TaskStatus]:
    """States of tasks that wait for review and fit the filters in `query`, in its order.

    Without one the oldest answers are first.
    """
    waiting = task_statuses(dataset).filter(is_pending=True).order_by("version_id")
    waiting = narrowed(waiting, query or {}, of=TASK)
    return ordered(waiting, query or {}, REVIEW_ORDERS, ties=("version_id",))


def next_pending(dataset: Dataset, *, after: int) -> int | None:
    """The key of the task to review after `after`, or of the first; None if none waits."""
    waiting = pending(dataset).exclude(pk=after)
    version = TaskStatus.objects.filter(task=after).values_list("version", flat=True).first()
    later = waiting.filter(version__gt=version or 0)
    keys = later.values_list("pk", flat=True)[:1] or waiting.values_list("pk", flat=True)[:1]
    return next(iter(keys), None)


def pending_rows(statuses: Iterable[TaskStatus]) -> list[PendingTask]:
    """Rows for a page of `pending`, with the newest report; a few queries in all."""
    tasks = tasks_of(statuses)
    versions = AnswerVersion.objects.order_by().in_bulk(
        [task.latest_version_id for task in tasks]
    )
    reports = AgreementReport.objects.done().filter(clip__in={task.clip_id for task in tasks})
    newest = {
        clip: report
        for clip, *report in reports.order_by("pk").values_list(
            "clip", "versions", "figures__lowest", "figures__box_pairs", "figures__findings"
        )
    }
    rows = [_pending_row(task, versions[task.latest_version_id], newest) for task in tasks]
    _add_history(rows)
    return rows


def _pending_row(task: Any, version: AnswerVersion, reports: dict[int, Any]) -> PendingTask:
    if task.clip_id not in reports:
        return PendingTask(task, version, "", None, _("not compared yet"), None)
    versions, lowest, pairs, findings = reports[task.clip_id]
    if version.pk not in versions:
        return PendingTask(task, version, "", None, _("this version is not compared yet"), None)
    lowest = LowestAlpha.from_json(lowest)
    alpha = lowest.alpha if lowest.group else None
    name = annotator_key(version.author_id)
    matched = [one.boxes.f1 for one in map(PairBoxFigures.from_json, pairs)
               if name in (one.a, one.b)]  # fmt: skip
    defined = [one for one in matched if one.value is not None]
    boxes = min(defined, key=lambda one: one.value or 0.0, default=None)
    own = [one for one in map(ClipFinding.from_json, findings) if one.version == version.pk]
    lines = sorted(_line(task.clip, one) for one in own)
    reason = f"undefined: {lowest.alpha.reason}"
    return PendingTask(task, version, lowest.group, alpha, reason, boxes, lines)


def _line(clip: Clip, finding: ClipFinding) -> FindingLine:
    """A finding with the URL of the player where it is."""
    tone, icon = TONE_OF_SEVERITY[finding.severity]
    seconds = finding.seconds
    if not seconds:
        return FindingLine(tone, icon, finding.sentence, "")
    shown = ", ".join(map(str, seconds[:SECONDS_SHOWN]))
    sentence = _("%(sentence)s (second %(shown)s)")
    if len(seconds) > SECONDS_SHOWN:
        sentence = _("%(sentence)s (second %(shown)s and more)")
    sentence = sentence % {"sentence": finding.sentence, "shown": shown}
    frame = seconds[0] * FRAME_RATE
    url = player_url(
        clip.video.dataset.name, clip.name, frame=frame, person=finding_person(finding)
    )
    return FindingLine(tone, icon, sentence, url)


def _add_history(rows: list[PendingTask]) -> None:
    tasks = [row.task.pk for row in rows]
    last: dict[int, Review] = {}
    rejections: dict[int, int] = {}
    for review in (
        Review.objects.filter(task__in=tasks).select_related("version").order_by("pk")
    ):
        last[review.task_id] = review
        rejected = review.verdict == Review.Verdict.REJECTED
        rejections[review.task_id] = rejections.get(review.task_id, 0) + rejected
    counts = Comment.objects.filter(task__in=tasks).order_by().values_list("task")
    comments = dict(counts.annotate(count=Count("pk")))
    edited = [
        (last[row.task.pk].version_id, row.version.pk)
        for row in rows
        if row.task.pk in last and last[row.task.pk].version_id != row.version.pk
    ]
    changes = version_changes(edited)
    for row in rows:
        row.comments = comments.get(row.task.pk, 0)
        row.rejections = rejections.get(row.task.pk, 0)
        if row.version.pk in changes:
            row.last_review, row.changes = last[row.task.pk], changes[row.version.pk]


def version_changes(pairs: Collection[tuple[int, int]]) -> dict[int, VersionChanges]:
    """The changes between pairs (earlier, later) of versions, by the later one; one query.

    A person at a keyframe is the same if it is on the same track of the file.
    """
    persons: dict[int, dict[tuple[int, int], tuple[Any, tuple[float, ...]]]] = {}
    rows = Annotation.objects.filter(version__in={one for pair in pairs for one in pair})
    for version, second, track, answers, *box in rows.values_list(
        "version_id", "second", "track", "answers", "x1", "y1", "x2", "y2"
    ):
        persons.setdefault(version, {})[second, track] = (answers, tuple(box))
    found = {}
    for earlier, later in pairs:
        before, after = persons.get(earlier, {}), persons.get(later, {})
        both = before.keys() & after.keys()
        found[later] = VersionChanges(
            answers=sum(before[one][0] != after[one][0] for one in both),
            boxes=sum(before[one][1] != after[one][1] for one in both),
            added=len(after.keys() - before.keys()),
            removed=len(before.keys() - after.keys()),
        )
    return found


def good_enough_to_approve(
    statuses: Iterable[TaskStatus], *, alpha: float, f1: float
) -> list[PendingTask]:
    """The rows of `pending` that may be approved in bulk, by clip and annotator.

    Alpha must be defined for a group of the clip and at least `alpha` for all of them; the
    boxes must match those of each other annotator with an F1 of at least `f1`; no required
    answer is unset and no rule blocks approval. Tasks reviewed before or with comments are left
    out.
    """
    return sorted(
        (row for row in pending_rows(statuses) if _is_good_enough(row, alpha, f1)),
        key=lambda row: (row.task.clip.name, row.task.annotator.name),
    )


def _is_good_enough(row: PendingTask, alpha: float, f1: float) -> bool:
    figures = ((row.figure, alpha), (row.boxes, f1))
    is_agreed = all(
        one is not None and one.value is not None and one.value >= least
        for one, least in figures
    )
    is_first_review = row.last_review is None and not row.comments
    return is_agreed and is_first_review and not row.version.unfinished and not row.is_blocked


class TaskEvent(NamedTuple):
    """An event in the history of a task."""

    moment: datetime
    icon: str
    tone: str
    who: str
    sentence: str
    text: str


def task_history(task: AnnotationTask) -> list[TaskEvent]:
    """The events of `task`, newest first."""
    name = task.annotator.name
    events = [
        TaskEvent(
            task.created_at, "users", "info", "", _("Assigned to %(name)s") % {"name": name}, ""
        )
    ]
    asked = ThirdOpinion.objects.filter(clip=task.clip_id, annotator=task.annotator_id)
    for one in asked.select_related("asked_by"):
        who = str(one.asked_by)
        events.append(
            TaskEvent(one.asked_at, "users", "info", who, _("Third opinion requested"), "")
        )
    for version in task.versions.select_related("author", "confirmed_by"):
        sentence = _("Answers, version %(number)s") % {"number": version.number}
        who, text = version.author.name, version.error
        if version.confirmed_by:
            text = _("Held back, and accepted as it is by %(confirmed_by)s.") % {
                "confirmed_by": version.confirmed_by
            }
        text = "\n".join([text, *(one["text"] for one in version.replies)]).strip()
        events.append(TaskEvent(version.created_at, "file-check", "info", who, sentence, text))
    for review in task.reviews.select_related("reviewer", "version"):
        is_approval = review.verdict == Review.Verdict.APPROVED
        icon, tone = ("check", "ok") if is_approval else ("rotate-ccw", "violet")
        said = (
            _("Approved, version %(number)d")
            if is_approval
            else _("Rejected, version %(number)d")
        )
        sentence = said % {"number": review.version.number}
        who = str(review.reviewer)
        events.append(TaskEvent(review.reviewed_at, icon, tone, who, sentence, review.reason))
    events += [
        TaskEvent(one.written_at, "info", "grey", str(one.author), _("Comment"), one.text)
        for one in task.comments.select_related("author")
    ]
    job = CvatJob.objects.filter(task=task).first()
    events += [
        TaskEvent(
            datetime.fromisoformat(line["at"]), "users", "info", "", _("In CVAT"), line["text"]
        )
        for line in (job.history if job else [])
    ]
    return sorted(events, reverse=True)
