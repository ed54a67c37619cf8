"""Precomputed detections: made by another program, one file for each clip or video.

Two formats are read. `<name>.txt` is a MOT detection file, its frames from 1 and its rows
`frame,id,x,y,width,height,score`. `<name>.json` is ours, frames from 0:

    {"format": "ava-studio-detections/1", "frames": {"0": [[x1, y1, x2, y2, score], ...]}}

`<name>` is the name of a clip, and frames are clip frames; or it is the name of a video, and
frames are those of the standard video. Either way 30 a second, boxes in pixels of the standard
video. MOT files may also lie as `<name>/det.txt` or `<name>/det/det.txt`.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.core.untrusted import check_size, read_json, shown
from tracking.core.boxes import Detections
from tracking.detectors.registry import DetectorError, folder_hash

MAX_BYTES = 1 << 30  # of a video's detections
FORMAT = "ava-studio-detections/1"
PLACES = ("{}.json", "{}.txt", "{}/det.txt", "{}/det/det.txt")


class _Rows(NamedTuple):
    frames: np.ndarray  # (N,), whole numbers from 0
    boxes: np.ndarray  # (N, 4)
    scores: np.ndarray  # (N,)


class ImportedDetections:
    """Detections read from a folder of files."""

    def __init__(self, folder: Path, *, threshold: float) -> None:
        self._folder = folder
        self._threshold = threshold
        self.about = {
            "name": "imported",
            "weights": folder.name,
            "sha256": folder_hash(folder),
        }

    def of_clip(
        self, clip: str, *, video: str, start_frame: int, frame_count: int
    ) -> list[Detections]:
        """The people in each frame of a clip.

        Raises:
            DetectorError: There is no file for the clip or its video, or it is not readable.
        """
        file = self._file_of(clip)
        path = file or self._file_of(video) or self._nothing_for(clip, video)
        rows = _read(path, path.stat().st_mtime_ns)
        frames = rows.frames - (0 if file else start_frame)
        good = (rows.scores >= self._threshold) & (frames >= 0) & (frames < frame_count)
        good &= (rows.boxes[:, 2:] > rows.boxes[:, :2]).all(axis=1)
        order = np.flatnonzero(good)[np.argsort(frames[good], kind="stable")]
        edges = np.searchsorted(frames[order], np.arange(1, frame_count))
        return [
            Detections(rows.boxes[part], rows.scores[part]) for part in np.split(order, edges)
        ]

    def _file_of(self, name: str) -> Path | None:
        places = (self._folder / place.format(name) for place in PLACES)
        return next((place for place in places if place.is_file()), None)

    def _nothing_for(self, clip: str, video: str) -> Path:
        raise DetectorError(
            f"{self._folder} has no detections of {clip}: expected {clip}.txt or {clip}.json, "
            f"or one for the whole video, {video}.txt or {video}.json."
        )


def load(name: str, path: Path, threshold: float) -> ImportedDetections:
    """The detections in the folder `path`. Raises DetectorError if it is not a folder."""
    if not path.is_dir():
        raise DetectorError(
            f"{path} is not a folder; the weights of the detector {name} are a folder with a "
            "MOT or JSON file for each clip or video."
        )
    return ImportedDetections(path, threshold=threshold)


@lru_cache(maxsize=2)
def _read(file: Path, changed: int) -> _Rows:
    """All rows of a file, kept for the next clip of its video; `changed` tells its versions."""
    try:
        rows = _read_json(file) if file.suffix == ".json" else _read_mot(file)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DetectorError(f"{file} is not a file of detections: {error}") from error
    if not all(np.isfinite(values).all() for values in rows):
        raise DetectorError(f"{file} has frames, boxes or scores that are not finite.")
    if (rows.frames % 1).any():
        raise DetectorError(f"{file} has frames that are no whole numbers.")
    if ((rows.scores < 0) | (rows.scores > 1)).any():
        raise DetectorError(
            f"{file} has scores outside 0 to 1: from {rows.scores.min()} to "
            f"{rows.scores.max()}. Bring them as probabilities."
        )
    return rows


def _read_json(file: Path) -> _Rows:
    content = read_json(_text(file), max_bytes=MAX_BYTES)
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {shown(content['format'])}, not {FORMAT!r}")
    found = [
        (float(frame), *map(float, box))
        for frame, boxes in content["frames"].items()
        for box in boxes
    ]
    table = np.array(found, dtype=np.float64).reshape(-1, 6)
    return _Rows(table[:, 0], table[:, 1:5], table[:, 5])


def _text(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        text = opened.read(MAX_BYTES + 1)
    check_size(text, max_bytes=MAX_BYTES)
    return text


def _read_mot(file: Path) -> _Rows:
    lines = (line.split(",") for line in _text(file).splitlines() if line.strip())
    table = np.array([[float(value) for value in line[:7]] for line in lines])
    table = table.reshape(-1, 7)
    boxes = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    return _Rows(table[:, 0] - 1, boxes, table[:, 6])
