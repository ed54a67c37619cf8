"""One task with one job in CVAT, made whole: a crash at any point, then again, leaves one.

A task is known by its exact name. What an earlier try left behind is finished or deleted; what
an annotator has begun is never touched. Knows no database, so that many may run side by side.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.cvat.client import CvatClient, Job
from annotation.cvat.errors import CvatGoneError, CvatRefusedError, CvatUnavailableError

PICTURE_QUALITY = 90  # of what CVAT shows; 70, its own default, smears small people


@dataclass(frozen=True)
class Parcel:
    """All that is needed to send one task."""

    name: str
    project_id: int
    user_id: int  # the annotator's number in CVAT
    frame_count: int
    annotations: dict[str, Any]  # as `PUT annotations` takes them


class StoppedError(RuntimeError):
    """Sending was broken off between two calls; the next try goes on from there."""


Check = Callable[[], object]


def send(client: CvatClient, parcel: Parcel, frames: Path, folder: Path, check: Check) -> Job:
    """Make the task of `parcel` in CVAT, or finish it; its job, assigned.

    Args:
        frames: Zip of the pictures.
        folder: Empty, to unpack them.
        check: Called between two calls; may raise StoppedError.
    """
    try:
        task_id = _whole_task(client, parcel, check)
        if task_id is None:
            task_id = _new_task(client, parcel, frames, folder, check)
        check()
        return _handed_over(client, parcel, task_id, check)
    except CvatGoneError as error:
        raise CvatUnavailableError(
            f"{parcel.name} was deleted in CVAT while it was being sent."
        ) from error


def _whole_task(client: CvatClient, parcel: Parcel, check: Check) -> int | None:
    """The task that has its pictures already; the empty ones are waited for or deleted."""
    whole = []
    for task in client.tasks_named(parcel.project_id, parcel.name):
        check()
        size = task.get("size") or _size_when_made(client, task["id"])
        if not size:
            client.delete_task(task["id"])
        elif size != parcel.frame_count:
            raise CvatRefusedError(
                f"CVAT has a task {parcel.name} with {size} pictures, but the clip has "
                f"{parcel.frame_count}: delete or rename it there, then try again"
            )
        else:
            whole.append(int(task["id"]))
    _delete_doubles(client, parcel, whole[1:])
    return whole[0] if whole else None


def _size_when_made(client: CvatClient, task_id: int) -> int:
    """Pictures of a task that CVAT is perhaps still making; 0 if nothing came of it."""
    status, _ = client.making(task_id)
    if status not in ("queued", "started", "finished"):
        return 0
    try:
        client.wait_until_made(task_id)
    except CvatRefusedError:
        return 0
    return int(client.task(task_id).get("size") or 0)


def _delete_doubles(client: CvatClient, parcel: Parcel, doubles: list[int]) -> None:
    for task_id in doubles:
        if not all(_is_untouched(job) for job in client.jobs_of_task(task_id)):
            raise CvatRefusedError(
                f"CVAT has several tasks {parcel.name}, and somebody works in more than one: "
                "delete all but one there, then try again"
            )
        client.delete_task(task_id)


def _new_task(
    client: CvatClient, parcel: Parcel, frames: Path, folder: Path, check: Check
) -> int:
    pictures = _unpacked(frames, folder)
    task_id = client.create_task(parcel.project_id, parcel.name, frame_count=parcel.frame_count)
    check()
    same = client.tasks_named(parcel.project_id, parcel.name)
    if any(one["id"] < task_id for one in same):
        client.delete_task(task_id)
        raise CvatUnavailableError(f"{parcel.name} is being sent by another worker of ours.")
    try:
        client.upload_pictures(task_id, pictures, quality=PICTURE_QUALITY)
        check()
        client.wait_until_made(task_id)
    except CvatRefusedError:
        client.delete_task(task_id)
        raise
    return task_id


def _unpacked(frames: Path, folder: Path) -> list[Path]:
    with zipfile.ZipFile(frames) as archive:
        names = sorted(archive.namelist())
        return [Path(archive.extract(name, folder)) for name in names]


def _handed_over(client: CvatClient, parcel: Parcel, task_id: int, check: Check) -> Job:
    """Give the job its boxes and then its annotator; whoever is assigned has begun."""
    jobs = [job for job in client.jobs_of_task(task_id) if job.kind == "annotation"]
    if len(jobs) != 1:
        raise CvatRefusedError(
            f"the task {parcel.name} has {len(jobs)} jobs in CVAT, not one: delete it there, "
            "then try again"
        )
    if not _is_untouched(jobs[0]):
        return jobs[0]
    client.put_annotations(task_id, parcel.annotations)
    check()
    return client.change_job(jobs[0].job_id, assignee=parcel.user_id)


def _is_untouched(job: Job) -> bool:
    return (job.assignee, job.stage, job.state) == ("", "annotation", "new")
