"""Thin Celery tasks of this room; `track_clip` goes to the queue `gpu`."""

from celery import shared_task

from tracking.services import track
from tracking.services import export_bundle
from tracking.services import identities


@shared_task
def track_clip(run_id: int) -> None:
    track.track_clip(run_id)


@shared_task
def assign_video_identities(linking_id: int) -> None:
    identities.assign_video_identities(linking_id)


@shared_task
def make_bundle(bundle_id: int) -> None:
    export_bundle.make_bundle(bundle_id)
