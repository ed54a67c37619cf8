"""Containers of untrusted videos: opening them, choosing the video track, and limits.

Playlists and scripts, which may refer to other files or the network, are not opened.
"""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from datasets.core.video_files import BARE_STREAMS, WITHOUT_RATE, extension, remux_hint

ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,ogg,mxf"
)
OPEN_TIMEOUT = (60, 60)
# More threads need more memory and gain little.
DECODER_THREADS = 4


class MediaError(ValueError):
    """A video cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class VideoLimits:
    max_pixels: int = 8192 * 4352
    max_seconds: float = 4 * 3600


@contextmanager
def open_stream(
    path: Path, limits: VideoLimits, *, name: str = ""
) -> Iterator[tuple[Any, Any]]:
    """Container and video stream of a file, before any packet is read. Raises MediaError."""
    name = name or path.name
    if not path.stat().st_size:
        raise MediaError(f"{name} is empty: 0 bytes")
    try:
        container = _open(path, name, max_pixels=limits.max_pixels)
    except (av.FFmpegError, ValueError) as error:
        check_memory(error)
        reason = getattr(error, "strerror", None) or error
        if hint := remux_hint(name):
            raise MediaError(f"{name} cannot be read as it is ({reason}); {hint}") from error
        raise MediaError(
            f"{name} is not a video in a known format, or it is truncated before its index "
            f"({reason})"
        ) from error
    with container:
        stream = _main_video_stream(container, name)
        _check_rate(container, stream, name)
        _check_limits(container, stream, limits, name, path)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        yield container, stream


def left_out_tracks(container: Any, main: Any) -> list[str]:
    """Sentences about what a file holds besides the video track `main` and its sound."""
    kinds: Counter[str] = Counter()
    sentences = []
    for stream in container.streams:
        if stream.type == "video" and _is_cover(stream):
            kinds["cover image"] += 1
        elif stream.type == "video" and stream.codec_context is None:
            kinds["undecodable video track"] += 1
        elif stream.type == "video" and stream.index != main.index:
            sentences.append(
                f"Another video track of {stream.width}x{stream.height} pixels was left out: "
                f"the largest track, of {main.width}x{main.height}, is used."
            )
        elif stream.type == "attachment":
            file = stream.metadata.get("filename", "without a name")
            sentences.append(f"An attached file was left out: {file}.")
        elif stream.type not in ("video", "audio"):
            kinds[f"{stream.type} track"] += 1
    for kind, count in kinds.items():
        many = f"1 {kind} was" if count == 1 else f"{count} {kind}s were"
        sentences.append(f"{many} left out.")
    return sentences


def video_track(container: Any, stream: Any) -> int:
    """Which of the video tracks a stream is, from 0; cover images do not count."""
    before = [each for each in container.streams.video if each.index < stream.index]
    return sum(not _is_cover(each) for each in before)


def has_one_track(container: Any) -> bool:
    """Whether a file has one track alone besides cover images and attached files."""
    tracks = [each for each in container.streams if each.type != "attachment"]
    return sum(each.type != "video" or not _is_cover(each) for each in tracks) == 1


def is_bare(container: Any) -> bool:
    """Whether a stream has no container, and so neither times nor a frame rate of its own."""
    return container.format.name in WITHOUT_RATE


def check_memory(error: Exception) -> None:
    """Running out of memory is no fault of the video."""
    if getattr(error, "errno", None) == errno.ENOMEM:
        raise MemoryError from error


def _open(path: Path, name: str, *, max_pixels: int) -> Any:
    bare = BARE_STREAMS.get(extension(name), "")
    return av.open(
        str(path),
        options={"max_pixels": str(max_pixels)},
        container_options={
            "format_whitelist": f"{ALLOWED_FORMATS},{bare}" if bare else ALLOWED_FORMATS,
            "protocol_whitelist": "file",
            "correct_ts_overflow": "0",  # it takes any earlier timestamp for an overflow
        },
        metadata_errors="replace",
        timeout=OPEN_TIMEOUT,
    )


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _main_video_stream(container: Any, name: str) -> Any:
    """The largest video stream that is not a cover image."""
    found = [stream for stream in container.streams.video if not _is_cover(stream)]
    streams = [stream for stream in found if stream.codec_context is not None]
    if not streams:
        reason = (
            "is in a format that this installation has no decoder for; convert it to H.264"
            if found
            else "has no video stream"
        )
        raise MediaError(f"{name} {reason}")
    return max(streams, key=lambda stream: stream.width * stream.height)


def _check_rate(container: Any, stream: Any, name: str) -> None:
    """A bare stream has no times: its frame rate must stand in its headers."""
    if is_bare(container) and not stream.codec_context.framerate:
        hint = remux_hint(name) or remux_hint(f"video.{container.format.name}")
        raise MediaError(f"{name} is a bare stream that states no frame rate; {hint}")


def _check_limits(
    container: Any, stream: Any, limits: VideoLimits, name: str, path: Path
) -> None:
    width, height = stream.width, stream.height
    if not width or not height:
        width, height = _size_without_limit(path, name)
    if not width or not height:
        raise MediaError(f"{name} does not state its frame size; it is damaged")
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} has frames of {width}x{height}; at most {limits.max_pixels / 1e6:.0f} "
            "megapixels are allowed (AVA_MAX_VIDEO_PIXELS)"
        )
    ticks = stream.duration
    seconds = (
        float(ticks * stream.time_base) if ticks else (container.duration or 0) / av.time_base
    )
    if seconds > limits.max_seconds:
        raise MediaError(
            f"{name} is {seconds:.0f} s long; at most {limits.max_seconds:.0f} s are allowed "
            "(AVA_MAX_VIDEO_SECONDS)"
        )


def _size_without_limit(path: Path, name: str) -> tuple[int, int]:
    """The frame size where it stands in frames only, which are too large to be decoded."""
    try:
        with _open(path, name, max_pixels=2**31 - 1) as container:
            stream = _main_video_stream(container, name)
            return stream.width, stream.height
    except (av.FFmpegError, ValueError) as error:
        check_memory(error)
        return 0, 0
