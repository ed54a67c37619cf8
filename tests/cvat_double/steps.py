"""A dataset connected to the CVAT double, and one function for each step of its pipeline."""

import json
from typing import Any

from annotation.core.webhook import signature
from annotation.models import (
    AnnotationTask,
    AnswerVersion,
    CvatJob,
    CvatProject,
    CvatServer,
    JobStateChange,
    Reconciliation,
    WebhookDelivery,
)
from annotation.services.answers import read_answers
from annotation.services.cvat.connection import save_server
from annotation.services.cvat.deliveries import process_delivery, receive
from annotation.services.cvat.projects import connect_dataset, set_up_project
from annotation.services.cvat.reconciliation import reconcile, request_reconciliation
from annotation.services.cvat.state_changes import apply_state_change
from annotation.services.cvat.task_sending import request_sending, send_tasks
from datasets.models import Dataset
from tests.cvat_double.server import CvatDouble
from tests.make import make_annotator, make_dataset, make_task
from tests.stored_files import make_ready_video

TASK = "aisle-c0000--ann"  # the only one of a small world
FINISHED = {"posture": "walk", "doing": "wave"}


def make_server(cvat: CvatDouble, name: str = "lab", **fields: Any) -> CvatServer:
    server = CvatServer(name=name, url=cvat.url, organisation="avalab", **fields)
    return save_server(server, token=cvat.token)


def make_world(
    cvat: CvatDouble,
    *,
    annotators: tuple[str, ...] = ("ann",),
    clips: int = 1,
    **fields: Any,
) -> Dataset:
    """The dataset "shop", each of its clips a waiting task for each annotator."""
    dataset = make_dataset("shop", **fields)
    people = [make_annotator(dataset, name) for name in annotators]
    count = 450 * clips
    video = make_ready_video(dataset, name="aisle", frame_count=count)
    for clip in video.clips.all():
        for person in people:
            make_task(clip.tracking_runs.get(), person)
    server = CvatServer.objects.first() or make_server(cvat)
    connect_dataset(dataset, server)
    return dataset


def project_of(dataset: Dataset) -> CvatProject:
    return CvatProject.objects.get(dataset=dataset)


def set_up(dataset: Dataset) -> CvatProject:
    project = set_up_project(project_of(dataset).pk)
    assert project is not None
    return project


def sent_world(cvat: CvatDouble, **fields: Any) -> Dataset:
    """A world whose tasks are all in CVAT."""
    dataset = make_world(cvat, **fields)
    set_up(dataset)
    send_all(dataset)
    assert not CvatJob.objects.exclude(stage="done").exists(), CvatJob.objects.values("error")
    return dataset


def send_all(dataset: Dataset) -> None:
    """Order the sending, then carry out what may be taken now."""
    request_sending(dataset)
    send_waiting()


def send_waiting() -> None:
    for pk in CvatJob.objects.claimable().values_list("pk", flat=True):
        send_tasks(pk)


def task_named(name: str) -> AnnotationTask:
    return next(one for one in AnnotationTask.objects.all() if str(one) == name)


def job_named(name: str) -> CvatJob:
    return CvatJob.objects.get(task=task_named(name))


def reconciled(dataset: Dataset, *, is_full: bool = True) -> Reconciliation:
    order = request_reconciliation(project_of(dataset))
    Reconciliation.objects.filter(pk=order.pk).update(is_full=is_full)
    done = reconcile(order.pk)
    assert done is not None
    return done


def post_delivery(server: CvatServer, body: bytes) -> WebhookDelivery | None:
    """A delivery as the webhook address takes it."""
    return receive(server, body, signature(body, server.secret))


def process_deliveries() -> None:
    for pk in WebhookDelivery.objects.claimable().order_by("pk").values_list("pk", flat=True):
        process_delivery(pk)


def read_all() -> list[AnswerVersion]:
    return [
        read
        for pk in AnswerVersion.objects.claimable().order_by("pk").values_list("pk", flat=True)
        if (read := read_answers(pk))
    ]


def apply_state_changes() -> list[JobStateChange]:
    return [
        moved
        for pk in JobStateChange.objects.claimable().order_by("pk").values_list("pk", flat=True)
        if (moved := apply_state_change(pk))
    ]


def state_event(
    cvat: CvatDouble, name: str = TASK, *, before: str = "in progress", **job: object
) -> bytes:
    """What CVAT delivers when the state of a task's job has changed."""
    content = {
        "event": "update:job", "job": cvat.job_of(name) | job, "webhook_id": 1,
        "before_update": {"state": before, "updated_date": "2026-11-22T09:39:17Z"},
    }  # fmt: skip
    return json.dumps(content).encode()
