"""Where a video is cut, and which of its seconds are keyframes: arithmetic on frame numbers.

Frames are 0-based and 30 a second. AVA counts its timestamps from 900 and wants two seconds of
footage before a keyframe and one and a half after it (ava-format: the widest stock window).
"""

from collections.abc import Iterable
from typing import NamedTuple

FRAME_RATE = 30
CLIP_SECONDS = 15
SHORTEST_CLIP_SECONDS, LONGEST_CLIP_SECONDS = 4, 120
SHORTEST_CLIP_FRAMES = SHORTEST_CLIP_SECONDS * FRAME_RATE
CONTEXT_BEFORE = 2 * FRAME_RATE
CONTEXT_AFTER = 3 * FRAME_RATE // 2
FIRST_TIMESTAMP = 900


class ClipBounds(NamedTuple):
    start_frame: int
    frame_count: int


class Stretch(NamedTuple):
    """Frames `start` to `stop`, exclusive."""

    start: int
    stop: int


class ExportWindow(NamedTuple):
    """The frames of a source video that one exported video shows."""

    start_frame: int
    frame_count: int
    pad_seconds: int  # whole seconds before the clip: 0, 1 or 2


def clip_bounds(
    frame_count: int, unreadable: Iterable[Stretch] = (), *, clip_seconds: int = CLIP_SECONDS
) -> list[ClipBounds]:
    """Cut `frame_count` frames into touching clips; a tail under 4 s is left over.

    No clip holds a frame of the `unreadable` stretches, nor two seconds on either side, so that
    keyframes have all their footage. Only the last clip of the video may be shorter than
    `clip_seconds`, which are 4 to 120.

    >>> clip_bounds(1020)
    [ClipBounds(start_frame=0, frame_count=450), ClipBounds(start_frame=450, frame_count=450), \
ClipBounds(start_frame=900, frame_count=120)]
    >>> clip_bounds(1019)[-1]
    ClipBounds(start_frame=450, frame_count=450)
    >>> clip_bounds(1000, [Stretch(290, 301)])
    [ClipBounds(start_frame=390, frame_count=450), ClipBounds(start_frame=840, frame_count=160)]
    >>> clip_bounds(270, clip_seconds=5)
    [ClipBounds(start_frame=0, frame_count=150), ClipBounds(start_frame=150, frame_count=120)]
    """
    if frame_count < 0:
        raise ValueError(f"a video cannot have {frame_count} frames")
    if not SHORTEST_CLIP_SECONDS <= clip_seconds <= LONGEST_CLIP_SECONDS:
        raise ValueError(f"a clip cannot have {clip_seconds} s")
    whole = clip_seconds * FRAME_RATE
    return [
        ClipBounds(start, min(whole, stop - start))
        for begin, stop in readable_stretches(frame_count, unreadable)
        for start in range(begin, stop, whole)
        if stop - start >= (SHORTEST_CLIP_FRAMES if stop == frame_count else whole)
    ]


def readable_stretches(frame_count: int, unreadable: Iterable[Stretch]) -> list[Stretch]:
    """Where clips may lie: from one whole second to another, or to the end of the video.

    >>> readable_stretches(1000, [Stretch(290, 301)])
    [Stretch(start=0, stop=210), Stretch(start=390, stop=1000)]
    """
    found, begin = [], 0
    for start, stop in sorted(one for one in unreadable if one.start < frame_count):
        end = (start - CONTEXT_BEFORE) // FRAME_RATE * FRAME_RATE
        found.append(Stretch(begin, end))
        begin = max(begin, -(-(stop + CONTEXT_BEFORE) // FRAME_RATE) * FRAME_RATE)
    return [
        piece for piece in [*found, Stretch(begin, frame_count)] if piece.start < piece.stop
    ]


def keyframe_seconds(
    start_frame: int, frame_count: int, *, video_frame_count: int
) -> list[int]:
    """Whole seconds of a clip that are keyframes, from 0.

    Second `k` is one if clip frame `30 * k` exists and the source video has 2 s of footage
    before it and 1.5 s after it.

    >>> keyframe_seconds(0, 450, video_frame_count=450)
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    >>> keyframe_seconds(450, 120, video_frame_count=570)
    [0, 1, 2]
    """
    seconds = range((frame_count + FRAME_RATE - 1) // FRAME_RATE)
    return [
        second
        for second in seconds
        if start_frame + FRAME_RATE * second >= CONTEXT_BEFORE
        and start_frame + FRAME_RATE * second + CONTEXT_AFTER <= video_frame_count
    ]


def export_window(
    start_frame: int, frame_count: int, *, video_frame_count: int
) -> ExportWindow:
    """The clip with up to two seconds of padding, in whole seconds before it.

    >>> export_window(450, 450, video_frame_count=1020)
    ExportWindow(start_frame=390, frame_count=570, pad_seconds=2)
    >>> export_window(0, 450, video_frame_count=460)
    ExportWindow(start_frame=0, frame_count=460, pad_seconds=0)
    """
    pad = min(CONTEXT_BEFORE, start_frame) // FRAME_RATE
    start = start_frame - pad * FRAME_RATE
    end = min(start_frame + frame_count + CONTEXT_BEFORE, video_frame_count)
    return ExportWindow(start, end - start, pad)


def timestamp(second: int, *, pad_seconds: int) -> int:
    """AVA timestamp of clip second `second`: export videos begin at 900.

    >>> timestamp(0, pad_seconds=2)
    902
    """
    return FIRST_TIMESTAMP + pad_seconds + second
