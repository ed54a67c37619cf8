"""The rendered videos: three of the demo and two small ones for tests.

Every motion is written out, so that a reader knows what is visible when. People leave, come
back, are occluded by each other and by posts, and do all seven actions.
"""

import math
from fractions import Fraction

from demo.world.background import Prop
from demo.world.figure import Appearance
from demo.world.motion import Activity, Actor, MotionSegment, Point
from demo.world.video_spec import VideoSpec

LEFT, RIGHT = -math.pi * 0.4, math.pi * 0.4  # orientation, nearly in profile

RED = Appearance(top=(186, 58, 54), hair=(64, 40, 26), bottom=(52, 60, 86), long_hair=True)
BLUE = Appearance(
    top=(64, 112, 168), bottom=(94, 84, 70), hair=(44, 36, 32), build=1.08, height=1.05
)
YELLOW = Appearance(
    top=(228, 190, 84), bottom=(112, 52, 92), hair=(128, 74, 36), skirt=True,
    long_hair=True, height=0.95,
)  # fmt: skip
SPORT = Appearance(
    top=(230, 236, 238), bottom=(38, 40, 46), accent=(226, 98, 46), striped=True,
    sleeves=0.0, skin=(148, 98, 66), hair=(28, 24, 22), shoes=(214, 72, 52),
)  # fmt: skip
GREEN = Appearance(
    top=(74, 110, 82), bottom=(58, 58, 62), hat=True, accent=(206, 186, 140), build=1.12,
    load="bag", skin=(206, 154, 120),
)  # fmt: skip
VIOLET = Appearance(
    top=(128, 92, 160), bottom=(46, 48, 58), hair=(208, 168, 96), skin=(236, 196, 170),
    height=0.97,
)  # fmt: skip
ORANGE = Appearance(
    top=(216, 122, 58), bottom=(84, 96, 116), sleeves=0.0, skin=(120, 80, 56),
    hair=(24, 20, 20),
)  # fmt: skip
TEAL = Appearance(
    top=(52, 132, 136), bottom=(198, 188, 168), striped=True, accent=(228, 232, 226),
    hair=(92, 60, 36), load="bag", height=1.02,
)  # fmt: skip
MANNEQUIN = Appearance(
    skin=(222, 206, 188), hair=(206, 190, 172), top=(150, 44, 70), bottom=(60, 62, 70),
    shoes=(60, 50, 46),
)  # fmt: skip


def walk(x: float, y: float, *activities: Activity, speed: float = 1.0) -> MotionSegment:
    return MotionSegment("walk", to=Point(x, y), activities=activities, speed=speed)


def run(x: float, y: float, *activities: Activity, speed: float = 1.0) -> MotionSegment:
    return MotionSegment("run", to=Point(x, y), activities=activities, speed=speed)


def stand(seconds: float, *activities: Activity, yaw: float = 0.35) -> MotionSegment:
    return MotionSegment("stand", seconds, activities=activities, yaw=yaw)


def sit(seconds: float, *activities: Activity, yaw: float = 0.9) -> MotionSegment:
    return MotionSegment("sit", seconds, activities=activities, yaw=yaw)


PLAZA = VideoSpec(
    name="plaza", width=960, height=540, fps=Fraction(25), seconds=40, codec="libx264",
    extension=".mp4", style="plaza", horizon=0.36, ratio=0.92, seed=11,
    props=(
        Prop("post", 0.30, 0.80),
        Prop("post", 0.74, 0.72),
        Prop("bench", 0.56, 0.66, (128, 88, 56)),
        Prop("planter", 0.90, 0.86, (148, 120, 98)),
    ),
    people=(
        Actor(1, RED, Point(-0.08, 0.86), (
            walk(0.40, 0.84), stand(4, "wave", yaw=0.2), walk(1.12, 0.80), stand(4),
            walk(0.67, 0.90), stand(9, "talk", yaw=LEFT), walk(0.3, 0.95), stand(3),
            walk(1.12, 0.84),
        )),
        Actor(2, BLUE, Point(1.10, 0.72), (
            stand(1), walk(0.50, 0.70, "carry"), walk(-0.12, 0.68, "carry"), stand(6),
            run(0.84, 0.74), stand(6, yaw=-0.5), walk(0.1, 0.74), stand(5, "wave", yaw=0.4),
            walk(0.45, 0.78), stand(20),
        )),
        Actor(3, YELLOW, Point(0.56, 0.68), (
            sit(13), walk(0.53, 0.90), stand(12, "talk", yaw=RIGHT), walk(-0.12, 0.88),
        )),
        Actor(4, SPORT, Point(-0.10, 0.95), (
            stand(4), run(1.12, 0.94), stand(8), run(-0.12, 0.78), stand(6), run(0.62, 0.72),
            stand(30, yaw=0.1),
        )),
        Actor(5, GREEN, Point(0.15, 0.63), (
            stand(10, "talk", yaw=RIGHT), walk(0.70, 0.63, "carry"), stand(4, "carry"),
            walk(1.10, 0.66, "carry"), stand(3), walk(0.2, 0.92, "carry"),
            stand(20, "carry", yaw=0.6),
        )),
        Actor(6, VIOLET, Point(0.23, 0.63), (
            stand(10, "talk", yaw=LEFT), stand(5, "wave", yaw=0.8), walk(-0.1, 0.66),
            stand(9), walk(0.56, 0.685), sit(30, yaw=-0.5),
        )),
    ),
)  # fmt: skip

