"""CVAT XML 1.1: writer for pre-annotations, reader for exports.

It is written as "CVAT for video"; "CVAT for images" is read too (see `cvat_images`).

Frames are frames of the CVAT task, 0-based: the file's own numbers (`start_frame + i * step` of
the source) are turned into them by what its `<meta>` says. Boxes are `(x1, y1, x2, y2)` float
pixels, x2 and y2 exclusive, two decimals in the file. A shape holds until the next one of its
track; `outside` says that the person is not in the frame from there on.
The file may be hostile: it is parsed without entities and DTDs, and refused with a message.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import cast, get_args
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from datasets.core.formats.cvat_document import (
    AnswerProblem,
    Box,
    Document,
    Shape,
    XmlTrack,
    hold_over_parts,
)
from datasets.core.formats.cvat_images import ImageError, ImageTracks
from datasets.core.formats.cvat_labels import (
    PERSON,
    PERSON_ID,
    Attribute,
    InputType,
    changed_values,
    colours_of,
    held_values,
)
from datasets.core.formats.cvat_shapes import (
    OTHER_SHAPES,
    Notes,
    ObjectError,
    ShapeError,
    box_around,
    extent,
    xml_points,
)
from datasets.core.untrusted import UntrustedDataError

VERSION = "1.1"
MAX_DEPTH = 32  # nested elements; CVAT needs 8
FORMAT_HINT = 'export it from CVAT as "CVAT for video 1.1"'
INPUT_TYPES: tuple[InputType, ...] = get_args(InputType)
SHAPES = ("box", *OTHER_SHAPES)


class CvatXmlError(UntrustedDataError):
    """The file is not in the format "CVAT for video 1.1" or "CVAT for images 1.1"."""


def dump(document: Document) -> bytes:
    """The XML of `document`; the same document gives the same bytes.

    >>> b'<size>75</size>' in dump(Document("a-c0000", 75, 64, 36))
    True
    """
    return "".join(f"{line}\n" for line in _lines(document)).encode()


def load(content: bytes, *, frame_names: Sequence[str] = ()) -> Document:
    """The document in `content`. Raises CvatXmlError if it is none.

    Args:
        content: The XML.
        frame_names: Of the task's frames in order: images are matched by name, not by number.

    >>> load(dump(Document("a-c0000", 75, 64, 36))).frame_count
    75
    """
    reader = _Reader(ImageTracks(frame_names))
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
    immutable = {one.name for one in document.attributes if not one.mutable}
    for number, track in enumerate(document.tracks):
        yield f'  <track id="{number}" label={quoteattr(track.label)} source="auto">'
        said = changed_values((shape.attributes for shape in track.shapes), immutable=immutable)
        for shape, values in zip(track.shapes, said, strict=True):
            whole = {k: v for k, v in track.shapes[-1].attributes.items() if k in immutable}
            yield from _shape_lines(shape, whole | values)
        yield "  </track>"
    yield "</annotations>"


def _meta_lines(document: Document) -> Iterator[str]:
    yield "  <meta>"
    yield from ("    <task>", f"      <name>{escape(document.task_name)}</name>")
    yield f"      <size>{document.frame_count}</size>"
    yield "      <mode>interpolation</mode>"
    yield "      <overlap>0</overlap>"
    yield "      <start_frame>0</start_frame>"
    yield f"      <stop_frame>{max(document.frame_count - 1, 0)}</stop_frame>"
    yield "      <frame_filter></frame_filter>"
    yield "      <labels>"
    for name, colour in colours_of(document.labels).items():
        yield "        <label>"
        yield f"          <name>{escape(name)}</name>"
        yield from (f"          <color>{colour}</color>", "          <type>rectangle</type>")
        yield "          <attributes>"
        for attribute in document.attributes:
            yield from _attribute_lines(attribute)
        yield "          </attributes>"
        yield "        </label>"
    yield from ("      </labels>", "      <original_size>")
    yield f"        <width>{document.width}</width>"
    yield f"        <height>{document.height}</height>"
    yield "      </original_size>"
    yield from ("    </task>", "  </meta>")


def _attribute_lines(attribute: Attribute) -> Iterator[str]:
    yield "            <attribute>"
    yield f"              <name>{escape(attribute.name)}</name>"
    yield f"              <mutable>{attribute.mutable}</mutable>"
    yield f"              <input_type>{attribute.input_type}</input_type>"
    yield f"              <default_value>{escape(attribute.default)}</default_value>"
    yield f"              <values>{escape(chr(10).join(attribute.values))}</values>"
    yield "            </attribute>"


def _shape_lines(shape: Shape, values: Mapping[str, str]) -> Iterator[str]:
    x1, y1, x2, y2 = shape.box
    yield (
        f'    <box frame="{shape.frame}" keyframe="{shape.keyframe:d}" '
        f'outside="{shape.outside:d}" occluded="0" '
        f'xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">'
    )
    for name, value in values.items():
        yield f"      <attribute name={quoteattr(name)}>{escape(value)}</attribute>"
    yield "    </box>"


@dataclass
class _Reader:
    """Takes the elements one by one, so that a long file is never in memory as a tree."""

    images: ImageTracks
    name: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    start_frame: int = 0
    step: int = 1
    attributes: tuple[Attribute, ...] = ()
    labels: tuple[str, ...] = (PERSON,)
    tracks: list[XmlTrack] = field(default_factory=list)
    assignee: str = ""
    notes: Notes = field(default_factory=Notes)
    problems: list[AnswerProblem] = field(default_factory=list)
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
        tracks = hold_over_parts((*self.tracks, *map(self._cut, self.images.tracks())))
        return Document(
            self.name, self.size, self.width, self.height, self.attributes, tracks,
            self.notes.sentences(), tuple(self.problems), self.assignee, self.labels,
        )  # fmt: skip

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
            try:
                self.tracks.append(self._track(element))
            except ObjectError as error:
                error.add_to(self.problems, self.notes)

    def _read_meta(self, meta: Element) -> None:
        if meta.find("project") is not None:
            raise CvatXmlError("it is the export of a whole project, not of a task")
        head = meta.find("task")
        if head is None:
            head = meta.find("job")
        if head is None:
            return
        self.name = (head.findtext("name") or "").strip()
        self.assignee = (head.findtext("assignee/username") or "").strip()
        self.size = whole(head.findtext("size"), "size", default=0)
        self.start_frame = whole(head.findtext("start_frame"), "start_frame", default=0)
        self.step = frame_step(head.findtext("frame_filter") or "")
        self.width = whole(_text(meta, "original_size/width"), "width", default=0)
        self.height = whole(_text(meta, "original_size/height"), "height", default=0)
        labels = _labels_with_attributes(head)
        self.labels = tuple(labels) or self.labels
        self.attributes = labels.get(PERSON) or next(iter(labels.values()), ())

    def _track(self, element: Element) -> XmlTrack:
        place = f"track {element.get('id') or len(self.tracks)}"
        label = element.get("label", "")
        shapes: dict[int, Shape] = {}
        held: dict[str, str] = {}
        for child in element:
            if child.tag in SHAPES:
                held = held_values(held, _values(child))
                source_frame = whole(child.get("frame"), f"frame of {place}")
                frame = self._task_frame(source_frame, place)
                shapes[frame] = self._shape(
                    child, frame, held, f"{place} at frame {source_frame}", label
                )
        track = XmlTrack(
            tuple(shapes[frame] for frame in sorted(shapes)),
            label,
            element.get("source", ""),
        )
        return self._cut(track)

    def _read_image(self, image: Element) -> None:
        number = whole(image.get("id"), "image number")
        try:
            frame = self.images.begin(image.get("name", ""))
        except ImageError as error:
            raise CvatXmlError(str(error)) from error
        self._check_size(image)
        if frame is None:
            frame = self._task_frame(number, "image")
        for child in image:
            if child.tag in SHAPES:
                held = held_values({}, _values(child))
                label, source = child.get("label", ""), child.get("source", "")
                try:
                    shape = self._shape(child, frame, held, f"image {number}", label)
                except ObjectError as error:
                    error.add_to(self.problems, self.notes)
                else:
                    self.images.add(label, source, shape)

    def _check_size(self, image: Element) -> None:
        """All images have one size. Raises CvatXmlError."""
        width, height = (
            whole(image.get(side), f"{side} of image {image.get('id')}", default=0)
            for side in ("width", "height")
        )
        if not (width and height):
            return
        if (self.width, self.height) not in ((0, 0), (width, height)):
            raise CvatXmlError(
                f"image {image.get('id')} has {width}x{height} pixels, but the others have "
                f"{self.width}x{self.height}: it is of another clip"
            )
        self.width, self.height = width, height

    def _task_frame(self, source_frame: int, place: str) -> int:
        frame, rest = divmod(source_frame - self.start_frame, self.step)
        if rest or frame < 0:
            raise CvatXmlError(f"{place} at frame {source_frame} is not at a frame of the task")
        return frame

    def _shape(
        self, element: Element, frame: int, attributes: dict[str, str], place: str, label: str
    ) -> Shape:
        kind = "rectangle" if element.tag == "box" else element.tag
        try:
            degrees = float(element.get("rotation", "0"))
            box, changes = box_around(kind, xml_points(element.tag, element.attrib), degrees)
        except ValueError as error:
            reason = error if isinstance(error, ShapeError) else f"has no box ({error})"
            raise ObjectError(label, frame, str(reason), _extent(element)) from error
        for change in changes:
            self.notes.add(change, place.partition(" at ")[0], frame)
        return Shape(
            frame,
            box,
            _flag(element.attrib, "outside", place, default="0"),
            _flag(element.attrib, "keyframe", place, default="1"),
            attributes,
        )

    def _cut(self, track: XmlTrack) -> XmlTrack:
        """Without a shape that only ends the track behind the last frame of the task."""
        return replace(track, shapes=tuple(filter(self._is_inside, track.shapes)))

    def _is_inside(self, shape: Shape) -> bool:
        if not self.size or shape.frame < self.size:
            return True
        if shape.outside:  # CVAT ends a single shape of the last frame one frame after it
            return False
        raise CvatXmlError(
            f"it has a box at frame {shape.frame}, but its task has only {self.size} frames"
        )


def _extent(element: Element) -> Box | None:
    """The box around an object and the parts of a skeleton, if they have one."""
    points: list[float] = []
    for one in element.iter():
        if one.tag in SHAPES:
            with suppress(ShapeError):
                points += xml_points(one.tag, one.attrib)
    return extent(points)


def _values(box: Element) -> Iterator[tuple[str, str]]:
    """Names and values; line breaks around them are a pretty-printer's."""
    for one in box.iter("attribute"):
        yield one.get("name", "").strip(), (one.text or "").strip()


