"""Scene cut detection: the frames with which another scene begins.

No track continues over a cut: a person at the same place after it is another person.

Frames are compared as thumbnails of some hundred cells. At a cut they change much more than
between any two other frames nearby. So a flash, which changes them twice, is no cut, nor is a
fast pan, nor a fade.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracking.core.tracks_file import Track

Frame = NDArray[np.uint8]  # RGB, shape (height, width, 3)

THUMBNAIL_SIZE = 32, 18  # cells
MIN_ROWS = 36  # of a frame that are read for its thumbnail
MIN_DIFFERENCE = 12.0  # mean difference of the cells, of 255 ...
MIN_RATIO = 3.0  # ... and so many times that of all other frames nearby
WINDOW = 7  # frames before it and after it


class SceneCutDetector:
    """Iterates the first frame of each later scene, ascending, once all frames have passed."""

    def __init__(self) -> None:
        self._frames: list[int] = []
        self._differences: list[float] = []  # from the frame before
        self._last: Frame | None = None

    def watch(self, frames: Iterable[tuple[int, Frame]]) -> Iterator[tuple[int, Frame]]:
        """Pass on `frames` with their indices, ascending, and compare each with the last."""
        for index, frame in frames:
            cells = thumbnail(frame)
            if self._last is not None:
                self._frames.append(index)
                self._differences.append(float(cv2.absdiff(cells, self._last).mean()))
            self._last = cells
            yield index, frame

    def __iter__(self) -> Iterator[int]:
        return (self._frames[place] for place in detect(self._differences))


def thumbnail(frame: Frame) -> Frame:
    """The mean colours of the cells of a frame of any size, shape `(18, 32, 3)`."""
    step = max(frame.shape[0] // MIN_ROWS, 1)
    some = np.ascontiguousarray(frame[::step, ::step])
    small = cv2.resize(some, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def detect(differences: Sequence[float]) -> list[int]:
    """Where `differences` exceed all others nearby.

    >>> detect([2.0, 1.0, 40.0, 3.0, 2.0]), detect([2.0, 40.0, 38.0, 2.0]), detect([9.0, 0.0])
    ([2], [], [])
    """
    found = []
    for index, difference in enumerate(differences):
        nearby = [*differences[max(index - WINDOW, 0) : index]]
        nearby += differences[index + 1 : index + 1 + WINDOW]
        if difference >= max([MIN_DIFFERENCE, *(MIN_RATIO * other for other in nearby)]):
            found.append(index)
    return found


def split_at_cuts(tracks: Sequence[Track], cuts: Sequence[int]) -> list[list[Track]]:
    """The parts of `tracks` in each scene, each in the order they begin.

    >>> whole = Track(1, np.arange(4), np.zeros((4, 4)), np.ones(4))
    >>> [[part.frames.tolist() for part in scene] for scene in split_at_cuts([whole], [3])]
    [[[0, 1, 2]], [[3]]]
    """
    if not cuts:
        return [list(tracks)]
    scenes: list[list[Track]] = [[] for _ in range(len(cuts) + 1)]
    for track in tracks:
        places = np.searchsorted(track.frames, cuts)
        columns: list[Any] = [track.frames, track.boxes, track.scores]
        if track.features is not None:
            columns.append(track.features)
        parts = (np.split(every, places) for every in columns)
        for scene, part in zip(scenes, zip(*parts, strict=True), strict=True):
            if len(part[0]):
                scene.append(Track(track.track_id, *part))
    return [sorted(scene, key=lambda track: int(track.frames[0])) for scene in scenes]
