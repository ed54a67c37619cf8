"""The files of an AVA dataset, written and read: rows, action lists, proposals.

A box is text here: `format_box` turns pixels into `x1,y1,x2,y2` in shares of the picture, and
every file carries that very text, because consumers join rows by it. A timestamp is a whole
number of at least 902; second 0 of an exported video is 900. Text is ASCII with one newline
after every row and no header; the same rows give the same bytes.
"""

import io
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

DECIMALS = 4
MAX_ACTION_ID = 80  # SlowFast asserts it, whatever NUM_CLASSES says

_BOX = r"(?:0|1)\.\d{3,6}(?:,(?:0|1)\.\d{3,6}){3}"
_KEY = r"([A-Za-z0-9][A-Za-z0-9_-]*),(\d{4})"
VIDEO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
LABEL_ROW = re.compile(rf"{_KEY},({_BOX}),([1-9]\d?),([1-9]\d*)", re.ASCII)
PREDICTED_ROW = re.compile(rf"{_KEY},({_BOX}),,((?:0|1)\.\d+)", re.ASCII)
UNLABELLED_ROW = re.compile(rf"{_KEY},({_BOX}),,([1-9]\d*)", re.ASCII)
KEYFRAME_ROW = re.compile(_KEY, re.ASCII)
FRAME_ROW = re.compile(r"(\S+) (\d+) (\d+) (\S+) \"\"", re.ASCII)
FRAME_HEADER = "original_vido_id video_id frame_id path labels"  # sic
_ACTION_NAME = re.compile(r"[\x20-\x7e]*[\x21\x23-\x7e][\x20-\x7e]*", re.ASCII)


class AvaFormatError(ValueError):
    """The content is not what the AVA file should hold; the text names the row."""


class Action(NamedTuple):
    action_id: int  # from 1
    name: str
    label_type: str  # PERSON_MOVEMENT, OBJECT_MANIPULATION or PERSON_INTERACTION


class Keyframe(NamedTuple):
    video_id: str
    timestamp: int


class LabelRow(NamedTuple):
    """One action of one person at one keyframe: a row of `ava_train.csv`."""

    video_id: str
    timestamp: int
    box: str
    action_id: int
    person_id: int


class PredictedRow(NamedTuple):
    """One box of the tracker: a row of `ava_train_predicted_boxes.csv`."""

    video_id: str
    timestamp: int
    box: str
    score: float


class UnlabelledRow(NamedTuple):
    """A person without an action: a row of `unlabelled_boxes.csv`."""

    video_id: str
    timestamp: int
    box: str
    person_id: int


class FrameRow(NamedTuple):
    """One picture of `frame_lists/train.csv`."""

    video_id: str
    number: int  # running number of the video in its list, from 0
    frame: int  # from 0
    path: str


def format_box(box: ArrayLike, *, width: int, height: int) -> str:
    """A box in pixels as `x1,y1,x2,y2`, shares of the picture, cut off at its edges.

    What the cut or the rounding would leave without area becomes one step of the last decimal
    wide, so that `x1 < x2` and `y1 < y2` always hold.

    >>> format_box([100, 90, 150, 400], width=640, height=360)
    '0.1562,0.2500,0.2344,1.0000'
    """
    steps = 10**DECIMALS
    scale = steps / np.array([width, height, width, height], dtype=np.float64)
    pixels = np.asarray(box, dtype=np.float64)
    if pixels.shape != (4,) or not np.isfinite(pixels).all():
        raise ValueError(f"a box is four finite numbers, not {box!r}")
    x1, y1, x2, y2 = np.clip(np.rint(pixels * scale), 0, steps).astype(int).tolist()
    x1, y1 = min(x1, steps - 1), min(y1, steps - 1)
    corners = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
    return ",".join(f"{corner / steps:.{DECIMALS}f}" for corner in corners)


def parse_box(text: str) -> NDArray[np.float64]:
    """The four numbers of a box's text.

    >>> parse_box("0.1000,0.2000,0.3000,1.0000").tolist()
    [0.1, 0.2, 0.3, 1.0]
    """
    return np.array([float(part) for part in text.split(",")])


