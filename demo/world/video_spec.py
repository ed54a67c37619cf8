"""Specification of a rendered video, and the resampling of its frames to 30 fps."""

from dataclasses import dataclass
from fractions import Fraction

from demo.world.background import Prop, Style
from demo.world.motion import Actor, Camera

STANDARD_RATE = 30
MILLISECOND_FORMATS = {".webm", ".mkv"}


@dataclass(frozen=True)
class VideoSpec:
    """Everything that defines one rendered video."""

    name: str
    width: int
    height: int
    fps: Fraction
    seconds: int
    codec: str
    extension: str
    style: Style
    horizon: float
    ratio: float  # see Camera
    people: tuple[Actor, ...]
    props: tuple[Prop, ...] = ()
    seed: int = 0

    @property
    def camera(self) -> Camera:
        return Camera(self.horizon, self.ratio, self.width / self.height)

    @property
    def frame_count(self) -> int:
        """Number of frames of the source video."""
        return int(self.seconds * self.fps)

    @property
    def file_name(self) -> str:
        return self.name + self.extension

    def shown_at(self, source_frame: int) -> Fraction:
        """Time of a source frame in seconds, with the precision of its container."""
        exact = source_frame / self.fps
        if self.extension in MILLISECOND_FORMATS:
            return Fraction(_nearest(exact * 1000), 1000)
        return exact


def _nearest(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def source_frame_at(spec: VideoSpec, frame: int) -> int:
    """The source frame shown by frame `frame` of the 30 fps standard video.

    It is the last one whose time, in thirtieths of a second and rounded, is not after `frame`.
    """
    if frame < 0:
        raise ValueError(f"{spec.name} has no frame {frame}")
    guess = min(int(frame * spec.fps / STANDARD_RATE) + 2, spec.frame_count - 1)
    while guess > 0 and _nearest(spec.shown_at(guess) * STANDARD_RATE) > frame:
        guess -= 1
    return guess
