"""AVA action list (pbtxt), label map and frame list."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from datasets.core.formats.ava.rows import (
    AvaFormatError,
    decode_ascii,
    encode_lines,
    match_rows,
)
from datasets.core.vocabulary import MAX_ACTION_ID, VocabularyAction, ascii_names

FRAME_ROW = re.compile(r"(\S+) (\d{1,18}) (\d{1,18}) (\S+) \"\"", re.ASCII)
FRAME_HEADER = "original_vido_id video_id frame_id path labels"  # sic
LABEL_MAP_ROW = re.compile(r"([1-9]\d{0,4}): (.+)", re.ASCII)
_ITEM = re.compile(r'item \{\n  name: "(?P<name>[^"\n]+)"\n  id: (?P<id>\d{1,9})\n\}\n')
_LABEL = re.compile(
    r'label \{\n  name: "(?P<name>[^"\n]+)"\n  label_id: (?P<id>\d{1,9})\n'
    r"  label_type: (?P<type>\w+)\n\}\n"
)
_ACTION_NAME = re.compile(r"[\x20-\x7e]*[\x21\x23-\x7e][\x20-\x7e]*", re.ASCII)


class AvaAction(NamedTuple):
    action_id: int  # from 1
    name: str
    label_type: str  # PERSON_MOVEMENT, OBJECT_MANIPULATION or PERSON_INTERACTION


def dump_actions(actions: Iterable[AvaAction], *, for_evaluator: bool = False) -> bytes:
    """The action list in the layout that all five known readers scan line by line.

    With `for_evaluator` in the layout of AVA's `..._for_activitynet` list, without types. Names
    of other scripts are those of `ascii_names`.

    Raises:
        AvaFormatError: for a name or an id that a reader would not parse.
    """
    return "".join(_action(action, for_evaluator) for action in in_ascii(actions)).encode(
        "ascii"
    )


def in_ascii(actions: Iterable[AvaAction]) -> list[AvaAction]:
    """The actions with names that readers of ASCII take.

    >>> in_ascii([AvaAction(7, "gehört", "PERSON_MOVEMENT")])[0].name
    'gehort'
    """
    listed = list(actions)
    names = ascii_names(VocabularyAction(*action[:2]) for action in listed)
    return [action._replace(name=names[action.action_id]) for action in listed]


def _action(action: AvaAction, for_evaluator: bool) -> str:
    if not _ACTION_NAME.fullmatch(action.name) or '"' in action.name:
        raise AvaFormatError(
            f"the action {action.name!r} needs a name in plain ASCII without quotes"
        )
    if not 1 <= action.action_id <= MAX_ACTION_ID:
        raise AvaFormatError(
            f"the id of {action.name!r} is {action.action_id}, not 1 to {MAX_ACTION_ID}"
        )
    if for_evaluator:
        return f'item {{\n  name: "{action.name}"\n  id: {action.action_id}\n}}\n'
    return (
        f'label {{\n  name: "{action.name}"\n  label_id: {action.action_id}\n'
        f"  label_type: {action.label_type}\n}}\n"
    )


def load_actions(content: bytes) -> list[AvaAction]:
    """Parse either list; `label_type` is empty for the evaluator's.

    Readers scan line by line and skip what they do not know, so only the exact layout is
    accepted; raises AvaFormatError at the first deviating action.
    """
    text = decode_ascii(content)
    form = _LABEL if text.startswith("label {") else _ITEM
    actions: list[AvaAction] = []
    place = 0
    while place < len(text):
        match = form.match(text, place)
        if match is None:
            row, line = text.count("\n", 0, place) + 1, text[place:].partition("\n")[0]
            raise AvaFormatError(
                f"row {row} does not start an action in the layout of AVA: {line[:80]!r}"
            )
        actions.append(
            AvaAction(int(match["id"]), match["name"], match.groupdict().get("type", ""))
        )
        place = match.end()
    return actions


def dump_label_map(actions: Iterable[AvaAction]) -> bytes:
    """`label_map.txt`, `1: stand` per row."""
    return encode_lines(f"{action.action_id}: {action.name}" for action in in_ascii(actions))


def load_label_map(content: bytes) -> list[tuple[int, str]]:
    """Id and name of each row of `label_map.txt`; raises AvaFormatError at a bad one."""
    rows = match_rows(content, LABEL_MAP_ROW, "`id: name`")
    return [(int(match[1]), match[2]) for match in rows]


def dump_frames(video_id: str, *, number: int, frame_count: int) -> bytes:
    """The rows of one video in a frame list; the list begins with `FRAME_HEADER`.

    >>> dump_frames("a-c0000", number=0, frame_count=1)
    b'a-c0000 0 0 a-c0000/img_00001.jpg ""\\n'
    """
    return encode_lines(
        f'{video_id} {number} {frame} {video_id}/{frame_file(frame)} ""'
        for frame in range(frame_count)
    )


def load_frames(content: bytes) -> dict[str, int]:
    """The videos of a frame list in their order, and how many frames each has.

    Raises:
        AvaFormatError: at the first row that is not the next frame of its video, or the first
            of the next one: readers count rows.
    """
    header = f"{FRAME_HEADER}\n".encode()
    if not content.startswith(header):
        raise AvaFormatError(f"row 1 is not {FRAME_HEADER!r}")
    counts: dict[str, int] = {}
    last = ""
    rows = match_rows(content[len(header) :], FRAME_ROW, "a frame", first=2)
    for row, match in enumerate(rows, start=2):
        video, number, frame, path = match.groups()
        if video != last and video in counts:
            raise AvaFormatError(f"row {row} is separate from the other frames of {video}")
        last, wanted = video, counts.get(video, 0)
        counts[video] = wanted + 1
        place = (int(number), int(frame), path)
        if place != (len(counts) - 1, wanted, f"{video}/{frame_file(wanted)}"):
            raise AvaFormatError(f"row {row} is not frame {wanted} of video {len(counts) - 1}")
    return counts


def frame_file(frame: int) -> str:
    """File name of frame `frame` (0-based) in `rawframes/<video_id>/`.

    >>> frame_file(60)
    'img_00061.jpg'
    """
    return f"img_{frame + 1:05d}.jpg"
