"""Box paths of the label page: shapes of a person, hidden stretches, drawing, merging.

Frames are clip frames, 0-based, 30 a second; shapes lie on the grid of annotation frames. Boxes
are `(x1, y1, x2, y2)` pixels of the standard video, x2 and y2 exclusive. Between two shapes the
sides move linearly, as in CVAT. From a shape that is `outside` or `end` on, nobody is there
until the next shape: `outside` was said, `end` is where drawing has stopped so far.
`static/annotation/label/box_paths.js` says the same, and the tests give both the same cases.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]
Stretch = tuple[int, int]  # frames, the last exclusive

INSIDE, OUTSIDE, END = "inside", "outside", "end"


class PathShape(NamedTuple):
    """A box at a frame; `is_drawn` says that somebody drew it on the label page."""

    frame: int
    box: Box
    state: str = INSIDE
    is_drawn: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "frame": self.frame, "box": list(self.box), "state": self.state,
            "drawn": self.is_drawn,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "PathShape":
        x1, y1, x2, y2 = content["box"]
        return cls(content["frame"], (x1, y1, x2, y2), content["state"], content["drawn"])


@dataclass
class BoxPath:
    """The boxes of one person over a clip; `shapes` ascend by frame."""

    shapes: list[PathShape]
    hidden: list[Stretch]

    def box_at(self, frame: int) -> Box | None:
        """The box at `frame`; None where the person is not in the frame.

        >>> path = BoxPath([PathShape(0, (0, 0, 8, 8)), PathShape(30, (30, 0, 38, 8))], [])
        >>> path.box_at(10)
        (10.0, 0.0, 18.0, 8.0)
        """
        if any(start <= frame < stop for start, stop in self.hidden):
            return None
        return self.box_in_shapes(frame)

    def box_in_shapes(self, frame: int) -> Box | None:
        """The box at `frame`, hidden or not; None before, between and after the shapes."""
        place = self._place(frame)
        if place < 0 or self.shapes[place].state != INSIDE:
            return None
        here = self.shapes[place]
        if here.frame == frame or place + 1 == len(self.shapes):
            return here.box
        after = self.shapes[place + 1]
        share = (frame - here.frame) / (after.frame - here.frame)
        x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(here.box, after.box, strict=True))
        return (x1, y1, x2, y2)

    def draw(self, frame: int, box: Box, *, step: int, frame_count: int) -> None:
        """Draw a box. Where nobody was, the person is there at this annotation frame.

        Two boxes drawn one after the other where nobody was are the ends of one stretch: the
        frames between them are filled.

        Args:
            step: Frames from one annotation frame to the next.
            frame_count: Frames of the clip.
        """
        place = self._place(frame)
        before = self.shapes[place] if place >= 0 else None
        was_absent = before is not None and before.state != INSIDE
        if before is not None and (before.frame == frame or before.state == END):
            del self.shapes[place]
            place -= 1
        place += 1
        self.shapes.insert(place, PathShape(frame, box, INSIDE, is_drawn=True))
        is_last = place + 1 == len(self.shapes)
        if is_last and (was_absent or before is None) and frame + step < frame_count:
            self.shapes.append(PathShape(frame + step, box, END))
        elif not is_last and self.shapes[place + 1].state == END:
            self.shapes[place + 1] = self.shapes[place + 1]._replace(box=box)
        stretch = next((one for one in self.hidden if one[0] <= frame < one[1]), None)
        if stretch is not None:
            self.show((frame, stretch[1]))

    def fill(self, shapes: Iterable[tuple[int, Box]]) -> None:
        """Set boxes between those that were drawn, as detections say."""
        for frame, box in shapes:
            place = self._place(frame)
            if place >= 0 and self.shapes[place].frame == frame:
                continue
            self.shapes.insert(place + 1, PathShape(frame, box))

    def hide(self, stretch: Stretch) -> None:
        """The person is not in the frame there."""
        self.hidden = _joined([*self.hidden, stretch])

    def show(self, stretch: Stretch) -> None:
        """The person is in the frame there, as far as there are shapes."""
        start, stop = stretch
        left = [(a, min(b, start)) for a, b in self.hidden if a < start]
        right = [(max(a, stop), b) for a, b in self.hidden if b > stop]
        self.hidden = _joined([*left, *right])

    def is_drawn_at(self, frame: int) -> bool:
        place = self._place(frame)
        return place >= 0 and self.shapes[place].frame == frame and self.shapes[place].is_drawn

    def bounds(self) -> set[int]:
        """All frames at which the path can bend, begin or end."""
        edges = {frame for stretch in self.hidden for frame in stretch}
        return edges | {shape.frame for shape in self.shapes}

    def ends_drawing_at(self, frame: int) -> bool:
        place = self._place(frame)
        return (
            place >= 0 and self.shapes[place].frame == frame and self.shapes[place].state == END
        )

    def _place(self, frame: int) -> int:
        """Place of the last shape at or before `frame`; -1 if there is none."""
        return bisect_right(self.shapes, frame, key=lambda shape: shape.frame) - 1


def merged(a: BoxPath, b: BoxPath, *, step: int, frame_count: int) -> BoxPath:
    """The path of `a`, and that of `b` where `a` is not in the frame.

    >>> a = BoxPath([PathShape(0, (0, 0, 8, 8)), PathShape(30, (0, 0, 8, 8), OUTSIDE)], [])
    >>> b = BoxPath([PathShape(60, (4, 0, 12, 8))], [])
    >>> both = merged(a, b, step=6, frame_count=120)
    >>> both.box_at(20), both.box_at(40), both.box_at(90)
    ((0.0, 0.0, 8.0, 8.0), None, (4, 0, 12, 8))
    """

    def source(frame: int) -> BoxPath | None:
        return next((path for path in (a, b) if path.box_at(frame) is not None), None)

    marks = set()
    for frame in a.bounds() | b.bounds():
        if not 0 <= frame < frame_count:
            continue
        marks.add(frame)
        if frame >= step and source(frame - step) is not source(frame):
            marks.add(frame - step)
    shapes: list[PathShape] = []
    for frame in sorted(marks):
        path = source(frame)
        box = None if path is None else path.box_at(frame)
        if path is not None and box is not None:
            shapes.append(PathShape(frame, box, INSIDE, path.is_drawn_at(frame)))
        elif shapes and shapes[-1].state == INSIDE:
            is_end = a.ends_drawing_at(frame) or b.ends_drawing_at(frame)
            shapes.append(PathShape(frame, shapes[-1].box, END if is_end else OUTSIDE))
    return BoxPath(shapes, [])


def said_shapes(
    path: BoxPath, extra: Iterable[int], is_inside: Callable[[int], bool] = lambda _: True
) -> Sequence[PathShape]:
    """The shapes that say `path` without hidden stretches, with one at each of `extra` too.

    >>> path = BoxPath([PathShape(0, (0, 0, 8, 8))], [(30, 60)])
    >>> [(shape.frame, shape.state) for shape in said_shapes(path, [90])]
    [(0, 'inside'), (30, 'outside'), (60, 'inside'), (90, 'inside')]
    """
    found: list[PathShape] = []
    by_frame = {shape.frame: shape for shape in path.shapes}
    for frame in sorted(path.bounds() | set(extra)):
        if not is_inside(frame):
            continue
        box = path.box_at(frame)
        if box is not None:
            found.append(PathShape(frame, box))
        elif found and found[-1].state == INSIDE:
            shape = by_frame.get(frame)
            last = shape.box if shape else path.box_in_shapes(frame) or found[-1].box
            found.append(PathShape(frame, last, OUTSIDE))
    return found


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for start, stop in sorted(stretches):
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found
