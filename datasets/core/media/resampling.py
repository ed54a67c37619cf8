"""From the times of a film's own clock to 30 pictures a second, in exact fractions.

Slot `k` (0-based) of the result shows the last picture whose rounded time `round(30 * t)` is at
most `k`, `t` counted from the first picture: the rule of ffmpeg's `fps` filter, `round=near`.
Pictures of any kind go through untouched; a picture that fills several slots is the same object
each time.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from datasets.core.media.clips_and_keyframes import FRAME_RATE

Picture = TypeVar("Picture")

# So many pictures in a row from before make a restarted clock; fewer are damage.
RESTART_PICTURES = 8
# The last picture stands as long as it says, but not longer than so many usual steps.
MOST_LAST_STEPS = 4
LONGEST_GAP = 10  # seconds
LONGEST_LOSS = 900  # seconds; the longest gap where packets are known to be lost

Explains = Callable[[Fraction, Fraction], bool]


class TimingError(ValueError):
    """The film's clock makes no sense; the message reads on after the film's name."""


class Timed(NamedTuple, Generic[Picture]):
    """A picture, its time and how long it stands, in seconds."""

    time: Fraction
    duration: Fraction
    picture: Picture


@dataclass
class Clock:
    """Joins the stamps of one film into one rising count.

    Attributes:
        step: Ticks from one picture to the next, where the film does not say.
        restarts: How often the film's clock began anew and was joined.
        dropped: Pictures without a place in time, left out.
    """

    step: int
    restarts: int = 0
    dropped: int = 0

    def joined(
        self, stamped: Iterable[tuple[int | None, Picture]]
    ) -> Iterator[tuple[int, Picture]]:
        """The pictures with stamps that rise, the first at 0.

        >>> list(Clock(step=2).joined([(6, "a"), (8, "b"), (None, "c"), (11, "d")]))
        [(0, 'a'), (2, 'b'), (4, 'c'), (5, 'd')]
        """
        offset: int | None = None
        last = -self.step
        late: list[tuple[int, Picture]] = []  # from before `last`; stamps rise within
        for stamp, picture in stamped:
            if offset is None:
                offset = -(stamp or 0)
            tick = last + self.step if stamp is None else stamp + offset
            if tick > last:
                self.dropped += len(late)
                late = []
                last = tick
                yield tick, picture
                continue
            if late and tick <= late[-1][0]:
                self.dropped += len(late)
                late = []
            late.append((tick, picture))
            if len(late) == RESTART_PICTURES:
                self.restarts += 1
                shift = last + self.step - late[0][0]
                offset += shift
                last = late[-1][0] + shift
                yield from ((tick + shift, picture) for tick, picture in late)
                late = []
        self.dropped += len(late)


def slot_of(time: Fraction) -> int:
    """The slot a picture shown from `time` begins at.

    >>> slot_of(Fraction(1, 25)), slot_of(Fraction(1, 60))
    (1, 1)
    """
    return math.floor(time * FRAME_RATE + Fraction(1, 2))


def slots(
    timed: Iterable[Timed[Picture]],
    *,
    most_seconds: float,
    explains: Explains = lambda begin, end: False,
) -> Iterator[Picture]:
    """The picture of each slot, from slot 0 on; times must rise from 0.

    Raises TimingError at a gap of more than 10 s, and beyond `most_seconds`. A gap that
    `explains` says was lost to damage may have 15 minutes.

    >>> step = Fraction(1, 20)
    >>> "".join(slots([Timed(n * step, step, "abc"[n]) for n in range(3)], most_seconds=9))
    'aabcc'
    """
    filled = 0
    before: Timed[Picture] | None = None
    for now in timed:
        begin = slot_of(now.time)
        _check_times(before, now, most_seconds, explains)
        if before is not None:
            for _ in range(filled, begin):
                yield before.picture
            filled = max(filled, begin)
        before = now
    if before is not None:
        end = slot_of(before.time + before.duration)
        for _ in range(filled, max(end, filled + (filled == 0))):
            yield before.picture


def _check_times(
    before: Timed[Picture] | None, now: Timed[Picture], most_seconds: float, explains: Explains
) -> None:
    if before is not None and now.time - before.time > LONGEST_GAP:
        gap = float(now.time - before.time)
        most = LONGEST_LOSS if explains(before.time, now.time) else LONGEST_GAP
        if gap > most:
            raise TimingError(
                f"has a gap of {gap:.0f} s between two pictures; {most} s is the most"
            )
    if now.time > most_seconds:
        raise TimingError(f"is longer than the {most_seconds:.0f} s allowed")
