"""Contact sheets of the tracks of a run: made on request, cached for a day.

They lie among the work folders and are removed with them (`avaproject.base.temporary`).
"""

import zipfile
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from avaproject.base.storage import StorageError
from avaproject.base.temporary import partial_path
from datasets.clip_frames import open_frames, read_frame
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.stills import decode_jpeg
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import frame_name
from tracking.core.image_grid import crop_person, draw_sheet, sampled_frames
from tracking.core.tracks_file import Track
from tracking.models import TrackingRun
from tracking.selectors import PersonCrop, tracks_of


class ContactSheetError(RuntimeError):
    """There is nothing to show of a track; the message says why."""


def contact_sheet(run: TrackingRun, track_id: int) -> Path:
    """A JPEG of one track of `run`.

    Raises ContactSheetError if it cannot be made, TracksFileError if the tracks cannot be read.
    """
    state = sha256(str(run.tracks).encode()).hexdigest()[:8]  # corrections write another file
    folder = Path(settings.DATA_DIR) / "tmp" / f"sheets-{run.pk}"
    cached = folder / f"{track_id}-{state}.jpg"
    if not cached.is_file():
        tracks = {track.track_id: track for track in tracks_of(run).tracks}
        if track_id not in tracks:
            raise ContactSheetError(
                _("%(run)s has no track %(track)s.") % {"run": run, "track": track_id}
            )
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
        raise ContactSheetError(
            _("Track %(track)s of %(clip)s has no annotation frame.")
            % {"track": track.track_id, "clip": clip}
        )
    parts = []
    try:
        with open_frames(clip) as frames:
            for one in sampled:
                content = frames.read(frame_name(clip.name, one.frame // step))
                parts.append(crop_person(decode_jpeg(content), track.boxes[one.row]))
    except StorageError:
        raise
    except (OSError, KeyError, zipfile.BadZipFile, MediaError) as error:
        raise ContactSheetError(
            _("The frames of %(clip)s cannot be read (%(error)s).")
            % {"clip": clip, "error": error}
        ) from error
    return draw_sheet(parts, [f"{one.frame / FRAME_RATE:.1f} s" for one in sampled])


def person_sheet(crops: Sequence[PersonCrop], *, video: int) -> Path:
    """A JPEG of one person at some keyframes of a video, whose key is `video`.

    Raises ContactSheetError if it cannot be made.
    """
    digest = sha256(repr([tuple(one[1:]) for one in crops]).encode()).hexdigest()[:24]
    cached = Path(settings.DATA_DIR) / "tmp" / f"sheets-of-video-{video}" / f"{digest}.jpg"
    if not cached.is_file():
        content = _draw_crops(crops)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(cached) as beside:
            beside.write_bytes(content)
            beside.replace(cached)
    return cached


def _draw_crops(crops: Sequence[PersonCrop]) -> bytes:
    parts = []
    for clip, some in groupby(crops, key=lambda one: one.clip):
        step = FRAME_RATE // clip.video.dataset.annotation_fps
        try:
            for one in some:
                content = read_frame(clip, one.frame // step)
                parts.append(crop_person(decode_jpeg(content), np.array(one.box)))
        except StorageError:
            raise
        except (OSError, MediaError) as error:
            raise ContactSheetError(
                _("The frames of %(clip)s cannot be read (%(error)s).")
                % {"clip": clip, "error": error}
            ) from error
    if not parts:
        raise ContactSheetError(_("This person has no box at a keyframe."))
    return draw_sheet(parts, [one.caption for one in crops])
