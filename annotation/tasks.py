"""Celery tasks: each calls the service that does the work of one row."""

from celery import shared_task

from annotation.services import answers, label_imports, packages
from annotation.services.cvat import (
    comments,
    connection,
    deliveries,
    projects,
    reconciliation,
    state_changes,
    task_sending,
)


@shared_task
def write_package(task_id: int) -> None:
    packages.write_package(task_id)


@shared_task
def read_answers(version_id: int) -> None:
    answers.read_answers(version_id)


@shared_task
def import_labels(import_id: int) -> None:
    label_imports.run_import(import_id)


@shared_task
def check_connection(server_id: int) -> None:
    connection.check_connection(server_id)


@shared_task
def set_up_project(project_id: int) -> None:
    projects.set_up_project(project_id)


@shared_task
def send_tasks(job_id: int) -> None:
    task_sending.send_tasks(job_id)


@shared_task
def process_delivery(delivery_id: int) -> None:
    deliveries.process_delivery(delivery_id)


@shared_task
def reconcile(reconciliation_id: int) -> None:
    reconciliation.reconcile(reconciliation_id)


@shared_task
def apply_state_change(change_id: int) -> None:
    state_changes.apply_state_change(change_id)


@shared_task
def send_comment(comment_id: int) -> None:
    comments.send_comment(comment_id)
