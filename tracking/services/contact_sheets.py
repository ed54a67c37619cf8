"""Contact sheets of the tracks of a run: made when somebody looks, kept here for a while.

They lie among the work folders and are removed with them (`avaproject.base.storage`).
"""

import os
import zipfile
from pathlib import Path

from django.conf import settings

from avaproject.base.storage import open_stored
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.naming import frame_name
from datasets.core.media.stills import decode_jpeg
from datasets.core.media.video_reader import MediaError
from tracking.core.contact_sheets import crop_person, sampled_frames, sheet
from tracking.core.tracks_file import Track
from tracking.models import TrackingRun
from tracking.selectors import tracks_of


class ContactSheetError(RuntimeError):
    """There is nothing to show of a track; the message says why."""


def contact_sheet(run: TrackingRun, track_id: int) -> Path:
    """A JPEG of one track of `run`.

    Raises ContactSheetError if there is none to be made, TracksFileError if the tracks cannot be read.
    """
    kept = Path(settings.DATA_DIR) / "tmp" / f"sheets-{run.pk}" / f"{track_id}.jpg"
    if not kept.is_file():
        tracks = {track.track_id: track for track in tracks_of(run).tracks}
        if track_id not in tracks:
            raise ContactSheetError(f"{run} has no track {track_id}.")
        content = _made(run, tracks[track_id])
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_name(f".{kept.name}.{os.getpid()}.part")
        beside.write_bytes(content)
        beside.replace(kept)
    return kept


def _made(run: TrackingRun, track: Track) -> bytes:
    clip = run.clip
    step = FRAME_RATE // clip.video.dataset.annotation_fps
    looks = sampled_frames(track, step=step)
    if not looks:
        raise ContactSheetError(f"Track {track.track_id} of {clip} lies between two pictures.")
    parts = []
    try:
        with open_stored(clip.frames.name or "") as file, zipfile.ZipFile(file) as pictures:
            for look in looks:
                content = pictures.read(frame_name(clip.name, look.frame // step))
                parts.append(crop_person(decode_jpeg(content), track.boxes[look.place]))
    except (OSError, KeyError, zipfile.BadZipFile, MediaError) as error:
        raise ContactSheetError(f"The pictures of {clip} cannot be read ({error}).") from error
    return sheet(parts, [f"{look.frame / FRAME_RATE:.1f} s" for look in looks])
