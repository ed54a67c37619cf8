"""What keyframes of a clip look like, in so few numbers that a manifest can keep them.

A look is a frame as 8 x 6 means of its colours. It is taken of the frames that annotators saw,
so that a released frame is known to be the one that was annotated, whatever happened between.
"""

import base64
import binascii
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (8, 6)  # cells, across and down
MAX_MEAN = 4.0  # levels of 255 by which looks of one frame may differ, over all cells
MAX_CELL = 24.0  # and in one cell
NOISE = 1.5  # levels that coding alone makes, over all cells
LIVELY = 4.0  # times more must change within a clip than between it and a copy

Look = NDArray[np.float32]


def look_of(rgb: NDArray[np.uint8]) -> Look:
    """The look of a frame, shape `(6, 8, 3)`, 0 to 255."""
    small = cv2.resize(np.ascontiguousarray(rgb), SIZE, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def dump_look(look: Look) -> str:
    """A look as text.

    >>> len(dump_look(np.zeros((6, 8, 3), np.float32)))
    192
    """
    return base64.b64encode(np.round(look).astype(np.uint8).tobytes()).decode("ascii")


def load_look(text: str) -> Look:
    """The look in `text`. Raises ValueError if it is none.

    >>> load_look(dump_look(np.ones((6, 8, 3), np.float32))).shape
    (6, 8, 3)
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"{text!r:.40} is not the look of a frame") from error
    if len(raw) != SIZE[0] * SIZE[1] * 3:
        raise ValueError(f"{text!r:.40} is not the look of a frame")
    return np.frombuffer(raw, np.uint8).reshape(SIZE[1], SIZE[0], 3).astype(np.float32)


def looks_differ(found: Look, wanted: Look) -> str:
    """How two looks of what should be one frame differ; empty if they do not."""
    apart = np.abs(found - wanted)
    if apart.mean() <= MAX_MEAN and apart.mean(axis=2).max() <= MAX_CELL:
        return ""
    turned = {
        "mirrored": wanted[:, ::-1], "upside down": wanted[::-1],
        "turned by half": wanted[::-1, ::-1], "without its colours": _grey(wanted),
    }  # fmt: skip
    for how, other in turned.items():
        if np.abs(found - other).mean() < min(MAX_MEAN, apart.mean() / 2):
            return how
    if float(found.std(axis=(0, 1)).max()) < 1.0:
        return "one colour"
    return "something else"


def _grey(look: Look) -> Look:
    grey = look @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(grey[..., None], 3, axis=2)


def is_same_footage(a: Sequence[Look], b: Sequence[Look]) -> bool:
    """Whether two clips show the same at each of their looks, though each changes within.

    Clips of one camera look alike while nobody moves; those of the same moment stay alike
    while much changes. Two looks or more are needed of each.
    """
    if min(len(a), len(b)) < 2 or len(a) != len(b):
        return False
    between = max(float(np.abs(x - y).mean()) for x, y in zip(a, b, strict=True))
    within = min(float(np.abs(one[0] - one[-1]).mean()) for one in (a, b))
    return between < NOISE and within > LIVELY * max(between, 0.05)
