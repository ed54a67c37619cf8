"""A video file from outside: opened with care, described, and decoded picture by picture.

Only formats that hold pictures themselves are opened: scripts and playlists, which may point at
other files or at the network, are not. Pictures come upright, progressive, and in one rising
count of time.
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
from datasets.core.media.corrupt_frames import Damage
from datasets.core.media.resampling import MOST_LAST_STEPS, Clock, Timed

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,ogg,mxf"
OPEN_SECONDS = (60, 60)
FULL_RANGE = 2
INTERLACED_ORDERS = (2, 3, 4, 5)
# More cost memory for each, and give little.
DECODER_THREADS = 4


class MediaError(ValueError):
    """A video cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Limits:
    max_pixels: int = 8192 * 4352
    max_seconds: float = 4 * 3600


@dataclass(frozen=True)
class Probe:
    """What a video file is, as it came.

    Attributes:
        width: Pixels as coded, before turning and before square pixels; `height` likewise.
        sample_aspect: Width of one pixel over its height, a fraction.
        frame_rate: Pictures a second, a fraction; empty if the file does not say.
        seconds: Length by the file's own word; None if it does not say.
        turn: How the picture must be turned to stand upright, empty if it does.
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
    turn: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Film:
    """An open video whose first picture is decoded.

    Attributes:
        first: The first picture, as coded.
        decoded: Pictures decoded so far.
        damage: What of them cannot be read.
        stopped: Why reading stopped before the end of the file; empty if it did not.
    """

    def __init__(self, name: str, container: Any, stream: Any) -> None:
        self.name = name
        self._container = container
        self._stream = stream
        self.decoded = 0
        self.damage = Damage()
        self.stopped = ""
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        self.clock = Clock(step=max(1, round(1 / (rate * stream.time_base))))
        self._raw = self._decoded()
        self._first = next(self._raw, None)
        if self._first is None:
            raise MediaError(
                f"{name} has no picture that can be decoded; it is damaged or encrypted"
            )
        self.first: Any = self._first[0]
        self.probe = _describe(container, stream, self.first)

    def pictures(self) -> Iterator[Timed[Any]]:
        """All readable pictures upright and progressive, their times rising. Call it once.

        Times count from the first picture, readable or not.
        """
        step = self.clock.step * self._stream.time_base
        filters = turning(self.first)
        if self.probe.is_interlaced:
            filters = [("yadif", "mode=send_frame:deint=interlaced"), *filters]
        frames = self._stamped(step)
        with TemporaryDirectory() as folder:
            if self.probe.is_hdr:
                filters += _toning(Path(folder), self.first)
            for frame in _filtered(frames, filters) if filters else frames:
                duration = frame.duration * frame.time_base or step
                yield Timed(
                    frame.pts * frame.time_base, min(duration, MOST_LAST_STEPS * step), frame
                )

    def _stamped(self, step: Fraction) -> Iterator[Any]:
        """Every readable picture with its place in the one count of time."""
        base = self._stream.time_base
        end = Fraction(0)
        for tick, (frame, is_readable) in self.clock.joined(self._all()):
            end = tick * base + step
            if self.damage.note(
                tick * base, is_readable=is_readable, is_key=bool(frame.key_frame), step=step
            ):
                frame.pts, frame.time_base = tick, base
                yield frame
        self.damage.close(end)

    def _all(self) -> Iterator[tuple[int | None, tuple[Any, bool]]]:
        for frame, is_readable in chain([self._first], self._raw):
            yield frame.pts, (frame, is_readable)

    def _decoded(self) -> Iterator[Any]:
        """Every picture the decoder gives, and whether it can be read."""
        for packet in self._packets():
            frames = _decoded_packet(packet)
            if self.decoded:  # what comes before the first picture was never on show
                if packet.is_corrupt:
                    self.damage.suspect()
                if frames is None:
                    self.damage.packet_lost(packet.pts)
            for frame in frames or ():
                self.decoded += 1
                yield frame, self.damage.is_readable(frame)

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # damage makes streams come up later that PyAV does not know
                packets = self._container.demux(self._stream)
                continue
            except av.FFmpegError as error:
                _check_memory(error)
                self.stopped = error.strerror or type(error).__name__
                return
            if packet is None:
                return
            yield packet


@contextmanager
def open_film(path: Path, limits: Limits, *, name: str = "") -> Iterator[Film]:
    """The film in the file at `path`, called `name` in messages. Raises MediaError."""
    name = name or path.name
    with open_stream(path, limits, name=name) as (container, stream):
        yield Film(name, container, stream)


@contextmanager
def open_stream(path: Path, limits: Limits, *, name: str = "") -> Iterator[tuple[Any, Any]]:
    """Container and video stream of a film, nothing read of it yet. Raises MediaError."""
    name = name or path.name
    if not path.stat().st_size:
        raise MediaError(f"{name} is empty: 0 bytes")
    try:
        container = av.open(
            str(path),
            options={"max_pixels": str(limits.max_pixels)},
            container_options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
            timeout=OPEN_SECONDS,
        )
    except (av.FFmpegError, ValueError) as error:
        _check_memory(error)
        raise MediaError(
            f"{name} is not a video of a known format, or it was cut off before its index "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error
    with container:
        stream = _film_stream(container, name)
        _check_limits(container, stream, limits, name)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        yield container, stream


def probe(path: Path, limits: Limits) -> Probe:
    """What the video at `path` is. Raises MediaError if it is none, or over the limits."""
    with open_film(path, limits) as film:
        return film.probe


def is_full_range(frame: Any) -> bool:
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def turning(frame: Any) -> list[tuple[str, str]]:
    """The filters that bring a picture upright, for each of the eight display matrices.

    The angle alone (`frame.rotation`) says the wrong thing about mirrored films.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not matrix:
        return []
    a, b, _, c, d = np.frombuffer(bytes(matrix), "<i4", 5).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return [("hflip", "")] * (a < 0) + [("vflip", "")] * (d < 0)
    ways = {(1, 0): "clock", (0, 1): "cclock", (1, 1): "cclock_flip", (0, 0): "clock_flip"}
    return [("transpose", ways[int(b > 0), int(c > 0)])]


