"""Formats of our releases that no other tool writes so: Parquet, FiftyOne, ActivityNet.

FiftyOne's are folders of the type `FiftyOneVideoLabelsDataset`; ActivityNet's JSON has segments
of actions in whole videos, and other datasets have it too.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.formats.external.document import (
    MALFORMED,
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedInterval,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    attribute_labels,
    number,
    text_of,
)
from datasets.core.untrusted import UntrustedDataError, read_json

MAX_BYTES = 512 << 20
MAX_ROWS = 5_000_000
BATCH = 20_000
ACTION = "action"
COLUMNS = ["video_id", "timestamp", "person_id", "x1", "y1", "x2", "y2", "actions"]
CLASS = "class"  # a column that is there only where not all are persons
RATE = 30  # of our clips


def read_parquet(files: Mapping[str, bytes]) -> ImportedDocument:
    """The rows of our Parquet files. Raises ImportFileError."""
    builder = Builder()
    has_classes = False
    for name, content in files.items():
        try:
            has_classes |= _read_table(builder, pq.ParquetFile(BytesIO(content)), name)
        except (pa.ArrowException, OSError, *MALFORMED) as error:
            if isinstance(error, ImportFileError):
                raise
            raise ImportFileError(f"{name} is no Parquet of a release: {error}") from error
    return builder.document(is_complete=True, is_release=True, of_persons=not has_classes)


def _read_table(builder: Builder, file: pq.ParquetFile, name: str) -> bool:
    """Add the rows of a table; return whether it says what each is."""
    if file.metadata.num_rows > MAX_ROWS:
        raise ImportFileError(f"{name} has more than {MAX_ROWS} rows")
    if lacking := [one for one in COLUMNS if one not in file.schema_arrow.names]:
        raise ImportFileError(f"{name} lacks the columns {', '.join(lacking)}")
    has_classes = CLASS in file.schema_arrow.names
    for batch in file.iter_batches(BATCH, columns=[*COLUMNS, *([CLASS] * has_classes)]):
        for row in batch.to_pylist():
            video = builder.video(text_of(row["video_id"]), TimeUnit.TIMESTAMP)
            video.width = video.height = 1
            x1, y1, x2, y2 = (number(row[side], f"{side} in {name}") for side in COLUMNS[3:7])
            labels = tuple(ImportedLabel(ACTION, text_of(one)) for one in row["actions"] or ())
            if row.get(CLASS):
                labels = (ImportedLabel("", text_of(row[CLASS])), *labels)
            at = number(row["timestamp"], f"a timestamp in {name}")
            key = text_of(row["person_id"])
            builder.add(video, key, ImportedBox(at, (x1, y1, x2, y2), labels))
    return has_classes


def read_fiftyone(files: Mapping[str, bytes]) -> ImportedDocument:
    """The labels of a folder of FiftyOne, by path. Raises ImportFileError."""
    builder = Builder()
    is_release = False
    for path, content in files.items():
        raw = _json(content, path)
        if isinstance(raw, dict) and "index" in raw:
            is_release = b"../../clips/" in content
            continue
        try:
            frames = raw["frames"]
            video = builder.video(PurePosixPath(path).stem, TimeUnit.FRAME)
            video.width = video.height = 1
            for one in frames.values():
                for person in one.get("objects", {}).get("objects", []):
                    at = number(one["frame_number"], "a frame") - 1
                    box, labels = _corners(person["bounding_box"]), _labels(person)
                    key = text_of(person["index"]) if "index" in person else ""
                    builder.add(video, key, ImportedBox(at, box, labels))
        except MALFORMED as error:
            if isinstance(error, ImportFileError):
                raise
            raise ImportFileError(f"{path} is no file of FiftyOne: {error!r}") from error
    return builder.document(is_complete=is_release, is_release=is_release)


def _corners(box: Mapping[str, Any]) -> tuple[float, float, float, float]:
    first, last = box["top_left"], box["bottom_right"]
    x1, y1, x2, y2 = (
        number(one, "a corner") for one in (first["x"], first["y"], last["x"], last["y"])
    )
    return x1, y1, x2, y2


def _labels(person: Mapping[str, Any]) -> tuple[ImportedLabel, ...]:
    """The class, and our actions: `action_12` is the name of action 12."""
    found = [ImportedLabel("", text_of(person.get("label", "person")))]
    for one in person.get("attrs", {}).get("attrs", []):
        name = text_of(one["name"])
        is_ours = name.partition("_")[0] == ACTION and name.partition("_")[2].isdecimal()
        found += attribute_labels({ACTION if is_ours else name: one["value"]})
    return tuple(found)


def is_activitynet(content: Any) -> bool:
    """Whether a JSON value has segments in the form of ActivityNet."""
    return isinstance(content, dict) and isinstance(content.get("database"), dict)


def read_activitynet(content: bytes) -> ImportedDocument:
    """The segments of all videos, of the whole frame. Raises ImportFileError."""
    raw = _json(content, "it")
    if not is_activitynet(raw):
        raise ImportFileError("it is not of ActivityNet: it has no database")
    builder = Builder()
    try:
        for name, about in raw["database"].items():
            video = builder.video(text_of(name), TimeUnit.SECOND)
            video.frame_count = round(float(about.get("duration") or 0) * RATE)
            for one in about.get("annotations") or []:
                start, stop = (number(side, "a segment") for side in one["segment"])
                label = ImportedLabel(ACTION, text_of(one["label"]))
                video.intervals.append(ImportedInterval("", start, stop, label))
    except MALFORMED as error:
        if isinstance(error, ImportFileError):
            raise
        raise ImportFileError(f"it is not of ActivityNet: {error!r}") from error
    return builder.document()


def _json(content: bytes, what: str) -> Any:
    try:
        return read_json(content, max_bytes=MAX_BYTES)
    except UntrustedDataError as error:
        raise ImportFileError(f"{what}: {error}") from error
