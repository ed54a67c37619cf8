"""Clips of a video that is still being standardised: cut from its finished minutes.

A clip is early if nothing that follows can change it (`final_bounds`). Its file is complete
in itself until the standard video is stored; then it keeps only what that one has not.
"""

import logging
import shutil
from pathlib import Path

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.clip_frames import are_made_on_demand
from datasets.core.media.clips_and_keyframes import ClipBounds, final_bounds
from datasets.core.media.encoding_segments import cut_finished
from datasets.core.media.standardising import SegmentReport
from datasets.core.media.video_reader import MediaError
from datasets.models import Clip, Video
from datasets.services.cut_clips import clips_of, share_packets, store_poster
from datasets.services.delete import InUseError, delete

logger = logging.getLogger(__name__)

__all__ = ["cut_early_clips", "drop_early_clips", "share_early_clips", "without_early_clips"]


def cut_early_clips(video: Video, parts: Path, known: SegmentReport) -> int:
    """Make the clips of `video` that are final, from the segments in `parts`.

    Returns how many are new. One that cannot be made now is cut later, like all others. In a
    bucket none is made: its annotation frames are stored with each clip.
    """
    if not are_made_on_demand():
        return 0
    bounds = final_bounds(
        known.frame_count,
        known.unreadable,
        known.stills,
        clip_seconds=video.dataset.clip_seconds,
    )
    new = without_early_clips(video, bounds)
    if not new:
        return 0
    video.check_claim()
    video.claimed_rows().update(
        width=known.width,
        height=known.height,
        frame_count=known.frame_count,
        unreadable=known.unreadable,
        stills=known.stills,
    )
    try:
        for clip in new:
            _make(clip, video, parts)
    except (MediaError, OSError) as error:
        logger.warning("early clips of %s: %s", video, error)
    return len(new)


def _make(clip: Clip, video: Video, parts: Path) -> None:
    clip.video = video
    with work_folder() as folder:
        made = folder / "clip.mp4"
        cut_finished(parts, made, start_frame=clip.start_frame, frame_count=clip.frame_count)
        results = store_poster(clip, made)
        results["file"] = store(made, clip.stored_names[0])
    for name, value in results.items():
        setattr(clip, name, value)
    clip.stage, clip.progress = Stage.DONE, 1.0
    Clip.objects.bulk_create([clip], ignore_conflicts=True)


def without_early_clips(video: Video, bounds: list[ClipBounds]) -> list[Clip]:
    """Rows for the clips that a video lacks; some may be there since it was standardised."""
    there = set(video.clips.values_list("start_frame", flat=True))
    return [
        clip for clip in clips_of(video.pk, video.name, bounds) if clip.start_frame not in there
    ]


def share_early_clips(video: Video) -> None:
    """Keep of each early clip only what is not in the stored standard video."""
    if not are_made_on_demand():
        return
    try:
        for clip in video.clips.done().exclude(file=""):
            clip.video = video
            _share(clip)
    except (MediaError, OSError) as error:
        logger.warning("early clips of %s: %s", video, error)  # they only take more space


def _share(clip: Clip) -> None:
    name = str(clip.file.name)
    with (
        local_path(str(clip.video.file.name)) as standard,
        local_path(name) as path,
        work_folder() as folder,
    ):
        copy = folder / "clip.mp4"
        shutil.copyfile(path, copy)
        share_packets(clip, standard, copy)
        if copy.stat().st_size < path.stat().st_size:
            store(copy, name)


def drop_early_clips(video: Video) -> None:
    """Delete the clips of a video that is refused after all; those in work stay."""
    for clip in video.clips.all():
        try:
            delete(clip)
        except InUseError:
            continue
