"""Answers of the label page as the document of a CVAT task, and back.

All later steps read that document. The file of a version made on the label page is JSON: the
state at submission and the clip's measures. Every person given out has a track in its document;
one who is gone, or nowhere in the frame, has a single box that says so (`outside`), so that
nobody is missing.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from annotation.core.box_paths import (
    INSIDE,
    OUTSIDE,
    Box,
    BoxPath,
    PathShape,
    merged,
    said_shapes,
)
from annotation.core.label_state import LabelState, LabelTask, Lane, answers_at, keyframes_of
from datasets.core.action_groups import UNSET
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import (
    PERSON_ID,
    answers_from,
    attributes_from,
    attributes_of,
)
from datasets.core.untrusted import UntrustedDataError, read_json, shown

MAX_BYTES = 64 << 20  # of a version
FORMAT = "ava-studio-label/1"
NOWHERE: Box = (0.0, 0.0, 1.0, 1.0)  # of a person who never was in the frame


class LabelFileError(UntrustedDataError):
    """The bytes are not a file of the label page."""


def dump(state: LabelState, task: LabelTask) -> bytes:
    """The file of a version; the same state gives the same bytes."""
    content = {
        "format": FORMAT, "frame_count": task.frame_count, "step": task.step,
        "state": state.to_json(),
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def load(content: bytes) -> LabelState:
    """The state in a file. Raises LabelFileError.

    >>> load(dump(LabelState(), LabelTask((), (), 60, 6)))
    LabelState(persons={}, clip={}, remarks={})
    """
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if raw["format"] != FORMAT:
            raise LabelFileError(f"it has the format {shown(raw['format'])}, not {FORMAT!r}")
        return LabelState.from_json(raw["state"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, LabelFileError):
            raise
        raise LabelFileError(f"it is not a file of the label page: {error!r}") from error


def document_of(
    state: LabelState, task: LabelTask, *, name: str, width: int, height: int
) -> Document:
    """The document that says `state`; tracks have the places of the persons in it.

    Args:
        name: Of the task.
        width: Pixels of the video, `height` likewise.
    """
    frames = len(range(0, task.frame_count, task.step))
    tracks = tuple(_track(state, lane, task) for lane in state.persons.values())
    return Document(
        name, frames, width, height, attributes_of(task.groups), tracks, labels=task.labels
    )


def state_of(document: Document, task: LabelTask, persons: Collection[int]) -> LabelState:
    """The state that `document` says: somebody looked at every keyframe with an answer.

    Tracks of one person, as CVAT's "Split" leaves them, become one lane.

    Args:
        persons: Numbers given out; a track of another number is somebody drawn.
    """
    state = LabelState()
    for place, track in enumerate(document.tracks):
        if not track.shapes:
            continue
        number = _number(track, persons)
        key = f"d-{place}" if number is None else str(number)
        lane = _lane(state, track, number, task)
        other = state.persons.get(key)
        state.persons[key] = lane if other is None else _joined(other, lane, task)
    for lane in state.persons.values():
        if not keyframes_of(task, lane) and all(
            shape.state != INSIDE for shape in lane.path.shapes
        ):
            lane.gone = "deleted"
    return state


def _track(state: LabelState, lane: Lane, task: LabelTask) -> XmlTrack:
    source = "manual" if lane.number is None else "auto"
    shapes = () if lane.gone else tuple(_shapes(state, lane, task))
    if not shapes and lane.number is not None:
        first = lane.path.shapes[0].box if lane.path.shapes else NOWHERE
        shapes = (Shape(0, first, True, True, {PERSON_ID: str(lane.number)}),)
    return XmlTrack(shapes, lane.label, source)


def _shapes(state: LabelState, lane: Lane, task: LabelTask) -> Iterator[Shape]:
    """The boxes that say the path, and one wherever an answer changes."""
    said = {
        second * task.frame_rate: attributes_from(
            answers_at(task, state, lane, second), lane.number, task.groups
        )
        for second in keyframes_of(task, lane)
    }
    changes, before = [], None
    for frame, attributes in said.items():
        if attributes != before:
            changes.append(frame)
        before = attributes
    frames = sorted(said)
    for shape in said_shapes(lane.path, changes):
        at = next((one for one in reversed(frames) if one <= shape.frame), None)
        first = said[frames[0]] if frames else attributes_from({}, lane.number, task.groups)
        attributes = first if at is None else said[at]
        yield Shape(
            shape.frame // task.step, shape.box, shape.state == OUTSIDE, True, dict(attributes)
        )


def _number(track: XmlTrack, persons: Collection[int]) -> int | None:
    given = {shape.attributes.get(PERSON_ID, "").strip() for shape in track.shapes} - {""}
    known = sorted(given & set(map(str, persons)))
    return int(known[0]) if known else None


def _lane(state: LabelState, track: XmlTrack, number: int | None, task: LabelTask) -> Lane:
    shapes = [
        PathShape(one.frame * task.step, one.box, OUTSIDE if one.outside else INSIDE)
        for one in track.shapes
        if one.keyframe and one.frame * task.step < task.frame_count
    ]
    lane = Lane(number, BoxPath(shapes, []), label=track.label)
    for group, answer in answers_from(track.shapes[-1].attributes, task.groups).items():
        scope = next(one.scope for one in task.groups if one.name == group)
        if scope != "keyframe" and answer != UNSET:
            given = lane.once if scope == "person" else state.clip
            given.setdefault(group, answer)
    before: dict[str, Any] = {}
    for second in keyframes_of(task, lane):
        attributes = _held(track.shapes, second * task.frame_rate // task.step)
        answers = answers_from(attributes, task.groups)
        asked = {one.name: answers[one.name] for one in task.groups if one.scope == "keyframe"}
        for group, answer in asked.items():
            if answer != before.get(group, UNSET):
                lane.answer(group, second, answer)
        if any(answer != UNSET for answer in asked.values()):
            lane.seen.add(second)
        before = asked
    return lane


def _held(shapes: Sequence[Shape], frame: int) -> dict[str, str]:
    """The attributes of the last shape at or before a frame of the CVAT task."""
    return next((one.attributes for one in reversed(shapes) if one.frame <= frame), {})


def _joined(a: Lane, b: Lane, task: LabelTask) -> Lane:
    """One lane of two parts of a person."""
    path = merged(a.path, b.path, step=task.step, frame_count=task.frame_count)
    answers = {
        group: sorted(
            {**dict(b.answers.get(group, ())), **dict(a.answers.get(group, ()))}.items()
        )
        for group in a.answers.keys() | b.answers.keys()
    }
    once = {**b.once, **a.once}
    return Lane(a.number, path, answers, once, a.seen | b.seen, label=a.label)
