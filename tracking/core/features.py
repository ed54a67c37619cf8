"""Looks: what people look like, as numbers that can be compared.

A look is an array of shape `(P, D)`: P parts of a person, each a vector of length 1, or of
zeros where the part cannot be seen. The likeness of two is the mean product of the parts that
both show: 1 for the same, 0 for nothing in common. The built-in look is a histogram of
colours in four stripes from head to feet, without the colours around the person; a
re-identification model gives one part.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes

Looks = NDArray[np.float32]  # (N, P, D)
Image = NDArray[np.uint8]
Describe = Callable[[Image, Boxes], Looks]

STRIPES, ROWS = 4, 12  # of a body, and rows of cells of a stripe
BODY_RATIO = 1.8  # height of a body by the width of its box; a shorter box shows a part of it
MIN_VISIBLE = 0.5  # of a stripe
CELLS = 20  # in the width of a box
SURROUNDINGS = 6  # cells on either side of a box, which show what is around a person
BORDER = 1  # cells at the border of a box, which may show either
BODY = np.exp(-0.5 * (np.linspace(-1, 1, CELLS - 2 * BORDER) / 0.6) ** 2)  # weights
LEFT_OUT = 2.0  # weight of a colour around a person, of which so much less counts

GREYS, HUES, VALUES = 4, 12, 3
BINS = GREYS + HUES * VALUES
LEVELS = 32  # of red, green and blue that are told apart


def describe(image: Image, boxes: Boxes) -> Looks:
    """The looks of the people in `boxes`, by colour: shape `(N, 4, 40)`.

    Colours near the middle of a box count most, and those that are next to the box as well
    count least: after the weighted histograms of Comaniciu, Ramesh and Meer, "Kernel-Based
    Object Tracking" (2003).

    Args:
        image: RGB, shape `(height, width, 3)`.
        boxes: Shape `(N, 4)`, pixels; parts outside of the image are not looked at.

    >>> image = np.zeros((40, 40, 3), np.uint8)
    >>> describe(image, np.array([[0.0, 0, 10, 40]]))[0, :, 0]
    array([1., 1., 1., 1.], dtype=float32)
    """
    shape = len(boxes), STRIPES * ROWS, CELLS + 2 * SURROUNDINGS
    colours = np.zeros((*shape, 3), np.uint8)
    is_seen = np.zeros(shape, bool)
    for number, box in enumerate(boxes.tolist()):
        _cut_out(image, box, colours[number], is_seen[number])
    seen = is_seen.reshape(len(boxes), STRIPES, ROWS, shape[2])
    red, green, blue = np.moveaxis(colours // (256 // LEVELS), -1, 0).astype(np.int32)
    weights = _bins()[(red * LEVELS + green) * LEVELS + blue] * is_seen[..., None]
    weights = weights.reshape(*seen.shape, BINS).sum(axis=2)
    inner = slice(SURROUNDINGS + BORDER, -SURROUNDINGS - BORDER)
    body = _shares(np.einsum("nscb,c->nsb", weights[:, :, inner], BODY))
    around = weights[:, :, :SURROUNDINGS].sum(axis=2) + weights[:, :, -SURROUNDINGS:].sum(
        axis=2
    )
    own = _shares(body * body / np.maximum(body + LEFT_OUT * _shares(around), 1e-9))
    shown = seen[..., inner].mean(axis=(2, 3)) >= MIN_VISIBLE
    return (np.sqrt(own) * shown[..., None]).astype(np.float32)


def _cut_out(
    image: Image, box: list[float], colours: Image, is_seen: NDArray[np.bool_]
) -> None:
    """Fill the cells in and around a box that are in the image."""
    x1, y1, x2, y2 = box
    height, width = image.shape[:2]
    wide, high = (x2 - x1) / CELLS, max(y2 - y1, BODY_RATIO * (x2 - x1)) / len(colours)
    left, top = x1 - SURROUNDINGS * wide, y1
    columns = _span(left, wide, width, colours.shape[1])
    rows = _span(top, high, min(height, y2), len(colours))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    x = [min(max(round(left + at * wide), 0), width) for at in (columns.start, columns.stop)]
    y = [min(max(round(top + at * high), 0), height) for at in (rows.start, rows.stop)]
    part = image[y[0] : max(y[1], y[0] + 1), x[0] : max(x[1], x[0] + 1)]
    if part.size:
        size = columns.stop - columns.start, rows.stop - rows.start
        colours[rows, columns] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        is_seen[rows, columns] = True


def _span(begin: float, step: float, limit: float, count: int) -> slice:
    """The cells of some size, the first one at `begin`, that lie between 0 and `limit`."""
    if step <= 0:
        return slice(0, 0)
    first, last = round(max(0.0, -begin / step)), round(min(count, (limit - begin) / step))
    return slice(first, max(first, last))


@lru_cache(maxsize=1)
def _bins() -> NDArray[np.float32]:
    """How much each colour counts in each bin: shape `(32768, 40)`, rows sum to 1.

    Between two greys or hues it counts in both, so that a little more light changes little.
    """
    levels = np.arange(LEVELS, dtype=np.float32) / (LEVELS - 1)
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(
        1, -1, 3
    )
    hue, saturation, value = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[0], -1, 0)
    colour = np.clip((saturation - 0.12) / 0.2, 0, 1) * np.clip((value - 0.12) / 0.12, 0, 1)
    result = np.zeros((len(value), BINS), np.float32)
    every = np.arange(len(value))
    for grey, share in _neighbours(np.clip(value * GREYS - 0.5, 0, GREYS - 1)):
        result[every, np.minimum(grey, GREYS - 1)] += (1 - colour) * share
    for light, share in _neighbours(np.clip(value * VALUES - 0.5, 0, VALUES - 1)):
        for place, part in _neighbours(hue / 360 * HUES):
            bins = GREYS + place % HUES * VALUES + np.minimum(light, VALUES - 1)
            result[every, bins] += colour * share * part
    return result


def _neighbours(
    places: NDArray[Any],
) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
    """The whole numbers on both sides of each place, and how near they are."""
    low = np.floor(places).astype(np.int64)
    return [(low, 1 - (places - low)), (low + 1, places - low)]


def _shares(counts: NDArray[Any]) -> NDArray[Any]:
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-9)


def likeness(a: Looks, b: Looks) -> NDArray[np.float64]:
    """How alike looks are, shape `(..., P, D)` each; nan where no part is seen in both.

    >>> a = np.array([[1.0, 0], [0, 0]]), np.array([[0.6, 0.8], [1, 0]])
    >>> round(float(likeness(*a)), 3)
    0.6
    """
    product = (a * b).sum(axis=-1)
    both = (a != 0).any(axis=-1) & (b != 0).any(axis=-1)
    shared = both.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(
            shared > 0, (product * both).sum(axis=-1) / np.maximum(shared, 1), np.nan
        )


def by_colours(limit: float, otherwise: float, features: Iterable[Looks | None]) -> float:
    """A likeness that was chosen for histograms of colours; `otherwise` for looks of a model.

    What is alike for one model is not for another one, so where a video shows too few people to
    tell, its looks decide nothing.

    >>> by_colours(0.85, 1.0, [None, np.ones((60, 4, 40), np.float32)])
    0.85
    >>> by_colours(0.85, 1.0, [np.ones((60, 1, 512), np.float32)])
    1.0
    """
    is_of_model = any(one is not None and one.shape[-2] == 1 for one in features)
    return otherwise if is_of_model else limit


def mean_look(features: Looks) -> NDArray[np.float32]:
    """One look of several of a person, shape `(P, D)`; each part over those that show it."""
    return unit(features.sum(axis=0)).astype(np.float32)


def unit(total: NDArray[Any]) -> NDArray[Any]:
    """Vectors of length 1; zeros stay."""
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-9)
