"""Stage 3: a standard video is cut into clips, each with its annotation frames."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avaproject.base.storage import DownloadCache, store, work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE, SHORTEST_CLIP_FRAMES, Stretch, clip_bounds
from datasets.core.media.standard_video import MediaError, cut, encode_jpeg, read_frames
from datasets.core.naming import clip_name, frame_name
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Video

__all__ = ["MediaError", "annotation_count", "cut_clip", "plan_clips", "poster_of"]

POSTER_WIDTH = 480
POSTER_QUALITY = 85

_videos = DownloadCache()  # clips of one video come one after another


def plan_clips() -> int:
    """Write the clips of standard videos that have none; return how many."""
    videos = Video.objects.done().filter(clips=None, frame_count__gte=SHORTEST_CLIP_FRAMES)
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
                [Stretch(*one) for one in unreadable],
                clip_seconds=seconds,
            )
        )
    ]
    Clip.objects.bulk_create(clips, ignore_conflicts=True)
    return len(clips)


def cut_clip(clip_id: int) -> Clip | None:
    """Make file, frames and poster of a clip; None if it is done or in other hands."""
    clip: Clip | None = Clip.objects.claim(clip_id)
    if clip is None:
        return None
    video = clip.video
    place = video.dataset.name
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
            file = store(folder / "clip.mp4", f"{place}/clips/{clip.name}.mp4")
            frames = store(folder / "frames.zip", f"{place}/frames/{clip.name}.zip")
            poster = store(folder / "poster.jpg", f"{place}/posters/{clip.name}.jpg")
        clip.finish(file=file, frames=frames, poster=poster)
    if not Clip.objects.filter(video=video, stage=Stage.WAITING).exists():
        _videos.forget()
    return clip


def annotation_count(frame_count: int, annotation_fps: int) -> int:
    """How many annotation frames a clip of `frame_count` frames has."""
    return -(-frame_count * annotation_fps // FRAME_RATE)


def poster_of(rgb: NDArray[np.uint8]) -> bytes:
    """A small JPEG of the picture `rgb`, never enlarged."""
    height, width = rgb.shape[:2]
    if width > POSTER_WIDTH:
        size = (POSTER_WIDTH, max(1, round(height * POSTER_WIDTH / width)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_jpeg(rgb, quality=POSTER_QUALITY)


def _write_frames(clip: Clip, standard: Path, folder: Path) -> None:
    """Write `frames.zip`, and `poster.jpg` of the picture in the middle, into `folder`."""
    rate = clip.video.dataset.annotation_fps
    step, count = FRAME_RATE // rate, annotation_count(clip.frame_count, rate)
    pictures = read_frames(
        standard, start=clip.start_frame, count=clip.frame_count, step=step, order="bgr"
    )
    with new_zip(folder / "frames.zip") as frames:
        for index, (_, bgr) in enumerate(pictures):
            frames.add(frame_name(clip.name, index), encode_jpeg(bgr, order="bgr"))
            if index == count // 2:
                rgb = np.ascontiguousarray(bgr[..., ::-1])
                (folder / "poster.jpg").write_bytes(poster_of(rgb))
            clip.report(index / count)
