"""What reviewers decide goes back to CVAT: a job reopened with issues, or accepted.

The verdicts are another room's; `workers/pipeline.py` hands them over as plain values. A
verdict on a version that is no longer the newest moves nothing: the newer one must be judged.
"""

from collections.abc import Iterable
from typing import NamedTuple

from annotation.core.remarks import Remark, remarks_in
from annotation.cvat.client import CvatClient, Job, moment
from annotation.cvat.errors import CvatGoneError
from annotation.models import AnswerVersion, CvatJob, JobStateChange
from annotation.services.answers import AnswersError
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.cvat.jobs import mark_job_deleted, poll_job, sync_job_state


class Verdict(NamedTuple):
    """A reviewer's word on one version of a task."""

    review: int
    version: int
    verdict: str  # of JobStateChange.Verdict
    reason: str


def request_state_changes(verdicts: Iterable[Verdict]) -> int:
    """Write a work order for each verdict on a task that has a job in CVAT; how many."""
    wanted: dict[int, list[Verdict]] = {}
    for one in verdicts:
        wanted.setdefault(one.version, []).append(one)
    versions = AnswerVersion.objects.filter(pk__in=wanted).values_list("pk", "task__cvat_job")
    moves = [
        JobStateChange(
            job_id=job,
            version_id=version,
            review=one.review,
            verdict=one.verdict,
            reason=one.reason,
        )
        for version, job in versions
        if job is not None
        for one in wanted[version]
    ]
    JobStateChange.objects.bulk_create(moves, ignore_conflicts=True)
    return len(moves)


def apply_state_change(change_id: int) -> JobStateChange | None:
    """Carry one verdict out in CVAT; None if somebody else does."""
    move = JobStateChange.objects.claim(change_id)
    if move is None:
        return None
    with retrying(move, AnswersError):
        moved = None if _is_overtaken(move) else _moved(move)
        move.finish(applied_at=moved.updated_date if moved else None)
    return move


def _is_overtaken(move: JobStateChange) -> bool:
    newest = move.job.task.versions.order_by("-number").first()
    later = JobStateChange.objects.filter(job=move.job, review__gt=move.review)
    return later.exists() or newest is None or newest.pk != move.version_id


def _moved(move: JobStateChange) -> Job | None:
    """The job as it was moved; None if there is none any more, or it has changed since."""
    row, client = move.job, client_for(move.job.project.server)
    if row.job_id is None or row.is_deleted:
        return None
    if poll_job(client, row) is not None:
        return None  # a newer version came with that look
    row.refresh_from_db()
    try:
        if move.verdict == JobStateChange.Verdict.APPROVED:
            moved = client.change_job(row.job_id, stage="acceptance", state="completed")
        else:
            moved = _reopened(client, move)
    except CvatGoneError:
        mark_job_deleted(row)
        return None
    CvatJob.objects.filter(pk=row.pk).update(edited_at=None)
    row.refresh_from_db()
    sync_job_state(row, moved)
    poll_job(client, row)  # an edit in the very moment is a new version, and flagged
    return moved


def _reopened(client: CvatClient, move: JobStateChange) -> Job:
    row = move.job
    job_id = row.job_id or 0
    user = next((one for one in client.members() if one.name == row.task.annotator.name), None)
    user_id = user.user_id if user and user.is_active else None
    there = {
        (issue["frame"], tuple(issue["position"]))
        for issue in client.issues(job_id)
        if not issue.get("resolved") and _is_of_this_move(issue, row)
    }
    for frame, box, message in _issues(move):
        if (frame, box) not in there:
            client.create_issue(job_id, frame=frame, box=box, message=message, user_id=user_id)
    changes: dict[str, object] = {"stage": "annotation", "state": "rejected"}
    if user_id is not None and row.assignee != row.task.annotator.name:
        changes["assignee"] = user_id
    return client.change_job(job_id, **changes)


def _is_of_this_move(issue: dict[str, str], row: CvatJob) -> bool:
    """Whether an issue is younger than the version: then an earlier try made it."""
    return row.fetched_at is None or moment(issue["created_date"]) > row.fetched_at


def _issues(move: JobStateChange) -> list[tuple[int, tuple[float, ...], str]]:
    """Frame, box and words of each issue; what is said of one box is one issue."""
    clip = move.job.task.clip
    fps = clip.video.dataset.annotation_fps
    words: dict[tuple[int, tuple[float, ...]], list[str]] = {}
    for remark in remarks_in(move.reason, clip.keyframes()):
        words.setdefault((remark.second * fps, _box(move, remark)), []).append(remark.text)
    return [(frame, box, " ".join(texts)) for (frame, box), texts in words.items()]


def _box(move: JobStateChange, remark: Remark) -> tuple[float, ...]:
    """The box of the person remarked on, or the whole picture."""
    video = move.job.task.clip.video
    if remark.person_id is not None:
        found = move.version.annotations.filter(
            second=remark.second, person_id=remark.person_id
        ).first()
        if found is not None:
            return (found.x1, found.y1, found.x2, found.y2)
    return (0.0, 0.0, float(video.width or 0), float(video.height or 0))
