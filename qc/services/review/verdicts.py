"""Review: approve, reject and comment on answer versions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.core.roles import Act
from datasets.models import Dataset
from qc.core.agreement.figures import ClipFinding
from qc.models import AgreementReport, Comment, Review
from qc.services.agreement.quality_checks import findings_of
from qc.services.review.review_notices import tell_verdicts


class ReviewError(ValueError):
    """A verdict that is not allowed."""


def approve(
    tasks: Iterable[AnnotationTask],
    *,
    reviewer: User,
    seen: Collection[int] | None = None,
    overrides: Mapping[int, str] | None = None,
) -> list[Review]:
    """Approve the newest version of each task; approved tasks stay unchanged.

    Args:
        tasks: All or none are approved.
        reviewer: The reviewer.
        seen: Keys of the versions that the reviewer saw; None for the newest.
        overrides: By key of a task, why it is approved in spite of blocking findings; the
            reason is kept with the verdict.

    Raises:
        ReviewError: if a task has no answers or newer ones than `seen`, a rule blocks it, or it
            is the reviewer's own work and the reviewer is no manager of the dataset.
    """
    answered = _with_answers(tasks, seen)
    _refuse_own(answered, reviewer)
    reasons = _reasons_despite_findings(answered, overrides or {})
    return _add_reviews(answered, Review.Verdict.APPROVED, reviewer, reasons)


def reject(
    tasks: Iterable[AnnotationTask],
    *,
    reviewer: User,
    reason: str,
    seen: Collection[int] | None = None,
) -> list[Review]:
    """Reject the newest version of each task, which is returned to its annotator.

    Raises:
        ReviewError: if a task has no answers or newer ones than `seen`, or there is no reason.
    """
    if not reason.strip():
        raise ReviewError(_("Give a reason for the annotator."))
    answered = _with_answers(tasks, seen)
    reasons = dict.fromkeys((task.pk for task in answered), reason.strip())
    return _add_reviews(answered, Review.Verdict.REJECTED, reviewer, reasons)


def comment(task: AnnotationTask, *, author: User, text: str) -> Comment:
    """Add a comment to a task; it has no effect on the task's state.

    Raises:
        ReviewError: if the comment is empty.
    """
    if not text.strip():
        raise ReviewError(_("The comment is empty."))
    with transaction.atomic():
        record("comment", task, dataset=task.annotator.dataset)
        return Comment.objects.create(task=task, author=author, text=text.strip())


def _with_answers(tasks: Iterable[AnnotationTask], seen: Collection[int] | None) -> list[Any]:
    """The tasks with `latest_version_id`, all of which have answers."""
    asked = AnnotationTask.objects.filter(pk__in=[task.pk for task in tasks])
    asked = (
        asked.with_latest_version().select_related("clip", "annotator__dataset").order_by("pk")
    )
    found: list[Any] = list(asked)
    without = [str(task) for task in found if task.latest_version_id is None]
    if without:
        more = (
            _(" and %(count)s more") % {"count": len(without) - 3} if len(without) > 3 else ""
        )
        raise ReviewError(
            _("No answers are imported for %(without)s%(more)s.")
            % {"without": ", ".join(without[:3]), "more": more}
        )
    for task in found:
        if seen is not None and task.latest_version_id not in seen:
            raise ReviewError(
                _("%(task)s has newer answers than you saw: check the newest version first.")
                % {"task": task}
            )
    return found


def _add_reviews(
    tasks: Sequence[Any], verdict: str, reviewer: User, reasons: Mapping[int, str]
) -> list[Review]:
    """Add a verdict on each task, with its reason, if that is not its verdict already."""
    latest = {
        version: (newest, why)
        for version, newest, why in Review.objects.filter(
            version__in=[task.latest_version_id for task in tasks]
        )
        .order_by("pk")
        .values_list("version_id", "verdict", "reason")
    }
    new = [
        task
        for task in tasks
        if latest.get(task.latest_version_id) != (verdict, reasons.get(task.pk, ""))
    ]
    with transaction.atomic():
        made = Review.objects.bulk_create(
            Review(
                task=task,
                version_id=task.latest_version_id,
                verdict=verdict,
                reason=reasons.get(task.pk, ""),
                reviewer=reviewer,
            )
            for task in new
        )
        tell_verdicts(new, verdict)
    return made


def _refuse_own(tasks: Sequence[Any], reviewer: User) -> None:
    own = [task for task in tasks if task.annotator.name == reviewer.username]
    if not own:
        return
    run = Dataset.objects.permitting(reviewer, Act.OVERRIDE).values("pk")
    left = AnnotationTask.objects.filter(pk__in=[task.pk for task in own])
    if left.exclude(clip__video__dataset__in=run).exists():
        raise ReviewError(
            _(
                "%(own)s is your own work. Another reviewer or a manager of the dataset "
                "must approve it."
            )
            % {"own": own[0]}
        )


def _reasons_despite_findings(
    tasks: Sequence[Any], overrides: Mapping[int, str]
) -> dict[int, str]:
    """The reasons of tasks with blocking findings. Raises ReviewError if one has none."""
    blocked = _blocking(tasks)
    reasons = {pk: overrides.get(pk, "").strip() for pk in blocked}
    without = [task for task in tasks if task.pk in blocked and not reasons[task.pk]]
    if not without:
        return reasons
    first, sentences = without[0], blocked[without[0].pk]
    raise ReviewError(
        _(
            "%(blocked)s of %(count)s tasks cannot be approved. %(first)s: %(sentence)s "
            "(%(findings)s blocking findings.) Reject it, or give a reason beside its "
            "findings."
        )
        % {
            "blocked": len(without),
            "count": len(tasks),
            "first": first,
            "sentence": sentences[0],
            "findings": len(sentences),
        }
    )


def _blocking(tasks: Sequence[Any]) -> dict[int, list[str]]:
    newest = {task.latest_version_id: task.pk for task in tasks}
    clips = {task.clip_id for task in tasks}
    blocked: dict[int, list[str]] = {}
    seen: set[int] = set()
    unread = set(newest)
    # The newest report of a version counts: rules may have been switched since an older one.
    reports = AgreementReport.objects.filter(clip__in=clips).order_by("-pk")
    fields = ("versions", "stage", "figures__findings")
    for versions, stage, findings in reports.values_list(*fields).iterator():
        news = set(versions) & newest.keys() - seen
        seen |= news
        if stage != Stage.DONE:
            continue
        unread -= news
        for finding in map(ClipFinding.from_json, findings):
            if finding.version in news and finding.severity == "blocks":
                blocked.setdefault(newest[finding.version], []).append(finding.sentence)
    rest = AnswerVersion.objects.filter(pk__in=unread)
    for version, found in findings_of(rest).items():
        sentences = [one.sentence for one in found if one.severity == "blocks"]
        if sentences:
            blocked[newest[version]] = sentences
    return blocked