HALL = VideoSpec(
    name="hall", width=640, height=480, fps=Fraction(30), seconds=36, codec="libvpx-vp9",
    extension=".webm", style="hall", horizon=0.34, ratio=0.92, seed=5,
    props=(
        Prop("column", 0.26, 0.78, (182, 172, 156)),
        Prop("column", 0.82, 0.70, (182, 172, 156)),
        Prop("bench", 0.55, 0.64, (96, 72, 58)),
    ),
    people=(
        Actor(99, MANNEQUIN, Point(0.93, 0.64), (stand(1, yaw=-0.3),), is_mannequin=True),
        Actor(1, TEAL, Point(1.15, 0.84), (
            walk(0.60, 0.82, "carry"), stand(5, "carry", yaw=-0.4), walk(-0.15, 0.84, "carry"),
            stand(5), walk(0.45, 0.88), stand(7, "talk", yaw=RIGHT), walk(1.15, 0.9),
        )),
        Actor(2, ORANGE, Point(0.12, 0.66), (
            stand(6, "wave", yaw=0.4), walk(0.44, 0.68), walk(1.12, 0.74), stand(6),
            walk(0.60, 0.88), stand(7.5, "talk", yaw=LEFT), walk(0.12, 0.68), stand(20),
        )),
        Actor(3, VIOLET, Point(0.48, 0.665), (sit(16, yaw=0.4), walk(1.14, 0.72), stand(4),
            walk(0.68, 0.66), stand(20, "wave", yaw=-0.2))),
        Actor(4, BLUE, Point(0.63, 0.665), (sit(10, "talk", yaw=-0.6), sit(10, yaw=-0.2),
            run(-0.15, 0.74), stand(3), walk(0.4, 0.72, "carry"), stand(20, "carry"))),
        Actor(5, SPORT, Point(-0.14, 0.93), (
            stand(9), run(1.15, 0.93), stand(6), run(-0.15, 0.8), stand(5), walk(0.8, 0.92),
            stand(20, yaw=-0.2),
        )),
    ),
)  # fmt: skip

PARK = VideoSpec(
    name="park", width=1280, height=720, fps=Fraction(30000, 1001), seconds=32, codec="mpeg4",
    extension=".mkv", style="park", horizon=0.38, ratio=0.95, seed=23,
    props=(
        Prop("post", 0.18, 0.74, (104, 78, 56)),
        Prop("post", 0.62, 0.80, (104, 78, 56)),
        Prop("bench", 0.40, 0.68, (132, 92, 60)),
        Prop("planter", 0.80, 0.72, (120, 132, 112)),
    ),
    people=(
        Actor(1, SPORT, Point(-0.08, 0.90), (
            stand(1), run(1.10, 0.88), stand(5), run(-0.10, 0.72), stand(6), run(0.5, 0.93),
            stand(4, "wave", yaw=0.1), walk(1.1, 0.93),
        )),
        Actor(2, RED, Point(0.37, 0.70), (
            sit(9, "talk", yaw=0.9), sit(6, yaw=0.5), walk(0.78, 0.86),
            stand(8, "talk", yaw=RIGHT), walk(1.1, 0.86),
        )),
        Actor(3, YELLOW, Point(0.445, 0.70), (
            sit(9, "talk", yaw=-0.9), walk(-0.08, 0.80), stand(7), walk(0.36, 0.84),
            stand(30, "wave", yaw=0.5),
        )),
        Actor(4, GREEN, Point(1.10, 0.66), (
            walk(0.70, 0.66, "carry"), stand(6, "carry", yaw=-0.3), walk(-0.10, 0.66, "carry"),
        )),
        Actor(5, ORANGE, Point(0.90, 0.88), (
            stand(17.5, yaw=-0.4), stand(8, "talk", yaw=LEFT), walk(0.2, 0.9), stand(9),
        )),
        Actor(6, TEAL, Point(-0.08, 0.84), (
            stand(17), walk(0.62, 0.78), walk(1.08, 0.70),
        )),
    ),
)  # fmt: skip

DEMO_VIDEOS = (PLAZA, HALL, PARK)


def small_videos() -> tuple[VideoSpec, VideoSpec]:
    """Two small videos of 20 and 32 s with two or three people each, for tests."""
    yard = VideoSpec(
        name="yard", width=320, height=192, fps=Fraction(30), seconds=32, codec="libx264",
        extension=".mp4", style="plaza", horizon=0.36, ratio=1.0, seed=3,
        props=(Prop("post", 0.35, 0.78),),
        people=(
            Actor(1, RED, Point(0.12, 0.84), (
                stand(6, "wave"), walk(0.62, 0.84), stand(8, yaw=-0.4), walk(1.15, 0.84),
                stand(4), walk(0.7, 0.86), stand(20),
            )),
            Actor(2, BLUE, Point(0.86, 0.72), (
                stand(9, yaw=-0.5), walk(0.15, 0.74), stand(30),
            )),
            Actor(3, SPORT, Point(-0.12, 0.97), (stand(15), run(1.15, 0.97))),
        ),
    )  # fmt: skip
    corridor = VideoSpec(
        name="corridor", width=320, height=192, fps=Fraction(25), seconds=20, codec="mpeg4",
        extension=".avi", style="hall", horizon=0.34, ratio=1.0, seed=8,
        props=(Prop("bench", 0.3, 0.72),),
        people=(
            Actor(1, VIOLET, Point(0.3, 0.75), (sit(30),)),
            Actor(2, GREEN, Point(1.12, 0.85), (
                stand(1), walk(0.6, 0.85, "carry"), stand(8, "talk", yaw=LEFT),
                walk(1.15, 0.85, "carry"),
            )),
        ),
    )  # fmt: skip
    return yard, corridor
