"""Hard cuts: a film that goes over to another scene from one picture to the next.

Nobody can be followed over a cut: who stands there then is somebody else.

A picture is looked at as a grid of some hundred cells. At a cut they change much more than
between any two other pictures nearby. So a flash, which changes them twice, is none, nor is a
camera that is turned fast, nor a fade.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # RGB, shape (height, width, 3)

GRID = 32, 18  # cells
ROWS = 36  # of a picture that are looked at, at least
LEAST = 12.0  # mean difference of the cells, of 255 ...
TIMES = 3.0  # ... and so many times that of all other pictures nearby
NEARBY = 7  # pictures before it and after it


class Cuts:
    """The frames with which another scene begins, ascending; known when all have passed."""

    def __init__(self) -> None:
        self._frames: list[int] = []
        self._differences: list[float] = []  # from the picture before
        self._last: Picture | None = None

    def passing(self, pictures: Iterable[tuple[int, Picture]]) -> Iterator[tuple[int, Picture]]:
        """`pictures` with their frames, ascending, as they are, looked at on their way."""
        for frame, picture in pictures:
            cells = glance(picture)
            if self._last is not None:
                self._frames.append(frame)
                self._differences.append(float(cv2.absdiff(cells, self._last).mean()))
            self._last = cells
            yield frame, picture

    def __iter__(self) -> Iterator[int]:
        return (self._frames[index] for index in jumps(self._differences))


def glance(picture: Picture) -> Picture:
    """The mean colours of the cells of a picture of any size, shape `(18, 32, 3)`."""
    step = max(picture.shape[0] // ROWS, 1)
    some = np.ascontiguousarray(picture[::step, ::step])
    return np.asarray(cv2.resize(some, GRID, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def jumps(differences: Sequence[float]) -> list[int]:
    """Where `differences` stand out from all around them.

    >>> jumps([2.0, 1.0, 40.0, 3.0, 2.0]), jumps([2.0, 40.0, 38.0, 2.0]), jumps([9.0, 0.0])
    ([2], [], [])
    """
    found = []
    for index, difference in enumerate(differences):
        around = [*differences[max(index - NEARBY, 0) : index]]
        around += differences[index + 1 : index + 1 + NEARBY]
        if difference >= max([LEAST, *(TIMES * other for other in around)]):
            found.append(index)
    return found
