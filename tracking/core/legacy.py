"""Files in the form of the prototypes: proposals and tracks as plain lists, boxes in pixels.

`dense_proposals.pkl` is `{video_id: {frame: [[x1, y1, x2, y2, score, track_id], ...]}}`, and
`<clip>.json` a list of `{video_id, frame, track_id, bbox}`. `video_id` is the clip's name,
`frame` the file name of the picture, `track_id` the person, unique in the source video. They
are written for older programs, and read where somebody brings a prototype's own files
(`tracking.core.prototype`). Such a pickle is from outside: what it may build is listed here.
"""

import io
import json
import math
import pickle
import pickletools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 3  # known to every Python 3
NUMBERS = re.compile(r"[iuf][1248]")  # numpy's short names of plain numbers
CODES = re.compile(  # of a pickle that holds lists, numbers, and arrays by way of `find_class`
    "PROTO|FRAME|STOP|MARK|POP|POP_MARK|DUP|MEMOIZE|(LONG_)?(BIN)?(PUT|GET)|BININT[12]?|INT|"
    "LONG[14]?|(BIN)?FLOAT|NONE|NEWTRUE|NEWFALSE|(SHORT_)?(BIN)?(STRING|BYTES|UNICODE)|"
    "BYTEARRAY8|(EMPTY_)?(LIST|DICT|TUPLE)|TUPLE[123]|APPENDS?|SETITEMS?|(STACK_)?GLOBAL|"
    "REDUCE|BUILD"
)
NUMPY_MODULES = re.compile(r"numpy(\._?core\.(multiarray|numeric))?")

DenseProposals = dict[str, dict[str, list[list[float]]]]


class LegacyFormatError(ValueError):
    """The bytes are not a file of this form."""


class LegacyBox(NamedTuple):
    """One person in one picture."""

    frame: str
    person_id: int
    box: tuple[float, float, float, float]
    score: float


def dump_dense(clips: Mapping[str, Iterable[tuple[str, Iterable[LegacyBox]]]]) -> bytes:
    """`dense_proposals.pkl` of clips, each with its pictures in order and the boxes in them.

    >>> box = LegacyBox("a_frame_0010.jpg", 3, (1.0, 2.0, 3.0, 4.0), 0.5)
    >>> load_dense(dump_dense({"a": [("a_frame_0010.jpg", [box])]}))
    {'a': {'a_frame_0010.jpg': [[1.0, 2.0, 3.0, 4.0, 0.5, 3]]}}
    """
    content: DenseProposals = {
        clip: {
            frame: [[*box.box, box.score, box.person_id] for box in boxes]
            for frame, boxes in frames
        }
        for clip, frames in clips.items()
    }
    return pickle.dumps(content, protocol=PROTOCOL)


def load_dense(content: bytes) -> DenseProposals:
    """The proposals in `content`, every row six finite numbers or five without a track id.

    Nothing but lists, tuples, dicts, texts and numbers is ever built, numpy's among them.
    Raises LegacyFormatError if anything else is in it.
    """
    try:
        _check_codes(content)
        loaded = _PlainUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, MemoryError, OverflowError,
            AttributeError, TypeError, ValueError, RecursionError) as error:  # fmt: skip
        raise LegacyFormatError(f"not a file of dense proposals: {error}") from error
    if not isinstance(loaded, dict):
        raise LegacyFormatError(f"not dense proposals, but a {type(loaded).__name__}")
    left = len(content)  # every box takes more than a byte, unless it is one box many times
    result: DenseProposals = {}
    for clip, frames in loaded.items():
        if isinstance(frames, _Array):
            raise LegacyFormatError(
                "these are MMAction2's arrays, which name no tracks; bring the other file: "
                "{video_id: {frame: [[x1, y1, x2, y2, score, track_id], ...]}}"
            )
        if not isinstance(clip, str) or not isinstance(frames, dict):
            raise LegacyFormatError(f"{clip!r} is not a clip with its frames")
        result[clip] = {}
        for frame, boxes in frames.items():
            rows = _rows(clip, frame, boxes)
            left -= len(rows)
            if left < 0:
                raise LegacyFormatError("it holds more boxes than it has bytes")
            result[clip][frame] = rows
    return result


