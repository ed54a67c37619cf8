"""Corrupt parts of a video, found while it is decoded.

A frame is unreadable if the decoder reports it as corrupt, and so is every later one up to the
next keyframe, because it is predicted from it. Where packets gave no frame, the time between
the neighbouring frames is unreadable. A gap alone is no loss: recordings of screens and of
cameras that wait for motion hold a frame as long as the container says. Times are exact
fractions of seconds from the first frame.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from datasets.core.media.clips_and_keyframes import FRAME_RATE, FrameRange

# Decoders return a frame up to this many packets late, so a loss appears late.
FRAMES_AFTER_LOSS = 32
LOSS_STEPS = Fraction(3, 2)
MAX_SPANS_SHOWN = 5


class CorruptionLog:
    """The corrupt frames and unreadable times of one video.

    Attributes:
        count: Frames, or undecodable packets, that the decoder reports as corrupt.
        spans: Unreadable times, `(begin, end)`, ascending.
        end: When the last frame, readable or not, ends.
    """

    def __init__(self) -> None:
        self.count = 0
        self.spans: list[tuple[Fraction, Fraction]] = []
        self.end = Fraction(0)
        self._awaits_keyframe = False
        self._corrupt_pts: int | None = None  # of the last corrupt frame
        self._previous_pts: int | None = None
        self._last_time: Fraction | None = None
        self._span_begin: Fraction | None = None
        self._frames_to_check = 0

    def record_lost_packet(self, pts: int | None) -> None:
        """The decoder could not decode the packet with timestamp `pts`."""
        self.count += 1
        self._awaits_keyframe = True
        self._corrupt_pts = pts
        self._frames_to_check = FRAMES_AFTER_LOSS

    def record_container_error(self) -> None:
        """The container reports missing bytes near here, not necessarily of frames."""
        self.count += 1
        self._frames_to_check = FRAMES_AFTER_LOSS

    def check_frame(self, frame: Any) -> bool:
        """Whether `frame` is intact; call once per frame, in decoding order."""
        if frame.is_corrupt:
            self.count += 1
            self._awaits_keyframe = True
            self._corrupt_pts = frame.pts
        elif self._awaits_keyframe and frame.key_frame and self._is_after_corruption(frame.pts):
            self._awaits_keyframe = False
        self._previous_pts = frame.pts
        return not self._awaits_keyframe

    def _is_after_corruption(self, pts: int | None) -> bool:
        """Whether a frame is later than the corrupt one, or timestamps have restarted since."""
        if pts is None or self._corrupt_pts is None or pts > self._corrupt_pts:
            return True
        return self._previous_pts is not None and pts <= self._previous_pts

    def record_frame(
        self, time: Fraction, *, is_readable: bool, is_key: bool, step: Fraction
    ) -> bool:
        """Add the next frame, shown from `time`; return whether it is usable.

        Args:
            step: The nominal frame interval.
        """
        last, self._last_time = self._last_time, time
        if last is not None and self._is_loss(time - last, step):
            self._span_begin = last + step if self._span_begin is None else self._span_begin
            is_readable &= is_key
            self._awaits_keyframe |= not is_key
        self._frames_to_check -= self._frames_to_check > 0
        if is_readable and self._span_begin is not None:
            self.spans.append((self._span_begin, time))
            self._span_begin = None
        elif not is_readable and self._span_begin is None:
            self._span_begin = time
        return is_readable

    def _is_loss(self, gap: Fraction, step: Fraction) -> bool:
        return bool(self._frames_to_check) and gap > LOSS_STEPS * step

    @property
    def open_since(self) -> Fraction | None:
        """When the unreadable time began that has not ended yet; None if there is none."""
        return self._span_begin

    def close(self, end: Fraction) -> None:
        """End the video at `end`."""
        if self._span_begin is not None:
            self.spans.append((self._span_begin, end))
            self._span_begin = None
        self.end = end

    @property
    def share(self) -> float:
        """Unreadable share of the duration of a video that was read to its end, 0 to 1."""
        lost = sum((end - begin for begin, end in self.spans), Fraction(0))
        return float(lost / self.end) if self.end else 0.0

    def describe(self) -> str:
        """The unreadable times as text; those less than a second apart are merged.

        >>> log = CorruptionLog()
        >>> log.spans = [(Fraction(1), Fraction(2)), (Fraction(5, 2), Fraction(3))]
        >>> log.describe()
        '1.0-3.0 s'
        """
        return describe_times(self.spans)


def describe_times(spans: Iterable[tuple[Fraction | float, Fraction | float]]) -> str:
    """Times in seconds, `(begin, end)` ascending, as text; close ones are merged.

    >>> describe_times([(1, 2), (2.5, 3), (9, 10)])
    '1.0-3.0 s and 9.0-10.0 s'
    """
    merged: list[tuple[Fraction | float, Fraction | float]] = []
    for begin, end in spans:
        if merged and begin - merged[-1][1] < 1:
            begin, _ = merged.pop()
        merged.append((begin, end))
    shown = [f"{float(begin):.1f}-{float(end):.1f} s" for begin, end in merged]
    more = len(shown) - MAX_SPANS_SHOWN
    if more > 0:
        shown = [*shown[:MAX_SPANS_SHOWN], f"{more} more places"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def as_frame_ranges(
    times: Iterable[tuple[Fraction, Fraction]], *, frame_count: int
) -> list[FrameRange]:
    """The frames of a standard video that overlap `times`, as disjoint ranges.

    >>> third = Fraction(1, 3)
    >>> as_frame_ranges([(third, 2 * third), (2 * third, third * 4)], frame_count=35)
    [FrameRange(start=10, stop=35)]
    """
    found: list[FrameRange] = []
    for begin, end in times:
        start = math.floor(begin * FRAME_RATE)
        stop = min(math.ceil(end * FRAME_RATE), frame_count)
        if found and start <= found[-1].stop:
            found[-1] = FrameRange(found[-1].start, max(stop, found[-1].stop))
        elif start < stop:
            found.append(FrameRange(start, stop))
    return found
