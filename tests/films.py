"""Tiny films whose every picture shows its own number (`demo.world.frame_number`), of any kind."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from datasets.core.media import Limits, read_frames, standardise
from demo.world.frame_number import draw_frame_number, read_frame_number

SIZE = (160, 96)
LIMITS = Limits()


def stamped_picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A grey slope that moves with `number`, and the number as a stamp."""
    width, height = size
    row = (np.arange(width) + 2 * number) % 160 + 40
    picture = np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2).astype(np.uint8)
    draw_frame_number(picture, number)
    return picture


def make_film(
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
    **context: Any,
) -> Path:
    """A film of `frames` stamped pictures at `path`; its ending chooses the container.

    Args:
        ticks: The time of each picture in thousandths of a second, in place of a steady rate.
        context: Attributes of the encoder, such as `color_range`.
    """
    if options is None:
        options = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w") as out:
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
            picture = stamped_picture(first_number + place, size)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def standard_of(source, **options):
    target = source.with_name("standard.mp4")
    options = {"longest_side": 1280, "limits": LIMITS} | options
    return target, standardise(source, target, **options)


def numbers_in(path, **stretch):
    return [(index, read_frame_number(rgb)) for index, rgb in read_frames(path, **stretch)]
