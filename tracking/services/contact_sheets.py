"""Contact sheets of the tracks of a run: made on request, cached for a day.

They lie among the work folders and are removed with them (`avaproject.base.temporary`).
"""

import zipfile
from pathlib import Path

from django.conf import settings

from avaproject.base.storage import open_stored
from avaproject.base.temporary import partial_path
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.stills import decode_jpeg
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import frame_name
from tracking.core.contact_sheets import crop_person, draw_sheet, sampled_frames
from tracking.core.tracks_file import Track
from tracking.models import TrackingRun
from tracking.selectors import tracks_of


class ContactSheetError(RuntimeError):
    """There is nothing to show of a track; the message says why."""


def contact_sheet(run: TrackingRun, track_id: int) -> Path:
    """A JPEG of one track of `run`.

    Raises ContactSheetError if it cannot be made, TracksFileError if the tracks cannot be read.
    """
    cached = Path(settings.DATA_DIR) / "tmp" / f"sheets-{run.pk}" / f"{track_id}.jpg"
    if not cached.is_file():
        tracks = {track.track_id: track for track in tracks_of(run).tracks}
        if track_id not in tracks:
            raise ContactSheetError(f"{run} has no track {track_id}.")
        content = _draw(run, tracks[track_id])
        cached.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(cached) as beside:
            beside.write_bytes(content)
            beside.replace(cached)
    return cached


def _draw(run: TrackingRun, track: Track) -> bytes:
    clip = run.clip
    step = FRAME_RATE // clip.video.dataset.annotation_fps
    sampled = sampled_frames(track, step=step)
    if not sampled:
        raise ContactSheetError(f"Track {track.track_id} of {clip} has no annotation frame.")
    parts = []
    try:
        with open_stored(clip.frames.name or "") as file, zipfile.ZipFile(file) as frames:
            for one in sampled:
                content = frames.read(frame_name(clip.name, one.frame // step))
                parts.append(crop_person(decode_jpeg(content), track.boxes[one.row]))
    except (OSError, KeyError, zipfile.BadZipFile, MediaError) as error:
        raise ContactSheetError(f"The frames of {clip} cannot be read ({error}).") from error
    return draw_sheet(parts, [f"{one.frame / FRAME_RATE:.1f} s" for one in sampled])
