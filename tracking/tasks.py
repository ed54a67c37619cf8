"""Thin Celery tasks of tracking; `track_clip` runs on the queue `gpu`."""

from celery import shared_task

from tracking.services import assign_identities, export_bundle, import_tracks, track


@shared_task
def import_bundle_tracks(import_id: int) -> None:
    import_tracks.import_uploaded_tracks(import_id)


@shared_task
def track_clip(run_id: int) -> None:
    track.track_clip(run_id)


@shared_task
def assign_video_identities(identity_run_id: int) -> None:
    assign_identities.assign_video_identities(identity_run_id)


@shared_task
def make_bundle(bundle_id: int) -> None:
    export_bundle.make_bundle(bundle_id)
