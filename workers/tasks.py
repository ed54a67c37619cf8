"""Celery tasks that advance the pipeline; beat sends them (`CELERY_BEAT_SCHEDULE`)."""

from celery import shared_task

from workers import pipeline


@shared_task
def advance() -> None:
    pipeline.advance()


@shared_task
def sweep() -> None:
    pipeline.sweep()
