"""The lists beside the rows of an AVA dataset: actions, label map, frames."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from datasets.core.ava.rows import AvaFormatError, lines_of, matches_of, text_of

MAX_ACTION_ID = 80  # SlowFast asserts it, whatever NUM_CLASSES says
FRAME_ROW = re.compile(r"(\S+) (\d+) (\d+) (\S+) \"\"", re.ASCII)
FRAME_HEADER = "original_vido_id video_id frame_id path labels"  # sic
_ACTION_NAME = re.compile(r"[\x20-\x7e]*[\x21\x23-\x7e][\x20-\x7e]*", re.ASCII)


class Action(NamedTuple):
    action_id: int  # from 1
    name: str
    label_type: str  # PERSON_MOVEMENT, OBJECT_MANIPULATION or PERSON_INTERACTION


class FrameRow(NamedTuple):
    """One picture of `frame_lists/train.csv`."""

    video_id: str
    number: int  # running number of the video in its list, from 0
    frame: int  # from 0
    path: str


def dump_actions(actions: Iterable[Action], *, for_evaluator: bool = False) -> bytes:
    """The action list in the form that all five known readers scan line by line.

    With `for_evaluator` in the shape of AVA's `..._for_activitynet` list, without types.

    Raises:
        AvaFormatError: for a name or an id that a reader would not understand.
    """
    return "".join(_action(action, for_evaluator) for action in actions).encode("ascii")


def _action(action: Action, for_evaluator: bool) -> str:
    if not _ACTION_NAME.fullmatch(action.name) or '"' in action.name:
        raise AvaFormatError(
            f"the action {action.name!r} needs a name in plain ASCII without quotes"
        )
    if not 1 <= action.action_id <= MAX_ACTION_ID:
        raise AvaFormatError(f"the id of {action.name!r} is {action.action_id}, not 1 to 80")
    if for_evaluator:
        return f'item {{\n  name: "{action.name}"\n  id: {action.action_id}\n}}\n'
    return (
        f'label {{\n  name: "{action.name}"\n  label_id: {action.action_id}\n'
        f"  label_type: {action.label_type}\n}}\n"
    )


def load_actions(content: bytes) -> list[Action]:
    """The actions of either list; `label_type` is empty for the evaluator's."""
    actions: list[Action] = []
    name = ""
    for number, line in lines_of(content):
        word, _, value = line.strip().partition(": ")
        if word == "name":
            name = value.strip('"')
        elif word in ("id", "label_id") and value.isdecimal():
            actions.append(Action(int(value), name, ""))
        elif word == "label_type" and actions:
            actions[-1] = actions[-1]._replace(label_type=value)
        elif line not in ("label {", "item {", "}"):
            raise AvaFormatError(f"row {number} is not part of an action: {line[:80]!r}")
    return actions


def dump_label_map(actions: Iterable[Action]) -> bytes:
    """`label_map.txt`, `1: stand` per row."""
    return text_of(f"{action.action_id}: {action.name}" for action in actions)


def dump_frames(video_id: str, *, number: int, frame_count: int) -> bytes:
    """The rows of one video in a frame list; the list begins with `FRAME_HEADER`.

    >>> dump_frames("a-c0000", number=0, frame_count=1)
    b'a-c0000 0 0 a-c0000/img_00001.jpg ""\\n'
    """
    return text_of(
        f'{video_id} {number} {frame} {video_id}/{frame_file(frame)} ""'
        for frame in range(frame_count)
    )


def load_frames(content: bytes) -> list[FrameRow]:
    """The rows of a frame list; raises AvaFormatError at the first bad one."""
    header = f"{FRAME_HEADER}\n".encode()
    if not content.startswith(header):
        raise AvaFormatError(f"row 1 is not {FRAME_HEADER!r}")
    return [
        FrameRow(match[1], int(match[2]), int(match[3]), match[4])
        for match in matches_of(content[len(header) :], FRAME_ROW, "a frame")
    ]


def frame_file(frame: int) -> str:
    """Name of the picture of frame `frame`, counted from 0, in `rawframes/<video_id>/`.

    >>> frame_file(60)
    'img_00061.jpg'
    """
    return f"img_{frame + 1:05d}.jpg"
