"""Rows of the files of provenance of a release, whose columns have the kinds that they should.

Nothing here knows how the files were written.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from qc.core.release.reader import ReleaseReader, ReleaseReadError

LABELS = "provenance.parquet"
BOXES = "provenance_boxes.parquet"
PROPOSALS = "provenance_proposals.parquet"
ROWS_AT_ONCE = 10_000
KINDS = {  # of columns; all others are text
    "timestamp": "whole numbers", "person_id": "whole numbers", "action_id": "whole numbers",
    "reviewer": "whole numbers", "drawn_by": "lists of whole numbers",
    "drawn": "lists of lists of numbers", "is_decided": "truth",
}  # fmt: skip
NULLABLE = ("group", "rule", "votes", "drawn_by", "reviewer")


class LabelOrigin(NamedTuple):
    """A row of `provenance.parquet`."""

    video_id: str
    timestamp: int
    person_id: int
    action_id: int
    split: str
    group: str | None
    rule: str | None
    votes: str | None
    drawn_by: list[int] | None
    reviewer: int | None


class BoxOrigin(NamedTuple):
    """A row of `provenance_boxes.parquet`."""

    video_id: str
    timestamp: int
    person_id: int
    box: str
    drawn_by: list[int]
    drawn: list[list[float]]
    is_decided: bool


class ProposalOrigin(NamedTuple):
    """A row of `provenance_proposals.parquet`."""

    video_id: str
    timestamp: int
    box: str
    score: str


def read_rows(release: ReleaseReader, name: str, fields: Sequence[str]) -> Iterator[list[Any]]:
    """The values of these columns, row by row. Raises ReleaseReadError if it cannot be read."""
    try:
        table = pq.read_table(release.folder / name, columns=list(fields))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ReleaseReadError(f"{name} cannot be read: {error}.") from error
    if missing := [field for field in fields if field not in table.column_names]:
        raise ReleaseReadError(f"{name} has no column {missing[0]}.")
    for field in fields:
        column = table.column(field)
        if not _is_of_kind(column.type, KINDS.get(field, "text")):
            raise ReleaseReadError(f"{name} has {column.type} in the column {field}.")
        if column.null_count and field not in NULLABLE:
            raise ReleaseReadError(f"{name} has {column.null_count} rows without {field}.")
    for some in table.to_batches(max_chunksize=ROWS_AT_ONCE):
        columns = [some.column(field).to_pylist() for field in fields]
        for values in zip(*columns, strict=True):
            yield list(values)


def _is_of_kind(its: pa.DataType, kind: str) -> bool:
    if kind.startswith("lists of "):
        inner = kind.removeprefix("lists of ")
        return pa.types.is_list(its) and _is_of_kind(its.value_type, inner)
    tests = {
        "text": pa.types.is_string, "whole numbers": pa.types.is_integer,
        "numbers": pa.types.is_floating, "truth": pa.types.is_boolean,
    }  # fmt: skip
    return bool(tests[kind](its))


def label_origins(release: ReleaseReader) -> Iterator[LabelOrigin]:
    """The rows of `provenance.parquet`, read anew: large releases have millions."""
    return (LabelOrigin(*row) for row in read_rows(release, LABELS, LabelOrigin._fields))
