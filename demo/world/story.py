"""What the people of a scene do, second by second: beats, and where everyone is at a time.

Ground points are `(x, y)` shares of the picture where the feet stand. The camera looks straight
ahead over a flat ground, so a person's height grows with the distance below the horizon. Time
is in seconds of the source video. Everything is a formula of the time: nothing is simulated.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from demo.world.figure import Look, Posture

Movement = Literal["stand", "walk", "run", "sit"]
Deed = Literal["carry", "wave", "talk"]

ACTION_NAMES = {
    "stand": "stand",
    "walk": "walk",
    "run": "run/jog",
    "sit": "sit",
    "carry": "carry/hold (an object)",
    "wave": "hand wave",
    "talk": "talk to (e.g., self, a person, a group)",
}
SPEEDS = {"walk": 0.8, "run": 1.9}  # body heights a second
STRIDES = {"walk": 0.86, "run": 1.5}  # body heights for two steps
CHANGE = 0.45  # seconds from one posture to the next
FOCAL = 1.2  # focal length in picture heights


class Point(NamedTuple):
    x: float
    y: float


class Camera(NamedTuple):
    """`ratio`: height of an average person over the distance of its feet below the horizon."""

    horizon: float
    ratio: float
    aspect: float  # width over height of the picture

    def height_at(self, y: float) -> float:
        """Height of an average person with feet at `y`, as a share of the picture's height."""
        return (y - self.horizon) * self.ratio

    def ground(self, point: Point) -> tuple[float, float]:
        """The place on the ground in body heights: to the right, and away from the camera."""
        height = self.height_at(point.y)
        return (point.x - 0.5) * self.aspect / height, FOCAL / height

    def picture(self, right: float, away: float) -> Point:
        height = FOCAL / away
        return Point(0.5 + right * height / self.aspect, self.horizon + height / self.ratio)


@dataclass(frozen=True)
class Beat:
    """One thing done for a while.

    Attributes:
        movement: What the body does; walking and running lead to `to`.
        seconds: How long; 0 for walking and running, whose speed is fixed.
        to: Where to walk or run.
        deeds: What is done besides.
        yaw: Where the person looks when it does not move on: 0 at the camera, pi/2 right.
        speed: Times the usual speed.
    """

    movement: Movement
    seconds: float = 0.0
    to: Point | None = None
    deeds: tuple[Deed, ...] = ()
    yaw: float = 0.35
    speed: float = 1.0

    @property
    def actions(self) -> tuple[str, ...]:
        return (ACTION_NAMES[self.movement], *(ACTION_NAMES[deed] for deed in self.deeds))


@dataclass(frozen=True)
class Person:
    """Someone who is in the scene from `enters` on, until the last beat is over."""

    person_id: int
    look: Look
    at: Point
    beats: tuple[Beat, ...]
    enters: float = 0.0
    is_dummy: bool = False  # stands still for ever, and is no person


class Moment(NamedTuple):
    """A person at one time."""

    at: Point
    posture: Posture
    beat: Beat


class _Played(NamedTuple):
    """A beat with its time and way; `turn` is the phase of the gait at its start."""

    beat: Beat
    start: float
    end: float
    begin: Point
    finish: Point
    turn: float


