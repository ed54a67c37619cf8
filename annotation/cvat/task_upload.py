"""Upload of one task with one job to CVAT; repeated after a crash it leaves only one task.

A task is identified by its exact name. What an earlier attempt left is completed or deleted;
what an annotator has started is never changed. Uses no database, so that many can run in
parallel.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatGoneError, CvatRefusedError, CvatUnavailableError
from annotation.cvat.job_calls import Job

IMAGE_QUALITY = 90  # JPEG quality of what CVAT shows; its default of 70 blurs small people


@dataclass(frozen=True)
class TaskPayload:
    """Everything needed to upload one task."""

    name: str
    project_id: int
    user_id: int  # the annotator's id in CVAT
    frame_count: int
    annotations: dict[str, Any]  # as `PUT annotations` takes them
    stage: str = "annotation"
    state: str = "new"  # of the job; another if its task was answered before


class UploadStoppedError(RuntimeError):
    """The upload was stopped between two calls; the next attempt continues it."""


Check = Callable[[], object]


def upload_task(
    client: CvatClient, payload: TaskPayload, frames: Path, folder: Path, check: Check
) -> Job:
    """Create the task of `payload` in CVAT, or complete it; return its job, assigned.

    Args:
        frames: Zip of the frames.
        folder: Empty, to unpack them.
        check: Called between two calls; may raise UploadStoppedError.
    """
    try:
        task_id = _existing_task(client, payload, check)
        if task_id is None:
            task_id = _new_task(client, payload, frames, folder, check)
        check()
        return _assigned_job(client, payload, task_id, check)
    except CvatGoneError as error:
        raise CvatUnavailableError(
            gettext("%(payload)s was deleted in CVAT while it was being sent.")
            % {"payload": payload.name}
        ) from error


def _existing_task(client: CvatClient, payload: TaskPayload, check: Check) -> int | None:
    """The task that has its frames already; empty ones are waited for or deleted."""
    complete = []
    for task in client.tasks_named(payload.project_id, payload.name):
        check()
        size = task.get("size") or _size_when_created(client, task["id"])
        if not size:
            client.delete_task(task["id"])
        elif size != payload.frame_count:
            raise CvatRefusedError(
                gettext(
                    "CVAT has a task %(payload)s with %(size)s frames, but the clip has "
                    "%(frame_count)s: delete or rename it there, then retry"
                )
                % {"payload": payload.name, "size": size, "frame_count": payload.frame_count}
            )
        else:
            complete.append(int(task["id"]))
    _delete_duplicates(client, payload, complete[1:])
    return complete[0] if complete else None


def _size_when_created(client: CvatClient, task_id: int) -> int:
    """Frame count of a task that CVAT may still be creating; 0 if the creation failed."""
    status, _ = client.creation_status(task_id)
    if status not in ("queued", "started", "finished"):
        return 0
    try:
        client.wait_until_created(task_id)
    except CvatRefusedError:
        return 0
    return int(client.task(task_id).get("size") or 0)


def _delete_duplicates(client: CvatClient, payload: TaskPayload, duplicates: list[int]) -> None:
    for task_id in duplicates:
        if not all(_is_untouched(job) for job in client.jobs_of_task(task_id)):
            raise CvatRefusedError(
                gettext(
                    "CVAT has several tasks %(payload)s, and more than one was started: "
                    "delete all but one there, then retry"
                )
                % {"payload": payload.name}
            )
        client.delete_task(task_id)


def _new_task(
    client: CvatClient, payload: TaskPayload, frames: Path, folder: Path, check: Check
) -> int:
    images = _unpacked(frames, folder)
    task_id = client.create_task(
        payload.project_id, payload.name, frame_count=payload.frame_count
    )
    check()
    same = client.tasks_named(payload.project_id, payload.name)
    if any(one["id"] < task_id for one in same):
        client.delete_task(task_id)
        raise CvatUnavailableError(
            gettext("%(payload)s is being sent by another worker.") % {"payload": payload.name}
        )
    try:
        client.upload_frames(task_id, images, quality=IMAGE_QUALITY)
        check()
        client.wait_until_created(task_id)
    except CvatRefusedError:
        client.delete_task(task_id)
        raise
    return task_id


def _unpacked(frames: Path, folder: Path) -> list[Path]:
    with zipfile.ZipFile(frames) as archive:
        names = sorted(archive.namelist())
        return [Path(archive.extract(name, folder)) for name in names]


def _assigned_job(client: CvatClient, payload: TaskPayload, task_id: int, check: Check) -> Job:
    """Set the job's boxes, then its assignee; an assigned job counts as started."""
    jobs = [job for job in client.jobs_of_task(task_id) if job.kind == "annotation"]
    if len(jobs) != 1:
        raise CvatRefusedError(
            gettext(
                "the task %(payload)s has %(count)s jobs in CVAT, not one: delete it "
                "there, then retry"
            )
            % {"payload": payload.name, "count": len(jobs)}
        )
    if not _is_untouched(jobs[0]):
        return jobs[0]
    client.put_annotations(task_id, payload.annotations)
    check()
    changes: dict[str, Any] = {"assignee": payload.user_id}
    if (payload.stage, payload.state) != ("annotation", "new"):
        changes |= {"stage": payload.stage, "state": payload.state}
    return client.change_job(jobs[0].job_id, **changes)


def _is_untouched(job: Job) -> bool:
    return (job.assignee, job.stage, job.state) == ("", "annotation", "new")
