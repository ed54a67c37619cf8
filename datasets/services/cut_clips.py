"""Pipeline stage 3: cut standard videos into clips, and extract their annotation frames."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avaproject.base.file_ranges import FileRange
from avaproject.base.storage import DownloadCache, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.clip_frames import are_made_on_demand, write_frames
from datasets.core.media.clips_and_keyframes import (
    FRAME_RATE,
    MIN_CLIP_FRAMES,
    ClipBounds,
    FrameRange,
    clip_bounds,
)
from datasets.core.media.standard_video import cut, encode_jpeg, read_frames, shared_bytes
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import clip_name
from datasets.models import Clip, Video

__all__ = [
    "MediaError",
    "annotation_frame_count",
    "clips_of",
    "cut_clip",
    "encode_poster",
    "plan_clips",
    "share_packets",
    "store_poster",
]

POSTER_WIDTH = 480
POSTER_QUALITY = 85

_videos = DownloadCache()  # the clips of one video are cut one after another


def plan_clips(since: datetime | None = None) -> int:
    """Create the clips of standard videos that have none; return how many.

    Args:
        since: Plan only videos that have changed since then.
    """
    videos = Video.objects.done().changed_since(since)
    videos = videos.filter(clips=None, frame_count__gte=MIN_CLIP_FRAMES)
    clips = [
        clip
        for pk, name, frame_count, unreadable, stills, seconds in videos.values_list(
            "pk", "name", "frame_count", "unreadable", "stills", "dataset__clip_seconds"
        )
        for clip in clips_of(
            pk,
            name,
            clip_bounds(
                frame_count or 0,
                [FrameRange(*each) for each in unreadable],
                [FrameRange(*each) for each in stills],
                clip_seconds=seconds,
            ),
        )
    ]
    Clip.objects.bulk_create(clips, ignore_conflicts=True)
    return len(clips)


def clips_of(video: int, name: str, bounds: Iterable[ClipBounds]) -> list[Clip]:
    """Rows, not stored yet, for the clips of a video."""
    return [
        Clip(
            video_id=video,
            name=clip_name(name, index),
            index=index,
            start_frame=start_frame,
            frame_count=frame_count,
        )
        for index, (start_frame, frame_count) in enumerate(bounds)
    ]


def cut_clip(clip_id: int) -> Clip | None:
    """Make file, frames and poster of a clip; None if it is done or claimed."""
    clip: Clip | None = Clip.objects.claim(clip_id)
    if clip is None:
        return None
    video = clip.video
    with clip.working(MediaError, OSError):
        standard = _videos.path_of(str(video.file.name))
        with work_folder() as folder:
            made = folder / "clip.mp4"
            cut(
                standard, made,
                start_frame=clip.start_frame, frame_count=clip.frame_count,
            )  # fmt: skip
            results = store_poster(clip, made)
            file, frames, _ = clip.stored_names
            if not are_made_on_demand():
                write_frames(clip, folder / "frames.zip", source=made)
                results["frames"] = store(folder / "frames.zip", frames)
            share_packets(clip, standard, made)
            results["file"] = store(made, file)
        clip.finish(**results)
    if not Clip.objects.filter(video=video, stage=Stage.WAITING).exists():
        _videos.clear()
    return clip


def share_packets(clip: Clip, standard: Path, made: Path) -> None:
    """On a local disk, keep of a cut file only what is not in the file of the video."""
    if not are_made_on_demand():
        return
    shared = shared_bytes(made, standard, start_frame=clip.start_frame)
    if shared is not None:
        with made.open("rb") as file:
            header = file.read(shared.own_start)
        source = str(clip.video.file.name or clip.video.standard_name)
        made.write_bytes(FileRange(source, shared.start, shared.length, header).dump())


def annotation_frame_count(frame_count: int, annotation_fps: int) -> int:
    """Number of annotation frames of a clip with `frame_count` frames."""
    return -(-frame_count * annotation_fps // FRAME_RATE)


def encode_poster(rgb: NDArray[np.uint8]) -> bytes:
    """Encode the frame `rgb` as a small JPEG, never enlarged."""
    height, width = rgb.shape[:2]
    if width > POSTER_WIDTH:
        size = (POSTER_WIDTH, max(1, round(height * POSTER_WIDTH / width)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_jpeg(rgb, quality=POSTER_QUALITY)


def store_poster(clip: Clip, made: Path) -> dict[str, Any]:
    """Store the annotation frame in the middle of the cut file `made` as a small JPEG.

    Returns the values of the clip's fields: its name, and the bytes of the frame as it is.
    """
    rate = clip.video.dataset.annotation_fps
    step, count = FRAME_RATE // rate, annotation_frame_count(clip.frame_count, rate)
    [(_, bgr)] = read_frames(made, start=count // 2 * step, count=1, order="bgr")
    path = made.with_name("poster.jpg")
    path.write_bytes(encode_poster(np.ascontiguousarray(bgr[..., ::-1])))
    frame_bytes = len(encode_jpeg(bgr, order="bgr"))
    return {"poster": store(path, clip.stored_names[2]), "frame_bytes": frame_bytes}
