"""Stage 10: verdicts on each version of a task, and which clips may leave the house."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.contrib.auth.models import User

from annotation.models import AnnotationTask, Pull
from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.models import AgreementReport, Comment, Review
from qc.services.inspect import findings_of


class ReviewError(ValueError):
    """A verdict that cannot be given."""


def approve(
    tasks: Iterable[AnnotationTask],
    *,
    reviewer: User,
    seen: Collection[int] | None = None,
    despite_findings: bool = False,
) -> list[Review]:
    """Approve the newest version of each task; what is approved already stays as it is.

    Args:
        tasks: All or none are approved.
        reviewer: Who says so.
        seen: Keys of the versions that the reviewer looked at; None if the newest are meant.
        despite_findings: Approve even what a blocking rule has found something in.

    Raises:
        ReviewError: if a task has no answers or newer ones than `seen`, a rule blocks it, or it
            is the reviewer's own work and he or she is no admin of the dataset.
    """
    answered = _with_answers(tasks, seen)
    _refuse_own(answered, reviewer)
    if not despite_findings:
        _refuse_blocked(answered)
    return _judge(answered, Review.Verdict.APPROVED, reviewer, "")


def reject(
    tasks: Iterable[AnnotationTask],
    *,
    reviewer: User,
    reason: str,
    seen: Collection[int] | None = None,
) -> list[Review]:
    """Reject the newest version of each task, which goes back to its annotator.

    Raises:
        ReviewError: if a task has no answers or newer ones than `seen`, or no reason is given.
    """
    if not reason.strip():
        raise ReviewError("Say why: the annotator reads the reason and goes by it.")
    return _judge(_with_answers(tasks, seen), Review.Verdict.REJECTED, reviewer, reason.strip())


def comment(task: AnnotationTask, *, author: User, text: str) -> Comment:
    """Keep what `author` says about a task; it changes nothing.

    Raises:
        ReviewError: if nothing is said.
    """
    if not text.strip():
        raise ReviewError("Write the comment first.")
    return Comment.objects.create(task=task, author=author, text=text.strip())


def _with_answers(tasks: Iterable[AnnotationTask], seen: Collection[int] | None) -> list[Any]:
    """The tasks with `latest_pull_id`, all of which have answers."""
    asked = AnnotationTask.objects.filter(pk__in=[task.pk for task in tasks])
    asked = asked.with_latest_pull().select_related("clip", "annotator").order_by("pk")
    found: list[Any] = list(asked)
    without = [str(task) for task in found if task.latest_pull_id is None]
    if without:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        raise ReviewError(
            f"There are no answers to {', '.join(without[:3])}{more}: import them first."
        )
    for task in found:
        if seen is not None and task.latest_pull_id not in seen:
            raise ReviewError(
                f"{task} was answered again since you looked: look at the newest version first."
            )
    return found


def _judge(tasks: Sequence[Any], verdict: str, reviewer: User, reason: str) -> list[Review]:
    said = {
        pull: (newest, why)
        for pull, newest, why in Review.objects.filter(
            pull__in=[task.latest_pull_id for task in tasks]
        )
        .order_by("pk")
        .values_list("pull_id", "verdict", "reason")
    }
    return Review.objects.bulk_create(
        Review(
            task=task,
            pull_id=task.latest_pull_id,
            verdict=verdict,
            reason=reason,
            reviewer=reviewer,
        )
        for task in tasks
        if said.get(task.latest_pull_id) != (verdict, reason)
    )


def _refuse_own(tasks: Sequence[Any], reviewer: User) -> None:
    own = [task for task in tasks if task.annotator.name == reviewer.username]
    if not own:
        return
    run = Dataset.objects.run_by(reviewer).values("pk")
    left = AnnotationTask.objects.filter(pk__in=[task.pk for task in own])
    if left.exclude(clip__video__dataset__in=run).exists():
        raise ReviewError(
            f"{own[0]} is your own work: another reviewer, or an admin of the dataset, must "
            "approve it."
        )


def _refuse_blocked(tasks: Sequence[Any]) -> None:
    blocked = _blocking(tasks)
    if not blocked:
        return
    first = next(task for task in tasks if task.pk in blocked)
    sentences = blocked[first.pk]
    raise ReviewError(
        f"{len(blocked)} of {len(tasks)} tasks cannot be approved. {first}: {sentences[0]} "
        f"({len(sentences)} such findings.) Reject them, or approve in spite of the findings."
    )


def _blocking(tasks: Sequence[Any]) -> dict[int, list[str]]:
    newest = {task.latest_pull_id: task.pk for task in tasks}
    clips = {task.clip_id for task in tasks}
    blocked: dict[int, list[str]] = {}
    seen: set[int] = set()
    unread = set(newest)
    # The newest report of a version counts: rules may have been switched since an older one.
    reports = AgreementReport.objects.filter(clip__in=clips).order_by("-pk")
    fields = ("versions", "stage", "figures__findings")
    for versions, stage, findings in reports.values_list(*fields).iterator():
        news = {int(key) for key in versions.split(",")} & newest.keys() - seen
        seen |= news
        if stage != Stage.DONE:
            continue
        unread -= news
        for finding in findings:
            if finding["pull"] in news and finding["severity"] == "blocks":
                blocked.setdefault(newest[finding["pull"]], []).append(finding["sentence"])
    rest = Pull.objects.filter(pk__in=unread)
    for pull, found in findings_of(rest).items():
        sentences = [one.sentence for one in found if one.severity == "blocks"]
        if sentences:
            blocked[newest[pull]] = sentences
    return blocked
