"""The demo's videos: rendered people with exact ground truth for every frame.

A source frame has its number stamped into its top tenth. Truth is asked for by the frame of the
30 fps standard video; boxes are `(x1, y1, x2, y2)` as shares of the picture. The same spec
gives the same pictures and the same truth.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import av
import cv2
import numpy as np

from demo.world.backdrop import Slab, Style, paint_backdrop, slab_picture, slabs
from demo.world.casting import WORLD, small_world
from demo.world.figure import (
    Circle,
    Hull,
    Picture,
    draw_hulls,
    extent,
    figure_hulls,
    fill_mask,
)
from demo.world.spec import VideoSpec, source_frame_at
from demo.world.stamp import draw_stamp, read_stamp
from demo.world.story import Camera, Moment, Person, Play

MASK_HEIGHT = 96  # pixels of a person in the masks that measure how much of it shows
__all__ = [
    "WORLD",
    "TruthBox",
    "VideoSpec",
    "draw_frame",
    "read_stamp",
    "render",
    "small_world",
    "source_frame_at",
    "truth_at",
]

_AXIS = np.linspace(-1, 1, 33, dtype=np.float32)
SHADE = 1 - 0.5 * np.clip(1 - _AXIS[:, None] ** 2 - _AXIS[None, :] ** 2, 0, 1)

ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "crf": "20", "threads": "1"},
    "libvpx-vp9": {
        "deadline": "realtime",
        "cpu-used": "8",
        "crf": "26",
        "b": "0",
        "threads": "1",
    },
    "mpeg4": {"b": "6M", "threads": "1"},
}
FORMATS = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska", ".avi": "avi"}


class TruthBox(NamedTuple):
    """One person in one frame.

    Attributes:
        person_id: From 1, the same whenever the person is in this video.
        box: Of the whole figure as if nothing hid it, clipped to the picture; 0 to 1.
        visible: Share of the figure that nothing nearer hides and that is in the picture.
        actions: Names of the vocabulary ava-v2.2; the movement first.
    """

    person_id: int
    box: tuple[float, float, float, float]
    visible: float
    actions: tuple[str, ...]


def truth_at(spec: VideoSpec, frame: int) -> list[TruthBox]:
    """Who is where, doing what, in frame `frame` of the 30 fps standard video; by person_id.

    Somebody wholly hidden is there with `visible` 0; somebody out of the picture is not.
    """
    return truth_of_source(spec, source_frame_at(spec, frame))


def truth_of_source(spec: VideoSpec, source_frame: int) -> list[TruthBox]:
    """As `truth_at`, for a frame of the source video."""
    things = _things(spec, source_frame / spec.fps)
    boxes = []
    for number, thing in enumerate(things):
        if not isinstance(thing, _Actor) or thing.person.is_dummy:
            continue
        visible = _visible_share(thing, things[number + 1 :], spec)
        actions = thing.moment.beat.actions
        boxes.append(TruthBox(thing.person.person_id, thing.box, visible, actions))
    return sorted(boxes)


def draw_frame(spec: VideoSpec, source_frame: int) -> Picture:
    """One picture of the source video, RGB, with its number stamped in."""
    scenery = _scenery(spec)
    picture = scenery.backdrop.copy()
    things = _things(spec, source_frame / spec.fps)
    for thing in things:
        if isinstance(thing, _Actor):
            _draw_shadow(picture, thing, spec)
    for thing in things:
        if isinstance(thing, _Actor):
            draw_hulls(picture, thing.hulls)
        else:
            for slab, face in zip(thing.slabs, scenery.faces[thing.number], strict=True):
                picture[slab.top : slab.bottom, slab.left : slab.right] = face
    draw_stamp(picture, source_frame)
    return picture


def draw_frames(spec: VideoSpec) -> Iterator[Picture]:
    """All pictures of the source video."""
    return (draw_frame(spec, number) for number in range(spec.frame_count))


def render(spec: VideoSpec, folder: Path) -> Path:
    """Write the video into `folder`; a file that is there already is kept as it is."""
    target = folder / spec.file_name
    if target.exists():
        return target
    part = folder / f".{spec.file_name}.part"
    options = {"fflags": "+bitexact"}
    with av.open(part, "w", format=FORMATS[spec.extension], options=options) as container:
        stream = cast(
            av.VideoStream,
            container.add_stream(spec.codec, rate=spec.fps, options=ENCODERS[spec.codec]),
        )
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        for number, picture in enumerate(draw_frames(spec)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / spec.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    part.replace(target)
    return target


class _Actor(NamedTuple):
    """Somebody in the picture of one frame, ready to be drawn."""

    y: float
    person: Person
    moment: Moment
    size: float  # height in pixels
    hulls: list[Hull]
    box: tuple[float, float, float, float]  # clipped to the picture, shares of it


class _Thing(NamedTuple):
    """A prop, ready to be drawn; `number` is its place in the spec."""

    y: float
    number: int
    slabs: tuple[Slab, ...]


class _Scenery(NamedTuple):
    backdrop: Picture
    plays: tuple[Play, ...]
    things: tuple[_Thing, ...]
    faces: tuple[tuple[Picture, ...], ...]


@lru_cache(maxsize=8)
def _plays(spec: VideoSpec) -> tuple[tuple[Play, ...], tuple[_Thing, ...]]:
    camera = spec.camera
    things = (
        _Thing(prop.y, number, tuple(slabs(prop, camera, spec.width, spec.height)))
        for number, prop in enumerate(spec.props)
    )
    return tuple(Play(person, camera) for person in spec.people), tuple(things)


@lru_cache(maxsize=8)
def _backdrop(style: Style, camera: Camera, width: int, height: int, seed: int) -> Picture:
    return paint_backdrop(style, camera, width, height, seed=seed)


@lru_cache(maxsize=8)
def _scenery(spec: VideoSpec) -> _Scenery:
    plays, things = _plays(spec)
    backdrop = _backdrop(spec.style, spec.camera, spec.width, spec.height, spec.seed)
    faces = tuple(
        tuple(slab_picture(slab, thing.number) for slab in thing.slabs) for thing in things
    )
    return _Scenery(backdrop, plays, things, faces)


def _things(spec: VideoSpec, time: Fraction) -> list[_Actor | _Thing]:
    """Everything that stands on the ground at `time`, the furthest first."""
    plays, things = _plays(spec)
    camera = spec.camera
    found: list[_Actor | _Thing] = list(things)
    for play in plays:
        moment = play.at(float(time))
        if moment is None:
            continue
        person = play.person
        size = camera.height_at(moment.at.y) * spec.height * person.look.height
        hulls = figure_hulls(
            person.look, moment.posture, x=moment.at.x * spec.width,
            y=moment.at.y * spec.height, height=size, holds="carry" in moment.beat.deeds,
        )  # fmt: skip
        box = _clipped(extent(hulls), spec)
        if box is not None:
            found.append(_Actor(moment.at.y, person, moment, size, hulls, box))
    return sorted(found, key=lambda thing: thing.y)


def _clipped(
    box: tuple[float, float, float, float], spec: VideoSpec
) -> tuple[float, float, float, float] | None:
    x1, y1, x2, y2 = box
    x1, x2 = (min(max(x / spec.width, 0.0), 1.0) for x in (x1, x2))
    y1, y2 = (min(max(y / spec.height, 0.0), 1.0) for y in (y1, y2))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _visible_share(actor: _Actor, nearer: list[_Actor | _Thing], spec: VideoSpec) -> float:
    """Share of the pixels of `actor`, drawn small, that are left when all else is drawn."""
    x1, y1, x2, y2 = extent(actor.hulls)
    scale = min(1.0, MASK_HEIGHT / actor.size)
    mask = np.zeros((int((y2 - y1) * scale) + 3, int((x2 - x1) * scale) + 3), np.uint8)
    body = [hull for hull in actor.hulls if hull.is_body]
    fill_mask(mask, _moved(body, x1, y1, scale), 1)
    whole = int(mask.sum())
    for thing in nearer:
        if isinstance(thing, _Actor):
            fill_mask(mask, _moved(thing.hulls, x1, y1, scale), 0)
        else:
            for slab in thing.slabs:
                left, right = _cells(slab.left, slab.right, x1, scale)
                top, bottom = _cells(slab.top, slab.bottom, y1, scale)
                mask[top:bottom, left:right] = 0
    left, right = _cells(0, spec.width, x1, scale)
    top, bottom = _cells(0, spec.height, y1, scale)
    return round(int(mask[top:bottom, left:right].sum()) / whole, 4)


def _cells(low: float, high: float, origin: float, scale: float) -> tuple[int, int]:
    return max(0, round((low - origin) * scale)), max(0, round((high - origin) * scale))


def _moved(hulls: list[Hull], x: float, y: float, scale: float) -> list[Hull]:
    return [
        hull._replace(
            circles=tuple(
                Circle((c.x - x) * scale, (c.y - y) * scale, c.r * scale) for c in hull.circles
            )
        )
        for hull in hulls
    ]


def _draw_shadow(picture: Picture, actor: _Actor, spec: VideoSpec) -> None:
    """Darken the ground around the feet, softly and away from the light."""
    x, y = actor.moment.at.x * spec.width, actor.moment.at.y * spec.height
    wide, high = actor.size * 0.30, actor.size * 0.05
    left, right = int(x - wide * 0.75), int(x + wide * 1.25)
    top, bottom = int(y - high), int(y + high)
    shade = cv2.resize(SHADE, (max(1, right - left), max(1, bottom - top)))
    shade = shade[
        max(0, -top) : max(0, spec.height - top), max(0, -left) : max(0, spec.width - left)
    ]
    if shade.size:
        area = picture[max(0, top) : bottom, max(0, left) : right]
        area[:] = (area * shade[..., None]).astype(np.uint8)
