"""A grid of images with captions: a tracked person cropped from a clip, once a second, as JPEG.

Boxes are float pixels of the frame, x2 and y2 exclusive; images are BGR, shape
`(height, width, 3)`, uint8.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import encode_jpeg
from tracking.core.tracks_file import Track

CELL = (104, 176)  # width, height in pixels
GAP = 4
CAPTION = 18
MARGIN = 0.12  # of the box, on each side
BACKGROUND = (24, 20, 18)
TEXT_COLOUR = (214, 206, 198)
QUALITY = 86

Image = NDArray[np.uint8]


class SampledFrame(NamedTuple):
    """A frame at which a track is shown; `row` is its row in the track."""

    frame: int
    row: int


def sampled_frames(track: Track, *, step: int) -> list[SampledFrame]:
    """One frame a second of `track`, of those with an annotation frame: every `step`-th.

    In each second it is the first such frame; a track between two of them has none.

    >>> boxes = np.tile([[0.0, 0, 9, 9]], (40, 1))
    >>> track = Track(1, np.arange(20, 60), boxes, np.ones(40))
    >>> [one.frame for one in sampled_frames(track, step=6)]
    [24, 30]
    """
    found: dict[int, SampledFrame] = {}
    for place in np.flatnonzero(track.frames % step == 0):
        frame = int(track.frames[place])
        found.setdefault(frame // FRAME_RATE, SampledFrame(frame, int(place)))
    return list(found.values())


def best_over_time(scores: Sequence[float], *, count: int) -> list[int]:
    """Up to `count` indices of `scores`, spread over all of them; of each part the best.

    The first and the last are always among them, so that both ends are seen.

    >>> best_over_time([0.5, 0.2, 0.9, 0.4, 0.3, 0.6], count=4)
    [0, 2, 3, 5]
    """
    if len(scores) <= count:
        return list(range(len(scores)))
    inner = np.array_split(np.arange(1, len(scores) - 1), count - 2)
    best = [int(part[np.argmax(np.take(scores, part))]) for part in inner]
    return [0, *best, len(scores) - 1]


def crop_person(frame: Image, box: NDArray[np.float64]) -> Image:
    """The part of `frame` in and around `box`, as large as a cell of the sheet allows."""
    height, width = frame.shape[:2]
    x1, y1, x2, y2 = box.tolist()
    dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    right, bottom = min(width, round(x2 + dx)), min(height, round(y2 + dy))
    part = frame[top : max(bottom, top + 1), left : max(right, left + 1)]
    if not part.size:
        return np.zeros((1, 1, 3), np.uint8)
    scale = min(CELL[0] / part.shape[1], CELL[1] / part.shape[0])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=method), dtype=np.uint8)


def draw_sheet(parts: Sequence[Image], captions: Sequence[str]) -> bytes:
    """`parts` in a row, each with its caption, as a JPEG. Raises ValueError without any."""
    if not parts:
        raise ValueError("a contact sheet without images")
    wide, tall = CELL
    height, width = tall + CAPTION, len(parts) * (wide + GAP) - GAP
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    for number, (part, caption) in enumerate(zip(parts, captions, strict=True)):
        left = number * (wide + GAP)
        x, y = left + (wide - part.shape[1]) // 2, (tall - part.shape[0]) // 2
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
        place = (left + 4, height - 5)
        cv2.putText(
            canvas, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, TEXT_COLOUR, 1, cv2.LINE_AA
        )
    return encode_jpeg(canvas, quality=QUALITY, order="bgr")
