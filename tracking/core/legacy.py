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
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 3  # known to every Python 3
NUMBERS = re.compile(r"[iuf][1248]")  # numpy's short names of plain numbers
CODES = re.compile(  # of a pickle that holds lists, numbers, and arrays by way of `find_class`
    "PROTO|FRAME|STOP|MARK|POP|POP_MARK|MEMOIZE|(LONG_)?(BIN)?(PUT|GET)|BININT[12]?|INT|"
    "LONG[14]?|(BIN)?FLOAT|NONE|NEWTRUE|NEWFALSE|(SHORT_)?(BIN)?(STRING|BYTES|UNICODE)8?|"
    "BYTEARRAY8|(EMPTY_)?(LIST|DICT|TUPLE)|TUPLE[123]|APPENDS?|SETITEMS?|(STACK_)?GLOBAL|"
    "REDUCE|BUILD"
)
LARGEST_NUMBER = 1e15
SHOWN = 80  # characters of a value in a sentence
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
        loaded = _PlainUnpickler(content).load()
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
        if not isinstance(frames, dict):
            raise LegacyFormatError(f"{_shown(clip)} is not a clip with its frames")
        result[clip] = {}
        for frame, boxes in frames.items():
            rows = _rows(clip, frame, boxes)
            left -= len(rows)
            if left < 0:
                raise LegacyFormatError("it holds more boxes than it has bytes")
            result[clip][frame] = rows
    return result


def _rows(clip: str, frame: str, boxes: object) -> list[list[float]]:
    if isinstance(boxes, _Array):
        boxes = boxes.values
    if not isinstance(boxes, list | tuple):
        raise LegacyFormatError(
            f"{_shown(clip)}: {_shown(frame)} is not a frame with its boxes"
        )
    return [_row(clip, frame, row) for row in boxes]


def _row(clip: str, frame: str, row: object) -> list[float]:
    values = row.values if isinstance(row, _Array) else row
    where = f"{clip[:SHOWN]}, {frame[:SHOWN]}"
    if not isinstance(values, list | tuple) or len(values) not in (5, 6):
        raise LegacyFormatError(f"{where}: a box is x1, y1, x2, y2, score, track_id")
    numbers = []
    for value in values:
        if isinstance(value, _Array) and not isinstance(value.values, list):
            value = value.values
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise LegacyFormatError(f"{where}: {_shown(value)} is not a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise LegacyFormatError(f"{where}: a box has a value that is {value}")
        if abs(value) > LARGEST_NUMBER:
            raise LegacyFormatError(f"{where}: a box has a value beyond {LARGEST_NUMBER:g}")
        numbers.append(value)
    return numbers


def _shown(value: object) -> str:
    """A value for a sentence: what holds others may be endless, and is named by its type."""
    if isinstance(value, str):
        return repr(value[:SHOWN])
    return (
        repr(value) if value is None or isinstance(value, bool) else f"a {type(value).__name__}"
    )


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


class _Table(dict[str, Any]):
    """A dict whose keys are texts: the hash of tuples in tuples can take years to reckon."""

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise pickle.UnpicklingError(f"it has the key {_shown(key)}, which is no text")
        super().__setitem__(key, value)


class _Kind:
    """A dtype of plain numbers in a pickle; numpy's own never gets to see what is there."""

    def __init__(self, text: str, *more: object) -> None:
        if not isinstance(text, str) or not NUMBERS.fullmatch(text):
            raise pickle.UnpicklingError(f"it holds an array of {_shown(text)}")
        self.text = text
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def read(self, raw: bytes) -> NDArray[Any]:
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.text))


class _Budget:
    """How many numbers may come out of a pickle: as many as it has bytes."""

    def __init__(self, numbers: int) -> None:
        self.left = numbers

    def lists(self, kind: _Kind, raw: bytes, shape: tuple[int, ...], order: Any) -> Any:
        """The numbers in `raw` as lists in lists; one buffer may be asked for many times."""
        array = kind.read(raw)
        self.left -= array.size
        if self.left < 0:
            raise pickle.UnpicklingError("it holds more numbers than it has bytes")
        return array.reshape(shape, order=order).tolist()


class _Array:
    """An array or a single number of numpy in a pickle, as lists of plain numbers."""

    def __init__(self, budget: _Budget) -> None:
        self.values: Any = ()
        self._budget = budget

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, raw = state
        self.values = self._budget.lists(kind, raw, shape, "F" if is_fortran else "C")


class _Codes(dict[int, Callable[..., None]]):
    def __missing__(self, code: int) -> None:
        raise pickle.UnpicklingError(f"it has the code {code:#x}")


class _PlainUnpickler(pickle._Unpickler):
    """Knows few codes, and no globals but stand-ins for those of numpy's numbers.

    So nothing of this process can be called or changed. It is the one written in Python, since
    the other gives no say in what a code does; both take about as long as each other.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._budget = _Budget(len(content))

    def find_class(self, module: str, name: str) -> Any:
        stand_ins = {
            "_reconstruct": self._new_array, "scalar": _new_number, "dtype": _Kind,
            "_frombuffer": self._from_buffer, "ndarray": None,
        }  # fmt: skip
        if NUMPY_MODULES.fullmatch(module) and name in stand_ins:
            return stand_ins[name]
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return _latin_1
        raise pickle.UnpicklingError(f"it wants to load {module[:SHOWN]}.{name[:SHOWN]}")

    def _new_array(self, *_: object) -> _Array:
        return _Array(self._budget)

    def _from_buffer(
        self, raw: bytes, kind: _Kind, shape: tuple[int, ...], order: str
    ) -> _Array:
        array = _Array(self._budget)
        array.values = self._budget.lists(kind, raw, shape, "F" if order == "F" else "C")
        return array

    def _empty_dict(self) -> None:
        self.append(_Table())

    def _dict(self) -> None:
        items = self.pop_mark()
        table = _Table()
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[key] = value
        self.append(table)

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Array | _Kind):
            raise pickle.UnpicklingError("it changes what is no array")
        self.stack[-1].__setstate__(state)

    dispatch: ClassVar[dict[int, Callable[..., None]]] = _Codes(
        {
            ord(one.code): pickle._Unpickler.dispatch[ord(one.code)]
            for one in pickletools.opcodes
            if CODES.fullmatch(one.name)
        }
        | {
            pickle.EMPTY_DICT[0]: _empty_dict,
            pickle.DICT[0]: _dict,
            pickle.BUILD[0]: _build,
        }
    )


def _new_number(kind: _Kind, raw: bytes) -> float:
    (number,) = kind.read(raw).tolist()
    return number


def _latin_1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes written in {_shown(encoding)}")
    return text.encode("latin-1")
