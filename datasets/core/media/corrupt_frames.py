"""Which stretches of a film cannot be read, found while it is decoded.

A picture is unreadable if the decoder reports it broken, and so is every later one up to the
next key picture, for it is built on it. Where packets gave no picture at all, and in a hole of
more than three seconds, the time between the pictures around it is unreadable. Times are
seconds from the first picture, fractions.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from datasets.core.media.clips_and_keyframes import FRAME_RATE, Stretch

# Decoders give pictures up to so many later than their packets, so a loss shows late.
PICTURES_A_LOSS_IS_SOUGHT_IN = 32
GAP_STEPS = Fraction(3, 2)
# A longer hole is a loss even where nothing else tells of one.
HOLE_SECONDS, HOLE_STEPS = 3, 4
STRETCHES_NAMED = 5


class Damage:
    """Keeps the account of one film.

    Attributes:
        count: Pictures, or packets in their place, that the decoder reports as broken.
        stretches: Unreadable times, `(begin, end)`, in rising order.
        end: Time at which the last picture, readable or not, is over.
    """

    def __init__(self) -> None:
        self.count = 0
        self.stretches: list[tuple[Fraction, Fraction]] = []
        self.end = Fraction(0)
        self._is_built_on = False
        self._stamp: int | None = None  # of the last broken one
        self._before: int | None = None  # of the picture before this one
        self._last: Fraction | None = None
        self._begin: Fraction | None = None
        self._sought = 0

    def packet_lost(self, stamp: int | None) -> None:
        """The decoder could not read the packet with time stamp `stamp`."""
        self.count += 1
        self._is_built_on = True
        self._stamp = stamp
        self._sought = PICTURES_A_LOSS_IS_SOUGHT_IN

    def suspect(self) -> None:
        """The container says that bytes are missing about here; they need not be pictures'."""
        self.count += 1
        self._sought = PICTURES_A_LOSS_IS_SOUGHT_IN

    def is_readable(self, frame: Any) -> bool:
        """Whether `frame` shows what was filmed; ask once, in the decoder's order."""
        if frame.is_corrupt:
            self.count += 1
            self._is_built_on = True
            self._stamp = frame.pts
        elif self._is_built_on and frame.key_frame and self._is_past(frame.pts):
            self._is_built_on = False
        self._before = frame.pts
        return not self._is_built_on

    def _is_past(self, stamp: int | None) -> bool:
        """Whether a picture comes after what is broken, or the clock has begun anew since."""
        if stamp is None or self._stamp is None or stamp > self._stamp:
            return True
        return self._before is not None and stamp <= self._before

    def note(self, time: Fraction, *, is_readable: bool, is_key: bool, step: Fraction) -> bool:
        """The next picture stands at `time`; return whether it can be shown.

        Args:
            step: The usual time between two pictures.
        """
        last, self._last = self._last, time
        if last is not None and self._is_loss(time - last, step):
            self._begin = last + step if self._begin is None else self._begin
            is_readable &= is_key
            self._is_built_on |= not is_key
        self._sought -= self._sought > 0
        if is_readable and self._begin is not None:
            self.stretches.append((self._begin, time))
            self._begin = None
        elif not is_readable and self._begin is None:
            self._begin = time
        return is_readable

    def _is_loss(self, gap: Fraction, step: Fraction) -> bool:
        if self._sought and gap > GAP_STEPS * step:
            return True
        return gap > HOLE_SECONDS and gap > HOLE_STEPS * step

    def close(self, end: Fraction) -> None:
        """The film ends at `end`."""
        if self._begin is not None:
            self.stretches.append((self._begin, end))
            self._begin = None
        self.end = end

    @property
    def share(self) -> float:
        """How much of the time of a film that was read to its end is unreadable, 0 to 1."""
        lost = sum((end - begin for begin, end in self.stretches), Fraction(0))
        return float(lost / self.end) if self.end else 0.0

    def seconds(self) -> str:
        """The unreadable times as people say them; those less than a second apart as one.

        >>> damage = Damage()
        >>> damage.stretches = [(Fraction(1), Fraction(2)), (Fraction(5, 2), Fraction(3))]
        >>> damage.seconds()
        '1.0-3.0 s'
        """
        joined: list[tuple[Fraction, Fraction]] = []
        for begin, end in self.stretches:
            if joined and begin - joined[-1][1] < 1:
                begin, _ = joined.pop()
            joined.append((begin, end))
        said = [f"{float(begin):.1f}-{float(end):.1f} s" for begin, end in joined]
        more = len(said) - STRETCHES_NAMED
        if more > 0:
            said = [*said[:STRETCHES_NAMED], f"{more} more places"]
        return " and ".join(filter(None, [", ".join(said[:-1]), *said[-1:]]))

    def explains(self, begin: Fraction, end: Fraction) -> bool:
        """Whether the time without a picture from `begin` to `end` was lost with packets."""
        known = [*self.stretches]
        if self._begin is not None and self._last is not None:
            known.append((self._begin, self._last))
        return any(begin < start < end <= stop for start, stop in known[-3:])


def as_stretches(
    times: Iterable[tuple[Fraction, Fraction]], *, frame_count: int
) -> list[Stretch]:
    """The frames of a standard video that `times` touch; the stretches do not touch.

    >>> third = Fraction(1, 3)
    >>> as_stretches([(third, 2 * third), (2 * third, third * 4)], frame_count=35)
    [Stretch(start=10, stop=35)]
    """
    found: list[Stretch] = []
    for begin, end in times:
        start = math.floor(begin * FRAME_RATE)
        stop = min(math.ceil(end * FRAME_RATE), frame_count)
        if found and start <= found[-1].stop:
            found[-1] = Stretch(found[-1].start, max(stop, found[-1].stop))
        elif start < stop:
            found.append(Stretch(start, stop))
    return found
