"""Video reader for untrusted files: probe, limits, and decoding frame by frame (PyAV).

Playlists and scripts, which may refer to other files or the network, are not opened. Frames are
delivered upright and deinterlaced, with ascending timestamps.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from datasets.core.media import tone_mapping
from datasets.core.media.corrupt_frames import CorruptionLog
from datasets.core.media.resampling import MAX_LAST_FRAME_STEPS, TimedFrame, TimestampJoiner

ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,ogg,mxf"
)
OPEN_TIMEOUT = (60, 60)
FULL_RANGE = 2
INTERLACED_ORDERS = (2, 3, 4, 5)
# More threads need more memory and gain little.
DECODER_THREADS = 4


class MediaError(ValueError):
    """A video cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class VideoLimits:
    max_pixels: int = 8192 * 4352
    max_seconds: float = 4 * 3600


@dataclass(frozen=True)
class Probe:
    """Properties of a video file.

    Attributes:
        width: Coded pixels, before rotation and pixel aspect; `height` likewise.
        sample_aspect: Width of one pixel over its height, a fraction.
        frame_rate: Frames per second, a fraction; empty if unknown.
        seconds: Declared duration; None if unknown.
        rotation: Filters that make the frame upright, empty if it is.
    """

    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    sample_aspect: str
    frame_rate: str
    seconds: float | None
    has_sound: bool
    is_interlaced: bool
    is_full_range: bool
    is_hdr: bool
    rotation: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class VideoReader:
    """An open video whose first frame is decoded.

    Attributes:
        first: The first frame, as coded.
        decoded: Frames decoded so far.
        corruption: Which frames and times cannot be read.
        stop_reason: Why reading stopped before the end of the file; empty if it did not.
    """

    def __init__(self, name: str, container: Any, stream: Any) -> None:
        self.name = name
        self._container = container
        self._stream = stream
        self.decoded = 0
        self.corruption = CorruptionLog()
        self.stop_reason = ""
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        self.timestamps = TimestampJoiner(step=max(1, round(1 / (rate * stream.time_base))))
        self._raw = self._decoded()
        self._first = next(self._raw, None)
        if self._first is None:
            raise MediaError(
                f"{name} has no frame that can be decoded; it is damaged or encrypted"
            )
        self.first: Any = self._first[0]
        self.probe = _probe(container, stream, self.first)

    def frames(self) -> Iterator[TimedFrame[Any]]:
        """All readable frames, upright and deinterlaced, in order. Call it once.

        Times count from the first frame, readable or not.
        """
        step = self.timestamps.step * self._stream.time_base
        filters = rotation_filters(self.first)
        if self.probe.is_interlaced:
            filters = [("yadif", "mode=send_frame:deint=interlaced"), *filters]
        frames = self._timestamped(step)
        with TemporaryDirectory() as folder:
            if self.probe.is_hdr:
                filters += _tone_mapping_filters(Path(folder), self.first)
            for frame in _apply_filters(frames, filters) if filters else frames:
                duration = frame.duration * frame.time_base or step
                yield TimedFrame(
                    frame.pts * frame.time_base,
                    min(duration, MAX_LAST_FRAME_STEPS * step),
                    frame,
                )

    def _timestamped(self, step: Fraction) -> Iterator[Any]:
        """Every readable frame with its joined timestamp."""
        base = self._stream.time_base
        end = Fraction(0)
        for tick, (frame, is_readable) in self.timestamps.joined(self._all()):
            end = tick * base + step
            if self.corruption.record_frame(
                tick * base, is_readable=is_readable, is_key=bool(frame.key_frame), step=step
            ):
                frame.pts, frame.time_base = tick, base
                yield frame
        self.corruption.close(end)

    def _all(self) -> Iterator[tuple[int | None, tuple[Any, bool]]]:
        for frame, is_readable in chain([self._first], self._raw):
            yield frame.pts, (frame, is_readable)

    def _decoded(self) -> Iterator[Any]:
        """Every decoded frame, and whether it is intact."""
        for packet in self._packets():
            frames = _decode_packet(packet)
            if self.decoded:  # nothing before the first frame was ever shown
                if packet.is_corrupt:
                    self.corruption.record_container_error()
                if frames is None:
                    self.corruption.record_lost_packet(packet.pts)
            for frame in frames or ():
                self.decoded += 1
                yield frame, self.corruption.check_frame(frame)

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # corruption can reveal streams later that PyAV does not know
                packets = self._container.demux(self._stream)
                continue
            except av.FFmpegError as error:
                _check_memory(error)
                self.stop_reason = error.strerror or type(error).__name__
                return
            if packet is None:
                return
            yield packet


@contextmanager
def open_video(path: Path, limits: VideoLimits, *, name: str = "") -> Iterator[VideoReader]:
    """The video in the file at `path`, called `name` in messages. Raises MediaError."""
    name = name or path.name
    with open_stream(path, limits, name=name) as (container, stream):
        yield VideoReader(name, container, stream)


