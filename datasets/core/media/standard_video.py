"""Standard videos: cutting clips from them, and reading them frame by frame.

A standard video is H.264 yuv420p MP4 at exactly 30 frames per second from pts 0, upright, with
square pixels and even sides, limited range, no sound, a keyframe every 30 frames, closed GOPs
and faststart. A cut at a whole second therefore copies packets, and frame `n` of the video is
identical to the frame read from a clip. Frame indices are 0-based; frames are uint8 arrays of
shape `(height, width, 3)` in RGB order, or BGR on request, or the planes of yuv420p as they are
coded, shape `(height * 3 / 2, width)`: Y, then U and V at half the size.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.video_reader import MediaError

GOP_FRAMES = FRAME_RATE
COMPARED_BYTES = 1 << 20
HD_HEIGHT = 720  # from here on players take colours for BT.709
UNNAMED_MATRIX = 2  # AVCOL_SPC_UNSPECIFIED
FrameArray = NDArray[np.uint8]
ChannelOrder = Literal["rgb", "bgr"]  # of the last axis of a frame
PIXEL_FORMATS = {"rgb": "rgb24", "bgr": "bgr24", "planes": "yuv420p"}


def cut(source: Path, target: Path, *, start_frame: int, frame_count: int) -> None:
    """Copy a range of frames of a standard video into a new file, without re-encoding.

    The range starts at a whole second, and ends at one or at the end of the video; otherwise
    ValueError. Raises MediaError if `source` is too short.
    """
    end = start_frame + frame_count
    with _open_standard(source) as (container, stream):
        is_aligned = start_frame % GOP_FRAMES == 0 and (
            end % GOP_FRAMES == 0 or end == stream.frames
        )
        if not is_aligned or frame_count <= 0:
            raise ValueError(f"cannot cut frames {start_frame} to {end}: not whole seconds")
        if end > stream.frames:
            raise MediaError(f"{source.name} has only {stream.frames} frames, not {end}")
        try:
            count = _copy(container, stream, target, range(start_frame, end))
            if count != frame_count:
                raise MediaError(f"{source.name} has only {count} of {frame_count} frames")
        except BaseException:
            target.unlink(missing_ok=True)
            raise


class SharedBytes(NamedTuple):
    """Where the packets of a cut lie: from `own_start` on in its file, the same bytes as from
    `start` on in the file of the video."""

    own_start: int
    start: int
    length: int


def shared_bytes(cut_file: Path, source: Path, *, start_frame: int) -> SharedBytes | None:
    """The bytes that a file made by `cut` shares with `source`; None if they differ there."""
    places = []
    for path, frame in ((cut_file, 0), (source, start_frame)):
        with _open_standard(path) as (container, stream):
            places.append(next(_packets(container, stream, frame)).pos)
    own_start, start = places
    length = cut_file.stat().st_size - own_start
    with cut_file.open("rb") as one, source.open("rb") as other:
        one.seek(own_start)
        other.seek(start)
        left = length
        while left > 0:
            content = one.read(min(COMPARED_BYTES, left))
            if not content or content != other.read(len(content)):
                return None
            left -= len(content)
    return SharedBytes(own_start, start, length)


def read_frames(
    path: Path,
    *,
    start: int = 0,
    count: int | None = None,
    step: int = 1,
    only: Collection[int] | None = None,
    order: ChannelOrder | Literal["planes"] = "rgb",
    threads: int = 0,
) -> Iterator[tuple[int, FrameArray]]:
    """Frames `start`, `start + step`, ... of a standard video or clip, with their indices.

    Args:
        count: Length of the range that is read, not the number of frames returned.
        only: Indices to return; all others are skipped. Seconds without a wanted frame are not
            decoded.
        threads: Of the decoder, 0 for one per core; fewer are slower but use less CPU time.

    Raises MediaError if a wanted frame cannot be read.
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
            index = _frame_index(frame.pts, stream)
            if index in wanted and (only is None or index in only):
                if frame.is_corrupt or index != next(expected):
                    raise MediaError(f"frame {index} of {path.name} is damaged; make it again")
                converted = reformatter.reformat(
                    frame,
                    format=PIXEL_FORMATS[order],
                    src_colorspace=None if order == "planes" else _assumed_matrix(frame),
                    threads=1,
                )
                yield index, converted.to_ndarray()
        if (missing := next(expected, None)) is not None:
            raise MediaError(f"frame {missing} of {path.name} cannot be read; make it again")


def encode_jpeg(frame: FrameArray, *, quality: int = 90, order: ChannelOrder = "rgb") -> bytes:
    """`frame` as a JPEG file; the order `bgr` saves a conversion."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    bgr = frame if order == "bgr" else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, settings)
    if not done:
        raise ValueError(f"a frame of shape {frame.shape} cannot be encoded as JPEG")
    return content.tobytes()


@contextmanager
def _open_standard(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file made by `standardise` or `cut`."""
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


def _assumed_matrix(frame: Any) -> Colorspace | None:
    """What players assume of a copied video that does not name its colour matrix."""
    is_unnamed = frame.colorspace == UNNAMED_MATRIX
    return Colorspace.ITU709 if is_unnamed and frame.height >= HD_HEIGHT else None


def _frame_index(pts: int, stream: Any) -> int:
    return round(pts * stream.time_base * FRAME_RATE)


def _packets(container: Any, stream: Any, start: int) -> Iterator[Any]:
    """Packets from the second of frame `start` on, with the flush packet at the end."""
    if start >= GOP_FRAMES:
        second = start // GOP_FRAMES
        container.seek(int(second / stream.time_base), stream=stream)
    return container.demux(stream)


def _decode(container: Any, stream: Any, wanted: range) -> Iterator[Any]:
    """Decoded frames of the seconds with a wanted frame; the others are skipped."""
    if not wanted:
        return
    needed = range(0)
    try:
        for packet in _packets(container, stream, wanted[0]):
            if packet.dts is None:
                break
            index = _frame_index(packet.pts, stream)
            if packet.is_keyframe:
                if index > wanted[-1]:
                    break
                needed = wanted_frames_in_second(wanted, index)
            # A keyframe decodes alone; all others need their whole second.
            if needed and (packet.is_keyframe or needed[-1] % GOP_FRAMES):
                yield from packet.decode()
        yield from stream.decode(None)
    except av.FFmpegError:
        return  # read_frames notices the missing frames


def wanted_frames_in_second(wanted: range, first: int) -> range:
    """Those of `wanted` among the 30 frames from `first`.

    >>> list(wanted_frames_in_second(range(4, 100, 20), 30))
    [44]
    """
    skipped = max(0, -(-(first - wanted.start) // wanted.step))
    begin = wanted.start + skipped * wanted.step
    return range(begin, min(first + GOP_FRAMES, wanted.stop), wanted.step)


def _copy(container: Any, stream: Any, target: Path, frames: range) -> int:
    count = 0
    base = stream.time_base
    shift = int(frames.start / base) // FRAME_RATE
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        copy = out.add_stream_from_template(stream)
        for packet in _packets(container, stream, frames.start):
            if packet.dts is None:
                break
            index = _frame_index(packet.pts, stream)
            if packet.is_keyframe and index >= frames.stop:
                break
            if index in frames:
                packet.stream = copy
                packet.pts -= shift
                packet.dts -= shift
                out.mux(packet)
                count += 1
    return count
