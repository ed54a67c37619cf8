"""Celery tasks of quality control: an id and one call each."""

from celery import shared_task

from qc.services.agreement import gold_scores, reports
from qc.services.consensus import build_consensus
from qc.services.release import bucket_sync, export_media
from qc.services.release import make_release as releases


@shared_task
def report_agreement(report_id: int) -> None:
    reports.report_agreement(report_id)


@shared_task
def summarise_agreement(summary_id: int) -> None:
    reports.summarise(summary_id)


@shared_task
def measure_answers(score_id: int) -> None:
    gold_scores.measure_answers(score_id)


@shared_task
def build_clip_consensus(consensus_id: int) -> None:
    build_consensus.build_clip_consensus(consensus_id)


@shared_task
def export_clip(export_id: int) -> None:
    export_media.export_clip(export_id)


@shared_task
def make_release(release_id: int) -> None:
    releases.make_release(release_id)


@shared_task
def sync_release(sync_id: int) -> None:
    bucket_sync.sync_release(sync_id)
