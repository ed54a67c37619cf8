"""CVAT XML 1.1: writer for pre-annotations, reader for exports.

It is written as "CVAT for video"; "CVAT for images" is read too. There boxes with the same
`person_id` are one person, and every box without one is another person in that frame only.

Frames are frames of the CVAT task, 0-based: the file's own numbers (`start_frame + i * step` of
the source) are turned into them by what its `<meta>` says. Boxes are `(x1, y1, x2, y2)` float
pixels, x2 and y2 exclusive, two decimals in the file. A shape holds until the next one of its
track; `outside` says that the person is not in the frame from there on.
The file may be hostile: it is parsed without entities and DTDs, and refused with a message.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple, cast, get_args
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from datasets.core.formats.cvat_labels import COLOUR, PERSON, PERSON_ID, Attribute, InputType

VERSION = "1.1"
MAX_DEPTH = 32  # nested elements; CVAT needs 8
FORMAT_HINT = 'export it from CVAT as "CVAT for video 1.1"'
INPUT_TYPES: tuple[InputType, ...] = get_args(InputType)
OTHER_SHAPES = ("polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")

Box = tuple[float, float, float, float]


class CvatXmlError(ValueError):
    """The file is not in the format "CVAT for video 1.1" or "CVAT for images 1.1"."""


class Shape(NamedTuple):
    """A box of a track at one frame; `attributes` are complete, inherited ones included."""

    frame: int
    box: Box
    outside: bool
    keyframe: bool
    attributes: dict[str, str]


@dataclass(frozen=True)
class XmlTrack:
    """One person, or whatever was drawn, over the frames; shapes ascending by frame.

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
    CVAT names no size for tasks made of pictures, and no name in the export of a job.
    """

    task_name: str
    frame_count: int
    width: int
    height: int
    attributes: tuple[Attribute, ...] = ()
    tracks: tuple[XmlTrack, ...] = ()


def dump(document: Document) -> bytes:
    """The XML of `document`; the same document gives the same bytes.

    >>> b'<size>75</size>' in dump(Document("a-c0000", 75, 64, 36))
    True
    """
    return "".join(f"{line}\n" for line in _lines(document)).encode()


def load(content: bytes) -> Document:
    """The document in `content`. Raises CvatXmlError if it is none.

    >>> load(dump(Document("a-c0000", 75, 64, 36))).frame_count
    75
    """
    reader = _Reader()
    try:
        for event, element in iterparse(
            BytesIO(content), events=("start", "end"), forbid_dtd=True
        ):
            reader.take(event, element)
    except DefusedXmlException as error:
        raise CvatXmlError(
            f"it declares entities or a DTD, which CVAT never does; {FORMAT_HINT}"
        ) from error
    except (ParseError, LookupError, UnicodeError) as error:
        raise CvatXmlError(f"it is not XML ({error}); {FORMAT_HINT}") from error
    return reader.document()


def _lines(document: Document) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield "<annotations>"
    yield f"  <version>{VERSION}</version>"
    yield from _meta_lines(document)
    for number, track in enumerate(document.tracks):
        yield f'  <track id="{number}" label={quoteattr(track.label)} source="auto">'
        for shape in track.shapes:
            yield from _shape_lines(shape)
        yield "  </track>"
    yield "</annotations>"


def _meta_lines(document: Document) -> Iterator[str]:
    yield "  <meta>"
    yield "    <task>"
    yield f"      <name>{escape(document.task_name)}</name>"
    yield f"      <size>{document.frame_count}</size>"
    yield "      <mode>interpolation</mode>"
    yield "      <overlap>0</overlap>"
    yield "      <start_frame>0</start_frame>"
    yield f"      <stop_frame>{max(document.frame_count - 1, 0)}</stop_frame>"
    yield "      <frame_filter></frame_filter>"
    yield "      <labels>"
    yield "        <label>"
    yield f"          <name>{PERSON}</name>"
    yield f"          <color>{COLOUR}</color>"
    yield "          <type>rectangle</type>"
    yield "          <attributes>"
    for attribute in document.attributes:
        yield from _attribute_lines(attribute)
    yield "          </attributes>"
    yield "        </label>"
    yield "      </labels>"
    yield "      <original_size>"
    yield f"        <width>{document.width}</width>"
    yield f"        <height>{document.height}</height>"
    yield "      </original_size>"
    yield "    </task>"
    yield "  </meta>"


def _attribute_lines(attribute: Attribute) -> Iterator[str]:
    yield "            <attribute>"
    yield f"              <name>{escape(attribute.name)}</name>"
    yield f"              <mutable>{attribute.mutable}</mutable>"
    yield f"              <input_type>{attribute.input_type}</input_type>"
    yield f"              <default_value>{escape(attribute.default)}</default_value>"
    yield f"              <values>{escape(chr(10).join(attribute.values))}</values>"
    yield "            </attribute>"


def _shape_lines(shape: Shape) -> Iterator[str]:
    x1, y1, x2, y2 = shape.box
    yield (
        f'    <box frame="{shape.frame}" keyframe="{shape.keyframe:d}" '
        f'outside="{shape.outside:d}" occluded="0" '
        f'xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">'
    )
    for name, value in shape.attributes.items():
        yield f"      <attribute name={quoteattr(name)}>{escape(value)}</attribute>"
    yield "    </box>"


class ImageTrackKey(NamedTuple):
    """What the boxes of one track in "CVAT for images" have in common."""

    label: str
    who: str
    nth: int  # box of that person in one image


@dataclass
class _Reader:
    """Takes the elements one by one, so that a long file is never in memory as a tree."""

    name: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    start_frame: int = 0
    step: int = 1
    attributes: tuple[Attribute, ...] = ()
    tracks: list[XmlTrack] = field(default_factory=list)
    images: dict[ImageTrackKey, list[Shape]] = field(default_factory=dict)
    sources: dict[ImageTrackKey, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def take(self, event: str, element: Element) -> None:
        if event == "start":
            self._check_place(element.tag)
            self.open.append(element.tag)
            return
        self.open.pop()
        if self.open == ["annotations"]:
            self._read(element)
            element.clear()

    def document(self) -> Document:
        found = [self._image_track(key, shapes) for key, shapes in self.images.items()]
        tracks = (*self.tracks, *found)
        return Document(self.name, self.size, self.width, self.height, self.attributes, tracks)

    def _check_place(self, tag: str) -> None:
        if not self.open and tag != "annotations":
            raise CvatXmlError(f"it is not a CVAT file: it begins with <{tag}>")
        if len(self.open) >= MAX_DEPTH:
            raise CvatXmlError(f"its elements are nested more than {MAX_DEPTH} levels deep")

    def _read(self, element: Element) -> None:
        if element.tag == "version" and (element.text or "").strip() != VERSION:
            raise CvatXmlError(f"it is of version {element.text}, not {VERSION}; {FORMAT_HINT}")
        if element.tag == "image":
            self._read_image(element)
        elif element.tag == "meta":
            self._read_meta(element)
        elif element.tag == "track":
            self.tracks.append(self._track(element))

    def _read_meta(self, meta: Element) -> None:
        if meta.find("project") is not None:
            raise CvatXmlError("it is the export of a whole project: export the task alone")
        head = meta.find("task")
        if head is None:
            head = meta.find("job")
        if head is None:
            return
        self.name = (head.findtext("name") or "").strip()
        self.size = _whole(head.findtext("size"), "size", default=0)
        self.start_frame = _whole(head.findtext("start_frame"), "start_frame", default=0)
        self.step = _step(head.findtext("frame_filter") or "")
        self.width = _whole(_text(meta, "original_size/width"), "width", default=0)
        self.height = _whole(_text(meta, "original_size/height"), "height", default=0)
        self.attributes = _person_attributes(head)

    def _track(self, element: Element) -> XmlTrack:
        place = f"track {element.get('id') or len(self.tracks)}"
        shapes: dict[int, Shape] = {}
        held: dict[str, str] = {}
        for child in element:
            if child.tag in OTHER_SHAPES:
                raise CvatXmlError(f"{place} is {not_a_rectangle(child.tag)}")
            if child.tag == "box":
                held = held | {
                    one.get("name", ""): (one.text or "") for one in child.iter("attribute")
                }
                shape = self._shape(child, held, place)
                shapes[shape.frame] = shape
        inside = [shapes[frame] for frame in sorted(shapes) if self._is_inside(shapes[frame])]
        return XmlTrack(tuple(inside), element.get("label", ""), element.get("source", ""))

    def _read_image(self, image: Element) -> None:
        place = f"image {image.get('id')}"
        here: Counter[str] = Counter()
        for child in image:
            if child.tag in OTHER_SHAPES:
                raise CvatXmlError(f"{place} has {not_a_rectangle(child.tag)}")
            if child.tag == "box":
                said = {one.get("name", ""): one.text or "" for one in child.iter("attribute")}
                child.set("frame", image.get("id", ""))
                shape = self._shape(child, said, place)
                who = said.get(PERSON_ID, "").strip() or f"box {len(self.images)}"
                here[who] += 1  # two boxes of one person in an image are two tracks
                key = ImageTrackKey(child.get("label", ""), who, here[who])
                self.images.setdefault(key, []).append(shape)
                self.sources.setdefault(key, child.get("source", ""))

    def _image_track(self, key: ImageTrackKey, shapes: list[Shape]) -> XmlTrack:
        """A track of boxes drawn image by image: outside where there is no box."""
        by_frame = {shape.frame: shape for shape in shapes}
        ends = {
            shape.frame + 1: shape._replace(frame=shape.frame + 1, outside=True)
            for shape in shapes
        }
        both = ends | by_frame
        inside = [both[frame] for frame in sorted(both) if self._is_inside(both[frame])]
        return XmlTrack(tuple(inside), key.label, self.sources[key])

    def _shape(self, box: Element, attributes: dict[str, str], place: str) -> Shape:
        source_frame = _whole(box.get("frame"), f"frame of {place}")
        frame, rest = divmod(source_frame - self.start_frame, self.step)
        place = f"{place} at frame {source_frame}"
        if rest or frame < 0:
            raise CvatXmlError(f"{place} is not at a frame of the task")
        return Shape(
            frame,
            _box(box.attrib, place),
            _flag(box.attrib, "outside", place, default="0"),
            _flag(box.attrib, "keyframe", place, default="1"),
            attributes,
        )

    def _is_inside(self, shape: Shape) -> bool:
        if not self.size or shape.frame < self.size:
            return True
        if shape.outside:  # CVAT ends a single shape of the last frame one frame after it
            return False
        raise CvatXmlError(
            f"it has a box at frame {shape.frame}, but its task has only {self.size} frames"
        )


def _text(element: Element, path: str) -> str | None:
    """Text of the first `path` at any depth: CVAT versions differ in where the size is."""
    return element.findtext(f".//{path}")


def _whole(text: str | None, what: str, *, default: int | None = None) -> int:
    if default is not None and not (text or "").strip():
        return default
    try:
        value = int(text or "")
    except ValueError as error:
        raise CvatXmlError(f"its {what} is {text!r}, not a whole number") from error
    if value < 0:
        raise CvatXmlError(f"its {what} is {text!r}, less than 0")
    return value


def _step(frame_filter: str) -> int:
    """Frames of the source per frame of the task: CVAT writes `step=6`, or nothing."""
    _, found, number = frame_filter.partition("step=")
    return max(_whole(number.strip(), "frame step"), 1) if found else 1


def _flag(attributes: Mapping[str, str], name: str, place: str, *, default: str) -> bool:
    value = attributes.get(name, default)
    if value not in ("0", "1"):
        raise CvatXmlError(f'{place} has {name}="{value}", not 0 or 1')
    return value == "1"


def _box(attributes: Mapping[str, str], place: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(attributes[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
        degrees = float(attributes.get("rotation", "0"))
    except (KeyError, ValueError) as error:
        raise CvatXmlError(f"{place} has no box that can be read ({error})") from error
    if not all(map(math.isfinite, (x1, y1, x2, y2, degrees))):
        raise CvatXmlError(f"{place} has a box without finite numbers")
    return upright(x1, y1, x2, y2, degrees) if degrees else (x1, y1, x2, y2)


def not_a_rectangle(kind: str) -> str:
    """The error message for a shape that is not a rectangle."""
    return (
        f"a {kind}, but people are drawn as rectangles: reopen the job in CVAT, delete it, "
        "draw a rectangle and finish the job again"
    )


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


def _person_attributes(head: Element) -> tuple[Attribute, ...]:
    for label in head.iterfind("labels/label"):
        if (label.findtext("name") or "").strip() == PERSON:
            return tuple(_attribute(one) for one in label.iterfind("attributes/attribute"))
    return ()


def _attribute(element: Element) -> Attribute:
    name = element.findtext("name") or ""
    input_type = (element.findtext("input_type") or "text").strip().lower()
    if input_type not in INPUT_TYPES:
        raise CvatXmlError(
            f'the attribute "{name}" is a {input_type}, which CVAT does not know'
        )
    return Attribute(
        name,
        cast(InputType, input_type),
        (element.findtext("mutable") or "").strip().lower() == "true",
        tuple((element.findtext("values") or "").split("\n")),
        element.findtext("default_value") or "",
    )
