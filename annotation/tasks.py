"""Thin Celery tasks of this room."""

from celery import shared_task

from annotation.services import (
    answers,
    connect,
    deliveries,
    moves,
    packages,
    projects,
    publish,
)
from annotation.services import reconcile as reconciling


@shared_task
def write_package(task_id: int) -> None:
    packages.write_package(task_id)


@shared_task
def read_answers(pull_id: int) -> None:
    answers.read_answers(pull_id)


@shared_task
def check_connection(server_id: int) -> None:
    connect.check_connection(server_id)


@shared_task
def set_up_project(project_id: int) -> None:
    projects.set_up_project(project_id)


@shared_task
def send_tasks(job_id: int) -> None:
    publish.send_tasks(job_id)


@shared_task
def look_into(delivery_id: int) -> None:
    deliveries.look_into(delivery_id)


@shared_task
def reconcile(reconciliation_id: int) -> None:
    reconciling.reconcile(reconciliation_id)


@shared_task
def move_job(move_id: int) -> None:
    moves.move_job(move_id)
