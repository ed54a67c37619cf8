"""Celery tasks of this app; one service call each."""

from celery import shared_task

from datasets.services import compare_footage as comparison
from datasets.services import cut_clips, import_clips, standardise, upload


@shared_task
def unpack_upload(upload_id: int) -> None:
    upload.unpack_upload(upload_id)


@shared_task
def standardise_video(video_id: int) -> None:
    standardise.standardise_video(video_id)


@shared_task
def cut_clip(clip_id: int) -> None:
    cut_clips.cut_clip(clip_id)


@shared_task
def import_bundle_clips(import_id: int) -> None:
    import_clips.import_uploaded_clips(import_id)


@shared_task
def compare_footage(fingerprint_id: int) -> None:
    comparison.compare_footage(fingerprint_id)
