"""Builders of rows whose files are in the storage: videos, clips, frames, tracks."""

import io
import zipfile
from functools import cache
from typing import Any

import av
import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile

from avaproject.base.work import Stage
from datasets.core.naming import frame_name
from datasets.models import Clip, Dataset, Video
from tests.make import make_clips, make_run, make_video
from tests.prototype_files import grey_jpeg
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import IdentityRun, TrackingRun


def put(name: str, content: bytes) -> str:
    return default_storage.save(name, ContentFile(content))


def content_of(file: FieldFile) -> bytes:
    with file.open() as opened:
        return opened.read()


def frames_zip(clip: Clip) -> bytes:
    """One image for each annotation frame of the clip."""
    buffer = io.BytesIO()
    step = 30 // clip.video.dataset.annotation_fps
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(len(range(0, clip.frame_count, step))):
            archive.writestr(frame_name(clip.name, index), grey_jpeg(index))
    return buffer.getvalue()


def tracks_file(clip: Clip, *, persons: int) -> TracksFile:
    """The tracks of `make_run`'s persons, each standing still over the whole clip."""
    frames = np.arange(clip.frame_count)
    tracks = [
        Track(
            number,
            frames,
            np.tile([100.0 * number, 100, 100.0 * number + 50, 250], (len(frames), 1)),
            np.full(len(frames), 0.9),
        )
        for number in range(1, persons + 1)
    ]
    video = clip.video
    return TracksFile(clip.name, video.width or 0, video.height or 0, clip.frame_count, tracks)


def make_ready_run(clip: Clip, *, persons: int = 2, config_key: str = "test/1") -> TrackingRun:
    """A run with its tracks file; the clip gets its frames and the video its identity run."""
    dataset = clip.video.dataset.name
    if not clip.frames:
        clip.frames.name = put(f"{dataset}/frames/{clip}.zip", frames_zip(clip))
        clip.save()
    content = dump(tracks_file(clip, persons=persons))
    run = make_run(clip, persons=persons, config_key=config_key)
    run.tracks.name = put(f"{dataset}/tracks/{run.pk}/{clip}.tracks.json.gz", content)
    run.save()
    IdentityRun.objects.get_or_create(
        video=clip.video,
        config_key=config_key,
        defaults={"stage": Stage.DONE, "person_count": persons},
    )
    return run


@cache
def video_bytes(frame_count: int, *, width: int = 64, height: int = 36) -> bytes:
    """A small grey standard video: 30 frames and one keyframe per second."""
    buffer = io.BytesIO()
    options = {"g": "30", "bf": "0", "sc_threshold": "0", "preset": "ultrafast", "threads": "1"}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frame_count):
            image = np.full((height, width, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def make_bundled_video(dataset: Dataset, *, persons: int = 2, **fields: object) -> Video:
    """A ready video of 19 s, 640x360 by its row, whose video files are in the storage."""
    video = make_ready_video(dataset, persons=persons, **({"frame_count": 570} | fields))
    video.file.name = put(
        f"{dataset.name}/videos/{video.name}.mp4",
        video_bytes(video.frame_count, width=640, height=360),
    )
    video.save()
    for clip in video.clips.all():
        clip.file.name = put(
            f"{dataset.name}/clips/{clip.name}.mp4",
            video_bytes(clip.frame_count, width=640, height=360),
        )
        clip.save()
    return video


def make_ready_video(dataset: Dataset, *, persons: int = 2, **fields: Any) -> Video:
    """A video all of whose clips are ready."""
    video = make_video(dataset, **fields)
    for clip in make_clips(video):
        make_ready_run(clip, persons=persons)
    return video
