"""Thin Celery tasks of this room."""

from celery import shared_task

from datasets.services import clip, standardise, upload


@shared_task
def unpack_upload(upload_id: int) -> None:
    upload.unpack_upload(upload_id)


@shared_task
def standardise_video(video_id: int) -> None:
    standardise.standardise_video(video_id)


@shared_task
def cut_clip(clip_id: int) -> None:
    clip.cut_clip(clip_id)
