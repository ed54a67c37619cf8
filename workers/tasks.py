"""Periodic Celery tasks (`CELERY_BEAT_SCHEDULE`); beat runs `advance` itself."""

from celery import shared_task

from workers import broker, celery_worker
from workers.planning import Planner

__all__ = ["advance", "celery_worker", "move_files"]  # importing it connects its signals

# Each process remembers what it has planned.
_planner = Planner(moves_files=False)
_mover = Planner(moves_files=True)


@shared_task
def advance() -> None:
    broker.advance(planner=_planner)


@shared_task
def move_files() -> None:
    """Plan the steps that copy or remove files, which can take long."""
    _mover.run_round()
