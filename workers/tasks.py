"""Thin Celery tasks that keep the pipeline going; beat sends them (settings.py)."""

from celery import shared_task

from workers import pipeline


@shared_task
def advance() -> None:
    pipeline.advance()


@shared_task
def sweep() -> None:
    pipeline.sweep()
