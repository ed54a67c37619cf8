"""Stage 6 with a CVAT server: tasks go out side by side, each once.

A row is one task. Whoever is given one row also takes the next that wait for the same project,
as many at a time as `AVA_CVAT_SIDE_BY_SIDE` says: CVAT makes tasks in workers of its own, so
one is uploaded while another is made. Rows are read and written in the first thread alone; the
others only talk to CVAT.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from django.conf import settings

from annotation.core.cvat_json import CvatJsonError, labelled_data
from annotation.core.cvat_xml import CvatXmlError
from annotation.core.labels import LabelsError
from annotation.core.tracks import task_frame_count
from annotation.cvat.client import CvatClient, Job, Member
from annotation.cvat.errors import CvatError, CvatUnavailableError
from annotation.cvat.sending import Parcel, StoppedError, send
from annotation.models import AnnotationTask, CvatJob, CvatProject
from annotation.services.answers import document_of_version
from annotation.services.cvat.deferral import DEFERRABLE, client_for, defer
from annotation.services.packages import PackageError, check_pictures, document_of
from avaproject.base.storage import local_path, work_folder
from avaproject.base.work import ClaimLostError, Stage
from datasets.models import Dataset
from tracking.core.tracks_file import TracksFileError

SECONDS_AT_A_TIME = 60.0  # then others get their turn
SECONDS_BETWEEN_HEARTBEATS = 5.0


class Sending(NamedTuple):
    """A row in hand, and the thread's promise of its job."""

    row: CvatJob
    job: "Future[Job]"


def request_sending(dataset: Dataset) -> int:
    """Have every task of `dataset` sent that was not yet; return how many."""
    project = CvatProject.objects.get(dataset=dataset)
    CvatProject.objects.filter(pk=project.pk).update(is_paused=False)
    tasks = AnnotationTask.objects.of(dataset).filter(
        unassigned_at=None, cvat_job=None, annotator__is_simulated=False
    )
    new = [CvatJob(task=task, project=project) for task in tasks.order_by("pk")]
    CvatJob.objects.bulk_create(new, ignore_conflicts=True)  # somebody else may order as well
    return len(new)


def pause_sending(project: CvatProject) -> None:
    """Take up no more tasks; those on their way are finished."""
    CvatProject.objects.filter(pk=project.pk).update(is_paused=True)


def send_tasks(job_pk: int) -> int:
    """Send the task of one row, and others that wait side by side; return how many tried."""
    first = CvatJob.objects.claimable().filter(pk=job_pk).select_related("project").first()
    return _Sender(first.project, first.pk).run() if first else 0


