"""Video reader for untrusted files: probe, limits, and decoding frame by frame (PyAV).

Playlists and scripts, which may refer to other files or the network, are not opened. Frames are
delivered upright and deinterlaced, with ascending timestamps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from datasets.core.media import tone_mapping
from datasets.core.media.containers import (
    MediaError,
    VideoLimits,
    check_memory,
    has_one_track,
    is_bare,
    left_out_tracks,
    open_stream,
    video_track,
)
from datasets.core.media.corrupt_frames import CorruptionLog
from datasets.core.media.cropping import Crop, container_crop
from datasets.core.media.frame_filters import (
    FIELD_ORDERS,
    apply_filters,
    crop_filters,
    deinterlacing_filters,
    rotation_filters,
    tone_mapping_filters,
)
from datasets.core.media.resampling import TimedFrame, TimestampJoiner

__all__ = [
    "MediaError",
    "Probe",
    "VideoLimits",
    "VideoReader",
    "is_full_range",
    "open_stream",
    "open_video",
    "probe",
    "rotation_filters",
]

FULL_RANGE = 2
# A longer duration of the last frame must agree with the duration of the track.
MAX_LAST_FRAME_STEPS = 4
MAX_TIME_CHARACTERS = 40
# They store when a packet is decoded, not when its frame is shown, and where frames are
# reordered the guess of libavformat is wrong. Frames are decoded in the order in which they are
# shown, each with the time of the packet that completed it.
WITHOUT_SHOWN_TIMES = ("avi", "asf")
MAX_REORDERED_FRAMES = 16
SAME_SHAPE = 0.02  # relative; coded sizes are rounded
WRAPPING = ("mpegts", "mpeg")  # timestamps of 33 bits
WRAP = 1 << 33


@dataclass(frozen=True)
class Probe:
    """Properties of a video file.

    Attributes:
        width: Coded pixels, before rotation and pixel aspect; `height` likewise.
        sample_aspect: Width of one pixel over its height, a fraction.
        frame_rate: Frames per second, a fraction; empty if unknown.
        seconds: Declared duration; None if unknown.
        rotation: Filters that make the frame upright, empty if it is.
        created: When it was recorded, ISO 8601; empty if the file does not say.
        crop: Part of the coded frame that is shown, `width:height:left:top`; empty if all.
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
    crop: str = ""
    created: str = ""

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the part of the coded frame that is shown."""
        if not self.crop:
            return self.width, self.height
        width, height, _, _ = map(int, self.crop.split(":"))
        return width, height

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class VideoReader:
    """An open video whose first frame is decoded.

    Attributes:
        first: The first frame, as coded.
        decoded: Frames decoded so far.
        corruption: Which frames and times cannot be read.
        stop_reason: Why reading stopped before the end of the file; empty if it did not.
        left_out: Sentences about other tracks of the file.
        reshaped: When a frame has another shape than the first one, seconds; None until then.
    """

    def __init__(self, name: str, container: Any, stream: Any, *, path: Path) -> None:
        self.name = name
        self._container = container
        self._stream = stream
        self._is_without_shown_times = container.format.name in WITHOUT_SHOWN_TIMES
        self.decoded = 0
        self.corruption = CorruptionLog()
        self.stop_reason = ""
        self.reshaped: Fraction | None = None
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        if is_bare(container):  # the average rate is what the demuxer assumes
            rate = stream.codec_context.framerate or rate
        self.timestamps = TimestampJoiner(step=max(1, round(1 / (rate * stream.time_base))))
        self._raw = self._decoded()
        self._first = next(self._raw, None)
        if self._first is None:
            raise MediaError(
                f"{name} has no frame that can be decoded; it is damaged or encrypted"
            )
        self.first: Any = self._first[0]
        self._shape = self._shape_of(self.first)
        self.left_out = left_out_tracks(container, stream)
        self._crop = container_crop(
            path,
            container.format.name.split(",")[0],
            track=video_track(container, stream),
            size=(self.first.width, self.first.height),
        )
        self.probe = _probe(container, stream, self.first, self._crop)

    def frames(self) -> Iterator[TimedFrame[Any]]:
        """All readable frames, upright and deinterlaced, in order. Call it once.

        Times count from the first frame, readable or not.
        """
        step = self.timestamps.step * self._stream.time_base
        filters = [*crop_filters(self._crop), *rotation_filters(self.first)]
        if self.probe.is_interlaced:
            order = self._stream.codec_context.field_order
            filters = [
                *deinterlacing_filters(self.probe.codec, self.first, order), *filters
            ]  # fmt: skip
        frames = self._timestamped(step)
        with TemporaryDirectory() as folder:
            if self.probe.is_hdr:
                filters += tone_mapping_filters(Path(folder), self.first)
            for frame in apply_filters(frames, filters) if filters else frames:
                time = frame.pts * frame.time_base
                duration = frame.duration * frame.time_base or step
                yield TimedFrame(time, min(duration, self._longest_at(time, step)), frame)

    def _longest_at(self, time: Fraction, step: Fraction) -> Fraction:
        """How long a frame may be shown if it is the last one.

        With B-frames the duration of a packet is that of another frame.
        """
        stream = self._stream
        if not stream.duration or self.timestamps.restarts:
            return MAX_LAST_FRAME_STEPS * step
        before = (self.first.pts or 0) - (stream.start_time or 0)
        end = (stream.duration - max(before, 0)) * stream.time_base
        return max(MAX_LAST_FRAME_STEPS * step, end - time)

    def _timestamped(self, step: Fraction) -> Iterator[Any]:
        """Every readable frame with its joined timestamp."""
        base = self._stream.time_base
        end = Fraction(0)
        for tick, (frame, is_readable) in self.timestamps.joined(self._all()):
            end = tick * base + step
            if self.corruption.record_frame(
                tick * base, is_readable=is_readable, is_key=bool(frame.key_frame), step=step
            ):
                if self.reshaped is None and not isclose(
                    self._shape_of(frame), self._shape, rel_tol=SAME_SHAPE
                ):
                    self.reshaped = tick * base
                frame.pts, frame.time_base = tick, base
                yield frame
        self.corruption.close(end)

    def _shape_of(self, frame: Any) -> float:
        """Width of a frame over its height, as it is shown."""
        sample_aspect = self._stream.codec_context.sample_aspect_ratio or 1
        return float(frame.width * sample_aspect / frame.height)

    def _all(self) -> Iterator[tuple[int | None, tuple[Any, bool]]]:
        is_wrapping = self._container.format.name in WRAPPING
        stamp: int | None = None
        for frame, is_readable in chain([self._first], self._raw):
            if frame.pts is None or stamp is None or not is_wrapping:
                now = frame.pts
            else:
                now = stamp + (frame.pts - stamp + WRAP // 2) % WRAP - WRAP // 2
            stamp = stamp if now is None else now
            yield now, (frame, is_readable)

    def _decoded(self) -> Iterator[Any]:
        """Every decoded frame, and whether it is intact."""
        for packet in self._packets():
            frames = _decode_packet(packet)
            if self.decoded:  # nothing before the first frame was ever shown
                if packet.is_corrupt:
                    self.corruption.record_container_error()
                if frames is None:
                    self.corruption.record_lost_packet(self._latest_time_of(packet))
            for frame in frames or ():
                self.decoded += 1
                if self._is_without_shown_times:
                    frame.pts = frame.dts
                yield frame, self.corruption.check_frame(frame)

    def _latest_time_of(self, packet: Any) -> int | None:
        """When the frame of a packet would be shown at the latest, in ticks."""
        if not self._is_without_shown_times or packet.dts is None:
            return packet.pts  # type: ignore[no-any-return]
        is_reordered = self._stream.codec_context.has_b_frames
        later = MAX_REORDERED_FRAMES * self.timestamps.step if is_reordered else 0
        return int(packet.dts + later)

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # corruption can reveal streams later that PyAV does not know
                packets = self._container.demux(self._stream)
                continue
            except av.FFmpegError as error:
                check_memory(error)
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
        yield VideoReader(name, container, stream, path=path)


def probe(path: Path, limits: VideoLimits) -> Probe:
    """Properties of the video at `path`. Raises MediaError if it is none or exceeds limits."""
    with open_video(path, limits) as video:
        return video.probe


def is_full_range(frame: Any) -> bool:
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def _probe(container: Any, stream: Any, first: Any, crop: Crop | None) -> Probe:
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
        is_interlaced=bool(first.interlaced_frame or order in FIELD_ORDERS),
        is_full_range=is_full_range(first),
        is_hdr=first.color_trc in tone_mapping.TRANSFERS,
        rotation=", ".join(f"{name} {args}".strip() for name, args in rotation_filters(first)),
        crop=str(crop or ""),
        created=str(container.metadata.get("creation_time", ""))[:MAX_TIME_CHARACTERS],
    )


def _declared_seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
        if container.format.name == "avi" and stream.average_rate:
            # In a truncated file the duration covers what is left, the number of frames
            # the whole.
            seconds = max(seconds, float(stream.frames / stream.average_rate))
        return seconds
    if container.duration and has_one_track(container):
        # Matroska counts from 0 even if its first frame is later.
        is_matroska = container.format.name.startswith("matroska")
        late = max(container.start_time or 0, 0) if is_matroska else 0
        return float((container.duration - late) / av.time_base)
    return None  # the duration of the container may be that of sound or subtitles


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
        check_memory(error)
        return None


def _without_corrupt_flag(packet: Any) -> Any:
    plain = av.Packet(bytes(packet))
    plain.stream = packet.stream
    plain.time_base = packet.time_base
    plain.pts, plain.dts, plain.duration = packet.pts, packet.dts, packet.duration
    plain.is_keyframe = packet.is_keyframe
    return plain
