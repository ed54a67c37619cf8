"""`dense_proposals.pkl` in its two forms, written and read.

MMAction2's: `{"video_id,0902": array of x1, y1, x2, y2, score}`, boxes from 0 to 1.
With tracks: `{video_id: {frame: [[x1, y1, x2, y2, score, track_id], ...]}}`, boxes in pixels,
`frame` the file name of an annotation frame, `track_id` the person, unique in the source video.
"""

import math
import pickle
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats.ava.array_pickle import (
    SHOWN,
    dump_for_old_numpy,
    load_arrays,
    shown,
)
from datasets.core.formats.ava.rows import KEYFRAME_ROW, AvaFormatError

PROTOCOL = 3  # known to every Python 3
MAX_COORDINATE = 1e15

TrackProposals = dict[str, dict[str, list[list[float]]]]


class TrackedBox(NamedTuple):
    """The box of one person in one annotation frame, pixels."""

    frame: str
    person_id: int
    box: tuple[float, float, float, float]
    score: float


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


def load_proposals(content: bytes) -> dict[str, NDArray[np.float64]]:
    """The boxes of MMAction2's file. Raises AvaFormatError if it is not such a file."""
    return {key: _checked(key, boxes) for key, boxes in load_arrays(content).items()}


def dump_track_proposals(
    clips: Mapping[str, Iterable[tuple[str, Iterable[TrackedBox]]]],
) -> bytes:
    """`dense_proposals.pkl` with tracks: clips, each with its frames in order and their boxes.

    >>> box = TrackedBox("a_frame_0010.jpg", 3, (1.0, 2.0, 3.0, 4.0), 0.5)
    >>> load_track_proposals(dump_track_proposals({"a": [("a_frame_0010.jpg", [box])]}))
    {'a': {'a_frame_0010.jpg': [[1.0, 2.0, 3.0, 4.0, 0.5, 3]]}}
    """
    content: TrackProposals = {
        clip: {
            frame: [[*box.box, box.score, box.person_id] for box in boxes]
            for frame, boxes in frames
        }
        for clip, frames in clips.items()
    }
    return pickle.dumps(content, protocol=PROTOCOL)


def load_track_proposals(content: bytes) -> TrackProposals:
    """The proposals with tracks in `content`, every row six finite numbers or five without id.

    Rows and numbers may be numpy's. Raises AvaFormatError if it is not such a file.
    """
    left = len(content)  # every box takes more than a byte, unless it is one box many times
    result: TrackProposals = {}
    for clip, frames in load_arrays(content).items():
        if isinstance(frames, np.ndarray):
            raise AvaFormatError(
                "these are MMAction2's arrays, which have no track ids; import the other file: "
                "{video_id: {frame: [[x1, y1, x2, y2, score, track_id], ...]}}"
            )
        if not isinstance(clip, str) or not isinstance(frames, dict):
            raise AvaFormatError(f"{shown(clip)} is not a clip with its frames")
        result[clip] = {}
        for frame, boxes in frames.items():
            rows = _rows(clip, frame, boxes)
            left -= len(rows)
            if left < 0:
                raise AvaFormatError("it holds more boxes than it has bytes")
            result[clip][frame] = rows
    return result


def _rows(clip: str, frame: object, boxes: object) -> list[list[float]]:
    boxes = boxes.tolist() if isinstance(boxes, np.ndarray) else boxes
    if not isinstance(frame, str) or not isinstance(boxes, list | tuple):
        raise AvaFormatError(
            f"{shown(clip)}: {shown(frame)} is not the file name of a frame with its boxes"
        )
    return [_row(clip, frame, row) for row in boxes]


def _row(clip: str, frame: str, row: object) -> list[float]:
    values = row.tolist() if isinstance(row, np.ndarray) else row
    where = f"{clip[:SHOWN]}, {frame[:SHOWN]}"
    if not isinstance(values, list | tuple) or len(values) not in (5, 6):
        raise AvaFormatError(f"{where}: a box is x1, y1, x2, y2, score, track_id")
    numbers = []
    for value in values:
        if isinstance(value, np.ndarray) and not value.ndim:
            value = value.item()
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise AvaFormatError(f"{where}: {shown(value)} is not a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise AvaFormatError(f"{where}: a box has a value that is {value}")
        if abs(value) > MAX_COORDINATE:
            raise AvaFormatError(f"{where}: a box has a value beyond {MAX_COORDINATE:g}")
        numbers.append(value)
    return numbers


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
