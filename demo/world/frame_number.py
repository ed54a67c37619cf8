"""Frame numbers in rendered videos: a barcode drawn into each frame, and its reader.

24 equal cells over the top tenth of the image: `1 0`, twenty bits of the number (highest
first), one parity bit, `1`. A white cell is 1, a black one 0. It survives scaling, x264 and
JPEG. Images are `(height, width, 3)` or `(height, width)` uint8.
"""

import numpy as np
from numpy.typing import NDArray

BITS = 20
CELLS = BITS + 4
WHITE, BLACK = 235, 16
MIDDLE = (WHITE + BLACK) // 2
STRIP = 0.1  # fraction of the image height


def draw_frame_number(image: NDArray[np.uint8], number: int) -> None:
    """Write `number` over the top tenth of `image`, in place."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"a barcode holds 0 to {(1 << BITS) - 1}, not {number}")
    height, width = image.shape[:2]
    edges = np.linspace(0, width, CELLS + 1).round().astype(int)
    for cell, bit in enumerate(_cells(number)):
        left, right = edges[cell], edges[cell + 1]
        image[: _strip_height(height), left:right] = WHITE if bit else BLACK


def read_frame_number(image: NDArray[np.uint8]) -> int | None:
    """The number in the barcode of `image`; None if there is no readable barcode.

    >>> image = np.zeros((96, 160, 3), np.uint8)
    >>> draw_frame_number(image, 719)
    >>> read_frame_number(image)
    719
    >>> read_frame_number(np.zeros((96, 160, 3), np.uint8)) is None
    True
    """
    grey = image.mean(axis=2) if image.ndim == 3 else image
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
