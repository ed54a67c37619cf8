"""Random people in the demo's places, who stand, sit, walk, leave the picture and come back.

The same seed gives the same people. Seeds below `FIRST_HELD_OUT` were looked at while values
were chosen; nobody may choose anything by the others.
"""

import math
from dataclasses import replace

import numpy as np

from benchmarks.demo_detector.training_scenes import random_appearance
from demo.world.figure import Appearance
from demo.world.motion import Activity, Actor, MotionSegment, Movement, Point
from demo.world.video_spec import VideoSpec
from demo.world.videos import DEMO_VIDEOS

FIRST_HELD_OUT = 100
SECONDS = 36
LEAVES = 0.4  # of the walks lead out of the picture


def videos(seed: int) -> list[VideoSpec]:
    """One video of each of the demo's places, with four to seven people."""
    return [_with_people(place, seed) for place in DEMO_VIDEOS]


def _with_people(place: VideoSpec, seed: int) -> VideoSpec:
    rng = np.random.default_rng([seed, place.seed])
    count = int(rng.integers(4, 8))
    appearances: list[Appearance] = []  # no two alike
    while len(appearances) < count:
        if (look := random_appearance(rng)) not in appearances:
            appearances.append(look)
    people = [
        _person(number, look, place.horizon, rng)
        for number, look in enumerate(appearances, start=1)
    ]
    return replace(place, name=f"{place.name}-{seed}", seconds=SECONDS, people=tuple(people))


def _person(
    person_id: int, appearance: Appearance, horizon: float, rng: np.random.Generator
) -> Actor:
    begins_outside = rng.random() < 0.4
    place = _outside(horizon, rng) if begins_outside else _inside(horizon, rng)
    segments: list[MotionSegment] = []
    movement: Movement
    if begins_outside:
        segments.append(MotionSegment("stand", float(rng.uniform(0, 12))))
    is_outside = begins_outside
    for _ in range(9):
        if not is_outside:
            segments.append(_stay(rng))
        goes_out = not is_outside and rng.random() < LEAVES
        target = _outside(horizon, rng) if goes_out else _inside(horizon, rng)
        movement = "run" if rng.random() < 0.25 else "walk"
        segments.append(MotionSegment(movement, to=target, activities=_activity(rng, movement)))  # type: ignore[arg-type]
        is_outside = goes_out
        if is_outside:
            segments.append(MotionSegment("stand", float(rng.uniform(2, 8))))
    return Actor(person_id, appearance, place, tuple(segments))


def _stay(rng: np.random.Generator) -> MotionSegment:
    movement: Movement = "sit" if rng.random() < 0.25 else "stand"
    yaw = float(rng.uniform(-math.pi / 2, math.pi / 2))
    return MotionSegment(
        movement, float(rng.uniform(3, 10)), activities=_activity(rng, movement), yaw=yaw
    )  # type: ignore[arg-type]


def _activity(rng: np.random.Generator, movement: str) -> tuple[Activity, ...]:
    if movement == "run" or rng.random() < 0.5:
        return ()
    return (("carry", "wave", "talk")[rng.integers(3)],)  # type: ignore[return-value]


def _inside(horizon: float, rng: np.random.Generator) -> Point:
    return Point(float(rng.uniform(0.05, 0.95)), float(rng.uniform(horizon + 0.28, 0.95)))


def _outside(horizon: float, rng: np.random.Generator) -> Point:
    return Point((-0.13, 1.13)[rng.integers(2)], float(rng.uniform(horizon + 0.28, 0.95)))
