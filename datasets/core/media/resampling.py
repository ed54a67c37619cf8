"""Resampling from variable to constant frame rate (30 fps), in exact fractions.

Output frame `k` (0-based) is the last source frame whose rounded time `round(30 * t)` is at
most `k`, with `t` from the first frame: the rule of ffmpeg's `fps` filter, `round=near`.
Frames of any type pass through; a repeated frame is the same object each time.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from datasets.core.media.clips_and_keyframes import FRAME_RATE

Frame = TypeVar("Frame")

# This many consecutive earlier timestamps are a restart; fewer are corruption.
RESTART_FRAMES = 8


class TimingError(ValueError):
    """The timestamps are invalid; the message continues after the video's name."""


class TimedFrame(NamedTuple, Generic[Frame]):
    """A frame, its start time and duration in seconds."""

    time: Fraction
    duration: Fraction
    frame: Frame


@dataclass
class TimestampJoiner:
    """Makes the timestamps of one video ascending: joins restarts, drops misplaced frames.

    Attributes:
        step: Frame interval in ticks, where a frame has no timestamp.
        restarts: How often timestamps restarted and were joined.
        dropped: Frames left out because their timestamps fit nowhere.
    """

    step: int
    restarts: int = 0
    dropped: int = 0

    def joined(
        self, stamped: Iterable[tuple[int | None, Frame]]
    ) -> Iterator[tuple[int, Frame]]:
        """The frames with ascending timestamps, the first at 0.

        >>> list(TimestampJoiner(step=2).joined([(6, "a"), (8, "b"), (None, "c"), (11, "d")]))
        [(0, 'a'), (2, 'b'), (4, 'c'), (5, 'd')]
        """
        offset: int | None = None
        last = -self.step
        late: list[tuple[int, Frame]] = []  # earlier than `last`, ascending
        for stamp, frame in stamped:
            if offset is None:
                offset = -(stamp or 0)
            tick = last + self.step if stamp is None else stamp + offset
            if tick > last:
                self.dropped += len(late)
                late = []
                last = tick
                yield tick, frame
                continue
            if late and tick <= late[-1][0]:
                self.dropped += len(late)
                late = []
            late.append((tick, frame))
            if len(late) == RESTART_FRAMES:
                self.restarts += 1
                shift = last + self.step - late[0][0]
                offset += shift
                last = late[-1][0] + shift
                yield from ((tick + shift, frame) for tick, frame in late)
                late = []
        self.dropped += len(late)


def output_frame_index(time: Fraction) -> int:
    """Index of the first output frame of a source frame shown from `time`.

    >>> output_frame_index(Fraction(1, 25)), output_frame_index(Fraction(1, 60))
    (1, 1)
    """
    return math.floor(time * FRAME_RATE + Fraction(1, 2))


def resample_to_cfr(
    timed: Iterable[TimedFrame[Frame]], *, max_seconds: float
) -> Iterator[Frame]:
    """The source frame of each output frame; source times must ascend from 0.

    A frame is held until the next one, however long that is; the last one for its duration.
    Raises TimingError beyond `max_seconds`.

    >>> step = Fraction(1, 20)
    >>> timed = [TimedFrame(n * step, step, "abc"[n]) for n in range(3)]
    >>> "".join(resample_to_cfr(timed, max_seconds=9))
    'aabcc'
    """
    filled = 0
    before: TimedFrame[Frame] | None = None
    for now in timed:
        begin = output_frame_index(now.time)
        if now.time > max_seconds:
            raise TimingError(
                f"is longer than the {max_seconds:.0f} s allowed (AVA_MAX_VIDEO_SECONDS)"
            )
        if before is not None:
            for _ in range(filled, begin):
                yield before.frame
            filled = max(filled, begin)
        before = now
    if before is not None:
        end = output_frame_index(before.time + before.duration)
        for _ in range(filled, max(end, filled + (filled == 0))):
            yield before.frame
