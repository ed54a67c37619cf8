"""Thin Celery tasks of this room."""

from celery import shared_task

from annotation.services import answers, packages


@shared_task
def write_package(task_id: int) -> None:
    packages.write_package(task_id)


@shared_task
def read_answers(pull_id: int) -> None:
    answers.read_answers(pull_id)
