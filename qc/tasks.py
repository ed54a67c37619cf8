"""Thin Celery tasks of this room."""

from celery import shared_task

from qc.services import agree, export_frames, measure, release, release_sync, settle


@shared_task
def report_agreement(report_id: int) -> None:
    agree.report_agreement(report_id)


@shared_task
def summarise_agreement(summary_id: int) -> None:
    agree.summarise(summary_id)


@shared_task
def measure_answers(score_id: int) -> None:
    measure.measure(score_id)


@shared_task
def settle_clip(consensus_id: int) -> None:
    settle.settle_clip(consensus_id)


@shared_task
def export_clip(export_id: int) -> None:
    export_frames.export_clip(export_id)


@shared_task
def make_release(release_id: int) -> None:
    release.make_release(release_id)


@shared_task
def sync_release(sync_id: int) -> None:
    release_sync.sync_release(sync_id)
