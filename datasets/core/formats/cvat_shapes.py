"""The upright box of a shape in CVAT, and notes on what was changed to get it.

People are drawn as rectangles. Who drew a polygon or a mask round a person meant that person:
the box around it is used. Corners in the wrong order are swapped. Both are noted.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from datasets.core.formats.cvat_document import AnswerProblem, Box, upright
from datasets.core.formats.cvat_labels import PERSON
from datasets.core.untrusted import UntrustedDataError

SIDES = ("xtl", "ytl", "xbr", "ybr")
OTHER_SHAPES = ("polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
DRAWN = {"ellipse": "an ellipse", "points": "a set of points"}
CUBOID_CORNERS = tuple(f"{side}{depth}" for side in ("tl", "bl", "tr", "br") for depth in "12")
FRAMES_NAMED = 3
NO_BOX = "is a skeleton, which has no box: draw a rectangle instead"
SWAPPED = "the corners of the box were in the wrong order and were swapped"


class ShapeError(UntrustedDataError):
    """A shape has no box that can be read; the message continues "track 3 at frame 5 "."""


class Notes:
    """Notes on objects, one for all frames of an object where the same was done."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, what: str, place: str, frame: int) -> None:
        self._frames[place, what].append(frame)

    def sentences(self) -> tuple[str, ...]:
        """
        >>> notes = Notes()
        >>> notes.add("was a polygon", "track 0", 5)
        >>> notes.sentences()
        ('Track 0, frame 5: was a polygon.',)
        """
        return tuple(
            f"{place[:1].upper()}{place[1:]}, {frames_text(frames)}: {what}."
            for (place, what), frames in self._frames.items()
        )


class ObjectError(UntrustedDataError):
    """An object whose box cannot be read, at `frame`; all others can be."""

    def __init__(self, label: str, frame: int, reason: str, box: Box | None = None) -> None:
        super().__init__(f"an object of the label {label} at frame {frame} {reason}")
        self.label, self.frame, self.reason, self.box = label, frame, reason, box

    def add_to(self, problems: list[AnswerProblem], notes: Notes) -> None:
        """A problem of its annotator if it is a person, else a note."""
        if self.label == PERSON:
            problems.append(AnswerProblem(self.frame, str(self), self.box))
        else:
            what = f"an object of the label {self.label} was left out; only {PERSON} counts"
            notes.add(what, "the task", self.frame)


def extent(points: Sequence[float]) -> Box | None:
    """The box around points x, y, x, y, ...; None without an area or with other numbers.

    >>> extent([3, 1, 7, 9]), extent([3, 1])
    ((3, 1, 7, 9), None)
    """
    if len(points) < 4 or len(points) % 2 or not all(map(math.isfinite, points)):
        return None
    x, y = points[::2], points[1::2]
    box = (min(x), min(y), max(x), max(y))
    return box if box[2] > box[0] and box[3] > box[1] else None


def frames_text(frames: Sequence[int]) -> str:
    """Frames in words, the first few by number.

    >>> frames_text([5]), frames_text([5, 6, 7, 9, 11])
    ('frame 5', 'frames 5, 6, 7 and 2 more')
    """
    shown = ", ".join(map(str, frames[:FRAMES_NAMED]))
    more = len(frames) - FRAMES_NAMED
    return f"frame{'' if len(frames) == 1 else 's'} {shown}" + (
        f" and {more} more" if more > 0 else ""
    )


def xml_points(kind: str, attributes: Mapping[str, str]) -> list[float]:
    """The numbers of a shape in CVAT XML as CVAT's JSON has them. Raises ShapeError.

    >>> xml_points("polygon", {"points": "1,2;3,4;5,0"})
    [1.0, 2.0, 3.0, 4.0, 5.0, 0.0]
    """
    if kind == "skeleton":
        raise ShapeError(NO_BOX)
    try:
        if kind == "box":
            return [float(attributes[side]) for side in SIDES]
        if kind == "ellipse":
            x, y, rx, ry = (float(attributes[name]) for name in ("cx", "cy", "rx", "ry"))
            return [x, y, x + rx, y - ry]
        if kind == "mask":
            x, y, width, height = (
                float(attributes[name]) for name in ("left", "top", "width", "height")
            )
            return [x, y, x + width - 1, y + height - 1]
        if kind == "cuboid":
            return [float(attributes[f"{axis}{at}"]) for at in CUBOID_CORNERS for axis in "xy"]
        pairs = (pair.split(",") for pair in attributes["points"].split(";"))
        return [float(number) for number in chain.from_iterable(pairs)]
    except (KeyError, ValueError) as error:
        raise ShapeError(f"has no box that can be read ({error})") from error


def box_around(
    kind: str, points: Sequence[float], degrees: float = 0.0
) -> tuple[Box, tuple[str, ...]]:
    """The upright box around a shape, and notes on what was changed.

    Args:
        kind: "rectangle", or one of OTHER_SHAPES.
        points: As in CVAT's JSON: two corners of a rectangle, the centre, the right and the
            upper end of an ellipse, a mask's runs followed by its four sides (inclusive), else
            x and y of every point.
        degrees: Of a rotation about the centre.

    Raises ShapeError if there is none.

    >>> box_around("rectangle", [80, 150, 40, 40])[0]
    (40, 40, 80, 150)
    >>> box_around("polygon", [1, 5, 9, 2, 4, 8])
    ((1, 2, 9, 8), ('a polygon was drawn here, the box around it is used',))
    """
    if kind == "skeleton":
        raise ShapeError(NO_BOX)
    if not points or not all(map(math.isfinite, (*points, degrees))):
        raise ShapeError("has a box without finite numbers")
    drawn = DRAWN.get(kind, f"a {kind}")
    notes = (
        [] if kind == "rectangle" else [f"{drawn} was drawn here, the box around it is used"]
    )
    if kind in ("rectangle", "ellipse", "mask") and len(points) < 4:
        raise ShapeError(f"has {len(points)} numbers for a box instead of 4")
    if kind == "rectangle":
        x1, y1, x2, y2 = points[:4]
    elif kind == "ellipse":
        x, y, right, top = points[:4]
        x1, y1, x2, y2 = 2 * x - right, top, right, 2 * y - top
    elif kind == "mask":
        x1, y1, x2, y2 = points[-4:]
        x2, y2 = x2 + 1, y2 + 1
    else:
        x1, x2 = min(points[::2]), max(points[::2])
        y1, y2 = min(points[1::2]), max(points[1::2])
    if x2 < x1 or y2 < y1:
        notes.append(SWAPPED)
        x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    box = upright(x1, y1, x2, y2, degrees) if degrees else (x1, y1, x2, y2)
    return box, tuple(notes)
