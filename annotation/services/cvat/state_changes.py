"""Job state changes in CVAT: a job is reopened with issues, accepted, or finished again.

A job whose answers could not be taken is reopened by itself, with an issue where it is wrong.
The verdicts belong to the app `qc`; `workers/pipeline.py` passes them as plain values. A
verdict on a version that is no longer the newest changes nothing: the newer needs a review.
"""

from collections.abc import Iterable
from typing import NamedTuple

from annotation.core.cvat_issues import ReviewIssue, parse_issues
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatGoneError
from annotation.cvat.job_calls import Job, parse_date
from annotation.models import AnswerVersion, CvatJob, JobStateChange
from annotation.services.answer_fit import AnswersError
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.cvat.jobs import mark_job_deleted, poll_job, sync_job_state

RETURNED_BECAUSE = "Please correct this, then finish the job again:"
MAX_ISSUES = 20  # of one return; the annotator finds the kind by them


class Verdict(NamedTuple):
    """A reviewer's verdict on one answer version."""

    review: int
    version: int
    verdict: str  # of JobStateChange.Verdict
    reason: str


def request_state_changes(verdicts: Iterable[Verdict]) -> int:
    """Create a state change for each verdict on a task that has a job in CVAT; how many."""
    wanted: dict[int, list[Verdict]] = {}
    for one in verdicts:
        wanted.setdefault(one.version, []).append(one)
    versions = AnswerVersion.objects.filter(pk__in=wanted).values_list("pk", "task__cvat_job")
    changes = [
        JobStateChange(
            job_id=job,
            version_id=version,
            review=one.review,
            verdict=one.verdict,
            reason=one.reason,
        )
        for version, job in versions
        if job is not None
        for one in sorted(wanted[version])
    ]
    JobStateChange.objects.bulk_create(changes, ignore_conflicts=True)
    return len(changes)


def apply_state_change(change_id: int) -> JobStateChange | None:
    """Apply one verdict in CVAT; None if another worker does."""
    change = JobStateChange.objects.claim(change_id)
    if change is None:
        return None
    with retrying(change, AnswersError):
        job = None if _is_outdated(change) else _changed_job(change)
        change.finish(applied_at=job.updated_date if job else None)
    return change


def _is_outdated(change: JobStateChange) -> bool:
    newest = change.job.task.versions.order_by("-number").first()
    later = JobStateChange.objects.filter(job=change.job, pk__gt=change.pk)
    return later.exists() or newest is None or newest.pk != change.version_id


def _changed_job(change: JobStateChange) -> Job | None:
    """The changed job; None if it was deleted or has new answers since the verdict."""
    row, client = change.job, client_for(change.job.project.server)
    if row.job_id is None or row.is_deleted:
        return None
    if poll_job(client, row) is not None:
        return None  # the poll found a newer version
    row.refresh_from_db()
    try:
        if change.verdict == JobStateChange.Verdict.APPROVED:
            job = client.change_job(row.job_id, stage="acceptance", state="completed")
        elif change.verdict == JobStateChange.Verdict.CONFIRMED:
            job = _finished_again(client, row.job_id)
        else:
            job = _reopened_job(client, change)
    except CvatGoneError:
        mark_job_deleted(row)
        return None
    CvatJob.objects.filter(pk=row.pk).update(edited_at=None)
    row.refresh_from_db()
    sync_job_state(row, job)
    poll_job(client, row)  # an edit at the same moment becomes a new version
    return job


def _finished_again(client: CvatClient, job_id: int) -> Job:
    """Resolve the issues of a return that was overruled, and finish the job again."""
    for issue in client.issues(job_id):
        messages = [one["message"] for one in client.comments(issue=issue["id"])[:1]]
        if not issue.get("resolved") and messages and messages[0].startswith(RETURNED_BECAUSE):
            client.resolve_issue(issue["id"])
    return client.change_job(job_id, stage="annotation", state="completed")


def _reopened_job(client: CvatClient, change: JobStateChange) -> Job:
    row = change.job
    job_id = row.job_id or 0
    user = next((one for one in client.members() if one.name == row.task.annotator.name), None)
    user_id = user.user_id if user and user.is_active else None
    existing = {
        (issue["frame"], tuple(issue["position"]))
        for issue in client.issues(job_id)
        if not issue.get("resolved") and _is_of_this_change(issue, row)
    }
    for frame, box, message in _issues(change):
        if (frame, box) not in existing:
            client.create_issue(job_id, frame=frame, box=box, message=message, user_id=user_id)
    fields: dict[str, object] = {"stage": "annotation", "state": "rejected"}
    if user_id is not None and row.assignee != row.task.annotator.name:
        fields["assignee"] = user_id
    return client.change_job(job_id, **fields)


def _is_of_this_change(issue: dict[str, str], row: CvatJob) -> bool:
    """Whether an issue is younger than the version: then an earlier attempt created it."""
    return row.fetched_at is None or parse_date(issue["created_date"]) > row.fetched_at


def _issues(change: JobStateChange) -> list[tuple[int, tuple[float, ...], str]]:
    """Frame, box and message of each issue; one issue for all comments on one box."""
    clip = change.job.task.clip
    fps = clip.video.dataset.annotation_fps
    if change.verdict == JobStateChange.Verdict.RETURNED:
        problems: dict[tuple[int, tuple[float, ...]], list[str]] = {}
        for one in change.version.problems[:MAX_ISSUES]:
            box = tuple(one.get("box") or _whole_frame(change))
            problems.setdefault((one["frame"], box), []).append(one["text"])
        return [
            (frame, box, f"{RETURNED_BECAUSE} {'; '.join(texts)}.")
            for (frame, box), texts in problems.items()
        ]
    messages: dict[tuple[int, tuple[float, ...]], list[str]] = {}
    for issue in parse_issues(change.reason, clip.keyframes(), clip.video.dataset.class_names):
        messages.setdefault((issue.second * fps, _box(change, issue)), []).append(issue.text)
    return [(frame, box, " ".join(texts)) for (frame, box), texts in messages.items()]


def _box(change: JobStateChange, issue: ReviewIssue) -> tuple[float, ...]:
    """The box of the person commented on, or the whole frame."""
    if issue.person_id is not None:
        found = change.version.annotations.filter(
            second=issue.second, person_id=issue.person_id
        ).first()
        if found is not None:
            return (found.x1, found.y1, found.x2, found.y2)
    return _whole_frame(change)


def _whole_frame(change: JobStateChange) -> tuple[float, ...]:
    video = change.job.task.clip.video
    return (0.0, 0.0, float(video.width or 0), float(video.height or 0))
