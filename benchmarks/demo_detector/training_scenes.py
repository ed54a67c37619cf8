"""Training data of the demo's detector: frames of random scenes, with boxes.

Scenes have random backgrounds, props, cameras, people and actions, or are the demo's own places
with other people, many of whom wear the clothes of the demo's people. Seeds below
`FIRST_HELD_OUT` are for training, the rest for evaluation.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.world.background import Prop, PropKind, Style
from demo.world.figure import Appearance, Colour, Image
from demo.world.motion import Activity, Actor, MotionSegment, Movement, Point
from demo.world.renderer import draw_frame, truth_of_source
from demo.world.video_spec import VideoSpec
from demo.world.videos import BLUE, GREEN, ORANGE, RED, SPORT, TEAL, VIOLET, YELLOW

FIRST_HELD_OUT = 1_000_000
SIZES = ((480, 270), (640, 360), (640, 480), (960, 540), (1280, 720), (360, 480))
STYLES: tuple[Style, ...] = ("plaza", "hall", "park")
PROPS: tuple[PropKind, ...] = ("post", "column", "bench", "planter")
SKINS: tuple[Colour, ...] = (
    (236, 196, 170),
    (224, 178, 148),
    (198, 146, 110),
    (148, 98, 66),
    (96, 64, 46),
)
HAIR: tuple[Colour, ...] = (
    (28, 24, 22),
    (64, 42, 28),
    (130, 78, 40),
    (208, 168, 96),
    (150, 148, 146),
)
DEMO_APPEARANCES = (RED, BLUE, YELLOW, SPORT, GREEN, VIOLET, ORANGE, TEAL)
MIN_VISIBLE = 0.3


class TrainingSample(NamedTuple):
    """A square image and the boxes of its people as fractions of it, `(n, 4)`."""

    image: Image
    boxes: NDArray[np.float32]
    visible: NDArray[np.float32]


def random_spec(seed: int) -> VideoSpec:
    """A random scene; the same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    width, height = SIZES[rng.integers(len(SIZES))]
    horizon, ratio = rng.uniform(0.3, 0.42), rng.uniform(0.75, 1.12)
    count = int(rng.choice([1, 2, 3, 4, 5, 6, 7]))
    return VideoSpec(
        name=f"random-{seed}", width=width, height=height, fps=Fraction(30), seconds=12,
        codec="libx264", extension=".mp4", style=STYLES[rng.integers(3)], horizon=horizon,
        ratio=ratio, seed=seed,
        people=tuple(_person(number + 1, horizon, rng) for number in range(count)),
        props=tuple(random_prop(horizon, rng) for _ in range(rng.integers(0, 5))),
    )  # fmt: skip


def with_random_people(video: VideoSpec, seed: int) -> VideoSpec:
    """The scene of `video` with random people."""
    rng = np.random.default_rng([seed, 2])
    count = int(rng.integers(1, 7))
    people = tuple(_person(number + 1, video.horizon, rng) for number in range(count))
    return replace(video, name=f"{video.name}-{seed}", people=people)


def samples(
    spec: VideoSpec, *, frames: int, size: int, crops: bool
) -> Iterator[TrainingSample]:
    """Random frames of a scene, `size` x `size`; with `crops` also a random crop of each."""
    rng = np.random.default_rng([spec.seed, 1, *spec.name.encode()])
    for number in rng.integers(0, int(12 * spec.fps), frames):
        whole = sample(spec, int(number), size=size)
        yield whole
        if crops:
            yield _crop(draw_frame(spec, int(number)), whole, size, rng)


def sample(spec: VideoSpec, source_frame: int, *, size: int) -> TrainingSample:
    """One frame of a video as the detector sees it."""
    truth = truth_of_source(spec, source_frame)
    boxes = np.array([one.box for one in truth], np.float32).reshape(-1, 4)
    visible = np.array([one.visible for one in truth], np.float32)
    image = cv2.resize(draw_frame(spec, source_frame), (size, size))
    return TrainingSample(image.astype(np.uint8, copy=False), boxes, visible)


def _crop(
    image: Image, whole: TrainingSample, size: int, rng: np.random.Generator
) -> TrainingSample:
    """A random crop of `image`, at least half as wide and high."""
    height, width = image.shape[:2]
    wide, high = rng.uniform(0.55, 1.0, 2)
    left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
    rows = slice(round(top * height), round((top + high) * height))
    columns = slice(round(left * width), round((left + wide) * width))
    boxes = (whole.boxes - [left, top, left, top]) / [wide, high, wide, high]
    inside = np.clip(boxes, 0, 1).astype(np.float32)
    area = _area(boxes)
    kept = np.divide(_area(inside), area, out=np.zeros_like(area), where=area > 0)
    some = kept > 0
    return TrainingSample(
        cv2.resize(image[rows, columns], (size, size)).astype(np.uint8, copy=False),
        inside[some],
        (whole.visible * kept)[some].astype(np.float32),
    )


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _colour(rng: np.random.Generator) -> Colour:
    hue, depth, light = rng.uniform(0, 180), rng.uniform(0, 190), rng.uniform(35, 240)
    pixel = np.array([[[hue, depth, light]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def random_appearance(rng: np.random.Generator) -> Appearance:
    if rng.random() < 0.7:
        return DEMO_APPEARANCES[rng.integers(len(DEMO_APPEARANCES))]
    return Appearance(
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIR[rng.integers(len(HAIR))],
        top=_colour(rng),
        bottom=_colour(rng),
        shoes=_colour(rng),
        accent=_colour(rng),
        height=rng.uniform(0.92, 1.08),
        build=rng.uniform(0.9, 1.15),
        sleeves=float(rng.integers(0, 2)),
        skirt=bool(rng.random() < 0.25),
        striped=bool(rng.random() < 0.3),
        hat=bool(rng.random() < 0.25),
        long_hair=bool(rng.random() < 0.35),
        load=("box", "bag")[rng.integers(2)],
    )


def random_point(horizon: float, rng: np.random.Generator) -> Point:
    return Point(rng.uniform(-0.05, 1.05), rng.uniform(horizon + 0.2, 1.02))


def _person(person_id: int, horizon: float, rng: np.random.Generator) -> Actor:
    place = random_point(horizon, rng)
    movement: Movement = ("stand", "walk", "run", "sit")[
        rng.choice(4, p=[0.35, 0.3, 0.15, 0.2])
    ]
    activities: tuple[Activity, ...] = ()
    if movement != "run" and rng.random() < 0.55:
        activities = (("carry",), ("wave",), ("talk",), ("carry", "talk"))[rng.integers(4)]  # type: ignore[assignment]
    if movement in ("walk", "run"):
        segments = tuple(
            MotionSegment(movement, to=random_point(horizon, rng), activities=activities)
            for _ in range(9)
        )
    else:
        segments = (
            MotionSegment(
                movement, 60, activities=activities, yaw=rng.uniform(-math.pi, math.pi)
            ),
        )
    return Actor(person_id, random_appearance(rng), place, segments)


def random_prop(horizon: float, rng: np.random.Generator) -> Prop:
    place = Point(rng.uniform(0, 1), rng.uniform(horizon + 0.2, 0.95))
    return Prop(PROPS[rng.integers(len(PROPS))], place.x, place.y, _colour(rng))
