"""Celery tasks that advance the pipeline; beat sends them (`CELERY_BEAT_SCHEDULE`)."""

from celery import shared_task

from workers import broker, celery_worker
from workers.planning import Planner

__all__ = ["advance", "celery_worker", "sweep"]  # importing it connects its signals

_planner = Planner()  # each process of a worker remembers what it has planned


@shared_task
def advance() -> None:
    broker.advance(planner=_planner)


@shared_task
def sweep() -> None:
    broker.sweep()
