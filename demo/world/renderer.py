"""Renderer of the demo videos: people with exact ground truth for every frame.

The number of each source frame is encoded in its top tenth. Ground truth is given by frame of
the 30 fps standard video; boxes are `(x1, y1, x2, y2)` as fractions of the image. The same spec
gives the same images and the same ground truth.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import av
import cv2
import numpy as np

from demo.world.background import Slab, Style, paint_background, slab_image, slabs
from demo.world.figure import (
    Circle,
    Hull,
    Image,
    draw_hulls,
    extent,
    figure_hulls,
    fill_mask,
)
from demo.world.frame_number import draw_frame_number, read_frame_number
from demo.world.motion import Actor, ActorState, Camera, Motion
from demo.world.video_spec import VideoSpec, source_frame_at
from demo.world.videos import DEMO_VIDEOS, small_videos

MASK_HEIGHT = 96  # pixels of a person in the masks that measure its visibility
__all__ = [
    "DEMO_VIDEOS",
    "GroundTruth",
    "TruthBox",
    "VideoSpec",
    "draw_frame",
    "read_frame_number",
    "render",
    "small_videos",
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
    """Ground truth of one person in one frame.

    Attributes:
        person_id: From 1, the same whenever the person is in this video.
        box: Of the whole figure, occluded parts included, clipped to the image; 0 to 1.
        visible: Fraction of the figure that is inside the image and not occluded.
        actions: Names of the vocabulary ava-v2.2; the movement first.
    """

    person_id: int
    box: tuple[float, float, float, float]
    visible: float
    actions: tuple[str, ...]


GroundTruth = Callable[[str, int], list[TruthBox]]  # by original name, standard frame


def truth_at(spec: VideoSpec, frame: int) -> list[TruthBox]:
    """Ground truth of frame `frame` of the 30 fps standard video, sorted by person_id.

    A fully occluded person is included with `visible` 0, a person outside the image is not.
    """
    return truth_of_source(spec, source_frame_at(spec, frame))


def truth_of_source(spec: VideoSpec, source_frame: int) -> list[TruthBox]:
    """As `truth_at`, for a frame of the source video."""
    things = _drawables(spec, source_frame / spec.fps)
    boxes = []
    for number, thing in enumerate(things):
        if not isinstance(thing, _DrawnActor) or thing.actor.is_mannequin:
            continue
        visible = _visible_share(thing, things[number + 1 :], spec)
        actions = thing.state.segment.actions
        boxes.append(TruthBox(thing.actor.person_id, thing.box, visible, actions))
    return sorted(boxes)


def draw_frame(spec: VideoSpec, source_frame: int) -> Image:
    """One frame of the source video, RGB, with its frame number encoded."""
    scenery = _scenery(spec)
    image = scenery.background.copy()
    things = _drawables(spec, source_frame / spec.fps)
    for thing in things:
        if isinstance(thing, _DrawnActor):
            _draw_shadow(image, thing, spec)
    for thing in things:
        if isinstance(thing, _DrawnActor):
            draw_hulls(image, thing.hulls)
        else:
            for slab, face in zip(thing.slabs, scenery.faces[thing.number], strict=True):
                image[slab.top : slab.bottom, slab.left : slab.right] = face
    draw_frame_number(image, source_frame)
    return image


def draw_frames(spec: VideoSpec) -> Iterator[Image]:
    """All frames of the source video."""
    return (draw_frame(spec, number) for number in range(spec.frame_count))


def render(spec: VideoSpec, folder: Path) -> Path:
    """Write the video into `folder`; an existing file is kept."""
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
        for number, image in enumerate(draw_frames(spec)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, 1 / spec.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    part.replace(target)
    return target


class _DrawnActor(NamedTuple):
    """An actor inside the image of one frame, ready to be drawn."""

    y: float
    actor: Actor
    state: ActorState
    size: float  # height in pixels
    hulls: list[Hull]
    box: tuple[float, float, float, float]  # clipped, fractions of the image


class _DrawnProp(NamedTuple):
    """A prop, ready to be drawn; `number` is its index in the spec."""

    y: float
    number: int
    slabs: tuple[Slab, ...]


class _Scenery(NamedTuple):
    background: Image
    motions: tuple[Motion, ...]
    things: tuple[_DrawnProp, ...]
    faces: tuple[tuple[Image, ...], ...]


@lru_cache(maxsize=8)
def _motions(spec: VideoSpec) -> tuple[tuple[Motion, ...], tuple[_DrawnProp, ...]]:
    camera = spec.camera
    things = (
        _DrawnProp(prop.y, number, tuple(slabs(prop, camera, spec.width, spec.height)))
        for number, prop in enumerate(spec.props)
    )
    return tuple(Motion(actor, camera) for actor in spec.people), tuple(things)


@lru_cache(maxsize=8)
def _background(style: Style, camera: Camera, width: int, height: int, seed: int) -> Image:
    return paint_background(style, camera, width, height, seed=seed)


@lru_cache(maxsize=8)
def _scenery(spec: VideoSpec) -> _Scenery:
    motions, things = _motions(spec)
    background = _background(spec.style, spec.camera, spec.width, spec.height, spec.seed)
    faces = tuple(
        tuple(slab_image(slab, thing.number) for slab in thing.slabs) for thing in things
    )
    return _Scenery(background, motions, things, faces)


def _drawables(spec: VideoSpec, time: Fraction) -> list[_DrawnActor | _DrawnProp]:
    """All actors and props at `time`, the furthest first."""
    motions, things = _motions(spec)
    camera = spec.camera
    found: list[_DrawnActor | _DrawnProp] = list(things)
    for motion in motions:
        state = motion.at(float(time))
        if state is None:
            continue
        actor = motion.actor
        size = camera.height_at(state.at.y) * spec.height * actor.appearance.height
        hulls = figure_hulls(
            actor.appearance, state.pose, x=state.at.x * spec.width,
            y=state.at.y * spec.height, height=size, holds="carry" in state.segment.activities,
        )  # fmt: skip
        box = _clipped(extent(hulls), spec)
        if box is not None:
            found.append(_DrawnActor(state.at.y, actor, state, size, hulls, box))
    return sorted(found, key=lambda thing: thing.y)


def _clipped(
    box: tuple[float, float, float, float], spec: VideoSpec
) -> tuple[float, float, float, float] | None:
    x1, y1, x2, y2 = box
    x1, x2 = (min(max(x / spec.width, 0.0), 1.0) for x in (x1, x2))
    y1, y2 = (min(max(y / spec.height, 0.0), 1.0) for y in (y1, y2))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _visible_share(
    actor: _DrawnActor, nearer: list[_DrawnActor | _DrawnProp], spec: VideoSpec
) -> float:
    """Fraction of the pixels of `actor`, drawn small, that nearer things do not cover."""
    x1, y1, x2, y2 = extent(actor.hulls)
    scale = min(1.0, MASK_HEIGHT / actor.size)
    mask = np.zeros((int((y2 - y1) * scale) + 3, int((x2 - x1) * scale) + 3), np.uint8)
    body = [hull for hull in actor.hulls if hull.is_body]
    fill_mask(mask, _moved(body, x1, y1, scale), 1)
    whole = int(mask.sum())
    for thing in nearer:
        if isinstance(thing, _DrawnActor):
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


def _draw_shadow(image: Image, actor: _DrawnActor, spec: VideoSpec) -> None:
    """Draw a soft shadow on the ground around the feet, away from the light."""
    x, y = actor.state.at.x * spec.width, actor.state.at.y * spec.height
    wide, high = actor.size * 0.30, actor.size * 0.05
    left, right = int(x - wide * 0.75), int(x + wide * 1.25)
    top, bottom = int(y - high), int(y + high)
    shade = cv2.resize(SHADE, (max(1, right - left), max(1, bottom - top)))
    shade = shade[
        max(0, -top) : max(0, spec.height - top), max(0, -left) : max(0, spec.width - left)
    ]
    if shade.size:
        area = image[max(0, top) : bottom, max(0, left) : right]
        area[:] = (area * shade[..., None]).astype(np.uint8)
