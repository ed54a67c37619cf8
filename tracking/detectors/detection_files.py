"""Files of detections as other programs write them: MOTChallenge text, COCO JSON, our own JSON.

MOT rows are `frame,id,x,y,width,height[,score[,class[,...]]]`, frames from 1, or from 0 if
there is a frame 0; a score of -1 or none at all is 1. In ground truth (`gt.txt`) the seventh
number is 0 where a row is to be ignored, and the eighth is the class: 1 pedestrian, 2 person
on a vehicle, 7 static person; others are no persons (https://arxiv.org/abs/1603.00831).
`seqinfo.ini` beside it names the rate and size of the frames.

COCO is a list of results (`image_id, category_id, bbox, score`) whose `image_id` is the frame
from 0, or a data set with `images`, `annotations` and `categories`: a frame is the `frame_id`
or `frame_index` of its image, else the last number in its `file_name`, counted from the
smallest. Images name their size, and the video, if there is one alone, its rate.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats.external.mot import mot_rows, sequence_info
from datasets.core.untrusted import check_size, read_json, shown
from tracking.detectors.class_names import COCO_IDS, PERSON, known_positions, positions_of

MAX_BYTES = 1 << 30  # of a video's detections
FORMAT = "ava-studio-detections/1"
MOT_CLASSES = {
    -1: PERSON, 1: PERSON, 2: PERSON, 7: PERSON, 3: "car", 4: "bicycle", 5: "motorcycle",
}  # fmt: skip
COCO_PERSON = 1  # category of rows without one
NO_ID = -1
SEQUENCE = "seqinfo.ini"  # beside the folders of MOT files


class DetectionRows(NamedTuple):
    """All detections of a file; `N` of them."""

    frames: NDArray[np.float64]  # (N,), from 0
    boxes: NDArray[np.float64]  # (N, 4), x1, y1, x2, y2 in pixels
    scores: NDArray[np.float64]  # (N,), 0 to 1
    ids: NDArray[np.float64]  # (N,), whole numbers as the file has them; -1 for none
    classes: NDArray[np.int64]  # (N,), the position in what was asked for
    lines: NDArray[np.int64]  # (N,), lines of a MOT file or entries of a list, from 1

    def take(self, which: NDArray[Any]) -> "DetectionRows":
        return DetectionRows(*(values[which] for values in self))


class StatedFrames(NamedTuple):
    """What a file says of its frames; 0 where it does not."""

    fps: float = 0.0
    width: int = 0
    height: int = 0


class DetectionFile(NamedTuple):
    """The content of a file; frames and boxes are as the file counts them."""

    rows: DetectionRows
    frames: StatedFrames


def read_detections(file: Path, *, classes: Sequence[str] = (PERSON,)) -> DetectionFile:
    """The detections of `classes` in `file`, in its order; empty for an empty file.

    A file without classes has those of the first.

    Raises:
        OSError, ValueError, LookupError, TypeError, AttributeError: It is none of the formats.
    """
    text = _text(file)
    if file.suffix == ".json":
        rows, frames = _json(text, classes)
    else:
        rows, frames = _mot(text, file.name, classes), _sequence_frames(file)
    if not all(np.isfinite(values).all() for values in rows):
        raise ValueError("it has frames, ids, boxes or scores that are not finite")
    if (rows.frames % 1).any() or (rows.ids % 1).any():
        raise ValueError("it has frames or ids that are no whole numbers")
    if ((rows.scores < 0) | (rows.scores > 1)).any():
        raise ValueError(
            f"it has scores outside 0 to 1, from {rows.scores.min()} to {rows.scores.max()}: "
            "bring them as probabilities"
        )
    return DetectionFile(rows, frames)


def _text(file: Path) -> str:
    with file.open(encoding="utf-8-sig") as opened:
        text = opened.read(MAX_BYTES + 1)
    check_size(text, max_bytes=MAX_BYTES)
    return text


def _mot(text: str, name: str, classes: Sequence[str]) -> DetectionRows:
    lines = dict(mot_rows(text))
    if not lines:
        return _rows([], [], [], [], [], [])
    wide = [[float(value) for value in [*line, "-1", "-1"][:8]] for line in lines.values()]
    table = np.array(wide)
    scores, kinds = table[:, 6], table[:, 7]
    if (kinds == -1).all():
        places = np.zeros(len(kinds), np.int64)
    else:
        places = positions_of(kinds, known_positions(classes, MOT_CLASSES))
    good = places >= 0
    if name == "gt.txt":
        good &= scores != 0
        scores = np.ones(len(scores))
    scores = np.where(scores == -1, 1.0, scores)
    corners = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    first = 1 if table[:, 0].min() > 0 else 0
    rows = _rows(table[:, 0] - first, corners, scores, table[:, 1], places, list(lines))
    return rows.take(good)


def _sequence_frames(file: Path) -> StatedFrames:
    """What `seqinfo.ini` in the folder of a sequence says."""
    above = file.parent.parent if file.parent.name in ("gt", "det") else file.parent
    place = above / SEQUENCE
    if file.stem not in ("gt", "det") or not place.is_file():
        return StatedFrames()
    said = sequence_info(place.read_bytes())
    return StatedFrames(
        float(said.get("framerate", 0)),
        int(said.get("imwidth", 0)),
        int(said.get("imheight", 0)),
    )


def _json(text: str, classes: Sequence[str]) -> tuple[DetectionRows, StatedFrames]:
    content = read_json(text, max_bytes=MAX_BYTES)
    if isinstance(content, list):
        return _coco(content, {}, COCO_IDS, classes), StatedFrames()
    if "annotations" in content and "images" in content:
        names = {int(one["id"]): str(one["name"]) for one in content.get("categories", [])}
        frames = _frames_of(content["images"])
        rows = _coco(content["annotations"], frames, names or COCO_IDS, classes)
        return rows, _image_frames(content["images"], content.get("videos") or [])
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {shown(content['format'])}, not {FORMAT!r}")
    found = [
        (float(frame), *map(float, box))
        for frame, boxes in content["frames"].items()
        for box in boxes
    ]
    table = np.array(found, dtype=np.float64).reshape(-1, 6)
    none, first = np.full(len(table), NO_ID), np.zeros(len(table))
    return _rows(table[:, 0], table[:, 1:5], table[:, 5], none, first, first), StatedFrames()


def _image_frames(
    images: Sequence[Mapping[str, Any]], videos: Sequence[Mapping[str, Any]]
) -> StatedFrames:
    """What a data set of COCO says; sizes that differ say nothing."""
    sizes = {(int(one.get("width") or 0), int(one.get("height") or 0)) for one in images}
    size = sizes.pop() if len(sizes) == 1 else (0, 0)
    return StatedFrames(float(videos[0].get("fps") or 0) if len(videos) == 1 else 0.0, *size)


def _frames_of(images: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """The frame of each image by its id."""
    for key in ("frame_id", "frame_index"):
        if images and all(key in one for one in images):
            return {int(one["id"]): float(one[key]) for one in images}
    numbers = {}
    for one in images:
        found = re.findall(r"\d+", Path(str(one["file_name"])).stem)
        if not found:
            raise ValueError(f"the image {shown(one['file_name'])} has no frame number")
        numbers[int(one["id"])] = int(found[-1])
    first = min(numbers.values(), default=0)
    return {image: float(number - first) for image, number in numbers.items()}


def _coco(
    rows: Sequence[Mapping[str, Any]],
    frames: Mapping[int, float],
    names: Mapping[int, str],
    classes: Sequence[str],
) -> DetectionRows:
    """Rows of a COCO file; without `frames` the image's id is the frame."""
    table, ids, places, lines = [], [], [], []
    positions = known_positions(classes, names)
    for line, row in enumerate(rows, start=1):
        place = positions.get(int(row.get("category_id", COCO_PERSON)))
        if place is None:
            continue
        places.append(place)
        image = int(row["image_id"])
        score = float(row.get("score", 1.0))
        x, y, width, height = map(float, row["bbox"])
        frame = frames[image] if frames else float(image)
        table.append((frame, x, y, x + width, y + height, 1.0 if score == -1 else score))
        ids.append(_id_of(row))
        lines.append(line)
    values = np.array(table, dtype=np.float64).reshape(-1, 6)
    return _rows(values[:, 0], values[:, 1:5], values[:, 5], ids, places, lines)


def _id_of(row: Mapping[str, Any]) -> float:
    found = row.get("track_id", row.get("instance_id"))
    return NO_ID if found is None else float(found)


def _rows(
    frames: Any, boxes: Any, scores: Any, ids: Any, classes: Any, lines: Any
) -> DetectionRows:
    return DetectionRows(
        np.array(frames, dtype=np.float64), np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(scores, dtype=np.float64), np.array(ids, dtype=np.float64),
        np.array(classes, dtype=np.int64), np.array(lines, dtype=np.int64),
    )  # fmt: skip