@contextmanager
def open_stream(
    path: Path, limits: VideoLimits, *, name: str = ""
) -> Iterator[tuple[Any, Any]]:
    """Container and video stream of a file, before any packet is read. Raises MediaError."""
    name = name or path.name
    if not path.stat().st_size:
        raise MediaError(f"{name} is empty: 0 bytes")
    try:
        container = av.open(
            str(path),
            options={"max_pixels": str(limits.max_pixels)},
            container_options={
                "format_whitelist": ALLOWED_FORMATS,
                "protocol_whitelist": "file",
            },
            metadata_errors="replace",
            timeout=OPEN_TIMEOUT,
        )
    except (av.FFmpegError, ValueError) as error:
        _check_memory(error)
        raise MediaError(
            f"{name} is not a video in a known format, or it is truncated before its index "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error
    with container:
        stream = _main_video_stream(container, name)
        _check_limits(container, stream, limits, name)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        yield container, stream


def probe(path: Path, limits: VideoLimits) -> Probe:
    """Properties of the video at `path`. Raises MediaError if it is none or exceeds limits."""
    with open_video(path, limits) as video:
        return video.probe


def is_full_range(frame: Any) -> bool:
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def rotation_filters(frame: Any) -> list[tuple[str, str]]:
    """The filters that make a frame upright, for each of the eight display matrices.

    The angle alone (`frame.rotation`) is wrong for mirrored videos.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not matrix:
        return []
    a, b, _, c, d = np.frombuffer(bytes(matrix), "<i4", 5).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return [("hflip", "")] * (a < 0) + [("vflip", "")] * (d < 0)
    transposes = {
        (1, 0): "clock",
        (0, 1): "cclock",
        (1, 1): "cclock_flip",
        (0, 0): "clock_flip",
    }
    return [("transpose", transposes[int(b > 0), int(c > 0)])]


def _tone_mapping_filters(folder: Path, first: Any) -> list[tuple[str, str]]:
    """The filters that convert HDR frames to SDR RGB."""
    tone_mapping.write_lut(folder / "table.cube", first.color_trc)
    table = f"file={folder / 'table.cube'}:interp=tetrahedral"
    return [("format", "gbrp12le"), ("lut3d", table), ("format", "gbrp")]


def _probe(container: Any, stream: Any, first: Any) -> Probe:
    order = stream.codec_context.field_order
    return Probe(
        container=container.format.name.split(",")[0],
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=first.format.name,
        width=first.width,
        height=first.height,
        sample_aspect=str(stream.sample_aspect_ratio or 1),
        frame_rate=str(stream.average_rate or ""),
        seconds=_declared_seconds(container, stream),
        has_sound=bool(container.streams.audio),
        is_interlaced=bool(first.interlaced_frame or order in INTERLACED_ORDERS),
        is_full_range=is_full_range(first),
        is_hdr=first.color_trc in tone_mapping.TRANSFERS,
        rotation=", ".join(f"{name} {args}".strip() for name, args in rotation_filters(first)),
    )


def _declared_seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
        if container.format.name == "avi" and stream.average_rate:
            # In a truncated file the duration covers what is left, the number of frames
            # the whole.
            seconds = max(seconds, float(stream.frames / stream.average_rate))
        return seconds
    if container.duration and not container.streams.audio:
        # Matroska counts from 0 even if its first frame is later.
        is_matroska = container.format.name.startswith("matroska")
        late = max(container.start_time or 0, 0) if is_matroska else 0
        return float((container.duration - late) / av.time_base)
    return None  # the duration of the container may be that of the sound


def _decode_packet(packet: Any) -> list[Any] | None:
    """The frames of a packet; None if it cannot be decoded."""
    if packet.is_corrupt and packet.stream.container.format.name == "mpegts":
        # In MPEG-TS the flag also marks a loss next to the packet, and frames would inherit it:
        # let the decoder decide. Elsewhere it means that the packet is incomplete.
        packet = _without_corrupt_flag(packet)
    try:
        frames: list[Any] = packet.decode()
        return frames
    except av.FFmpegError as error:
        _check_memory(error)
        return None


def _without_corrupt_flag(packet: Any) -> Any:
    plain = av.Packet(bytes(packet))
    plain.stream = packet.stream
    plain.time_base = packet.time_base
    plain.pts, plain.dts, plain.duration = packet.pts, packet.dts, packet.duration
    plain.is_keyframe = packet.is_keyframe
    return plain


def _check_memory(error: Exception) -> None:
    """Running out of memory is no fault of the video."""
    if getattr(error, "errno", None) == errno.ENOMEM:
        raise MemoryError from error


def _apply_filters(frames: Iterable[Any], filters: list[tuple[str, str]]) -> Iterator[Any]:
    """The frames after `filters`; a new graph is built when size or format change."""
    graph: Any = None
    shape: tuple[int, int, str] | None = None
    for frame in frames:
        if shape != (frame.width, frame.height, frame.format.name):
            yield from _flush(graph)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _filter_graph(frame, filters)
        graph.vpush(frame)
        yield from _pull_frames(graph)
    yield from _flush(graph)


def _filter_graph(frame: Any, filters: list[tuple[str, str]]) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(template=frame)
    links = [graph.add(name, args) if args else graph.add(name) for name, args in filters]
    graph.link_nodes(source, *links, graph.add("buffersink")).configure()
    return graph


def _pull_frames(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _flush(graph: Any) -> Iterator[Any]:
    if graph is not None:
        graph.vpush(None)
        yield from _pull_frames(graph)


def _main_video_stream(container: Any, name: str) -> Any:
    """The largest video stream that is not a cover image."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & type(stream.disposition).attached_pic
    ]
    if not streams:
        raise MediaError(f"{name} has no video stream")
    return max(streams, key=lambda stream: stream.width * stream.height)


def _check_limits(container: Any, stream: Any, limits: VideoLimits, name: str) -> None:
    if stream.codec_context is None or not stream.width or not stream.height:
        raise MediaError(f"{name} does not state its frame size; it is damaged")
    if stream.width * stream.height > limits.max_pixels:
        raise MediaError(
            f"{name} has frames of {stream.width}x{stream.height}; "
            f"at most {limits.max_pixels / 1e6:.0f} megapixels are allowed"
        )
    ticks = stream.duration
    seconds = (
        float(ticks * stream.time_base) if ticks else (container.duration or 0) / av.time_base
    )
    if seconds > limits.max_seconds:
        raise MediaError(
            f"{name} is {seconds:.0f} s long; at most {limits.max_seconds:.0f} s are allowed"
        )
