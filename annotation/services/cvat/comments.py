"""Comments in CVAT issues: read what annotators write there, and send what is answered here.

Comments are read by their ids, which only grow: those above the newest known. CVAT changes no
date of a job for a comment.
"""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatGoneError
from annotation.cvat.job_calls import parse_date
from annotation.models import CvatJob, CvatProject, IssueComment
from annotation.services.answer_fit import AnswersError
from annotation.services.cvat.deferral import client_for, retrying
from avaproject.base.work import Stage
from datasets.accounts.activity import record

MAX_LENGTH = 2000


def read_comments(client: CvatClient, project: CvatProject, *, changed: int = 0) -> int:
    """Store the comments on jobs of `project` that are new in CVAT; return how many.

    Args:
        changed: An issue that was resolved or reopened.
    """
    rows = client.comments(above=project.comment_cursor)
    known = dict(
        CvatJob.objects.filter(project=project).exclude(job_id=None).values_list("job_id", "pk")
    )
    ids = {row["issue"] for row in rows} | ({changed} if changed else set())
    issues = {one["id"]: one for one in _issues(client, ids)}
    new = [
        IssueComment(
            job_id=known[issue["job"]], issue_id=issue["id"], comment_id=row["id"],
            frame=issue["frame"], author=(row.get("owner") or {}).get("username", ""),
            text=row["message"], created_at=parse_date(row["created_date"]),
            is_resolved=bool(issue.get("resolved")), stage=Stage.DONE,
        )
        for row in rows
        if (issue := issues.get(row["issue"])) and issue["job"] in known
    ]  # fmt: skip
    before = IssueComment.objects.filter(job__project=project).count()
    with transaction.atomic():
        IssueComment.objects.bulk_create(new, ignore_conflicts=True)
        for number, one in issues.items():
            there = IssueComment.objects.filter(job__project=project, issue_id=number)
            there.update(is_resolved=bool(one.get("resolved")))
        if rows:
            newest = max(row["id"] for row in rows)
            CvatProject.objects.filter(pk=project.pk).update(comment_cursor=newest)
    _update_resolved(client, project)
    return IssueComment.objects.filter(job__project=project).count() - before


def reply(job: CvatJob, issue_id: int, *, user: User, text: str) -> IssueComment:
    """Answer in an issue of `job`. Raises AnswersError for an empty or unknown one."""
    text = text.strip()
    first = job.comments.filter(issue_id=issue_id).first()
    if first is None:
        raise AnswersError(_("This issue is no longer known; sync the dataset with CVAT."))
    if not text:
        raise AnswersError(_("Write an answer first."))
    record("answer issue", job, dataset=job.project.dataset)
    return IssueComment.objects.create(
        job=job, issue_id=issue_id, frame=first.frame, author=user.get_username(),
        text=text[:MAX_LENGTH], created_at=timezone.now(), is_resolved=first.is_resolved,
    )  # fmt: skip


def send_comment(pk: int) -> IssueComment | None:
    """Send one answer to CVAT, signed with its author; None if another worker does."""
    comment = IssueComment.objects.claim(pk)
    if comment is None:
        return None
    with retrying(comment, AnswersError):
        client = client_for(comment.job.project.server)
        message = f"{comment.author}: {comment.text}"
        try:
            there = client.comments(issue=comment.issue_id)
            found = next((one for one in there if one["message"] == message), None)
            sent = found or client.create_comment(comment.issue_id, message)
        except CvatGoneError as error:
            raise AnswersError(_("The issue was deleted in CVAT.")) from error
        with transaction.atomic():
            copies = IssueComment.objects.filter(job=comment.job, comment_id=sent["id"])
            copies.exclude(pk=comment.pk).delete()
            comment.finish(comment_id=sent["id"], created_at=parse_date(sent["created_date"]))
    return comment


def _issues(client: CvatClient, ids: set[int]) -> list[dict[str, Any]]:
    found = []
    for one in sorted(ids):
        try:
            found.append(client.issue(one))
        except CvatGoneError:
            continue
    return found


def _update_resolved(client: CvatClient, project: CvatProject) -> None:
    """Mark the issues that were resolved or deleted in CVAT; one call a job."""
    comments = IssueComment.objects.filter(job__project=project)
    open_jobs = comments.filter(is_resolved=False).values_list("job__job_id", flat=True)
    for job_id in set(open_jobs):
        if job_id is None:
            continue
        unresolved = {one["id"] for one in client.issues(job_id) if not one.get("resolved")}
        mine = comments.filter(job__job_id=job_id, is_resolved=False)
        mine.exclude(issue_id__in=unresolved).update(is_resolved=True)
