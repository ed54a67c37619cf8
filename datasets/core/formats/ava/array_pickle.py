"""Pickles of numbers and numpy arrays: written for old numpy, read by a restricted unpickler.

The unpickler builds lists, tuples, dicts, texts, numbers and arrays of numbers, and nothing
else. A pickle from elsewhere can call and change nothing in this process, nor hold more numbers
than it has bytes.
"""

import io
import math
import pickle
import pickletools
import re
import struct
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats.ava.rows import AvaFormatError

NUMERIC_DTYPES = re.compile(r"[iuf][1248]")  # numpy's short names
OPCODES = re.compile(  # of a pickle of lists, numbers, and arrays by way of `find_class`
    "PROTO|FRAME|STOP|MARK|POP|POP_MARK|MEMOIZE|(LONG_)?(BIN)?(PUT|GET)|BININT[12]?|INT|"
    "LONG[14]?|(BIN)?FLOAT|NONE|NEWTRUE|NEWFALSE|(SHORT_)?(BIN)?(STRING|BYTES|UNICODE)8?|"
    "BYTEARRAY8|(EMPTY_)?(LIST|DICT|TUPLE)|TUPLE[123]|APPENDS?|SETITEMS?|(STACK_)?GLOBAL|"
    "REDUCE|BUILD"
)
NUMPY_MODULES = re.compile(r"numpy(\._?core\.(multiarray|numeric))?")
MAX_KEY = 2**31  # of a dict's whole-number keys
SHOWN = 80  # characters of a value in a message


def dump_for_old_numpy(content: Any) -> bytes:
    """A pickle of arrays that numpy from 1.13 to 2 can read, protocol 3."""
    # Protocol 3 names a global once, in plain text between newlines; the rest refers back.
    return pickle.dumps(content, protocol=3).replace(
        b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1
    )


def is_for_old_numpy(content: bytes) -> bool:
    """Whether numpy from 1.13 on can read a pickle, as `dump_for_old_numpy` writes it."""
    return content[:1] == b"\x80" and content[1:2] <= b"\x03" and b"numpy._core" not in content


def load_arrays(content: bytes) -> dict[Any, Any]:
    """The dict in a pickle of plain values and arrays.

    Raises:
        AvaFormatError: if it is not such a pickle.
    """
    try:
        loaded = _ArrayUnpickler(content).load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, MemoryError, OverflowError,
            AttributeError, TypeError, ValueError, RecursionError,
            struct.error) as error:  # fmt: skip
        why = error if str(error) else "it ends too early"
        raise AvaFormatError(f"not a pickle of arrays: {why}") from error
    if not isinstance(loaded, dict):
        raise AvaFormatError(f"not a pickle of arrays: it holds a {type(loaded).__name__}")
    return loaded


def shown(value: object) -> str:
    """A value for a message; containers may be endless, so only their type is named."""
    if isinstance(value, str):
        return repr(value[:SHOWN])
    if value is None or isinstance(value, bool):
        return repr(value)
    return f"a {type(value).__name__}"


class _Table(dict[Any, Any]):
    """A dict with texts and small numbers as keys: hashing nested tuples may take years."""

    def __setitem__(self, key: Any, value: Any) -> None:
        is_number = isinstance(key, int) and abs(key) < MAX_KEY
        if not is_number and not isinstance(key, str):
            raise pickle.UnpicklingError(f"it has the key {shown(key)}, which is not a text")
        super().__setitem__(key, value)


class _NumericDtype:
    """A dtype of plain numbers; what is in the pickle is never passed to numpy's own."""

    def __init__(self, text: str, *more: object) -> None:
        if not isinstance(text, str) or not NUMERIC_DTYPES.fullmatch(text):
            raise pickle.UnpicklingError(f"it holds an array of {shown(text)}")
        self.text = text
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def read(self, raw: bytes) -> NDArray[Any]:
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.text))


class _ArrayUnpickler(pickle._Unpickler):
    """Knows few opcodes, and no globals but stand-ins for those of numpy's arrays.

    It extends the unpickler in Python, since the one in C does not let opcodes be replaced.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._numbers_left = len(content)

    def find_class(self, module: str, name: str) -> Any:
        stand_ins = {
            "_reconstruct": _empty_array, "scalar": _scalar, "dtype": _NumericDtype,
            "_frombuffer": self._array, "ndarray": None,
        }  # fmt: skip
        if NUMPY_MODULES.fullmatch(module) and name in stand_ins:
            return stand_ins[name]
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return _latin_1
        raise pickle.UnpicklingError(f"it wants to load {module[:SHOWN]}.{name[:SHOWN]}")

    def _array(
        self, raw: bytes, dtype: _NumericDtype, shape: tuple[int, ...], order: Any
    ) -> NDArray[Any]:
        """The array in `raw`; one buffer may be used many times, so its numbers are counted."""
        values = dtype.read(raw)
        self._numbers_left -= max(values.size, math.prod(max(side, 1) for side in shape))
        if self._numbers_left < 0:
            raise pickle.UnpicklingError("it holds more numbers than it has bytes")
        return values.reshape(shape, order="F" if order == "F" else "C")

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
        target = self.stack[-1]
        if isinstance(target, _NumericDtype):
            target.__setstate__(state)
        elif isinstance(target, np.ndarray) and not target.size:
            _, shape, dtype, is_fortran, raw = state
            array = self._array(raw, dtype, shape, "F" if is_fortran else "C")
            state = (1, array.shape, array.dtype, bool(is_fortran), bytes(raw))
            target.__setstate__(state)  # type: ignore[arg-type]
        else:
            raise pickle.UnpicklingError("it changes what is not an array")

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        ord(one.code): pickle._Unpickler.dispatch[ord(one.code)]
        for one in pickletools.opcodes
        if OPCODES.fullmatch(one.name)
    } | {pickle.EMPTY_DICT[0]: _empty_dict, pickle.DICT[0]: _dict, pickle.BUILD[0]: _build}


def _empty_array(*_: object) -> NDArray[Any]:
    return np.empty(0, np.uint8)


def _scalar(dtype: _NumericDtype, raw: bytes) -> float:
    (number,) = dtype.read(raw).tolist()
    return number


def _latin_1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes written in {shown(encoding)}")
    return text.encode("latin-1")
