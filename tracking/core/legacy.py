"""Files in the form of the prototypes: proposals and tracks as plain lists, boxes in pixels.

`dense_proposals.pkl` is `{video_id: {frame: [[x1, y1, x2, y2, score, track_id], ...]}}`, and
`<clip>.json` a list of `{video_id, frame, track_id, bbox}`. `video_id` is the clip's name,
`frame` the file name of the picture, `track_id` the person, unique in the source video. They
are written for older programs; nothing of ours depends on reading them.
"""

import io
import json
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PROTOCOL = 3  # known to every Python 3

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
    """The proposals in `content`; nothing but lists, dicts, texts and numbers is ever built."""
    try:
        loaded = _PlainUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, MemoryError,
            AttributeError, TypeError, ValueError) as error:  # fmt: skip
        raise LegacyFormatError(f"not a file of dense proposals: {error}") from error
    if not isinstance(loaded, dict):
        raise LegacyFormatError(f"not dense proposals, but a {type(loaded).__name__}")
    return loaded


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


class _PlainUnpickler(pickle.Unpickler):
    """Knows no globals at all, so that a pickle cannot call anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")