def format_score(score: float) -> str:
    """A score with four decimals, kept between 0 and 1."""
    return f"{min(max(score, 0.0), 1.0):.4f}"


def keyframe_key(video_id: str, timestamp: int) -> str:
    """Video and timestamp as consumers join them.

    >>> keyframe_key("shop-c0000", 902)
    'shop-c0000,0902'
    """
    return f"{video_id},{timestamp:04d}"


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Numbered lines, from 1. Raises AvaFormatError unless the text is plain."""
    if not content:
        return
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise AvaFormatError("the text is not plain ASCII") from error
    if not text.endswith("\n"):
        raise AvaFormatError("the last row has no newline")
    yield from enumerate(text[:-1].split("\n"), start=1)


def _matches(content: bytes, pattern: re.Pattern[str], what: str) -> Iterator[re.Match[str]]:
    for number, line in _lines(content):
        match = pattern.fullmatch(line)
        if match is None:
            raise AvaFormatError(f"row {number} is not {what}: {line[:80]!r}")
        yield match


def dump_labels(rows: Iterable[LabelRow]) -> bytes:
    """Ground truth, `video_id,timestamp,x1,y1,x2,y2,action_id,person_id`.

    >>> dump_labels([LabelRow("a-c0000", 902, "0.1000,0.1000,0.2000,0.2000", 3, 1)])
    b'a-c0000,0902,0.1000,0.1000,0.2000,0.2000,3,1\\n'
    """
    return _text(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},{row.action_id},{row.person_id}"
        for row in rows
    )


def load_labels(content: bytes) -> list[LabelRow]:
    """The rows of a ground truth file; raises AvaFormatError at the first bad one."""
    return [
        LabelRow(video, int(at), box, int(action), int(person))
        for video, at, box, action, person in (
            match.groups() for match in _matches(content, LABEL_ROW, "a label row")
        )
    ]


def dump_predicted(rows: Iterable[PredictedRow]) -> bytes:
    """The tracker's boxes, `video_id,timestamp,x1,y1,x2,y2,,score`."""
    return _text(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},,{format_score(row.score)}"
        for row in rows
    )


def load_predicted(content: bytes) -> list[PredictedRow]:
    """The rows of a file of predicted boxes; raises AvaFormatError at the first bad one."""
    return [
        PredictedRow(video, int(at), box, float(score))
        for video, at, box, score in (
            match.groups() for match in _matches(content, PREDICTED_ROW, "a predicted box")
        )
    ]


def dump_unlabelled(rows: Iterable[UnlabelledRow]) -> bytes:
    """Persons without actions, `video_id,timestamp,x1,y1,x2,y2,,person_id`."""
    return _text(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},,{row.person_id}"
        for row in rows
    )


def load_unlabelled(content: bytes) -> list[UnlabelledRow]:
    """The rows of `unlabelled_boxes.csv`; raises AvaFormatError at the first bad one."""
    return [
        UnlabelledRow(video, int(at), box, int(person))
        for video, at, box, person in (
            match.groups() for match in _matches(content, UNLABELLED_ROW, "an unlabelled box")
        )
    ]


def dump_keyframes(keyframes: Iterable[Keyframe]) -> bytes:
    """Excluded timestamps, `video_id,timestamp`; no bytes at all if there are none."""
    return _text(keyframe_key(*keyframe) for keyframe in keyframes)


def load_keyframes(content: bytes) -> list[Keyframe]:
    """The rows of a file of excluded timestamps."""
    rows = _matches(content, KEYFRAME_ROW, "`video_id,timestamp`")
    return [Keyframe(match[1], int(match[2])) for match in rows]


def dump_evaluation(rows: Iterable[LabelRow | Keyframe]) -> bytes:
    """Ground truth for the ActivityNet evaluator: a Keyframe says that nobody acts there."""
    return b"".join(
        dump_labels([row]) if isinstance(row, LabelRow) else dump_keyframes([row])
        for row in rows
    )


