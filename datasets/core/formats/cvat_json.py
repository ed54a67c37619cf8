"""CVAT annotations as JSON (LabeledData): writer for pre-annotations, reader for jobs.

Frames are frames of the CVAT task, 0-based. Labels and attributes are ids of the project, so
that a renaming in CVAT changes no answer.
A track's own attributes (`person_id`, what is asked once) hold for all of it, those of a shape
until one of the track's later shapes says otherwise.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from datasets.core.formats.cvat_document import (
    AnswerProblem,
    Document,
    Shape,
    XmlTrack,
    hold_over_parts,
)
from datasets.core.formats.cvat_labels import (
    PERSON,
    PERSON_ID,
    Attribute,
    changed_values,
    held_values,
)
from datasets.core.formats.cvat_shapes import Notes, ObjectError, ShapeError, box_around, extent
from datasets.core.untrusted import UntrustedDataError


class CvatJsonError(UntrustedDataError):
    """The annotations are not those of a task sent by AVA Studio."""


class LabelIds(NamedTuple):
    """CVAT's ids of the label `name` of one project, and of its attributes by name.

    `more` are those of the other classes that the dataset follows. `others` are the names of
    the project's other labels by their ids, where they are known.
    """

    label: int
    attributes: dict[str, int]
    others: Mapping[int, str] = MappingProxyType({})
    name: str = PERSON
    more: tuple["LabelIds", ...] = ()

    @classmethod
    def of_classes(
        cls,
        label: int,
        attributes: dict[str, int],
        classes: Mapping[str, Mapping[str, Any]] | None,
        others: Mapping[int, str] = MappingProxyType({}),
    ) -> "LabelIds":
        """The ids of all labels of a project.

        Args:
            label: The first one, with its `attributes`.
            classes: `{name: {"label": id, "attributes": {name: id}}}` of all; None: it is the
                only one, and "person".
            others: Names of labels that are none of these.

        >>> walk = {"label": 4, "attributes": {"posture": 9}}
        >>> LabelIds.of_classes(3, {}, {"person": {"label": 3}, "dog": walk}).of("dog").label
        4
        """
        known = classes or {}
        more = tuple(
            cls(one["label"], one["attributes"], name=name)
            for name, one in known.items()
            if one["label"] != label
        )
        own = next((name for name, one in known.items() if one["label"] == label), PERSON)
        return cls(label, attributes, others, own, more)

    @property
    def all(self) -> tuple["LabelIds", ...]:
        return (self, *self.more)

    def of(self, name: str) -> "LabelIds":
        """Those of the label `name`; of the first one if there is none of this name."""
        return next((one for one in self.all if one.name == name), self)


def labelled_data(
    tracks: Iterable[XmlTrack], ids: LabelIds, attributes: Sequence[Attribute]
) -> dict[str, Any]:
    """What `PUT annotations` takes. `source` is "auto".

    Only CVAT keyframes are sent, and of their attributes only what changes there.

    >>> said = {"person_id": "7", "posture": "sit"}
    >>> shape = Shape(0, (1.0, 2.0, 3.0, 4.0), False, True, said)
    >>> ids = LabelIds(1, {"person_id": 5, "posture": 6})
    >>> person_id = Attribute("person_id", "text", False, ("",), "")
    >>> track = labelled_data([XmlTrack((shape,))], ids, [person_id])["tracks"][0]
    >>> track["attributes"], track["shapes"][0]["attributes"]
    ([{'spec_id': 5, 'value': '7'}], [{'spec_id': 6, 'value': 'sit'}])
    """
    immutable = {attribute.name for attribute in attributes if not attribute.mutable}
    return {
        "version": 0,
        "tags": [],
        "shapes": [],
        "tracks": [
            _track_data(track, ids.of(track.label), immutable)
            for track in tracks
            if track.shapes
        ],
    }


def document_from(
    data: Mapping[str, Any], ids: LabelIds, *, task_name: str, frame_count: int
) -> Document:
    """The document that the annotations of a job are.

    A single shape is a track of one frame. A person whose box cannot be read is left out and
    becomes a problem of the document; another label's object is only noted. An attribute that
    is not in `ids` was added in CVAT by hand and is left out. Raises CvatJsonError with a
    message for anything else unknown.

    >>> document_from({}, LabelIds(1, {}), task_name="a", frame_count=75).tracks
    ()
    """
    names = {number: name for one in ids.all for name, number in one.attributes.items()}
    labels = {**ids.others, **{one.label: one.name for one in ids.all}}
    reader = _Reader(labels, names, frame_count, Notes())
    tracks: list[XmlTrack] = []
    problems: list[AnswerProblem] = []
    try:
        for read, kind in ((reader.track, "tracks"), (reader.single, "shapes")):
            for at, one in enumerate(data.get(kind) or []):
                try:
                    tracks.append(read(one, at))
                except ObjectError as error:
                    error.add_to(problems, reader.notes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, CvatJsonError):
            raise
        raise CvatJsonError(f"these are no annotations of CVAT: {error!r}") from error
    return Document(
        task_name, frame_count, 0, 0, (), hold_over_parts(tracks),
        reader.notes.sentences(), tuple(problems),
    )  # fmt: skip


def fingerprint(document: Document) -> str:
    """Equal for annotations with equal answers, whatever ids CVAT gave their tracks.

    Unchanged attributes do not count, so that a question added later changes nothing.

    >>> fingerprint(Document("a", 75, 0, 0)) == fingerprint(Document("b", 75, 0, 0))
    True
    """
    content = sorted(
        [
            track.label,
            [
                [
                    shape.frame,
                    [round(side, 2) for side in shape.box],
                    shape.outside,
                    sorted((name, value) for name, value in shape.attributes.items() if value),
                ]
                for shape in track.shapes
                if shape.keyframe  # an export by hand has the boxes between them too
            ],
        ]
        for track in document.tracks
    )
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _track_data(track: XmlTrack, ids: LabelIds, immutable: Collection[str]) -> dict[str, Any]:
    shapes = [shape for shape in track.shapes if shape.keyframe]
    whole = {name: value for name, value in shapes[-1].attributes.items() if name in immutable}
    said = changed_values((shape.attributes for shape in shapes), immutable=immutable)
    return {
        "frame": shapes[0].frame,
        "label_id": ids.label,
        "group": 0,
        "source": "manual" if track.is_drawn else "auto",
        "attributes": _values({PERSON_ID: "", **whole}, ids),
        "shapes": [
            _shape_data(shape, _values(values, ids))
            for shape, values in zip(shapes, said, strict=True)
        ],
    }


def _values(values: Mapping[str, str], ids: LabelIds) -> list[dict[str, Any]]:
    return [
        {"spec_id": ids.attributes[name], "value": value}
        for name, value in values.items()
        if name in ids.attributes
    ]


def _shape_data(shape: Shape, values: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "frame": shape.frame,
        "points": [round(side, 2) for side in shape.box],
        "outside": shape.outside,
        "occluded": False,
        "z_order": 0,
        "rotation": 0.0,
        "attributes": values,
    }


class _Reader(NamedTuple):
    labels: dict[int, str]
    names: dict[int, str]
    frame_count: int
    notes: Notes

    def track(self, data: Mapping[str, Any], number: int) -> XmlTrack:
        place = f"track {number}"
        label = self._label(data)
        held = self._held({}, data)
        shapes: dict[int, Shape] = {}
        before: Mapping[str, Any] = {}
        for one in sorted(data["shapes"], key=lambda shape: int(shape["frame"])):
            for turned in _turned_between(before, one):
                shapes[int(turned["frame"])] = self._shape(
                    turned, held, place, label, keyframe=False
                )
            held = self._held(held, one)
            shapes[int(one["frame"])] = self._shape(one, held, place, label)
            before = one
        inside = (shape for frame, shape in shapes.items() if frame < self.frame_count)
        return XmlTrack(tuple(inside), label, str(data.get("source") or ""))

    def single(self, data: Mapping[str, Any], number: int) -> XmlTrack:
        """As in CVAT's own export: present in its frame, outside in the next."""
        label = self._label(data)
        shape = self._shape(data, self._held({}, data), f"shape {number}", label)
        gone = shape._replace(frame=shape.frame + 1, outside=True)
        inside = tuple(one for one in (shape, gone) if one.frame < self.frame_count)
        return XmlTrack(inside, label, str(data.get("source") or ""))

    def _label(self, data: Mapping[str, Any]) -> str:
        number = int(data["label_id"])
        return self.labels.get(number, f"label number {number}")

    def _held(self, before: Mapping[str, str], data: Mapping[str, Any]) -> dict[str, str]:
        return held_values(before, self._known(data.get("attributes") or []))

    def _known(self, values: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        for one in values:
            name = self.names.get(int(one["spec_id"]))
            if name is not None:
                yield name, str(one["value"])

    def _shape(
        self,
        data: Mapping[str, Any],
        attributes: dict[str, str],
        place: str,
        label: str,
        *,
        keyframe: bool = True,
    ) -> Shape:
        kind, frame = str(data.get("type", "rectangle")), int(data["frame"])
        points = [float(number) for number in data.get("points") or ()]
        try:
            box, changes = box_around(kind, points, float(data.get("rotation") or 0.0))
        except ShapeError as error:
            raise ObjectError(label, frame, str(error), extent(_all_points(data))) from error
        for change in changes if keyframe else ():
            self.notes.add(change, place, frame)
        return Shape(frame, box, bool(data.get("outside")), keyframe, dict(attributes))


def _all_points(data: Mapping[str, Any]) -> list[float]:
    """Of an object and of the parts of a skeleton."""
    points = [float(number) for number in data.get("points") or ()]
    for part in data.get("elements") or ():
        points += _all_points(part)
    return points


def _turned_between(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The boxes between two CVAT keyframes, if one is rotated: CVAT interpolates the angle."""
    start, end = float(before.get("rotation") or 0), float(after.get("rotation") or 0)
    if not before or before.get("outside") or not (start or end):
        return
    turn = (end - start + 180) % 360 - 180  # the shorter way round
    first, last = int(before["frame"]), int(after["frame"])
    for frame in range(first + 1, last):
        share = (frame - first) / (last - first)
        pairs = zip(before["points"], after["points"], strict=True)
        points = [float(a) + share * (float(b) - float(a)) for a, b in pairs]
        yield {
            **before, "frame": frame, "points": points, "rotation": (start + share * turn) % 360
        }  # fmt: skip
