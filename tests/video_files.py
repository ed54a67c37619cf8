"""Small video files of any kind; every frame shows its number (`demo.world.frame_number`)."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import VideoLimits
from demo.world.frame_number import draw_frame_number, read_frame_number

SIZE = (160, 96)
LIMITS = VideoLimits()


def numbered_frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A grey gradient that moves with `number`, with the number as a barcode."""
    width, height = size
    row = (np.arange(width) + 2 * number) % 160 + 40
    image = np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2).astype(np.uint8)
    draw_frame_number(image, number)
    return image


def make_video_file(
    path: Path,
    *,
    frames: int = 90,
    rate: Fraction | int = 30,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    ticks: Iterable[int] | None = None,
    first_number: int = 0,
    container_options: dict[str, str] | None = None,
    **context: Any,
) -> Path:
    """A video of `frames` numbered frames at `path`; the suffix chooses the container.

    Args:
        ticks: Time of each frame in milliseconds, instead of a constant rate.
        context: Attributes of the encoder, such as `color_range`.
    """
    if options is None:
        options = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", container_options=container_options) as out:
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        base = 1 / Fraction(rate)
        times = list(ticks) if ticks is not None else list(range(frames))
        if ticks is not None:
            base = stream.codec_context.time_base = Fraction(1, 1000)
        for place, tick in enumerate(times):
            image = numbered_frame(first_number + place, size)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def standard_of(source, **options):
    target = source.with_name("standard.mp4")
    options = {"longest_side": 1280, "limits": LIMITS} | options
    return target, standardise(source, target, **options)


def frame_numbers_in(path, **stretch):
    return [(index, read_frame_number(rgb)) for index, rgb in read_frames(path, **stretch)]