class Play:
    """The beats of one person under one camera, laid out in time."""

    def __init__(self, person: Person, camera: Camera) -> None:
        self.person = person
        self._camera = camera

    @cached_property
    def _played(self) -> tuple[_Played, ...]:
        time, place, turn = self.person.enters, self.person.at, self.person.person_id * 1.7
        played = []
        for beat in self.person.beats:
            finish = beat.to or place
            distance = math.dist(self._camera.ground(place), self._camera.ground(finish))
            seconds = beat.seconds
            if beat.movement in SPEEDS:
                seconds = max(0.2, distance / (SPEEDS[beat.movement] * beat.speed))
            played.append(_Played(beat, time, time + seconds, place, finish, turn))
            turn += 2 * math.pi * distance / STRIDES.get(beat.movement, 1.0)
            time, place = time + seconds, finish
        return tuple(played)

    def at(self, time: float) -> Moment | None:
        """The person at `time`, or None before it enters and after it has gone."""
        if self.person.is_dummy:
            still = self._played[0]
            return Moment(still.begin, self._posture(still, 0.0), still.beat)
        for number, played in enumerate(self._played):
            if played.start <= time < played.end:
                posture = self._posture(played, time)
                if number and time < played.start + CHANGE:
                    before = self._posture(self._played[number - 1], played.start)
                    posture = before.towards(posture, _eased((time - played.start) / CHANGE))
                return Moment(self._place(played, time), posture, played.beat)
        return None

    def _share(self, played: _Played, time: float) -> float:
        return (time - played.start) / (played.end - played.start)

    def _place(self, played: _Played, time: float) -> Point:
        share = self._share(played, time)
        begin, finish = self._camera.ground(played.begin), self._camera.ground(played.finish)
        right, away = (a + (b - a) * share for a, b in zip(begin, finish, strict=True))
        return self._camera.picture(right, away)

    def _posture(self, played: _Played, time: float) -> Posture:
        beat = played.beat
        if beat.movement in SPEEDS:
            begin, finish = (
                self._camera.ground(played.begin),
                self._camera.ground(played.finish),
            )
            distance = math.dist(begin, finish)
            gone = distance * self._share(played, time)
            turn = played.turn + 2 * math.pi * gone / STRIDES[beat.movement]
            yaw = math.atan2(finish[0] - begin[0], begin[1] - finish[1])
            posture = _gait(turn, yaw, runs=beat.movement == "run")
        elif beat.movement == "sit":
            posture = _seated(time, beat.yaw)
        else:
            posture = _standing(time + self.person.person_id, beat.yaw)
        return _doing(posture, beat.deeds, self.person.look, time)


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)


def _gait(turn: float, yaw: float, *, runs: bool) -> Posture:
    swing, wave = math.sin(turn), math.cos(turn)
    reach, base, bend = (0.72, 0.35, 1.25) if runs else (0.42, 0.08, 0.72)
    elbow = 1.45 if runs else 0.3
    arm = 0.75 if runs else 0.45
    return Posture(
        yaw=yaw,
        lean=0.16 if runs else 0.03,
        lift=0.035 * abs(math.sin(turn)) if runs else 0.0,
        left_thigh=reach * swing + (0.15 if runs else 0.02),
        left_knee=base + bend * max(0.0, wave),
        right_thigh=-reach * swing + (0.15 if runs else 0.02),
        right_knee=base + bend * max(0.0, -wave),
        left_arm=-arm * swing,
        left_elbow=elbow + 0.15 * swing,
        right_arm=arm * swing,
        right_elbow=elbow - 0.15 * swing,
    )


def _standing(time: float, yaw: float) -> Posture:
    sway = math.sin(time * 1.3)
    return Posture(
        yaw=yaw + 0.05 * sway,
        lean=0.012 * sway,
        left_thigh=0.03,
        left_knee=0.03,
        right_thigh=-0.04,
        right_knee=0.02,
        left_arm=0.05 + 0.03 * sway,
        right_arm=-0.02 - 0.03 * sway,
        nod=0.1 * math.sin(time * 0.7),
    )


def _seated(time: float, yaw: float) -> Posture:
    sway = math.sin(time * 0.9)
    return Posture(
        yaw=yaw,
        lean=-0.06 + 0.02 * sway,
        left_thigh=1.5,
        left_knee=1.5,
        right_thigh=1.44,
        right_knee=1.52,
        left_arm=0.42,
        left_elbow=0.8 + 0.04 * sway,
        right_arm=0.46,
        right_elbow=0.75,
        nod=0.12 * sway,
    )


def _doing(posture: Posture, deeds: tuple[Deed, ...], look: Look, time: float) -> Posture:
    if "talk" in deeds:
        posture = posture._replace(
            left_arm=0.4 + 0.12 * math.sin(time * 2.6),
            left_elbow=1.15 + 0.4 * math.sin(time * 4.4),
            left_out=0.25,
            nod=0.3 * math.sin(time * 3.1),
        )
    if "carry" in deeds and look.load == "box":
        posture = posture._replace(
            left_arm=0.3, right_arm=0.3, left_elbow=1.25, right_elbow=1.25,
            left_out=0.0, right_out=0.0,
        )  # fmt: skip
    elif "carry" in deeds:
        posture = posture._replace(right_arm=0.06 * math.sin(time * 5), right_elbow=0.08)
    if "wave" in deeds:
        posture = posture._replace(
            left_arm=0.15, left_out=1.75, left_elbow=0.0,
            left_elbow_out=1.05 + 0.5 * math.sin(time * 9.0),
        )  # fmt: skip
    return posture