def _check_codes(content: bytes) -> None:
    """Refuse what nobody needs for lists and numbers, before anything is built.

    A place in the memo beyond all that was stored would make Python reserve memory up to it.
    """
    for number, (code, argument, _) in enumerate(pickletools.genops(content)):
        if not CODES.fullmatch(code.name):
            raise pickle.UnpicklingError(f"it has the code {code.name}")
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > number:
            raise pickle.UnpicklingError("its memo has holes")


def _rows(clip: str, frame: object, boxes: object) -> list[list[float]]:
    if isinstance(boxes, _Array):
        boxes = boxes.values
    if not isinstance(frame, str) or not isinstance(boxes, list | tuple):
        raise LegacyFormatError(f"{clip}: {frame!r} is not a frame with its boxes")
    return [_row(clip, frame, row) for row in boxes]


def _row(clip: str, frame: str, row: object) -> list[float]:
    values = row.values if isinstance(row, _Array) else row
    if not isinstance(values, list | tuple) or len(values) not in (5, 6):
        raise LegacyFormatError(f"{clip}, {frame}: a box is x1, y1, x2, y2, score, track_id")
    numbers = []
    for value in values:
        if isinstance(value, _Array) and not isinstance(value.values, list):
            value = value.values
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise LegacyFormatError(f"{clip}, {frame}: {value!r} is not a number")
        if not math.isfinite(value):
            raise LegacyFormatError(f"{clip}, {frame}: a box has a value that is {value}")
        numbers.append(value)
    return numbers


def dump_boxes(clip: str, boxes: Iterable[LegacyBox]) -> bytes:
    """`<clip>.json`: the boxes of one clip.

    >>> dump_boxes("a", [LegacyBox("a_frame_0010.jpg", 3, (1.0, 2.0, 3.0, 4.0), 0.5)])[:40]
    b'[\\n{"bbox": [1.0, 2.0, 3.0, 4.0], "frame"'
    """
    rows = [
        json.dumps(
            {
                "video_id": clip,
                "frame": box.frame,
                "track_id": box.person_id,
                "bbox": list(box.box),
            },
            sort_keys=True,
        )
        for box in boxes
    ]
    return ("[\n" + ",\n".join(rows) + "\n]\n").encode()


class _Kind:
    """A dtype of plain numbers in a pickle; numpy's own never gets to see what is there."""

    def __init__(self, text: str, *more: object) -> None:
        if not isinstance(text, str) or not NUMBERS.fullmatch(text):
            raise pickle.UnpicklingError(f"it holds an array of {text!r}")
        self.text = text
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def read(self, raw: bytes) -> NDArray[Any]:
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.text))


class _Array:
    """An array or a single number of numpy in a pickle, as lists of plain numbers."""

    values: Any = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, raw = state
        array = kind.read(raw).reshape(shape, order="F" if is_fortran else "C")
        self.values = array.tolist()


def _new_array(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: bytes, kind: _Kind, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.values = kind.read(raw).reshape(shape, order="F" if order == "F" else "C").tolist()
    return array


def _new_number(kind: _Kind, raw: bytes) -> float:
    (number,) = kind.read(raw).tolist()
    return number


_OF_NUMPY = {
    "_reconstruct": _new_array, "scalar": _new_number, "_frombuffer": _from_buffer,
    "ndarray": _Array, "dtype": _Kind,
}  # fmt: skip


class _PlainUnpickler(pickle.Unpickler):
    """Knows no globals but stand-ins for those of numpy's numbers, so nothing can be called."""

    def find_class(self, module: str, name: str) -> Any:
        if NUMPY_MODULES.fullmatch(module) and name in _OF_NUMPY:
            return _OF_NUMPY[name]
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return _latin_1
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def _latin_1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes written in {encoding!r}")
    return text.encode("latin-1")