def _text(element: Element, path: str) -> str | None:
    """Text of the first `path` at any depth: CVAT versions differ in where the size is."""
    return element.findtext(f".//{path}")


def whole(text: str | None, what: str, *, default: int | None = None) -> int:
    if default is not None and not (text or "").strip():
        return default
    try:
        value = int(text or "")
    except ValueError as error:
        raise CvatXmlError(f"its {what} is {text!r}, not a whole number") from error
    if value < 0:
        raise CvatXmlError(f"its {what} is {text!r}, less than 0")
    return value


def frame_step(frame_filter: str) -> int:
    """Frames of the source per frame of the task: CVAT writes `step=6`, or nothing."""
    _, found, number = frame_filter.partition("step=")
    return max(whole(number.strip(), "frame step"), 1) if found else 1


def _flag(attributes: Mapping[str, str], name: str, place: str, *, default: str) -> bool:
    value = attributes.get(name, default)
    if value not in ("0", "1"):
        raise CvatXmlError(f'{place} has {name}="{value}", not 0 or 1')
    return value == "1"


def _labels_with_attributes(head: Element) -> dict[str, tuple[Attribute, ...]]:
    """The attributes of "person", and of other labels that have a `person_id`."""
    found = {}
    for label in head.iterfind("labels/label"):
        name = (label.findtext("name") or "").strip()
        attributes = tuple(map(_attribute, label.iterfind("attributes/attribute")))
        if name == PERSON or PERSON_ID in (one.name for one in attributes):
            found[name] = attributes
    return found


def _attribute(element: Element) -> Attribute:
    name = (element.findtext("name") or "").strip()
    input_type = (element.findtext("input_type") or "text").strip().lower()
    if input_type not in INPUT_TYPES:
        raise CvatXmlError(
            f'the attribute "{name}" is a {input_type}, which CVAT does not know'
        )
    return Attribute(
        name,
        cast(InputType, input_type),
        (element.findtext("mutable") or "").strip().lower() == "true",
        tuple(one.strip() for one in (element.findtext("values") or "").strip().split("\n")),
        (element.findtext("default_value") or "").strip(),
    )
