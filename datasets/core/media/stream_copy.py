"""A film that is made like a standard video already is taken over packet by packet.

Its pictures must stand at exactly 30 a second, one closed group with one IDR picture a second.
Each is decoded to see that it can be, which costs a seventh of coding it anew; a film in which
one packet is not as it should be is left to `datasets.core.media.standardising`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.video_reader import Limits, MediaError, Probe, open_stream

GROUP_FRAMES = FRAME_RATE
CONTAINERS = ("mov", "matroska")  # whose parameter sets stand in the header alone
MOST_OFF = Fraction(1, 50)  # of a frame; Matroska counts in thousandths of a second
IDR, *PARAMETER_SETS = 5, 7, 8


class _DifferentError(ValueError):
    """The film is not made like a standard video."""


def looks_standard(probe: Probe, size: tuple[int, int]) -> bool:
    """Whether a film may conform, by its header; `size` is that of its standard video."""
    return (
        probe.container in CONTAINERS
        and (probe.codec, probe.pixel_format) == ("h264", "yuv420p")
        and (probe.width, probe.height) == size
        and probe.sample_aspect == "1"
        and not (probe.turn or probe.is_interlaced or probe.is_full_range or probe.is_hdr)
    )


def copy_if_standard(
    source: Path,
    target: Path,
    *,
    limits: Limits,
    expected: float = 0,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Copy the packets of `source` into the standard video `target`; return how many frames.

    0, and no file, if it does not conform. `expected` is the number of frames it is said to
    have, for `progress`.
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
            for packet in _in_new_order(_checked(container, stream)):
                packet.stream = copy
                out.mux(packet)
                count += 1
                if count > most:
                    raise _DifferentError("longer than allowed")
                if progress and count % FRAME_RATE == 0:
                    progress(min(count / expected, 1.0) if expected else 0.0)
        return count
    target.unlink(missing_ok=True)
    return 0


def _checked(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    """Every packet with the number of its frame. Raises _DifferentError where it must."""
    size_bytes = _length_size(stream)
    first: int | None = None
    group: set[int] = set()
    place = decoded = 0
    for packet in container.demux(stream):
        if not packet.size:  # the empty one at the end
            decoded += _readable(packet)
            break
        first = packet.pts if first is None else first
        number = _number(packet, first)
        begin = place // GROUP_FRAMES * GROUP_FRAMES
        if place == begin:
            _check_group(group, begin - GROUP_FRAMES, GROUP_FRAMES)
            group = set()
        group.add(number)
        _check_kind(packet, is_first=place == begin, size_bytes=size_bytes)
        if place == begin and number != begin:
            raise _DifferentError("a group does not begin with its key picture")
        decoded += _readable(packet)
        place += 1
        yield number, packet
    begin = (place - 1) // GROUP_FRAMES * GROUP_FRAMES
    _check_group(group, begin, place - begin)
    if decoded != place:
        raise _DifferentError("some packets give no picture")


def _length_size(stream: Any) -> int:
    """Bytes of the length before each unit of a packet."""
    header = stream.codec_context.extradata
    if not header or header[0] != 1:
        raise _DifferentError("no avcC header")
    return (header[4] & 3) + 1


def _number(packet: Any, first: int) -> int:
    if packet.pts is None:
        raise _DifferentError("a picture has no time")
    exact = (packet.pts - first) * packet.time_base * FRAME_RATE
    if abs(exact - round(exact)) > MOST_OFF:
        raise _DifferentError("not 30 frames a second")
    return round(exact)


def _check_group(group: set[int], begin: int, count: int) -> None:
    if group and group != set(range(begin, begin + count)):
        raise _DifferentError("frames are missing, doubled, or in another second")


def _check_kind(packet: Any, *, is_first: bool, size_bytes: int) -> None:
    units = set(_unit_types(bytes(packet), size_bytes))
    is_odd = packet.is_corrupt or packet.is_discard or units.intersection(PARAMETER_SETS)
    if is_odd or packet.is_keyframe != is_first or (IDR in units) != is_first:
        raise _DifferentError("its groups are others")


def _unit_types(content: bytes, size_bytes: int) -> Iterator[int]:
    place = 0
    while place + size_bytes < len(content):
        size = int.from_bytes(content[place : place + size_bytes], "big")
        yield content[place + size_bytes] & 0x1F
        place += size_bytes + size


def _readable(packet: Any) -> int:
    """How many pictures the packet gives; all must be whole."""
    frames = packet.decode()
    if any(frame.is_corrupt or frame.interlaced_frame for frame in frames):
        raise _DifferentError("a picture is damaged or interlaced")
    return len(frames)


def _in_new_order(numbered: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """The packets, stamped as in a standard video; those of the first second set the delay."""
    held: list[tuple[int, Any]] = []
    delay: int | None = None
    for place, (number, packet) in enumerate(numbered):
        held.append((number, packet))
        if delay is None and len(held) == GROUP_FRAMES:
            delay = _delay(held)
        if delay is not None:
            for one, (frame, other) in enumerate(held, start=place + 1 - len(held)):
                yield _stamped(other, frame, one - delay)
            held = []
    delay = _delay(held) if delay is None else delay
    for place, (frame, other) in enumerate(held):
        yield _stamped(other, frame, place - delay)


def _delay(numbered: list[tuple[int, Any]]) -> int:
    return max((place - number for place, (number, _) in enumerate(numbered)), default=0)


def _stamped(packet: Any, frame: int, place: int) -> Any:
    if place > frame:
        raise _DifferentError("its order of coding changes")
    packet.time_base = Fraction(1, FRAME_RATE)
    packet.pts, packet.dts, packet.duration = frame, place, 1
    return packet