def load_evaluation(content: bytes) -> list[LabelRow | Keyframe]:
    """The rows that `dump_evaluation` wrote."""
    return [
        row
        for _, line in _lines(content)
        for row in (
            load_keyframes(f"{line}\n".encode())
            if line.count(",") == 1
            else load_labels(f"{line}\n".encode())
        )
    ]


def dump_timestamps(timestamps: Iterable[int]) -> bytes:
    """`ava_included_timestamps.txt`, one timestamp of four digits per row."""
    return _text(f"{timestamp:04d}" for timestamp in timestamps)


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
    for number, line in _lines(content):
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
    return _text(f"{action.action_id}: {action.name}" for action in actions)


def dump_frames(video_id: str, *, number: int, frame_count: int) -> bytes:
    """The rows of one video in a frame list; the list begins with `FRAME_HEADER`.

    >>> dump_frames("a-c0000", number=0, frame_count=1)
    b'a-c0000 0 0 a-c0000/img_00001.jpg ""\\n'
    """
    return _text(
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
        for match in _matches(content[len(header) :], FRAME_ROW, "a frame")
    ]


def frame_file(frame: int) -> str:
    """Name of the picture of frame `frame`, counted from 0, in `rawframes/<video_id>/`.

    >>> frame_file(60)
    'img_00061.jpg'
    """
    return f"img_{frame + 1:05d}.jpg"


def dump_proposals(proposals: Mapping[str, NDArray[np.float64]]) -> bytes:
    """`dense_proposals.pkl` of MMAction2, in the order of the mapping.

    Readable by numpy from 1.13 to 2: protocol 3, and globals of `numpy.core`, which older ones
    know. A keyframe without boxes has no key at all.

    Args:
        proposals: `keyframe_key` -> `(n, 5)`: x1, y1, x2, y2, score, all from 0 to 1; the best
            score first.

    Raises:
        AvaFormatError: for a key or an array that MMAction2 would refuse or misread.
    """
    copies = {
        key: np.array(_checked(key, boxes), dtype=np.float64, order="C")
        for key, boxes in proposals.items()
    }
    # Protocol 3 names a global once, in plain text between newlines; the rest refers back.
    return pickle.dumps(copies, protocol=3).replace(
        b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1
    )


def load_proposals(content: bytes) -> dict[str, NDArray[np.float64]]:
    """The boxes of a proposals file; nothing but numpy arrays is ever built from it.

    Raises:
        AvaFormatError: if it is not such a file.
    """
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ImportError, IndexError, KeyError, MemoryError,
            AttributeError, OverflowError, TypeError, ValueError) as error:  # fmt: skip
        raise AvaFormatError(f"not a file of proposals: {error}") from error
    if not isinstance(loaded, dict):
        raise AvaFormatError(f"not a file of proposals: it holds a {type(loaded).__name__}")
    return {key: _checked(key, boxes) for key, boxes in loaded.items()}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the three globals of which an array is made, and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if name == "_reconstruct" and module in (
            "numpy.core.multiarray",
            "numpy._core.multiarray",
        ):
            return np.zeros(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def _checked(key: object, boxes: object) -> NDArray[np.float64]:
    if not isinstance(key, str) or not KEYFRAME_ROW.fullmatch(key):
        raise AvaFormatError(f"the key {key!r} is not `video_id,timestamp`")
    if not isinstance(boxes, np.ndarray) or boxes.dtype.kind != "f":
        raise AvaFormatError(f"{key} holds no array of floats")
    if boxes.ndim != 2 or boxes.shape[1] != 5 or len(boxes) == 0:
        raise AvaFormatError(f"{key} has boxes of shape {boxes.shape}, not (n, 5)")
    if not ((boxes >= 0) & (boxes <= 1)).all():
        raise AvaFormatError(f"{key} has values outside 0 to 1")
    if (np.diff(boxes[:, 4]) > 0).any():
        raise AvaFormatError(f"{key} has boxes that are not sorted by score")
    return boxes
