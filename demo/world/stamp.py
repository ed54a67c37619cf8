"""A frame number drawn into a picture as a barcode, and read back from it.

24 equal cells over the top tenth of the picture: `1 0`, twenty bits of the number (highest
first), one parity bit, `1`. A white cell is 1, a black one 0. It survives scaling, x264 and
JPEG. Pictures are `(height, width, 3)` or `(height, width)` uint8.
"""

import numpy as np
from numpy.typing import NDArray

BITS = 20
CELLS = BITS + 4
WHITE, BLACK = 235, 16
MIDDLE = (WHITE + BLACK) // 2
STRIP = 0.1  # share of the picture's height


def draw_stamp(picture: NDArray[np.uint8], number: int) -> None:
    """Write `number` over the top tenth of `picture`, in place."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"a stamp holds 0 to {(1 << BITS) - 1}, not {number}")
    height, width = picture.shape[:2]
    edges = np.linspace(0, width, CELLS + 1).round().astype(int)
    for cell, bit in enumerate(_cells(number)):
        left, right = edges[cell], edges[cell + 1]
        picture[: _strip_height(height), left:right] = WHITE if bit else BLACK


def read_stamp(picture: NDArray[np.uint8]) -> int | None:
    """The number in the stamp of `picture`, or None if it has no stamp that can be read.

    >>> picture = np.zeros((96, 160, 3), np.uint8)
    >>> draw_stamp(picture, 719)
    >>> read_stamp(picture)
    719
    >>> read_stamp(np.zeros((96, 160, 3), np.uint8)) is None
    True
    """
    grey = picture.mean(axis=2) if picture.ndim == 3 else picture
    bits = [int(level > MIDDLE) for level in _levels(grey)]
    number = int("".join(map(str, bits[2:-2])), 2)
    return number if bits == _cells(number) else None


def _cells(number: int) -> list[int]:
    bits = [number >> place & 1 for place in reversed(range(BITS))]
    return [1, 0, *bits, sum(bits) & 1, 1]


def _levels(grey: NDArray[np.generic]) -> list[float]:
    """The mean brightness of the middle of each cell."""
    height, width = grey.shape
    strip = _strip_height(height)
    top, bottom = int(strip * 0.3), max(int(strip * 0.3) + 1, int(strip * 0.7))
    size = width / CELLS
    reach = max(1.0, size * 0.2)
    levels = []
    for cell in range(CELLS):
        middle = (cell + 0.5) * size
        left = int(middle - reach)
        levels.append(float(grey[top:bottom, left : max(left + 1, int(middle + reach))].mean()))
    return levels


def _strip_height(height: int) -> int:
    return max(8, round(height * STRIP))
