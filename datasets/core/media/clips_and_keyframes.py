"""Clip boundaries, keyframes and AVA timestamps: arithmetic on frame numbers.

Frames are 0-based, 30 per second. AVA counts timestamps from 900. A keyframe needs 2 s of video
before it and 1.5 s after it, the widest window of the stock AVA model configurations.
"""

from collections.abc import Iterable
from typing import NamedTuple

FRAME_RATE = 30
CLIP_SECONDS = 15
MIN_CLIP_SECONDS, MAX_CLIP_SECONDS = 4, 120
MIN_CLIP_FRAMES = MIN_CLIP_SECONDS * FRAME_RATE
CONTEXT_BEFORE = 2 * FRAME_RATE
CONTEXT_AFTER = 3 * FRAME_RATE // 2
FIRST_TIMESTAMP = 900


class ClipBounds(NamedTuple):
    start_frame: int
    frame_count: int


class FrameRange(NamedTuple):
    """Frames `start` to `stop`, exclusive."""

    start: int
    stop: int


class ExportWindow(NamedTuple):
    """The frames of a source video in one exported video."""

    start_frame: int
    frame_count: int
    pad_seconds: int  # whole seconds before the clip: 0, 1 or 2


def clip_bounds(
    frame_count: int, unreadable: Iterable[FrameRange] = (), *, clip_seconds: int = CLIP_SECONDS
) -> list[ClipBounds]:
    """Cut `frame_count` frames into adjacent clips; a tail under 4 s is left out.

    No clip contains a frame of the `unreadable` ranges, nor 2 s on either side, so that every
    keyframe has its full window. Only the last clip of the video may be shorter than
    `clip_seconds`, which are 4 to 120.

    >>> clip_bounds(1020)
    [ClipBounds(start_frame=0, frame_count=450), ClipBounds(start_frame=450, frame_count=450), \
ClipBounds(start_frame=900, frame_count=120)]
    >>> clip_bounds(1019)[-1]
    ClipBounds(start_frame=450, frame_count=450)
    >>> clip_bounds(1000, [FrameRange(290, 301)])
    [ClipBounds(start_frame=390, frame_count=450), ClipBounds(start_frame=840, frame_count=160)]
    >>> clip_bounds(270, clip_seconds=5)
    [ClipBounds(start_frame=0, frame_count=150), ClipBounds(start_frame=150, frame_count=120)]
    """
    if frame_count < 0:
        raise ValueError(f"a video cannot have {frame_count} frames")
    if not MIN_CLIP_SECONDS <= clip_seconds <= MAX_CLIP_SECONDS:
        raise ValueError(f"a clip cannot have {clip_seconds} s")
    full = clip_seconds * FRAME_RATE
    return [
        ClipBounds(start, min(full, stop - start))
        for begin, stop in readable_ranges(frame_count, unreadable)
        for start in range(begin, stop, full)
        if stop - start >= (MIN_CLIP_FRAMES if stop == frame_count else full)
    ]


def readable_ranges(frame_count: int, unreadable: Iterable[FrameRange]) -> list[FrameRange]:
    """Ranges that clips may use, from a whole second to a whole second or the video's end.

    >>> readable_ranges(1000, [FrameRange(290, 301)])
    [FrameRange(start=0, stop=210), FrameRange(start=390, stop=1000)]
    """
    found, begin = [], 0
    for start, stop in sorted(each for each in unreadable if each.start < frame_count):
        end = (start - CONTEXT_BEFORE) // FRAME_RATE * FRAME_RATE
        found.append(FrameRange(begin, end))
        begin = max(begin, -(-(stop + CONTEXT_BEFORE) // FRAME_RATE) * FRAME_RATE)
    return [
        piece for piece in [*found, FrameRange(begin, frame_count)] if piece.start < piece.stop
    ]


def keyframe_seconds(
    start_frame: int, frame_count: int, *, video_frame_count: int
) -> list[int]:
    """Whole seconds of a clip that are keyframes, from 0.

    Second `k` is one if clip frame `30 * k` exists and the source video has 2 s of video
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
    """The clip with up to 2 s of padding on each side, in whole seconds before it.

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
    """AVA timestamp of clip second `second`; exported videos start at 900.

    >>> timestamp(0, pad_seconds=2)
    902
    """
    return FIRST_TIMESTAMP + pad_seconds + second
