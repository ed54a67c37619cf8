"""Standard videos: made from anything, cut into clips, and read back frame by frame.

A standard video is H.264 yuv420p MP4 at exactly 30 frames a second from pts 0, upright, with
square pixels and even sides, limited range, no sound, a key picture every 30 frames, closed
groups, and its index in front. So a cut at a whole second copies packets, and frame `n` is the
same picture whether it is read from the video or from a clip. Frames are 0-based; pictures
are RGB arrays of uint8, shape `(height, width, 3)`, or BGR where that is asked for.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.video_reader import Limits, MediaError, Probe, probe
from datasets.core.media.standardising import GROUP_FRAMES, Standardised, standardise

__all__ = [
    "Limits",
    "MediaError",
    "Probe",
    "Standardised",
    "cut",
    "encode_jpeg",
    "probe",
    "read_frames",
    "standardise",
]

Picture = NDArray[np.uint8]
Order = Literal["rgb", "bgr"]  # of a picture's last axis


def cut(source: Path, target: Path, *, start_frame: int, frame_count: int) -> None:
    """Copy frames of the standard video `source` into a video of their own, without re-coding.

    The stretch begins at a whole second, and ends at one or at the end of the video; otherwise
    ValueError. Raises MediaError if `source` is not as long as that.
    """
    end = start_frame + frame_count
    with _open_standard(source) as (container, stream):
        whole = start_frame % GROUP_FRAMES == 0 and (
            end % GROUP_FRAMES == 0 or end == stream.frames
        )
        if not whole or frame_count <= 0:
            raise ValueError(f"cannot cut frames {start_frame} to {end}: not whole seconds")
        if end > stream.frames:
            raise MediaError(f"{source.name} has only {stream.frames} frames, not {end}")
        try:
            count = _copy(container, stream, target, range(start_frame, end))
            if count != frame_count:
                raise MediaError(f"{source.name} gave {count} of {frame_count} frames")
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def read_frames(
    path: Path,
    *,
    start: int = 0,
    count: int | None = None,
    step: int = 1,
    only: Collection[int] | None = None,
    order: Order = "rgb",
    threads: int = 0,
) -> Iterator[tuple[int, Picture]]:
    """Frames `start`, `start + step`, ... of a standard video or clip, with their numbers.

    Those not in `only`, if it is given, are passed over and not made into pictures. Only frames
    below `start + count` (or the end of the video) are read: `count` is the length of the
    stretch, not the number of pictures. Seconds without a wanted frame are not decoded.
    Raises MediaError if a frame cannot be read; a number never comes with another's picture.
    So many `threads` decode, 0 for one a processor; fewer take longer, but less in all.
    """
    if start < 0 or step < 1 or (count is not None and count < 0):
        raise ValueError(f"cannot read {count} frames from {start} in steps of {step}")
    with _open_standard(path) as (container, stream):
        stream.codec_context.thread_count = threads
        end = stream.frames if count is None else min(start + count, stream.frames)
        wanted = range(start, end, step)
        reformatter: Any = VideoReformatter()
        expected = (index for index in wanted if only is None or index in only)
        for frame in _decode(container, stream, wanted):
            index = _number(frame.pts, stream)
            if index in wanted and (only is None or index in only):
                if frame.is_corrupt or index != next(expected):
                    raise MediaError(f"frame {index} of {path.name} is damaged; make it again")
                picture = reformatter.reformat(frame, format=f"{order}24", threads=1)
                yield index, picture.to_ndarray()
        if (missing := next(expected, None)) is not None:
            raise MediaError(f"frame {missing} of {path.name} cannot be read; make it again")


def encode_jpeg(picture: Picture, *, quality: int = 90, order: Order = "rgb") -> bytes:
    """`picture` as a JPEG file; the encoder is spared a copy of one in the order `bgr`."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    bgr = picture if order == "bgr" else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, settings)
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be a JPEG")
    return content.tobytes()


@contextmanager
def _open_standard(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file that `standardise` or `cut` has made."""
    try:
        container = av.open(str(path), format="mp4")
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path.name} cannot be read: {error}; make it again") from error
    with container:
        if not container.streams.video:
            raise MediaError(f"{path.name} has no video stream; make it again")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _number(pts: int, stream: Any) -> int:
    return round(pts * stream.time_base * FRAME_RATE)


def _packets(container: Any, stream: Any, start: int) -> Iterator[Any]:
    """Packets from the second that frame `start` is in, with the empty one at the end."""
    if start >= GROUP_FRAMES:
        second = start // GROUP_FRAMES
        container.seek(int(second / stream.time_base), stream=stream)
    return container.demux(stream)


def _decode(container: Any, stream: Any, wanted: range) -> Iterator[Any]:
    """Decoded frames of the seconds that hold a wanted frame; the others are skipped."""
    if not wanted:
        return
    needed = range(0)
    try:
        for packet in _packets(container, stream, wanted[0]):
            if packet.dts is None:
                break
            index = _number(packet.pts, stream)
            if packet.is_keyframe:
                if index > wanted[-1]:
                    break
                needed = wanted_in_second(wanted, index)
            # A key picture needs no other; all else needs its whole second.
            if needed and (packet.is_keyframe or needed[-1] % GROUP_FRAMES):
                yield from packet.decode()
        yield from stream.decode(None)
    except av.FFmpegError:
        return  # read_frames sees that frames are missing


def wanted_in_second(wanted: range, first: int) -> range:
    """Those of `wanted` among the 30 frames from `first`.

    >>> list(wanted_in_second(range(4, 100, 20), 30))
    [44]
    """
    skipped = max(0, -(-(first - wanted.start) // wanted.step))
    begin = wanted.start + skipped * wanted.step
    return range(begin, min(first + GROUP_FRAMES, wanted.stop), wanted.step)


def _copy(container: Any, stream: Any, target: Path, frames: range) -> int:
    count = 0
    base = stream.time_base
    shift = int(frames.start / base) // FRAME_RATE
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        copy = out.add_stream_from_template(stream)
        for packet in _packets(container, stream, frames.start):
            if packet.dts is None:
                break
            index = _number(packet.pts, stream)
            if packet.is_keyframe and index >= frames.stop:
                break
            if index in frames:
                packet.stream = copy
                packet.pts -= shift
                packet.dts -= shift
                out.mux(packet)
                count += 1
    return count