def _toning(folder: Path, first: Any) -> list[tuple[str, str]]:
    """The filters that make pictures of high dynamic range ordinary RGB."""
    tone_mapping.write_table(folder / "table.cube", first.color_trc)
    table = f"file={folder / 'table.cube'}:interp=tetrahedral"
    return [("format", "gbrp12le"), ("lut3d", table), ("format", "gbrp")]


def _describe(container: Any, stream: Any, first: Any) -> Probe:
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
        turn=", ".join(f"{name} {args}".strip() for name, args in turning(first)),
    )


def _declared_seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
        if container.format.name == "avi" and stream.average_rate:
            # The duration is what is there of a film that was cut off; the number of its
            # pictures is what once was.
            seconds = max(seconds, float(stream.frames / stream.average_rate))
        return seconds
    if container.duration and not container.streams.audio:
        # Matroska counts from 0 even where its first picture comes later.
        is_matroska = container.format.name.startswith("matroska")
        late = max(container.start_time or 0, 0) if is_matroska else 0
        return float((container.duration - late) / av.time_base)
    return None  # the length of the container may be that of the sound


def _decoded_packet(packet: Any) -> list[Any] | None:
    """The frames a packet gives; None if the decoder cannot read it."""
    if packet.is_corrupt and packet.stream.container.format.name == "mpegts":
        # There the mark stands for a loss beside it too, and frames would inherit it: let the
        # decoder judge for itself. Elsewhere it says that the packet is not whole.
        packet = _unmarked(packet)
    try:
        frames: list[Any] = packet.decode()
        return frames
    except av.FFmpegError as error:
        _check_memory(error)
        return None


def _unmarked(packet: Any) -> Any:
    plain = av.Packet(bytes(packet))
    plain.stream = packet.stream
    plain.time_base = packet.time_base
    plain.pts, plain.dts, plain.duration = packet.pts, packet.dts, packet.duration
    plain.is_keyframe = packet.is_keyframe
    return plain


def _check_memory(error: Exception) -> None:
    """Being short of memory is not the film's damage."""
    if getattr(error, "errno", None) == errno.ENOMEM:
        raise MemoryError from error


def _filtered(frames: Iterable[Any], filters: list[tuple[str, str]]) -> Iterator[Any]:
    """The pictures after `filters`; a new chain is made when size or format change."""
    graph: Any = None
    shape: tuple[int, int, str] | None = None
    for frame in frames:
        if shape != (frame.width, frame.height, frame.format.name):
            yield from _rest(graph)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _chain(frame, filters)
        graph.vpush(frame)
        yield from _ready(graph)
    yield from _rest(graph)


def _chain(frame: Any, filters: list[tuple[str, str]]) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(template=frame)
    links = [graph.add(name, args) if args else graph.add(name) for name, args in filters]
    graph.link_nodes(source, *links, graph.add("buffersink")).configure()
    return graph


def _ready(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _rest(graph: Any) -> Iterator[Any]:
    if graph is not None:
        graph.vpush(None)
        yield from _ready(graph)


def _film_stream(container: Any, name: str) -> Any:
    """The film itself: the largest video stream that is no cover picture."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & type(stream.disposition).attached_pic
    ]
    if not streams:
        raise MediaError(f"{name} has no video stream")
    return max(streams, key=lambda stream: stream.width * stream.height)


def _check_limits(container: Any, stream: Any, limits: Limits, name: str) -> None:
    if stream.codec_context is None or not stream.width or not stream.height:
        raise MediaError(f"{name} does not say how large its picture is; it is damaged")
    if stream.width * stream.height > limits.max_pixels:
        raise MediaError(
            f"{name} has pictures of {stream.width}x{stream.height}; "
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
