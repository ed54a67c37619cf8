"""Thin Celery tasks of this room; `track_clip` goes to the queue `gpu`."""

from celery import shared_task

from tracking.services import bundle, link, track


@shared_task
def track_clip(run_id: int) -> None:
    track.track_clip(run_id)


@shared_task
def link_video(linking_id: int) -> None:
    link.link_video(linking_id)


@shared_task
def make_bundle(bundle_id: int) -> None:
    bundle.make_bundle(bundle_id)
