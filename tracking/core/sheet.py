"""Contact sheets: a person cut out of the pictures of a clip, once a second, on one JPEG.

Boxes are float pixels of the picture, x2 and y2 exclusive; pictures are BGR, shape
`(height, width, 3)`, uint8.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.clipping import FRAME_RATE
from datasets.core.media import encode_jpeg
from tracking.core.trackfile import Track

CELL = (104, 176)  # width, height in pixels
GAP = 4
CAPTION = 18
MARGIN = 0.12  # of the box, on each side
PAPER = (24, 20, 18)
INK = (214, 206, 198)
QUALITY = 86

Picture = NDArray[np.uint8]


class Look(NamedTuple):
    """A frame at which a track is shown; `place` is its row in the track."""

    frame: int
    place: int


def looks_of(track: Track, *, step: int) -> list[Look]:
    """One frame a second of `track`, of those that have a picture: every `step`-th.

    In each second it is the first such frame; a track between two pictures has none.

    >>> boxes = np.tile([[0.0, 0, 9, 9]], (40, 1))
    >>> track = Track(1, np.arange(20, 60), boxes, np.ones(40))
    >>> [look.frame for look in looks_of(track, step=6)]
    [24, 30]
    """
    found: dict[int, Look] = {}
    for place in np.flatnonzero(track.frames % step == 0):
        frame = int(track.frames[place])
        found.setdefault(frame // FRAME_RATE, Look(frame, int(place)))
    return list(found.values())


def cut_out(picture: Picture, box: NDArray[np.float64]) -> Picture:
    """The part of `picture` in and around `box`, as large as a cell of the sheet allows."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = box.tolist()
    dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    right, bottom = min(width, round(x2 + dx)), min(height, round(y2 + dy))
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    if not part.size:
        return np.zeros((1, 1, 3), np.uint8)
    scale = min(CELL[0] / part.shape[1], CELL[1] / part.shape[0])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=way), dtype=np.uint8)


def sheet(parts: Sequence[Picture], captions: Sequence[str]) -> bytes:
    """`parts` in a row, each with its caption, as a JPEG. Raises ValueError without any."""
    if not parts:
        raise ValueError("a contact sheet of no pictures")
    wide, tall = CELL
    height, width = tall + CAPTION, len(parts) * (wide + GAP) - GAP
    paper = np.full((height, width, 3), PAPER, np.uint8)
    for number, (part, caption) in enumerate(zip(parts, captions, strict=True)):
        left = number * (wide + GAP)
        x, y = left + (wide - part.shape[1]) // 2, (tall - part.shape[0]) // 2
        paper[y : y + part.shape[0], x : x + part.shape[1]] = part
        place = (left + 4, height - 5)
        cv2.putText(paper, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return encode_jpeg(paper, quality=QUALITY, order="bgr")
