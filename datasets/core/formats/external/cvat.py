"""CVAT annotations of any labels: XML of tasks, jobs and projects, backups, JSON of jobs.

Tasks that were not made here have labels, attributes and frames of their own. A task of a video
is named like its file, or whatever somebody called it: `source` in the XML is the file. Images
are placed by their names. Objects that are not rectangles become the box around them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from datasets.core.formats.cvat_labels import held_values
from datasets.core.formats.cvat_project import is_project_export, task_exports
from datasets.core.formats.cvat_shapes import (
    OTHER_SHAPES,
    ShapeError,
    box_around,
    xml_points,
)
from datasets.core.formats.cvat_xml import (
    MAX_DEPTH,
    CvatXmlError,
    frame_step,
    whole,
)
from datasets.core.formats.external.document import (
    MALFORMED,
    Box,
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    attribute_labels,
    number,
    place_of_image,
    text_of,
)
from datasets.core.untrusted import UntrustedDataError, read_json

MAX_BYTES = 512 << 20
SHAPES = ("box", *OTHER_SHAPES)
IDENTITY = ("person_id", "track_id", "id")
VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv")


def read_cvat_xml(content: bytes, *, name: str = "") -> ImportedDocument:
    """The annotations of a task, a job or a whole project. Raises ImportFileError.

    Args:
        name: Of the file: what the video of a job is called, whose export names none.
    """
    builder = Builder()
    try:
        file = BytesIO(content)
        parts = [one for _, one in task_exports(file)] if is_project_export(file) else [content]
        for part in parts:
            _XmlReader(builder, name).read(part)
    except (CvatXmlError, ImportFileError) as error:
        raise ImportFileError(str(error)) from error
    except DefusedXmlException as error:
        raise ImportFileError("it declares entities or a DTD, which CVAT never does") from error
    except (ParseError, LookupError, UnicodeError, ValueError) as error:
        raise ImportFileError(f"it is no XML of CVAT: {error}") from error
    return builder.document()


class _XmlReader:
    """Takes the elements one by one, so that a long file is never in memory as a tree."""

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name, self.source = name, ""
        self.size = self.start = self.width = self.height = 0
        self.step = 1
        self.count = 0

    def read(self, content: bytes) -> None:
        depth = 0
        for event, element in iterparse(
            BytesIO(content), events=("start", "end"), forbid_dtd=True
        ):
            depth += 1 if event == "start" else -1
            if depth > MAX_DEPTH:
                raise ImportFileError(f"its elements are nested more than {MAX_DEPTH} levels")
            if event == "start" and depth == 1 and element.tag != "annotations":
                raise ImportFileError(f"it is not of CVAT: it begins with <{element.tag}>")
            if event == "end" and depth == 1:
                self._take(element)
                element.clear()

    def _take(self, element: Element) -> None:
        if element.tag == "meta":
            self._read_meta(element)
        elif element.tag == "image":
            self._read_image(element)
        elif element.tag == "track":
            self._read_track(element)

    def _read_meta(self, meta: Element) -> None:
        head = next((one for one in meta if one.tag in ("task", "job")), None)
        if head is None:
            return
        self.name = text_of(head.findtext("name") or self.name)
        self.source = text_of(head.findtext("source") or meta.findtext("source") or "")
        self.size = whole(head.findtext("size"), "size", default=0)
        self.start = whole(head.findtext("start_frame"), "start_frame", default=0)
        self.step = frame_step(head.findtext("frame_filter") or "")
        self.width = whole(meta.findtext(".//original_size/width"), "width", default=0)
        self.height = whole(meta.findtext(".//original_size/height"), "height", default=0)

    def _video(self) -> VideoBuilder:
        is_file = self.source.lower().endswith(VIDEO_ENDINGS)
        video = self.builder.video(self.source if is_file else self.name, TimeUnit.FRAME)
        video.width, video.height = self.width, self.height
        video.frame_count = self.size if self.step == 1 and not self.start else 0
        return video

    def _read_image(self, image: Element) -> None:
        place = place_of_image(image.get("name", ""))
        if place.number is None:
            self.builder.leave_out("images whose names have no number of a frame")
            return
        video = self.builder.video(place.video or self.name, place.unit)
        video.width = video.width or whole(image.get("width"), "width", default=0)
        video.height = video.height or whole(image.get("height"), "height", default=0)
        for shape in image:
            if shape.tag in SHAPES:
                labels = _labels(shape.get("label", ""), dict(_attributes(shape)))
                self._add(
                    video, _identity(dict(_attributes(shape))), shape, place.number, labels
                )

    def _read_track(self, track: Element) -> None:
        video, label = self._video(), track.get("label", "")
        self.count += 1
        held: dict[str, str] = {}
        key = ""
        for shape in track:
            if shape.tag not in SHAPES:
                continue
            held = held_values(held, _attributes(shape))
            key = key or _identity(held) or f"{self.name} track {track.get('id', self.count)}"
            at = whole(shape.get("frame"), "frame")
            video.interpolated.add(key)
            self._add(video, key, shape, at, _labels(label, held))

    def _add(
        self, video: VideoBuilder, key: str, shape: Element, at: float,
        labels: tuple[ImportedLabel, ...],
    ) -> None:  # fmt: skip
        kind = "rectangle" if shape.tag == "box" else shape.tag
        try:
            degrees = float(shape.get("rotation", "0"))
            box, _ = box_around(kind, xml_points(shape.tag, shape.attrib), degrees)
        except ShapeError as error:
            self.builder.leave_out(f"objects that have no box ({error})")
            return
        outside = shape.get("outside", "0") == "1"
        self.builder.add(video, key, ImportedBox(at, box, labels, outside))


def _attributes(shape: Element) -> Iterator[tuple[str, str]]:
    for one in shape.iterfind("attribute"):
        yield text_of(one.get("name", "")), text_of(one.text or "")


def _identity(attributes: Mapping[str, str]) -> str:
    for name, value in attributes.items():
        if name.lower().replace(" ", "_") in IDENTITY and value:
            return value
    return ""


def _labels(label: str, attributes: Mapping[str, str]) -> tuple[ImportedLabel, ...]:
    said = {k: v for k, v in attributes.items() if k.lower().replace(" ", "_") not in IDENTITY}
    kind = (ImportedLabel("", text_of(label)),) if label else ()
    return (*kind, *attribute_labels(said))


def read_cvat_json(files: Mapping[str, bytes], *, name: str = "") -> ImportedDocument:
    """The annotations of a backup's files by path, or of one JSON. Raises ImportFileError.

    Args:
        files: `annotations.json` with `task.json`, `project.json` and `data/manifest.jsonl`
            where they are; a JSON alone names no labels, so that numbers stand for them.
        name: What the video of a JSON alone is called.
    """
    builder = Builder()
    try:
        for path, content in files.items():
            if path.endswith(("task.json", "project.json", "manifest.jsonl")):
                continue
            folder = path.rpartition("/")[0]
            about = _json(files.get(f"{folder}/task.json".lstrip("/"), b"{}"))
            images = _manifest(files, folder)
            raw = _json(content)
            for part in raw if isinstance(raw, list) else [raw]:
                _JsonReader(builder, about, images, name).read(part)
    except ImportFileError:
        raise
    except UntrustedDataError as error:
        raise ImportFileError(str(error)) from error
    except MALFORMED as error:
        raise ImportFileError(f"these are no annotations of CVAT: {error!r}") from error
    return builder.document()


def is_cvat_json(content: Any) -> bool:
    """Whether a JSON value holds annotations of CVAT: LabeledData, or a list of them."""
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, dict) and {"shapes", "tracks"} <= first.keys()


def _json(content: bytes) -> Any:
    return read_json(content, max_bytes=MAX_BYTES)


def _manifest(files: Mapping[str, bytes], folder: str) -> list[str]:
    """The names of the frames of a task made of images; empty for a video."""
    content = files.get(f"{folder}/data/manifest.jsonl".lstrip("/"), b"")
    names = []
    for line in content.splitlines()[:MAX_BYTES]:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict) and "name" in one:
            names.append(f"{one['name']}{one.get('extension', '')}")
    return names


class _JsonReader:
    def __init__(
        self, builder: Builder, about: Mapping[str, Any], images: list[str], name: str
    ) -> None:
        self.builder, self.images = builder, images
        self.name = text_of(about.get("name") or name)
        data = about.get("data") or {}
        self.start = int(data.get("start_frame") or 0)
        self.step = frame_step(str(data.get("frame_filter") or ""))

    def read(self, raw: Mapping[str, Any]) -> None:
        for place, track in enumerate(raw.get("tracks") or []):
            held = _json_values({}, track)
            key = _identity(held) or f"{self.name} track {place}"
            for shape in sorted(track["shapes"], key=lambda one: int(one["frame"])):
                held = _json_values(held, shape)
                labels = _labels(_label(track), held)
                self._add(key, shape, labels, is_interpolated=True)
        for shape in raw.get("shapes") or []:
            held = _json_values({}, shape)
            self._add(_identity(held), shape, _labels(_label(shape), held))
        for kind in ("tags",):
            if raw.get(kind):
                self.builder.leave_out("tags of whole frames", len(raw[kind]))

    def _add(
        self, key: str, shape: Mapping[str, Any], labels: tuple[ImportedLabel, ...], *,
        is_interpolated: bool = False,
    ) -> None:  # fmt: skip
        points = [number(one, "a point") for one in shape.get("points") or ()]
        try:
            kind = str(shape.get("type", "rectangle"))
            box: Box
            box, _ = box_around(kind, points, float(shape.get("rotation") or 0))
        except ShapeError as error:
            self.builder.leave_out(f"objects that have no box ({error})")
            return
        frame = int(shape["frame"])
        if frame < len(self.images):
            place = place_of_image(self.images[frame])
            if place.number is None:
                self.builder.leave_out("images whose names have no number of a frame")
                return
            video, at = self.builder.video(place.video or self.name, place.unit), place.number
        else:
            video = self.builder.video(self.name, TimeUnit.FRAME)
            at = self.start + frame * self.step
        if is_interpolated:
            video.interpolated.add(key)
        self.builder.add(video, key, ImportedBox(at, box, labels, bool(shape.get("outside"))))


def _label(entry: Mapping[str, Any]) -> str:
    label = entry.get("label")
    return text_of(label) if label else f"label {entry.get('label_id')}"


def _json_values(before: Mapping[str, str], entry: Mapping[str, Any]) -> dict[str, str]:
    values: Iterable[Mapping[str, Any]] = entry.get("attributes") or []
    return held_values(
        before,
        (
            (
                text_of(one.get("name") or f"attribute {one.get('spec_id')}"),
                text_of(one["value"]),
            )
            for one in values
        ),
    )
