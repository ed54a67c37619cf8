"""Send tasks to CVAT: create each once, several in parallel.

A row is one task. A worker that gets one row also takes the next waiting rows of its project,
up to `AVA_CVAT_CONCURRENCY` at a time: CVAT creates tasks in workers of its own, so one task
uploads while CVAT creates another. Only the first thread reads and writes rows; the others only
call CVAT.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext

from annotation.core.cvat_tracks import task_frame_count
from annotation.cvat.client import CvatClient, CvatMember
from annotation.cvat.errors import CvatError, CvatUnavailableError
from annotation.cvat.job_calls import Job
from annotation.cvat.task_upload import TaskPayload, UploadStoppedError, upload_task
from annotation.models import (
    AnnotationTask,
    AnswerVersion,
    CvatJob,
    CvatProject,
    JobStateChange,
)
from annotation.selectors.tasks import group_specs
from annotation.services.answer_rows import version_document
from annotation.services.cvat.deferral import DEFERRABLE, client_for, defer
from annotation.services.packages import PackageError, check_frame_count, task_document
from avaproject.base.claimed_work import ClaimLostError
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.clip_frames import frames_path
from datasets.core.formats.cvat_json import CvatJsonError, labelled_data
from datasets.core.formats.cvat_labels import LabelsError, attributes_of
from datasets.core.formats.cvat_xml import CvatXmlError
from datasets.models import Dataset
from tracking.core.tracks_file import TracksFileError

MAX_SECONDS = 60.0  # then the queue's other work gets its turn
HEARTBEAT_SECONDS = 5.0


class _ActiveUpload(NamedTuple):
    """A claimed row and the future of its job."""

    row: CvatJob
    job: "Future[Job]"
    is_answered: bool  # by its newest version


def request_sending(dataset: Dataset) -> int:
    """Request sending of all tasks for CVAT that are not sent yet; return how many."""
    project = CvatProject.objects.get(dataset=dataset)
    CvatProject.objects.filter(pk=project.pk).update(is_paused=False)
    tasks = AnnotationTask.objects.of(dataset).for_cvat()
    tasks = tasks.filter(unassigned_at=None, cvat_job=None)
    new = [CvatJob(task=task, project=project) for task in tasks.order_by("pk")]
    CvatJob.objects.bulk_create(new, ignore_conflicts=True)  # another request may run too
    record("send to CVAT", f"{len(new)} tasks", dataset=dataset)
    return len(new)


def pause_sending(project: CvatProject) -> None:
    """Start no more tasks; those being sent are finished."""
    if CvatProject.objects.filter(pk=project.pk, is_paused=False).update(is_paused=True):
        record("pause sending to CVAT", dataset=project.dataset)


def send_tasks(job_pk: int) -> int:
    """Send the task of one row, and other waiting ones in parallel; return how many."""
    first = CvatJob.objects.claimable().filter(pk=job_pk).select_related("project").first()
    return _Sender(first.project, first.pk).run() if first else 0


class _Sender:
    """Sends up to `AVA_CVAT_CONCURRENCY` tasks of one project at a time."""

    def __init__(self, project: CvatProject, first: int) -> None:
        self.project = project
        self.end = time.monotonic() + MAX_SECONDS
        self.waiting = self._waiting_keys(first)
        self.running: list[_ActiveUpload] = []
        self.stop = threading.Event()
        self.attempted = 0
        self.heartbeat_at = time.monotonic()
        self.shared_error: Exception | None = None  # one that other tasks would hit too
        self.unexpected: Exception | None = None
        self.members: dict[str, CvatMember] | None = None

    def run(self) -> int:
        try:
            with ThreadPoolExecutor(settings.CVAT_CONCURRENCY) as pool:
                try:
                    self._loop(pool)
                finally:  # interrupted: the threads stop at their next call
                    self.stop.set()
        finally:
            for upload in self.running:
                CvatJob.objects.release_claim(upload.row.pk)
        if self.unexpected:
            raise self.unexpected
        return self.attempted

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while True:
            while len(self.running) < settings.CVAT_CONCURRENCY and self._start_next(pool):
                pass
            if not self.running:
                return
            futures = {upload.job for upload in self.running}
            done, _ = wait(futures, HEARTBEAT_SECONDS, FIRST_COMPLETED)
            self._renew_leases()
            for upload in [one for one in self.running if one.job in done]:
                self.running.remove(upload)
                self._finish(upload)

    def _waiting_keys(self, first: int) -> Iterator[int]:
        """Key of the first row, then of other waiting rows, while there is time."""
        yield first
        while time.monotonic() < self.end and self.shared_error is None:
            mine = [upload.row.pk for upload in self.running]
            rows = CvatJob.objects.claimable().filter(project=self.project)
            key = rows.exclude(pk__in=mine).order_by("pk").values_list("pk", flat=True).first()
            if key is None:
                return
            yield key

    def _start_next(self, pool: ThreadPoolExecutor) -> bool:
        key = next(self.waiting, None)
        if key is None:
            return False
        row = CvatJob.objects.claim(key)
        if row is None:
            return True
        self.attempted += 1
        try:
            client, payload = self._payload(row)
            frames = ExitStack()  # made here, because that writes the clip's row
            path = frames.enter_context(frames_path(row.task.clip))
        except Exception as error:  # noqa: BLE001  stored on the row, and raised again at the end
            self._record_error(row, error)
        else:
            job = pool.submit(self._send, client, payload, path)
            job.add_done_callback(lambda _: frames.close())
            newest = row.task.versions.order_by("-number").first()
            is_answered = newest is not None and newest.stage != Stage.FAILED
            self.running.append(_ActiveUpload(row, job, is_answered))
        return True

    def _payload(self, row: CvatJob) -> tuple[CvatClient, TaskPayload]:
        client = client_for(self.project.server)
        task = row.task
        name = task.annotator.name
        if self.members is None:
            self.members = {one.name: one for one in client.members()}
        member = self.members.get(name)
        if member is None or not member.is_active:
            sentence = (
                gettext(
                    "%(name)s is not a member of %(organisation)s: invite them, or assign "
                    "the clip to another annotator, then retry"
                )
                if member is None
                else gettext(
                    "%(name)s was invited, but is not yet a member of %(organisation)s: "
                    "invite them, or assign the clip to another annotator, then retry"
                )
            )
            organisation = self.project.server.organisation or "CVAT"
            raise CvatError(sentence % {"name": name, "organisation": organisation})
        if self.project.project_id is None:
            raise CvatUnavailableError(gettext("the project is not set up yet"))
        answered = task.versions.exclude(stage=Stage.FAILED).order_by("-number").first()
        document = version_document(answered) if answered else task_document(task)
        fps = task.clip.video.dataset.annotation_fps
        count = task_frame_count(task.clip.frame_count, annotation_fps=fps)
        groups = group_specs(task.clip.video.dataset)
        data = labelled_data(document.tracks, self.project.label_ids, attributes_of(groups))
        return client, TaskPayload(
            str(task),
            self.project.project_id,
            member.user_id,
            count,
            data,
            *_state_of(row, answered),
        )

    def _send(self, client: CvatClient, payload: TaskPayload, path: Path) -> Job:
        with work_folder() as folder:
            check_frame_count(path, payload.name, payload.frame_count)
            return upload_task(client, payload, path, folder, self._check_stop)

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise UploadStoppedError

    def _renew_leases(self) -> None:
        if time.monotonic() - self.heartbeat_at > settings.LEASE.total_seconds() / 4:
            self.heartbeat_at = time.monotonic()
            for upload in self.running:
                upload.row.renew_lease()

    def _finish(self, upload: _ActiveUpload) -> None:
        error = upload.job.exception()
        if error is not None:
            self._record_error(upload.row, error)
            return
        job = upload.job.result()
        name = upload.row.task.annotator.name
        message = (
            ""
            if job.assignee == name
            else gettext("In CVAT the job is assigned to %(assignee)s.")
            % {"assignee": job.assignee or gettext("nobody")}
        )
        # Answers that were sent from here are those we have.
        is_known = upload.is_answered and job.is_finished
        try:
            upload.row.finish(
                fetched_at=job.updated_date if is_known else upload.row.fetched_at,
                cvat_task_id=job.task_id, job_id=job.job_id, assignee=job.assignee,
                cvat_stage=job.stage, cvat_state=job.state, changed_at=job.updated_date,
                is_deleted=False, message=message,
            )  # fmt: skip
        except ClaimLostError:
            return  # another worker has the row, and finds the task by its name

    def _record_error(self, row: CvatJob, error: BaseException) -> None:
        """Store an error on its row; one that others would hit too stops starting tasks."""
        try:
            if isinstance(error, DEFERRABLE):
                self.shared_error = error
                defer(row, error)
            elif isinstance(error, EXPECTED):
                row.fail(str(error))
            else:
                row.fail(
                    gettext("Unexpected %(kind)s: %(error)s")
                    % {"kind": type(error).__name__, "error": error}
                )
                self.unexpected = error if isinstance(error, Exception) else None
        except CvatError as lasting:
            row.fail(str(lasting))
        except ClaimLostError:
            return


def _state_of(row: CvatJob, answered: AnswerVersion | None) -> tuple[str, str]:
    """Stage and state that the job of a task has here: new, finished, rejected or accepted."""
    if answered is None:
        return "annotation", "new"
    newest = row.state_changes.filter(version=answered).order_by("-pk").first()
    verdict = newest.verdict if newest else ""
    if verdict == JobStateChange.Verdict.APPROVED:
        return "acceptance", "completed"
    reopened = (JobStateChange.Verdict.REJECTED, JobStateChange.Verdict.RETURNED)
    return "annotation", "rejected" if verdict in reopened else "completed"


EXPECTED = (
    CvatError, PackageError, LabelsError, TracksFileError, CvatJsonError, CvatXmlError,
)  # fmt: skip