class _Sender:
    """Keeps up to `AVA_CVAT_SIDE_BY_SIDE` tasks of one project on their way."""

    def __init__(self, project: CvatProject, first: int) -> None:
        self.project = project
        self.end = time.monotonic() + SECONDS_AT_A_TIME
        self.waiting = self._waiting(first)
        self.running: list[Sending] = []
        self.stop = threading.Event()
        self.tried = 0
        self.beaten = time.monotonic()
        self.trouble: Exception | None = None  # not of one task alone
        self.unexpected: Exception | None = None
        self.members: dict[str, Member] | None = None

    def run(self) -> int:
        try:
            with ThreadPoolExecutor(settings.CVAT_SIDE_BY_SIDE) as pool:
                try:
                    self._keep_going(pool)
                finally:  # interrupted: the threads stop at their next call
                    self.stop.set()
        finally:
            for sending in self.running:
                CvatJob.objects.release_claim(sending.row.pk)
        if self.unexpected:
            raise self.unexpected
        return self.tried

    def _keep_going(self, pool: ThreadPoolExecutor) -> None:
        while True:
            while len(self.running) < settings.CVAT_SIDE_BY_SIDE and self._start_one(pool):
                pass
            if not self.running:
                return
            promises = {sending.job for sending in self.running}
            done, _ = wait(promises, SECONDS_BETWEEN_HEARTBEATS, FIRST_COMPLETED)
            self._beat()
            for sending in [one for one in self.running if one.job in done]:
                self.running.remove(sending)
                self._settle(sending)

    def _waiting(self, first: int) -> Iterator[int]:
        """The first row, then the others one by one as long as there is time."""
        yield first
        while time.monotonic() < self.end and self.trouble is None:
            mine = [sending.row.pk for sending in self.running]
            rows = CvatJob.objects.claimable().filter(project=self.project)
            key = rows.exclude(pk__in=mine).order_by("pk").values_list("pk", flat=True).first()
            if key is None:
                return
            yield key

    def _start_one(self, pool: ThreadPoolExecutor) -> bool:
        key = next(self.waiting, None)
        if key is None:
            return False
        row = CvatJob.objects.claim(key)
        if row is None:
            return True
        self.tried += 1
        try:
            client, parcel = self._packed(row)
        except Exception as error:  # noqa: BLE001  kept on the row, and raised again at the end
            self._record(row, error)
        else:
            frames = str(row.task.clip.frames)
            job = pool.submit(self._send, client, parcel, frames)
            self.running.append(Sending(row, job))
        return True

    def _packed(self, row: CvatJob) -> tuple[CvatClient, Parcel]:
        client = client_for(self.project.server)
        task = row.task
        name = task.annotator.name
        if self.members is None:
            self.members = {one.name: one for one in client.members()}
        member = self.members.get(name)
        if member is None or not member.is_active:
            what = "is not" if member is None else "has been invited, but is not yet"
            raise CvatError(
                f"{name} {what} a member of {self.project.server.organisation or 'CVAT'}: "
                "invite them there, or give the clip to somebody else, then try again"
            )
        if self.project.project_id is None:
            raise CvatUnavailableError("the project is not set up yet")
        answered = task.versions.exclude(stage=Stage.FAILED).order_by("-number").first()
        document = document_of_version(answered) if answered else document_of(task)
        fps = task.clip.video.dataset.annotation_fps
        count = task_frame_count(task.clip.frame_count, annotation_fps=fps)
        data = labelled_data(document.tracks, self.project.label_ids)
        return client, Parcel(str(task), self.project.project_id, member.user_id, count, data)

    def _send(self, client: CvatClient, parcel: Parcel, frames: str) -> Job:
        with work_folder() as folder, local_path(frames) as path:
            check_pictures(path, parcel.name, parcel.frame_count)
            return send(client, parcel, path, folder, self._check)

    def _check(self) -> None:
        if self.stop.is_set():
            raise StoppedError

    def _beat(self) -> None:
        if time.monotonic() - self.beaten > settings.LEASE.total_seconds() / 4:
            self.beaten = time.monotonic()
            for sending in self.running:
                sending.row.renew_lease()

    def _settle(self, sending: Sending) -> None:
        error = sending.job.exception()
        if error is not None:
            self._record(sending.row, error)
            return
        job = sending.job.result()
        name = sending.row.task.annotator.name
        message = (
            "" if job.assignee == name else f"In CVAT the job is {job.assignee or 'nobody'}'s."
        )
        try:
            sending.row.finish(
                cvat_task_id=job.task_id, job_id=job.job_id, assignee=job.assignee,
                cvat_stage=job.stage, cvat_state=job.state, changed_at=job.updated_date,
                is_deleted=False, message=message,
            )  # fmt: skip
        except ClaimLostError:
            return  # another worker has the row, and finds the task by its name

    def _record(self, row: CvatJob, error: BaseException) -> None:
        """Keep what went wrong on the row; what would hit others too ends the taking."""
        try:
            if isinstance(error, DEFERRABLE):
                self.trouble = error
                defer(row, error)
            elif isinstance(error, EXPECTED):
                row.fail(str(error))
            else:
                row.fail(f"Unexpected {type(error).__name__}: {error}")
                self.unexpected = error if isinstance(error, Exception) else None
        except CvatError as lasting:
            row.fail(str(lasting))
        except ClaimLostError:
            return


EXPECTED = (
    CvatError, PackageError, LabelsError, TracksFileError, CvatJsonError, CvatXmlError,
)  # fmt: skip
