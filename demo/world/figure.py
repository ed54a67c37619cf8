"""Articulated human figure: an appearance and a pose become rounded hulls, drawn with cv2.

The body is three-dimensional in units of its own height: forward, sideways (to its left) and up
from the ground. It is turned by `yaw` (0 faces the camera, +pi/2 faces right) and projected
straight on, so every outline, and with it the box, is known exactly. Angles are radians; a limb
at 0 hangs down, a positive angle swings forward.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # RGB
Image = NDArray[np.uint8]

SHIFT = 4  # cv2 draws on sixteenths of a pixel
FINE = 1 << SHIFT
RIM = np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 15)[:-1]])

HEAD, SHOULDERS, UPPER_ARM, FOREARM = 0.925, 0.815, 0.165, 0.15
THIGH, SHIN, ANKLE = 0.235, 0.235, 0.035
TRUNK = 0.315  # from hips to shoulders


class Circle(NamedTuple):
    x: float
    y: float
    r: float


class Hull(NamedTuple):
    """The convex hull of some circles, in one colour; `is_body` is False for things held."""

    circles: tuple[Circle, ...]
    colour: Colour
    is_body: bool = True


class Pose(NamedTuple):
    """Joint angles; `out` angles lead sideways, elbows and knees bend on."""

    yaw: float = 0.0
    lean: float = 0.0
    lift: float = 0.0
    nod: float = 0.0
    left_thigh: float = 0.0
    left_knee: float = 0.0
    right_thigh: float = 0.0
    right_knee: float = 0.0
    left_arm: float = 0.0
    left_out: float = 0.12
    left_elbow: float = 0.15
    left_elbow_out: float = 0.0
    right_arm: float = 0.0
    right_out: float = 0.12
    right_elbow: float = 0.15
    right_elbow_out: float = 0.0

    def interpolate(self, other: Self, share: float) -> "Pose":
        """Interpolate between this pose (0) and `other` (1), turning the shorter way."""
        turn = (other.yaw - self.yaw + math.pi) % (2 * math.pi) - math.pi
        mixed = [a + (b - a) * share for a, b in zip(self, other, strict=True)]
        return Pose(self.yaw + turn * share, *mixed[1:])


@dataclass(frozen=True)
class Appearance:
    """Build and clothes of a figure. `load` is the object in its hands when it carries."""

    skin: Colour = (224, 178, 148)
    hair: Colour = (60, 42, 30)
    top: Colour = (178, 60, 52)
    bottom: Colour = (52, 62, 92)
    shoes: Colour = (40, 36, 34)
    accent: Colour = (236, 226, 204)
    height: float = 1.0  # times an average person
    build: float = 1.0  # width of trunk and limbs
    sleeves: float = 1.0  # 0 bare arms, 1 long
    skirt: bool = False
    striped: bool = False
    hat: bool = False
    long_hair: bool = False
    load: str = "box"  # box | bag


class _Part(NamedTuple):
    depth: float  # towards the camera
    hull: Hull


class _Body:
    """Projects body points into the image and collects hulls, nearest last."""

    def __init__(self, x: float, y: float, height: float, yaw: float) -> None:
        self._x, self._y, self._height = x, y, height
        self._sin, self._cos = math.sin(yaw), math.cos(yaw)
        self._parts: list[_Part] = []

    def add(
        self,
        points: list[tuple["_Point", float]],
        colour: Colour,
        *,
        nearer: float = 0.0,
        is_body: bool = True,
    ) -> None:
        circles = tuple(
            Circle(
                self._x + (p.forward * self._sin + p.side * self._cos) * self._height,
                self._y - p.up * self._height,
                r * self._height,
            )
            for p, r in points
        )
        depths = [p.forward * self._cos - p.side * self._sin for p, _ in points]
        self._parts.append(
            _Part(sum(depths) / len(depths) + nearer, Hull(circles, colour, is_body))
        )

    def hulls(self) -> list[Hull]:
        return [part.hull for part in sorted(self._parts, key=lambda part: part.depth)]


class _Point(NamedTuple):
    forward: float
    side: float
    up: float

    def along(self, length: float, swing: float, out: float = 0.0) -> "_Point":
        return _Point(
            self.forward + length * math.sin(swing),
            self.side + length * math.sin(out) * math.cos(swing),
            self.up - length * math.cos(swing) * math.cos(out),
        )

    def offset(self, forward: float, side: float, up: float) -> "_Point":
        return _Point(self.forward + forward, self.side + side, self.up + up)


def figure_hulls(
    appearance: Appearance,
    pose: Pose,
    *,
    x: float,
    y: float,
    height: float,
    holds: bool = False,
) -> list[Hull]:
    """The hulls of a figure whose ground point is `(x, y)` pixels, in the order to draw them.

    `height` is that of the figure upright, in pixels; `holds` puts its load into its hands.
    """
    body = _Body(x, y, height, pose.yaw)
    hips = _Point(0.0, 0.0, _hip_height(pose))
    chest = hips.along(-TRUNK, -pose.lean)
    _add_legs(body, appearance, pose, hips)
    _add_trunk(body, appearance, hips, chest)
    _add_head(body, appearance, pose, chest)
    hands = [_add_arm(body, appearance, pose, chest, side) for side in (1, -1)]
    if holds:
        _add_load(body, appearance, hands)
    return body.hulls()


def _hip_height(pose: Pose) -> float:
    reaches = (
        THIGH * math.cos(thigh) + SHIN * math.cos(thigh - knee)
        for thigh, knee in (
            (pose.left_thigh, pose.left_knee),
            (pose.right_thigh, pose.right_knee),
        )
    )
    return max(reaches) + ANKLE + pose.lift


def _add_legs(body: _Body, appearance: Appearance, pose: Pose, hips: _Point) -> None:
    wide = appearance.build
    legs = (
        (1, pose.left_thigh, pose.left_knee),
        (-1, pose.right_thigh, pose.right_knee),
    )
    knees = []
    for side, thigh, bend in legs:
        hip = hips.offset(0, side * 0.043 * wide, 0)
        knee = hip.along(THIGH, thigh)
        ankle = knee.along(SHIN, thigh - bend)
        tilt = max(-0.6, min(0.9, (thigh - bend) * 0.6))
        toe = ankle.offset(0.085 * math.cos(tilt), side * 0.012, 0.085 * math.sin(tilt) - 0.012)
        leg = appearance.skin if appearance.skirt else appearance.bottom
        body.add(
            [(ankle.offset(-0.015, 0, -0.012), 0.022), (toe, 0.02)],
            appearance.shoes,
            nearer=-0.054,
        )
        body.add([(knee, 0.036 * wide), (ankle, 0.025 * wide)], leg, nearer=-0.052)
        body.add([(hip, 0.054 * wide), (knee, 0.038 * wide)], leg, nearer=-0.05)
        knees.append(knee)
    if appearance.skirt:
        hem = [(k.offset(0, 0, 0.01), 0.062 * wide) for k in knees]
        body.add([(hips.offset(0, 0, 0.05), 0.07 * wide), *hem], appearance.bottom, nearer=0.05)


def _add_trunk(body: _Body, appearance: Appearance, hips: _Point, chest: _Point) -> None:
    wide = appearance.build
    shoulder = 0.082 * wide
    waist = hips.offset(0, 0, 0.045)
    body.add(
        [
            (hips.offset(0, 0.035 * wide, 0.01), 0.056 * wide),
            (hips.offset(0, -0.035 * wide, 0.01), 0.056 * wide),
            (waist, 0.06 * wide),
        ],
        appearance.bottom,
        nearer=0.006,
    )
    body.add(
        [
            (chest.offset(0, shoulder, -0.012), 0.047 * wide),
            (chest.offset(0, -shoulder, -0.012), 0.047 * wide),
            (waist.offset(0, 0.026 * wide, 0.0), 0.057 * wide),
            (waist.offset(0, -0.026 * wide, 0.0), 0.057 * wide),
        ],
        appearance.top,
        nearer=0.012,
    )
    if appearance.striped:
        for share in (0.2, 0.45, 0.7):
            middle = _between(waist, chest, share)
            reach = (0.034 + 0.04 * share) * wide
            ends = [(middle.offset(forward, side * reach, 0), 0.012)
                    for forward in (-0.036, 0.036) for side in (1, -1)]  # fmt: skip
            body.add(ends, appearance.accent, nearer=0.016)


def _add_head(body: _Body, appearance: Appearance, pose: Pose, chest: _Point) -> None:
    neck = chest.offset(0, 0, 0.03)
    head = chest.offset(0.012 + 0.06 * math.sin(pose.nod), 0, HEAD - SHOULDERS)
    body.add([(chest, 0.03), (neck, 0.03), (head, 0.03)], appearance.skin, nearer=0.013)
    face = [(head.offset(0.0, 0, 0.014), 0.052), (head.offset(0.008, 0, -0.022), 0.042)]
    body.add(face, appearance.skin, nearer=0.02)
    body.add(
        [(head.offset(0.05, 0, -0.012), 0.011)], _shaded(appearance.skin, 0.95), nearer=-0.02
    )
    crown = [(head.offset(-0.012, 0, 0.03), 0.054), (head.offset(-0.03, 0, 0.0), 0.042)]
    if appearance.long_hair:
        crown.append((head.offset(-0.042, 0, -0.085), 0.035))
    body.add(crown, appearance.hair, nearer=0.018)
    fringe = [(head.offset(-0.005, side * 0.03, 0.044), 0.032) for side in (1, -1)]
    body.add(fringe, appearance.accent if appearance.hat else appearance.hair, nearer=0.03)
    if appearance.hat:
        brim = [(head.offset(0.0, 0.05, 0.036), 0.012), (head.offset(0.0, -0.05, 0.036), 0.012),
                (head.offset(0.075, 0, 0.034), 0.012)]  # fmt: skip
        body.add(brim, appearance.accent, nearer=0.031)
    for side in (1, -1):
        eye = head.offset(0.042, side * 0.019, 0.004)
        body.add([(eye, 0.0065)], (42, 34, 34), nearer=-0.012)


def _add_arm(
    body: _Body, appearance: Appearance, pose: Pose, chest: _Point, side: int
) -> _Point:
    wide = appearance.build
    swing, out, bend, bend_out = (
        (pose.left_arm, pose.left_out, pose.left_elbow, pose.left_elbow_out)
        if side == 1
        else (
            pose.right_arm,
            pose.right_out,
            pose.right_elbow,
            pose.right_elbow_out,
        )
    )
    shoulder = chest.offset(0, side * 0.096 * wide, -0.018)
    elbow = shoulder.along(UPPER_ARM, swing, side * out)
    hand = elbow.along(FOREARM, swing + bend, side * (out + bend_out))
    near = 0.02
    body.add([(shoulder, 0.037 * wide), (elbow, 0.029 * wide)], appearance.top, nearer=near)
    wrist = _between(elbow, hand, 0.92)
    sleeve = appearance.top if appearance.sleeves > 0.5 else appearance.skin
    body.add([(hand, 0.023), (wrist, 0.021)], appearance.skin, nearer=near + 0.003)
    body.add([(elbow, 0.028 * wide), (wrist, 0.021 * wide)], sleeve, nearer=near + 0.004)
    return hand


def _add_load(body: _Body, appearance: Appearance, hands: list[_Point]) -> None:
    if appearance.load == "bag":
        hand = hands[1]
        shape = ((-0.075, -0.06), (0.075, -0.06), (0.08, -0.19), (-0.08, -0.19))
        corners = [(hand.offset(forward, 0.0, up), 0.012) for forward, up in shape]
        body.add(
            [(hand, 0.008), (hand.offset(0, 0, -0.06), 0.012)], (70, 50, 36), is_body=False
        )
        body.add(corners, appearance.accent, nearer=0.03, is_body=False)
        return
    middle = _between(hands[0], hands[1], 0.5)
    corners = [
        (middle.offset(f, side, up), 0.01)
        for f in (0.0, 0.11) for side in (-0.085, 0.085) for up in (-0.05, 0.1)
    ]  # fmt: skip
    body.add(corners, (186, 142, 92), nearer=0.01, is_body=False)
    tape = [(middle.offset(0.118, 0, -0.05), 0.012), (middle.offset(0.118, 0, 0.1), 0.012)]
    body.add(tape, (222, 190, 146), nearer=0.03, is_body=False)


def _between(a: _Point, b: _Point, share: float) -> _Point:
    return _Point(*(p + (q - p) * share for p, q in zip(a, b, strict=True)))


def extent(hulls: list[Hull]) -> tuple[float, float, float, float]:
    """The box of the body parts among `hulls`, without what is held: x1, y1, x2, y2 pixels."""
    circles = [circle for hull in hulls if hull.is_body for circle in hull.circles]
    return (
        min(c.x - c.r for c in circles),
        min(c.y - c.r for c in circles),
        max(c.x + c.r for c in circles),
        max(c.y + c.r for c in circles),
    )


def draw_hulls(image: Image, hulls: list[Hull]) -> None:
    """Paint `hulls` into `image` in place, lit from the upper left."""
    tones = [
        (_rims(hulls, share, aside), light)
        for share, aside, light in ((1.0, 0.0, 0.62), (0.8, 0.2, 1.0), (0.36, 0.36, 1.16))
    ]
    first = 0
    for hull in hulls:
        last = first + len(hull.circles)
        for rims, light in tones:
            outline = cv2.convexHull(rims[first:last].reshape(-1, 2))
            colour = _shaded(hull.colour, light)
            cv2.fillConvexPoly(image, outline, colour, cv2.LINE_AA, SHIFT)
        first = last


def fill_mask(mask: Image, hulls: list[Hull], value: int) -> None:
    """Set the pixels that `hulls` cover in `mask` to `value`, in place."""
    rims = _rims(hulls, 1.0, 0.0)
    first = 0
    for hull in hulls:
        last = first + len(hull.circles)
        outline = cv2.convexHull(rims[first:last].reshape(-1, 2))
        cv2.fillConvexPoly(mask, outline, value, cv2.LINE_8, SHIFT)
        first = last


def _rims(hulls: list[Hull], share: float, aside: float) -> NDArray[np.int32]:
    """Points on the circles of `hulls`, radii times `share`, shifted towards the light."""
    circles = np.array([circle for hull in hulls for circle in hull.circles])
    radii = circles[:, 2:]
    centres = circles[:, :2] - radii * aside * np.array([0.9, 0.6])
    rims = centres[:, None] + (radii * share)[:, None] * RIM
    return np.round(rims * FINE).astype(np.int32)


@lru_cache(maxsize=1024)
def _shaded(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, int(value * light)) for value in colour)
    return red, green, blue
