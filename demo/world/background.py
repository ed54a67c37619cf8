"""Background and props of a scene; props occlude the people behind them.

Sizes and positions are fractions of the image; images are RGB uint8. A prop stands on the
ground at `y` and occludes what stands further away, exactly where its slabs are.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.world.figure import Colour, Image
from demo.world.motion import FOCAL, Camera

Style = Literal["plaza", "hall", "park"]
PropKind = Literal["post", "column", "bench", "planter"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Prop:
    """An object with its foot at `(x, y)`; `colour` is that of its main slab."""

    kind: PropKind
    x: float
    y: float
    colour: Colour = (92, 98, 104)


class Slab(NamedTuple):
    """An upright rectangle of a prop, in pixels, the right and lower edge exclusive."""

    left: int
    top: int
    right: int
    bottom: int
    colour: Colour
    is_round: bool


# Rectangles in heights of a person standing there: x1, y1 (up), x2, y2, brightness, is round.
_SHAPES: dict[PropKind, tuple[tuple[float, float, float, float, float, bool], ...]] = {
    "post": (
        (-0.045, 1.75, 0.045, 0.0, 1.0, True),
        (-0.085, 0.16, 0.085, 0.0, 0.85, True),
        (-0.16, 1.98, 0.16, 1.75, 1.9, True),
    ),
    "column": (
        (-0.17, 9.0, 0.17, 0.0, 1.0, True),
        (-0.22, 0.22, 0.22, 0.0, 0.9, True),
    ),
    "bench": (
        (-0.5, 0.52, 0.5, 0.40, 1.05, False),
        (-0.5, 0.37, 0.5, 0.30, 0.92, False),
        (-0.52, 0.27, 0.52, 0.21, 1.15, False),
        (-0.46, 0.21, -0.38, 0.0, 0.5, False),
        (0.38, 0.21, 0.46, 0.0, 0.5, False),
    ),
    "planter": (
        (-0.55, 0.34, 0.55, 0.0, 1.0, False),
        (-0.58, 0.39, 0.58, 0.31, 1.15, False),
    ),
}


def slabs(prop: Prop, camera: Camera, width: int, height: int) -> list[Slab]:
    """The rectangles of `prop` inside an image of `width` x `height` pixels."""
    size = camera.height_at(prop.y) * height
    found = []
    for x1, up1, x2, up2, light, is_round in _SHAPES[prop.kind]:
        left, right = (round(prop.x * width + x * size) for x in (x1, x2))
        top, bottom = (round(prop.y * height - up * size) for up in (up1, up2))
        left, right = max(0, left), min(width, max(right, left + 1))
        top, bottom = max(0, top), min(height, max(bottom, top + 1))
        if left < right and top < bottom:
            colour = tuple(min(255, int(value * light)) for value in prop.colour)
            found.append(Slab(left, top, right, bottom, colour, is_round))  # type: ignore[arg-type]
    return found


def slab_image(slab: Slab, seed: int) -> Image:
    """The painted face of `slab`: shaded across if it is round, grained, edged."""
    rows, columns = slab.bottom - slab.top, slab.right - slab.left
    across = np.linspace(-1, 1, columns, dtype=np.float32)
    light = 0.62 + 0.5 * np.sqrt(np.clip(1 - (across + 0.25) ** 2 * 0.62, 0, 1))
    if not slab.is_round:
        light = np.full(columns, 1.0, np.float32)
    grain = 1 + 0.05 * _noise(rows, columns, 3, np.random.default_rng(seed))
    face = np.array(slab.colour, np.float32) * (light[None, :] * grain)[..., None]
    if not slab.is_round and rows > 3:
        face[: max(1, rows // 8)] *= 1.16
        face[-max(1, rows // 6) :] *= 0.8
    return np.clip(face, 0, 255).astype(np.uint8)


def paint_background(
    style: Style, camera: Camera, width: int, height: int, *, seed: int
) -> Image:
    """The still background of a scene; the same arguments give the same image."""
    rng = np.random.default_rng(seed)
    horizon = round(camera.horizon * height)
    image = np.zeros((height, width, 3), np.float32)
    paint_back = {"plaza": _street, "hall": _hall, "park": _trees}[style]
    paint_back(image[: horizon + 1], rng)
    _ground(image, style, camera, rng)
    seam = slice(max(0, horizon - 2), horizon + max(2, height // 90))
    image[seam] *= 0.8
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    vignette = 1.05 - 0.16 * (x**2 + y**2) - 0.06 * x
    image *= vignette[..., None].astype(np.float32)
    image += rng.normal(0, 1.6, (height, width, 1)).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _noise(rows: int, columns: int, octaves: int, rng: np.random.Generator) -> Floats:
    """Smooth random values, about -1 to 1, coarse and fine."""
    total = np.zeros((rows, columns), np.float32)
    for octave in range(octaves):
        cells = 4 * 3**octave
        coarse = rng.uniform(-1, 1, (cells, cells * 2)).astype(np.float32)
        total += cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total / 1.5


def _blend(low: Colour, high: Colour, share: Floats) -> Floats:
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    return a + (b - a) * share[..., None]


def _pick(rng: np.random.Generator, *colours: Colour, spread: int = 14) -> Colour:
    base = colours[rng.integers(len(colours))]
    red, green, blue = (
        int(np.clip(v + rng.integers(-spread, spread + 1), 0, 255)) for v in base
    )
    return red, green, blue


def _sky(area: Floats, rng: np.random.Generator) -> None:
    rows, columns = area.shape[:2]
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None].repeat(columns, axis=1)
    area[:] = _blend(_pick(rng, (112, 158, 206), (150, 172, 196)), (226, 232, 234), down)
    clouds = np.clip(_noise(rows, columns, 4, rng), 0, 1)
    area += (np.array([244, 244, 242], np.float32) - area) * clouds[..., None] * 0.7


def _street(area: Floats, rng: np.random.Generator) -> None:
    """A row of facades under the sky."""
    _sky(area, rng)
    rows, columns = area.shape[:2]
    left = -int(rng.integers(0, columns // 8))
    while left < columns:
        right = left + int(columns * rng.uniform(0.16, 0.3))
        top = int(rows * rng.uniform(0.02, 0.4))
        wall = _pick(
            rng,
            (196, 172, 140),
            (178, 118, 92),
            (206, 196, 178),
            (150, 158, 160),
            (214, 190, 150),
        )
        _building(area[top:, max(0, left) : min(columns, right)], wall, rng)
        left = right


def _building(area: Floats, wall: Colour, rng: np.random.Generator) -> None:
    rows, columns = area.shape[:2]
    if rows < 8 or columns < 8:
        return
    area[:] = np.array(wall, np.float32) * (1 + 0.06 * _noise(rows, columns, 4, rng))[..., None]
    course = max(3, rows // 40)
    area[::course] *= 0.93
    area[: max(2, rows // 30)] *= 0.72
    across, floors = max(2, columns // max(18, rows // 4)), int(rng.integers(3, 5))
    glass = _pick(rng, (70, 88, 104), (96, 110, 118), (58, 66, 80))
    for floor in range(floors):
        for place in range(across):
            x1 = int((place + 0.25) * columns / across)
            x2 = int((place + 0.75) * columns / across)
            y1, y2 = (int((floor + share) * rows / floors) for share in (0.22, 0.74))
            _window(area, x1, y1, x2, y2, glass)
    if rng.random() < 0.6:
        shop = slice(int(rows * (1 - 0.95 / floors)), int(rows * (1 - 0.72 / floors)))
        area[shop] = _pick(rng, (150, 52, 48), (44, 84, 74), (52, 70, 118), (190, 150, 70))
        for stripe in range(0, columns, max(4, columns // 9)):
            area[shop, stripe : stripe + max(2, columns // 18)] *= 1.3


def _window(area: Floats, x1: int, y1: int, x2: int, y2: int, glass: Colour) -> None:
    edge = max(1, (x2 - x1) // 10)
    area[max(0, y1 - edge) : y2 + edge, max(0, x1 - edge) : x2 + edge] *= 1.14
    pane = area[y1:y2, x1:x2]
    if not pane.size:
        return
    shine = np.linspace(1.5, 0.75, pane.shape[0], dtype=np.float32)
    pane[:] = np.array(glass, np.float32) * shine[:, None, None]
    middle = (x2 - x1) // 2
    pane[:, middle : middle + max(1, edge // 2)] = 205


def _hall(area: Floats, rng: np.random.Generator) -> None:
    """An indoor wall with lit panels, doors and posters."""
    rows, columns = area.shape[:2]
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None].repeat(columns, axis=1)
    wall = _pick(rng, (196, 188, 172), (168, 180, 184), (204, 190, 166))
    light = 1.12 - 0.34 * down + 0.05 * _noise(rows, columns, 3, rng)
    area[:] = np.array(wall, np.float32) * light[..., None]
    panels = int(rng.integers(5, 9))
    for panel in range(panels):
        left, right = panel * columns // panels, (panel + 1) * columns // panels
        area[:, left : left + max(1, columns // 240)] *= 0.62
        size = right - left
        inner = slice(left + size // 6, right - size // 6)
        if rng.random() < 0.45:
            colour = _pick(rng, (96, 66, 46), (60, 84, 96), (120, 92, 60))
            door = area[int(rows * 0.3) :, inner]
            door[:] = np.array(colour, np.float32) * (
                1 + 0.08 * np.sin(np.arange(door.shape[1]))
            )[None, :, None].astype(np.float32)
        else:
            poster = area[int(rows * 0.34) : int(rows * 0.72), inner]
            share = _noise(poster.shape[0], poster.shape[1], 2, rng) * 0.5 + 0.5
            poster[:] = _blend(
                _pick(rng, (52, 92, 128), (176, 92, 60)), _pick(rng, (236, 214, 160)), share
            )
    area[int(rows * 0.9) :] *= 0.66


def _trees(area: Floats, rng: np.random.Generator) -> None:
    """Hills and trees under the sky."""
    _sky(area, rng)
    rows, columns = area.shape[:2]
    along = np.arange(columns)
    hill = rows * (0.62 + 0.12 * np.sin(along / columns * 5 + rng.uniform(0, 6)))
    below = np.arange(rows)[:, None] > hill[None, :]
    area[below] = np.array([118, 150, 116], np.float32)
    for _ in range(16):
        _tree(area, rng.uniform(0, columns), rows * rng.uniform(0.5, 0.95), rng)


def _tree(area: Floats, x: float, size: float, rng: np.random.Generator) -> None:
    rows = area.shape[0]
    trunk = max(2, int(size * 0.05))
    area[int(rows - size * 0.5) :, max(0, int(x) - trunk) : int(x) + trunk] = (92, 70, 52)
    leaf = np.array(_pick(rng, (66, 106, 58), (88, 122, 62), (52, 92, 66)), np.float32)
    for part in range(46):
        angle, reach = rng.uniform(0, 6.28), size * 0.3 * rng.random() ** 0.5
        centre = (
            int(x + np.cos(angle) * reach),
            int(rows - size * 0.66 + np.sin(angle) * reach),
        )
        light = 0.72 + 0.5 * part / 46 - 0.2 * np.sin(angle)
        cv2.circle(
            area,
            centre,
            max(2, int(size * rng.uniform(0.05, 0.12))),
            (leaf * light).tolist(),
            -1,
            cv2.LINE_AA,
        )


def _ground(image: Floats, style: Style, camera: Camera, rng: np.random.Generator) -> None:
    """The floor below the horizon, its pattern in perspective."""
    height, width = image.shape[:2]
    top = round(camera.horizon * height) + 1
    y = (np.arange(top, height, dtype=np.float32) + 0.5) / height
    size = np.maximum(camera.height_at(1.0) * 0.02, (y - camera.horizon) * camera.ratio)
    away = (FOCAL / size)[:, None]
    right = (np.linspace(-0.5, 0.5, width, dtype=np.float32) * camera.aspect)[None, :] / size[
        :, None
    ]
    area = image[top:]
    rows = height - top
    near = np.clip(size / size[-1], 0, 1)[:, None].repeat(width, axis=1)
    base = {
        "plaza": ((150, 144, 136), (190, 180, 164)),
        "hall": ((140, 108, 78), (176, 140, 102)),
        "park": ((112, 138, 82), (126, 152, 84)),
    }[style]
    area[:] = _blend(_pick(rng, base[0]), _pick(rng, base[1]), near)
    area *= (1 + 0.07 * _noise(rows, width, 5, rng))[..., None]
    if style == "park":
        path = np.abs(right + 0.35 * np.sin(away * 0.5) + 0.4) < 1.7
        area[path] = area[path] * 0.25 + np.array([196, 178, 148], np.float32) * 0.75
        return
    tile = (0.55, 0.55) if style == "plaza" else (0.22, 1.6)
    seam = 0.03
    lines = ((right / tile[0]) % 1 < seam / tile[0]) | ((away / tile[1]) % 1 < seam / tile[1])
    tint = (
        np.sin(np.floor(right / tile[0]) * 12.99 + np.floor(away / tile[1]) * 78.23) * 43758.5
    )
    area *= (1 + 0.07 * ((tint % 1) - 0.5) * np.minimum(1, near * 3))[..., None]
    area *= np.where(lines, 1 - 0.25 * np.minimum(1, near * 1.6), 1)[..., None].astype(
        np.float32
    )
