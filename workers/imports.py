"""Bundles of other machines taken over: clips by the one room, tracks by the other."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from celery import shared_task

from avaproject.base.storage import local_path, work_folder
from datasets.core.formats.bundle_files import BundleError
from datasets.models import Clip, Dataset
from datasets.services.import_clips import bring_in_clips, check_room, lacks_of, unpack_bundle
from datasets.services.upload import delete_bundle_zip
from tracking.core.prototype_bundle import adopt, is_prototype_bundle
from tracking.models import BundleImport, TrackingRun
from tracking.services.import_tracks import open_tracks, plan_imports

CONVERTED = 0.4  # share of the work

Progress = Callable[[float], None]


def plan() -> None:
    """Order the taking over of new bundles, and remove the zips of those that were."""
    plan_imports()
    for done in BundleImport.objects.done().exclude(upload__file="").select_related("upload"):
        delete_bundle_zip(done.upload)


class Brought(NamedTuple):
    """What came of a bundle; `notes` say what was not taken and what can never be done."""

    clips: list[Clip]
    runs: list[TrackingRun]
    notes: list[str]


def bring_in(
    dataset: Dataset,
    path: Path,
    *,
    rate: int | None = None,
    progress: Progress = lambda share: None,
) -> Brought:
    """Take over the bundle at `path`: a folder, or a zip of its files.

    It may be one of ours or a prototype's bare files. What is here already is left alone.
    Each video comes in with its tracks, so that whoever stops on the way leaves whole ones.
    Raises BundleError if it is damaged or does not fit.

    Args:
        rate: Pictures a second in a prototype's files, if they do not tell it themselves.
        progress: Told the share done.
    """
    with ExitStack() as stack:
        folder, notes, begun = path, list[str](), 0.0
        if path.is_file():
            folder = stack.enter_context(work_folder())
            unpack_bundle(path, folder)
        if folder.is_dir() and is_prototype_bundle({each.name for each in folder.iterdir()}):
            check_room(folder)
            bare, folder, begun = folder, stack.enter_context(work_folder()), CONVERTED
            notes = adopt(
                bare, folder, rate=rate, progress=lambda share: progress(share * CONVERTED)
            )
        tracks = stack.enter_context(open_tracks(folder))
        runs: list[TrackingRun] = []
        clips = bring_in_clips(
            dataset, folder,
            each=lambda video: runs.extend(tracks.bring_in(dataset, video)),
            progress=lambda share: progress(begun + share * (1 - begun)),
        )  # fmt: skip
    return Brought(clips, runs, [*notes, *lacks_of(clips)])


@shared_task
def import_bundle(import_id: int) -> None:
    """Take over an uploaded bundle; nothing if it is done or in other hands."""
    order = BundleImport.objects.claim(import_id)
    if order is None:
        return
    with order.working(BundleError, OSError):
        with local_path(order.upload.file.name or "") as path:
            brought = bring_in(order.upload.dataset, path, progress=order.report)
        order.finish(
            clip_count=len(brought.clips),
            track_count=sum(run.track_count or 0 for run in brought.runs),
            notes=brought.notes,
        )
