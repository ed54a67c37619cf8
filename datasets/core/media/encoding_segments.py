"""Encoding in segments: those that are finished stay when the encoder is killed.

Every segment begins with a keyframe and is encoded by itself, so the video that they are joined
to has the same bytes wherever an attempt was cut off.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import cut

SEGMENT_FRAMES = 60 * FRAME_RATE  # a multiple of the frames from keyframe to keyframe
MP4 = {"format": "mp4", "options": {"movflags": "+faststart"}}

Configure = Callable[[Any], None]


def same_bytes() -> dict[str, str]:
    """Options of x264 with which it gives the same bytes each time on this processor.

    With AVX-512 its macroblock tree makes other decisions each time, from the second encoder of
    a process on; a processor that has it has AVX2.
    """
    try:
        has_avx512 = "avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux, or confined
        has_avx512 = False
    return {"x264-params": "asm=AVX2"} if has_avx512 else {}


SAME_BYTES = same_bytes()  # read before a process is confined


def finished_frames(parts: Path) -> int:
    """How many frames are in the finished segments in the folder `parts`."""
    count = 0
    while _segment(parts, count).exists():
        count += SEGMENT_FRAMES
    return count


def encode(
    frames: Iterable[Any], target: Path, parts: Path, *, start: int, configure: Configure
) -> int:
    """Encode `frames` in segments and join them in `target`; return how many frames it has.

    Args:
        frames: The frames of the video from `start` on; their pts is the frame number.
        parts: The folder that the finished segments are kept in.
        start: `finished_frames(parts)`.
        configure: Called with the stream of each segment, to set what it is like.
    """
    source, count = iter(frames), start
    for first in source:
        segment = _segment(parts, count)
        part = segment.with_suffix(".part")
        written = _write(
            chain([first], islice(source, SEGMENT_FRAMES - 1)), part, count, configure
        )
        if written == SEGMENT_FRAMES:  # the last one is encoded again by another attempt
            part.replace(segment)
        count += written
    if count == 0:
        _write((), target, 0, configure)
        return 0
    made = [_segment(parts, first) for first in range(0, count, SEGMENT_FRAMES)]
    if count % SEGMENT_FRAMES:
        made[-1] = made[-1].with_suffix(".part")
    if len(made) == 1:
        made[0].replace(target)
    else:
        _join(made, target)
    return count


def cut_finished(parts: Path, target: Path, *, start_frame: int, frame_count: int) -> None:
    """Cut a range out of the finished segments in the folder `parts`, as `standard_video.cut`.

    Its end is a whole second, and in a finished segment.
    """
    numbers = range(start_frame, start_frame + frame_count)
    first, last = (
        each // SEGMENT_FRAMES * SEGMENT_FRAMES for each in (numbers[0], numbers[-1])
    )
    made = [_segment(parts, each) for each in range(first, last + 1, SEGMENT_FRAMES)]
    joined = target.with_name(f"joined-{target.name}")
    if len(made) > 1:
        _join(made, joined)
    source = made[0] if len(made) == 1 else joined
    cut(source, target, start_frame=start_frame - first, frame_count=frame_count)
    joined.unlink(missing_ok=True)


def _segment(parts: Path, first: int) -> Path:
    return parts / f"{first:08d}.mp4"


def _write(frames: Iterable[Any], path: Path, first: int, configure: Configure) -> int:
    """Encode the frames of a segment whose first frame is frame `first` of the video."""
    count = 0
    with av.open(str(path), "w", **MP4) as out:  # type: ignore[call-overload]
        stream = out.add_stream("libx264", rate=FRAME_RATE)
        configure(stream)
        for frame in frames:
            frame.pts -= first
            out.mux(stream.encode(frame))
            count += 1
        if count:
            out.mux(stream.encode(None))
        else:
            stream.codec_context.open()  # else the file cannot be closed
    return count


def _join(segments: list[Path], target: Path) -> None:
    with av.open(str(target), "w", **MP4) as out:  # type: ignore[call-overload]
        stream: Any = None
        for number, path in enumerate(segments):
            with av.open(str(path)) as source:
                if stream is None:
                    stream = out.add_stream_from_template(source.streams.video[0])
                for packet in _packets(source, number * SEGMENT_FRAMES):
                    packet.stream = stream
                    out.mux(packet)


def _packets(source: Any, first: int) -> Iterator[Any]:
    """The packets of a segment at their time in the video."""
    stream = source.streams.video[0]
    shift = int(first / (FRAME_RATE * stream.time_base))
    for packet in source.demux(stream):
        if packet.dts is not None:
            packet.pts += shift
            packet.dts += shift
            yield packet
