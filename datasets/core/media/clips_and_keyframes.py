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
    frame_count: int,
    unreadable: Iterable[FrameRange] = (),
    stills: Iterable[FrameRange] = (),
    *,
    clip_seconds: int = CLIP_SECONDS,
) -> list[ClipBounds]:
    """Cut `frame_count` frames into clips that start at whole seconds.

    No clip contains a frame of the `unreadable` ranges, nor of those `stills`, in which one
    frame is held, that are longer than a clip: these are cut out in whole seconds. The clips
    of what is left are adjacent and have `clip_seconds`, which are 4 to 120. What remains at
    the end of a range is a clip of its own from 4 s on, else the last clip is longer by it.

    >>> clip_bounds(1020)
    [ClipBounds(start_frame=0, frame_count=450), ClipBounds(start_frame=450, frame_count=450), \
ClipBounds(start_frame=900, frame_count=120)]
    >>> clip_bounds(525)
    [ClipBounds(start_frame=0, frame_count=525)]
    >>> clip_bounds(1000, [FrameRange(290, 301)])
    [ClipBounds(start_frame=0, frame_count=270), ClipBounds(start_frame=330, frame_count=450), \
ClipBounds(start_frame=780, frame_count=220)]
    """
    if frame_count < 0:
        raise ValueError(f"a video cannot have {frame_count} frames")
    if not MIN_CLIP_SECONDS <= clip_seconds <= MAX_CLIP_SECONDS:
        raise ValueError(f"a clip cannot have {clip_seconds} s")
    full = clip_seconds * FRAME_RATE
    found = []
    for start, stop in usable_ranges(frame_count, unreadable, stills, clip_frames=full):
        count = max(1, (stop - start + full - MIN_CLIP_FRAMES) // full)
        starts = [start + full * index for index in range(count)]
        ends = [*starts[1:], stop]
        found += [ClipBounds(a, b - a) for a, b in zip(starts, ends, strict=True)]
    return found


def final_bounds(
    frame_count: int,
    unreadable: Iterable[FrameRange],
    stills: Iterable[FrameRange],
    *,
    clip_seconds: int,
) -> list[ClipBounds]:
    """Those clips of a video that stay as they are, whatever follows its first frames.

    Nor do their keyframes change, which need what follows.

    >>> final_bounds(1000, [], [], clip_seconds=15)
    [ClipBounds(start_frame=0, frame_count=450)]
    """
    found = clip_bounds(frame_count, unreadable, stills, clip_seconds=clip_seconds)
    rest = max(MIN_CLIP_FRAMES, CONTEXT_AFTER)
    return [clip for clip in found if sum(clip) + rest <= frame_count]


def usable_ranges(
    frame_count: int,
    unreadable: Iterable[FrameRange],
    stills: Iterable[FrameRange] = (),
    *,
    clip_frames: int,
) -> list[FrameRange]:
    """Ranges that clips may use, from a whole second to a whole second or the video's end.

    Ranges under 4 s are left out.

    >>> usable_ranges(1000, [FrameRange(290, 301)], clip_frames=450)
    [FrameRange(start=0, stop=270), FrameRange(start=330, stop=1000)]
    """
    # A still can be shown: the seconds in which it begins and ends have movement.
    kept = [_inner_seconds(each) for each in long_stills(stills, clip_frames)]
    gaps = [
        *map(_outer_seconds, unreadable),
        *(each for each in kept if each.start < each.stop),
    ]
    found, begin = [], 0
    for start, stop in sorted(each for each in gaps if each.start < frame_count):
        found.append(FrameRange(begin, start))
        begin = max(begin, stop)
    return [
        piece
        for piece in [*found, FrameRange(begin, frame_count)]
        if piece.stop - piece.start >= MIN_CLIP_FRAMES
    ]


def long_stills(stills: Iterable[FrameRange], clip_frames: int) -> list[FrameRange]:
    """Those ranges with one held frame that are longer than a clip."""
    return [each for each in stills if each.stop - each.start > clip_frames]


def _outer_seconds(frames: FrameRange) -> FrameRange:
    """The whole seconds that a range touches, as frames."""
    start = frames.start // FRAME_RATE * FRAME_RATE
    return FrameRange(start, -(-frames.stop // FRAME_RATE) * FRAME_RATE)


def _inner_seconds(frames: FrameRange) -> FrameRange:
    """The whole seconds inside a range, as frames."""
    start = -(-frames.start // FRAME_RATE) * FRAME_RATE
    return FrameRange(start, frames.stop // FRAME_RATE * FRAME_RATE)


def keyframe_seconds(
    start_frame: int,
    frame_count: int,
    *,
    video_frame_count: int,
    unreadable: Iterable[FrameRange] = (),
) -> list[int]:
    """Whole seconds of a clip that are keyframes, from 0.

    Second `k` is one if clip frame `30 * k` exists and the source video has 2 s of readable
    video before it and 1.5 s after it.

    >>> keyframe_seconds(0, 450, video_frame_count=450)
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    >>> keyframe_seconds(450, 120, video_frame_count=570)
    [0, 1, 2]
    >>> keyframe_seconds(330, 300, video_frame_count=660, unreadable=[FrameRange(290, 301)])
    [2, 3, 4, 5, 6, 7, 8, 9]
    """
    end = start_frame + frame_count
    gaps = [*unreadable]
    begin = max((each.stop for each in gaps if each.stop <= start_frame), default=0)
    stop = min([video_frame_count, *(each.start for each in gaps if each.start >= end)])
    seconds = range((frame_count + FRAME_RATE - 1) // FRAME_RATE)
    return [
        second
        for second in seconds
        if start_frame + FRAME_RATE * second >= begin + CONTEXT_BEFORE
        and start_frame + FRAME_RATE * second + CONTEXT_AFTER <= stop
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
