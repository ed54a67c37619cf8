"""A frame number drawn into a picture, and read back after any transcoding.

24 equal cells across the top tenth: `1 0`, 20 bits of the number (most significant first),
their parity, `1`.
"""

from itertools import pairwise

import numpy as np

BITS = 20
CELLS = BITS + 4


def draw_stamp(picture: np.ndarray, number: int) -> None:
    """Write `number` into the top of `picture`, grey or RGB, in place."""
    bits = [number >> (BITS - 1 - place) & 1 for place in range(BITS)]
    cells = [1, 0, *bits, sum(bits) & 1, 1]
    height, width = picture.shape[:2]
    edges = np.linspace(0, width, CELLS + 1).round().astype(int)
    for cell, left, right in zip(cells, edges, edges[1:], strict=False):
        picture[: max(8, height // 10), left:right] = 235 if cell else 16


def read_stamp(picture: np.ndarray) -> int | None:
    """The number in `picture`, grey or RGB; None if it cannot be read."""
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    height, width = grey.shape
    band = max(8, height // 10)
    rows = grey[int(band * 0.3) : max(int(band * 0.3) + 1, int(band * 0.7))]
    edges = np.linspace(0, width, CELLS + 1)
    values = []
    for left, right in pairwise(edges):
        centre, reach = (left + right) / 2, max(1, (right - left) * 0.2)
        low = int(centre - reach)
        values.append(rows[:, low : max(low + 1, int(centre + reach))].mean())
    bits = [int(value > 126) for value in values]
    number, parity = bits[2 : 2 + BITS], bits[2 + BITS]
    if bits[:2] != [1, 0] or bits[-1] != 1 or sum(number) & 1 != parity:
        return None
    return int("".join(map(str, number)), 2)
