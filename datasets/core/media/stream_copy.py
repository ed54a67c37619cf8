"""Stream copy (remux) of H.264 videos that meet the standard already, without re-encoding.

Such a video has exactly 30 frames per second, and one closed GOP with one IDR frame per second.
Every frame is decoded as a check, which costs a seventh of re-encoding. A video with a single
deviating packet is left to `datasets.core.media.standardising`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.fingerprints import ThumbnailSampler
from datasets.core.media.standard_video import GOP_FRAMES
from datasets.core.media.video_reader import MediaError, Probe, VideoLimits, open_stream

CONTAINERS = ("mov", "matroska")  # with parameter sets in the header only
MAX_TIMESTAMP_ERROR = Fraction(1, 50)  # of a frame; Matroska counts in thousandths of a second
IDR, *PARAMETER_SETS = 5, 7, 8


class _NotStandardError(ValueError):
    """The video does not meet the standard."""


def may_be_standard(probe: Probe, size: tuple[int, int]) -> bool:
    """Whether a video may meet the standard, by its header, at frame size `size`."""
    return (
        probe.container in CONTAINERS
        and (probe.codec, probe.pixel_format) == ("h264", "yuv420p")
        and (probe.width, probe.height) == size
        and probe.sample_aspect == "1"
        and not (
            probe.crop
            or probe.rotation
            or probe.is_interlaced
            or probe.is_full_range
            or probe.is_hdr
        )
    )


def copy_if_standard(
    source: Path,
    target: Path,
    *,
    limits: VideoLimits,
    expected: float = 0,
    sampler: ThumbnailSampler | None = None,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Copy the packets of `source` into the standard video `target`; return how many frames.

    0, and no file, if it does not meet the standard. `expected` is the declared number of
    frames, for `progress`; `sampler` gets the decoded frames.
    """
    count = 0
    with suppress(MediaError, av.FFmpegError, ValueError, IndexError):
        with (
            open_stream(source, limits) as (container, stream),
            av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out,
        ):
            copy: Any = out.add_stream_from_template(stream)
            copy.time_base = Fraction(1, FRAME_RATE)
            most = limits.max_seconds * FRAME_RATE
            for packet in _restamped(_verified_packets(container, stream, sampler)):
                packet.stream = copy
                out.mux(packet)
                count += 1
                if count > most:
                    raise _NotStandardError("longer than allowed")
                if progress and count % FRAME_RATE == 0:
                    progress(min(count / expected, 1.0) if expected else 0.0)
        return count
    target.unlink(missing_ok=True)
    return 0


def _verified_packets(
    container: Any, stream: Any, sampler: ThumbnailSampler | None
) -> Iterator[tuple[int, Any]]:
    """Every packet with its frame index. Raises _DifferentError where it must."""
    size_bytes = _nal_length_bytes(stream)
    first: int | None = None
    gop: set[int] = set()
    position = decoded = 0
    for packet in container.demux(stream):
        if not packet.size:  # the flush packet at the end
            decoded += _decode(packet, decoded, sampler)
            break
        first = packet.pts if first is None else first
        number = _frame_index(packet, first)
        begin = position // GOP_FRAMES * GOP_FRAMES
        if position == begin:
            _check_gop(gop, begin - GOP_FRAMES, GOP_FRAMES)
            gop = set()
        gop.add(number)
        _check_nal_units(packet, is_first=position == begin, size_bytes=size_bytes)
        if position == begin and number != begin:
            raise _NotStandardError("a GOP does not begin with its keyframe")
        decoded += _decode(packet, decoded, sampler)
        position += 1
        yield number, packet
    begin = (position - 1) // GOP_FRAMES * GOP_FRAMES
    _check_gop(gop, begin, position - begin)
    if decoded != position:
        raise _NotStandardError("some packets have no frame")


def _nal_length_bytes(stream: Any) -> int:
    """Bytes of the length field before each NAL unit."""
    header = stream.codec_context.extradata
    if not header or header[0] != 1:
        raise _NotStandardError("no avcC header")
    return (header[4] & 3) + 1


def _frame_index(packet: Any, first: int) -> int:
    if packet.pts is None:
        raise _NotStandardError("a frame has no timestamp")
    exact = (packet.pts - first) * packet.time_base * FRAME_RATE
    if abs(exact - round(exact)) > MAX_TIMESTAMP_ERROR:
        raise _NotStandardError("not 30 frames a second")
    return round(exact)


def _check_gop(gop: set[int], begin: int, count: int) -> None:
    if gop and gop != set(range(begin, begin + count)):
        raise _NotStandardError("frames are missing, doubled, or in another second")


def _check_nal_units(packet: Any, *, is_first: bool, size_bytes: int) -> None:
    units = set(_nal_unit_types(bytes(packet), size_bytes))
    is_irregular = packet.is_corrupt or packet.is_discard or units.intersection(PARAMETER_SETS)
    if is_irregular or packet.is_keyframe != is_first or (IDR in units) != is_first:
        raise _NotStandardError("its GOPs differ")


def _nal_unit_types(content: bytes, size_bytes: int) -> Iterator[int]:
    position = 0
    while position + size_bytes < len(content):
        size = int.from_bytes(content[position : position + size_bytes], "big")
        yield content[position + size_bytes] & 0x1F
        position += size_bytes + size


def _decode(packet: Any, first: int, sampler: ThumbnailSampler | None) -> int:
    """Number of frames in the packet; all must be intact. The first is frame `first`."""
    frames = packet.decode()
    if any(frame.is_corrupt or frame.interlaced_frame for frame in frames):
        raise _NotStandardError("a frame is damaged or interlaced")
    if sampler is not None:
        for number, frame in enumerate(frames, start=first):
            sampler.add(number, frame)
    return len(frames)


def _restamped(numbered: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """The packets with new timestamps; those of the first second set the decoding delay."""
    pending: list[tuple[int, Any]] = []
    delay: int | None = None
    for position, (number, packet) in enumerate(numbered):
        pending.append((number, packet))
        if delay is None and len(pending) == GOP_FRAMES:
            delay = _delay(pending)
        if delay is not None:
            for each, (frame, other) in enumerate(pending, start=position + 1 - len(pending)):
                yield _with_timestamps(other, frame, each - delay)
            pending = []
    delay = _delay(pending) if delay is None else delay
    for position, (frame, other) in enumerate(pending):
        yield _with_timestamps(other, frame, position - delay)


def _delay(numbered: list[tuple[int, Any]]) -> int:
    return max((position - number for position, (number, _) in enumerate(numbered)), default=0)


def _with_timestamps(packet: Any, frame: int, position: int) -> Any:
    if position > frame:
        raise _NotStandardError("its frame order changes")
    packet.time_base = Fraction(1, FRAME_RATE)
    packet.pts, packet.dts, packet.duration = frame, position, 1
    return packet
