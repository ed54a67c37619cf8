"""`dense_proposals.pkl`, the boxes that MMAction2 classifies, written and read."""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats.ava.rows import KEYFRAME_ROW, AvaFormatError


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
    return dump_for_old_numpy(copies)


def dump_for_old_numpy(content: Any) -> bytes:
    """A pickle of arrays that numpy from 1.13 to 2 can read, protocol 3."""
    # Protocol 3 names a global once, in plain text between newlines; the rest refers back.
    return pickle.dumps(content, protocol=3).replace(
        b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1
    )


def load_proposals(content: bytes) -> dict[str, NDArray[np.float64]]:
    """The boxes of a proposals file; nothing but numpy arrays is ever built from it.

    Raises:
        AvaFormatError: if it is not such a file.
    """
    return {key: _checked(key, boxes) for key, boxes in load_arrays(content).items()}


def load_arrays(content: bytes) -> dict[Any, Any]:
    """The mapping that a pickle holds; nothing but plain values and arrays is ever built.

    Raises:
        AvaFormatError: if it is not such a pickle.
    """
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ImportError, IndexError, KeyError, MemoryError,
            AttributeError, OverflowError, TypeError, ValueError) as error:  # fmt: skip
        raise AvaFormatError(f"not a pickle of arrays: {error}") from error
    if not isinstance(loaded, dict):
        raise AvaFormatError(f"not a pickle of arrays: it holds a {type(loaded).__name__}")
    return loaded


def is_for_old_numpy(content: bytes) -> bool:
    """Whether numpy from 1.13 on can read a pickle, as `dump_for_old_numpy` writes it."""
    return content[:1] == b"\x80" and content[1:2] <= b"\x03" and b"numpy._core" not in content


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
