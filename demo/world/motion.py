"""Motion of the rendered people: position, pose and actions of each person at any time.

Ground points are the `(x, y)` of the feet as fractions of the image. The camera looks straight
ahead over flat ground, so a person's height grows with the distance below the horizon. Time is
in seconds of the source video. Every value is a closed formula of the time.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from demo.world.figure import Appearance, Pose

Movement = Literal["stand", "walk", "run", "sit"]
Activity = Literal["carry", "wave", "talk"]

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
TRANSITION = 0.45  # seconds from one pose to the next
FOCAL = 1.2  # focal length in image heights


class Point(NamedTuple):
    x: float
    y: float


class Camera(NamedTuple):
    """`ratio`: height of an average person over the distance of its feet below the horizon."""

    horizon: float
    ratio: float
    aspect: float  # width over height of the image

    def height_at(self, y: float) -> float:
        """Height of an average person with feet at `y`, as a fraction of the image height."""
        return (y - self.horizon) * self.ratio

    def ground(self, point: Point) -> tuple[float, float]:
        """Ground coordinates in body heights: to the right, and away from the camera."""
        height = self.height_at(point.y)
        return (point.x - 0.5) * self.aspect / height, FOCAL / height

    def image(self, right: float, away: float) -> Point:
        height = FOCAL / away
        return Point(0.5 + right * height / self.aspect, self.horizon + height / self.ratio)


@dataclass(frozen=True)
class MotionSegment:
    """One stretch of an actor's motion: a movement with its activities.

    Attributes:
        movement: Posture or gait; walking and running lead to `to`.
        seconds: Duration; ignored for walking and running, whose speed is fixed.
        to: Target point of walking or running.
        activities: Actions besides the movement.
        yaw: Orientation while in place: 0 faces the camera, pi/2 faces right.
        speed: Factor of the usual speed.
    """

    movement: Movement
    seconds: float = 0.0
    to: Point | None = None
    activities: tuple[Activity, ...] = ()
    yaw: float = 0.35
    speed: float = 1.0

    @property
    def actions(self) -> tuple[str, ...]:
        return (
            ACTION_NAMES[self.movement],
            *(ACTION_NAMES[activity] for activity in self.activities),
        )


@dataclass(frozen=True)
class Actor:
    """A person in the scene from time `enters` to the end of the last segment."""

    person_id: int
    appearance: Appearance
    at: Point
    segments: tuple[MotionSegment, ...]
    enters: float = 0.0
    is_mannequin: bool = False  # a shop mannequin: never moves and is not a person


class ActorState(NamedTuple):
    """An actor at one time."""

    at: Point
    pose: Pose
    segment: MotionSegment


class _TimedSegment(NamedTuple):
    """A segment with its times and end points; `turn` is the gait phase at its start."""

    segment: MotionSegment
    start: float
    end: float
    begin: Point
    finish: Point
    turn: float


class Motion:
    """The segments of one actor under one camera, laid out in time."""

    def __init__(self, actor: Actor, camera: Camera) -> None:
        self.actor = actor
        self._camera = camera

    @cached_property
    def _timeline(self) -> tuple[_TimedSegment, ...]:
        time, place, turn = self.actor.enters, self.actor.at, self.actor.person_id * 1.7
        timed = []
        for segment in self.actor.segments:
            finish = segment.to or place
            distance = math.dist(self._camera.ground(place), self._camera.ground(finish))
            seconds = segment.seconds
            if segment.movement in SPEEDS:
                seconds = max(0.2, distance / (SPEEDS[segment.movement] * segment.speed))
            timed.append(_TimedSegment(segment, time, time + seconds, place, finish, turn))
            turn += 2 * math.pi * distance / STRIDES.get(segment.movement, 1.0)
            time, place = time + seconds, finish
        return tuple(timed)

    def at(self, time: float) -> ActorState | None:
        """The actor at `time`, or None before it enters and after it has left."""
        if self.actor.is_mannequin:
            still = self._timeline[0]
            return ActorState(still.begin, self._pose(still, 0.0), still.segment)
        for number, timed in enumerate(self._timeline):
            if timed.start <= time < timed.end:
                pose = self._pose(timed, time)
                if number and time < timed.start + TRANSITION:
                    before = self._pose(self._timeline[number - 1], timed.start)
                    pose = before.interpolate(
                        pose, _smoothstep((time - timed.start) / TRANSITION)
                    )
                return ActorState(self._place(timed, time), pose, timed.segment)
        return None

    def _share(self, timed: _TimedSegment, time: float) -> float:
        return (time - timed.start) / (timed.end - timed.start)

    def _place(self, timed: _TimedSegment, time: float) -> Point:
        share = self._share(timed, time)
        begin, finish = self._camera.ground(timed.begin), self._camera.ground(timed.finish)
        right, away = (a + (b - a) * share for a, b in zip(begin, finish, strict=True))
        return self._camera.image(right, away)

    def _pose(self, timed: _TimedSegment, time: float) -> Pose:
        segment = timed.segment
        if segment.movement in SPEEDS:
            begin, finish = (
                self._camera.ground(timed.begin),
                self._camera.ground(timed.finish),
            )
            distance = math.dist(begin, finish)
            gone = distance * self._share(timed, time)
            turn = timed.turn + 2 * math.pi * gone / STRIDES[segment.movement]
            yaw = math.atan2(finish[0] - begin[0], begin[1] - finish[1])
            pose = _gait(turn, yaw, runs=segment.movement == "run")
        elif segment.movement == "sit":
            pose = _sitting(time, segment.yaw)
        else:
            pose = _standing(time + self.actor.person_id, segment.yaw)
        return _with_activities(pose, segment.activities, self.actor.appearance, time)


def _smoothstep(share: float) -> float:
    return share * share * (3 - 2 * share)


def _gait(turn: float, yaw: float, *, runs: bool) -> Pose:
    swing, wave = math.sin(turn), math.cos(turn)
    reach, base, bend = (0.72, 0.35, 1.25) if runs else (0.42, 0.08, 0.72)
    elbow = 1.45 if runs else 0.3
    arm = 0.75 if runs else 0.45
    return Pose(
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


def _standing(time: float, yaw: float) -> Pose:
    sway = math.sin(time * 1.3)
    return Pose(
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


def _sitting(time: float, yaw: float) -> Pose:
    sway = math.sin(time * 0.9)
    return Pose(
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


def _with_activities(
    pose: Pose, activities: tuple[Activity, ...], appearance: Appearance, time: float
) -> Pose:
    if "talk" in activities:
        pose = pose._replace(
            left_arm=0.4 + 0.12 * math.sin(time * 2.6),
            left_elbow=1.15 + 0.4 * math.sin(time * 4.4),
            left_out=0.25,
            nod=0.3 * math.sin(time * 3.1),
        )
    if "carry" in activities and appearance.load == "box":
        pose = pose._replace(
            left_arm=0.3, right_arm=0.3, left_elbow=1.25, right_elbow=1.25,
            left_out=0.0, right_out=0.0,
        )  # fmt: skip
    elif "carry" in activities:
        pose = pose._replace(right_arm=0.06 * math.sin(time * 5), right_elbow=0.08)
    if "wave" in activities:
        pose = pose._replace(
            left_arm=0.15, left_out=1.75, left_elbow=0.0,
            left_elbow_out=1.05 + 0.5 * math.sin(time * 9.0),
        )  # fmt: skip
    return pose
