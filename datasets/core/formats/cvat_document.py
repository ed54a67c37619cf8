"""Annotations of one CVAT task as values: tracks of boxes, whatever file they are in.

Frames are frames of the CVAT task, 0-based. Boxes are `(x1, y1, x2, y2)` float pixels, x2 and
y2 exclusive. A shape holds until the next one of its track; `outside` says that the person is
not in the frame from there on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from datasets.core.formats.cvat_labels import PERSON, PERSON_ID, Attribute

Box = tuple[float, float, float, float]


class AnswerProblem(NamedTuple):
    """What the annotator must correct: where, in a sentence; the box if it has one."""

    frame: int
    text: str
    box: Box | None = None


class Shape(NamedTuple):
    """A box of a track at one frame; `attributes` are all that hold there, answered before too.

    An attribute that nobody has answered up to there is not among them.
    """

    frame: int
    box: Box
    outside: bool
    keyframe: bool
    attributes: dict[str, str]


@dataclass(frozen=True)
class XmlTrack:
    """One person, or whatever was drawn, over the frames; shapes ascending by frame.

    `label` says what it is, of the classes that the dataset follows.

    `source` is how CVAT says it came about: "manual" if somebody drew it.
    """

    shapes: tuple[Shape, ...]
    label: str = PERSON
    source: str = "auto"

    @property
    def is_drawn(self) -> bool:
        return self.source == "manual"


@dataclass(frozen=True)
class Document:
    """One task's annotations.

    `frame_count`, `width` and `height` are 0 and `task_name` is empty if the file does not say:
    CVAT names no size for tasks made of images, and no name in the export of a job, but its
    `assignee`. `labels` are those with the dataset's attributes. `notes` say in sentences what
    was changed on reading, `problems` what was left out that its annotator must correct.
    """

    task_name: str
    frame_count: int
    width: int
    height: int
    attributes: tuple[Attribute, ...] = ()
    tracks: tuple[XmlTrack, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[AnswerProblem, ...] = ()
    assignee: str = ""
    labels: tuple[str, ...] = (PERSON,)


def hold_over_parts(tracks: Sequence[XmlTrack]) -> tuple[XmlTrack, ...]:
    """The tracks, an answer of a person holding in later tracks of the same person.

    CVAT's "Split" makes two tracks of one, and the first box of the second may say nothing but
    `as before`. Tracks without a `person_id` are persons of their own.
    """
    parts: dict[str, list[int]] = {}
    for place, track in enumerate(tracks):
        who = track.shapes[0].attributes.get(PERSON_ID, "").strip() if track.shapes else ""
        if who:
            parts.setdefault(who, []).append(place)
    held = list(tracks)
    for places in parts.values():
        places.sort(key=lambda place: tracks[place].shapes[0].frame)
        seen: list[Shape] = []
        for place in places:
            first = tracks[place].shapes[0].frame
            before = max(
                (shape for shape in seen if shape.frame < first),
                key=lambda shape: shape.frame, default=None,
            )  # fmt: skip
            if before is not None:
                shapes = tuple(
                    shape._replace(attributes=before.attributes | shape.attributes)
                    for shape in tracks[place].shapes
                )
                held[place] = replace(tracks[place], shapes=shapes)
            seen += held[place].shapes
    return tuple(held)


def upright(x1: float, y1: float, x2: float, y2: float, degrees: float) -> Box:
    """The smallest upright box around a box rotated about its centre.

    >>> [round(side) for side in upright(0, 0, 10, 4, 90)]
    [3, -3, 7, 7]
    """
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = abs(x2 - x1), abs(y2 - y1)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    half_width = (width * cos + height * sin) / 2
    half_height = (width * sin + height * cos) / 2
    return (x - half_width, y - half_height, x + half_width, y + half_height)
