"""Contact sheets of the tracks of a run: made when somebody looks, kept here for a while.

They lie among the work folders and are removed with them (`avaproject.base.storage`).
"""

import os
import zipfile
from pathlib import Path

from django.conf import settings

from avaproject.base.storage import opened
from datasets.core.clipping import FRAME_RATE
from datasets.core.naming import frame_name
from datasets.core.slides import read_jpeg
from datasets.core.source import MediaError
from tracking.core.sheet import cut_out, looks_of, sheet
from tracking.core.trackfile import Track
from tracking.models import TrackingRun
from tracking.selectors import tracks_of


class SheetError(RuntimeError):
    """There is nothing to show of a track; the message says why."""


def sheet_of(run: TrackingRun, track_id: int) -> Path:
    """A JPEG of one track of `run`.

    Raises SheetError if there is none to be made, TrackFileError if the tracks cannot be read.
    """
    kept = Path(settings.DATA_DIR) / "tmp" / f"sheets-{run.pk}" / f"{track_id}.jpg"
    if not kept.is_file():
        tracks = {track.track_id: track for track in tracks_of(run).tracks}
        if track_id not in tracks:
            raise SheetError(f"{run} has no track {track_id}.")
        content = _made(run, tracks[track_id])
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_name(f".{kept.name}.{os.getpid()}.part")
        beside.write_bytes(content)
        beside.replace(kept)
    return kept


def _made(run: TrackingRun, track: Track) -> bytes:
    clip = run.clip
    step = FRAME_RATE // clip.video.dataset.annotation_fps
    looks = looks_of(track, step=step)
    if not looks:
        raise SheetError(f"Track {track.track_id} of {clip} lies between two pictures.")
    parts = []
    try:
        with opened(clip.frames.name or "") as file, zipfile.ZipFile(file) as pictures:
            for look in looks:
                content = pictures.read(frame_name(clip.name, look.frame // step))
                parts.append(cut_out(read_jpeg(content), track.boxes[look.place]))
    except (OSError, KeyError, zipfile.BadZipFile, MediaError) as error:
        raise SheetError(f"The pictures of {clip} cannot be read ({error}).") from error
    return sheet(parts, [f"{look.frame / FRAME_RATE:.1f} s" for look in looks])
