"""Pipeline stage 3: cut standard videos into clips, and extract their annotation frames."""

from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avaproject.base.storage import DownloadCache, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import (
    FRAME_RATE,
    MIN_CLIP_FRAMES,
    FrameRange,
    clip_bounds,
)
from datasets.core.media.standard_video import cut, encode_jpeg, read_frames
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import clip_name, frame_name
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Video

__all__ = ["MediaError", "annotation_frame_count", "cut_clip", "encode_poster", "plan_clips"]

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
        Clip(
            video_id=pk,
            name=clip_name(name, index),
            index=index,
            start_frame=bounds.start_frame,
            frame_count=bounds.frame_count,
        )
        for pk, name, frame_count, unreadable, seconds in videos.values_list(
            "pk", "name", "frame_count", "unreadable", "dataset__clip_seconds"
        )
        for index, bounds in enumerate(
            clip_bounds(
                frame_count or 0,
                [FrameRange(*each) for each in unreadable],
                clip_seconds=seconds,
            )
        )
    ]
    Clip.objects.bulk_create(clips, ignore_conflicts=True)
    return len(clips)


def cut_clip(clip_id: int) -> Clip | None:
    """Make file, frames and poster of a clip; None if it is done or claimed."""
    clip: Clip | None = Clip.objects.claim(clip_id)
    if clip is None:
        return None
    video = clip.video
    with clip.working(MediaError, OSError):
        standard = _videos.path_of(str(video.file.name))
        with work_folder() as folder:
            cut(
                standard,
                folder / "clip.mp4",
                start_frame=clip.start_frame,
                frame_count=clip.frame_count,
            )
            _write_frames(clip, standard, folder)
            made = ("clip.mp4", "frames.zip", "poster.jpg")
            file, frames, poster = (
                store(folder / path, name)
                for path, name in zip(made, clip.stored_names, strict=True)
            )
        clip.finish(file=file, frames=frames, poster=poster)
    if not Clip.objects.filter(video=video, stage=Stage.WAITING).exists():
        _videos.clear()
    return clip


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


def _write_frames(clip: Clip, standard: Path, folder: Path) -> None:
    """Write `frames.zip`, and `poster.jpg` from the frame in the middle, into `folder`."""
    rate = clip.video.dataset.annotation_fps
    step, count = FRAME_RATE // rate, annotation_frame_count(clip.frame_count, rate)
    decoded = read_frames(
        standard, start=clip.start_frame, count=clip.frame_count, step=step, order="bgr"
    )
    with new_zip(folder / "frames.zip") as frames:
        for index, (_, bgr) in enumerate(decoded):
            frames.add(frame_name(clip.name, index), encode_jpeg(bgr, order="bgr"))
            if index == count // 2:
                rgb = np.ascontiguousarray(bgr[..., ::-1])
                (folder / "poster.jpg").write_bytes(encode_poster(rgb))
            clip.report(index / count)
