"""A dataset that is connected to the double, and the steps of the road as one call each."""

import json

from annotation.core.webhook import signature
from annotation.models import (
    AnnotationTask,
    CvatJob,
    CvatProject,
    CvatServer,
    Delivery,
    JobMove,
    Pull,
    Reconciliation,
)
from annotation.services.answers import read_answers
from annotation.services.connect import save_server
from annotation.services.deliveries import look_into, receive
from annotation.services.moves import move_job
from annotation.services.projects import connect_dataset, set_up_project
from annotation.services.publish import order_sending, send_tasks
from annotation.services.reconcile import order_reconciliation, reconcile
from datasets.models import Dataset
from tests.cvat_double import CvatDouble
from tests.make import make_annotator, make_dataset, make_task
from tests.material import make_ready_video

TASK = "aisle-c0000--ann"  # the only one of a small world
FINISHED = {"posture": "walk", "doing: wave": "true"}


def make_server(cvat: CvatDouble, name: str = "lab", **fields: object) -> CvatServer:
    server = CvatServer(name=name, url=cvat.url, organisation="avalab", **fields)
    return save_server(server, token=cvat.token)


def make_world(
    cvat: CvatDouble,
    *,
    annotators: tuple[str, ...] = ("ann",),
    clips: int = 1,
    **fields: object,
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


def sent_world(cvat: CvatDouble, **fields: object) -> Dataset:
    """A world whose tasks are all in CVAT."""
    dataset = make_world(cvat, **fields)
    set_up(dataset)
    send_all(dataset)
    assert not CvatJob.objects.exclude(stage="done").exists(), CvatJob.objects.values("error")
    return dataset


def send_all(dataset: Dataset) -> None:
    """Order the sending, then carry out what may be taken now."""
    order_sending(dataset)
    send_waiting()


def send_waiting() -> None:
    for pk in CvatJob.objects.claimable().values_list("pk", flat=True):
        send_tasks(pk)


def task_named(name: str) -> AnnotationTask:
    return next(one for one in AnnotationTask.objects.all() if str(one) == name)


def job_named(name: str) -> CvatJob:
    return CvatJob.objects.get(task=task_named(name))


def reconciled(dataset: Dataset, *, is_full: bool = True) -> Reconciliation:
    order = order_reconciliation(project_of(dataset))
    Reconciliation.objects.filter(pk=order.pk).update(is_full=is_full)
    done = reconcile(order.pk)
    assert done is not None
    return done


def told(server: CvatServer, body: bytes) -> Delivery | None:
    """A delivery as the webhook address takes it."""
    return receive(server, body, signature(body, server.secret))


def look_into_all() -> None:
    for pk in Delivery.objects.claimable().order_by("pk").values_list("pk", flat=True):
        look_into(pk)


def read_all() -> list[Pull]:
    return [
        read
        for pk in Pull.objects.claimable().order_by("pk").values_list("pk", flat=True)
        if (read := read_answers(pk))
    ]


def move_all() -> list[JobMove]:
    return [
        moved
        for pk in JobMove.objects.claimable().order_by("pk").values_list("pk", flat=True)
        if (moved := move_job(pk))
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
