"""`provenance.parquet`: for every label row of a release, how it came about.

A row per row of `AVA_dataset.csv`, in its order: the group asked, the votes of the annotators
by number, the rule that decided, the reviewer who did where votes could not, and the versions
of the answers that the consensus was computed from.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qc.core.release.records import Origin, ReleaseClip, ReleasedPerson

ROWS_PER_GROUP = 20_000
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()), ("timestamp", pa.int32()), ("person_id", pa.int32()),
        ("action_id", pa.int32()), ("split", pa.string()), ("group", pa.string()),
        ("rule", pa.string()), ("votes", pa.string()), ("drawn_by", pa.list_(pa.int32())),
        ("reviewer", pa.int32()), ("decided_at", pa.string()), ("reason", pa.string()),
        ("answers", pa.string()),
    ]
)  # fmt: skip


class RowGroups:
    """A Parquet file in the making; rows are written as soon as there are many."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, rows: list[dict[str, Any]]) -> None:
        self._rows += rows
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


class ProvenanceWriter:
    """Writes `provenance.parquet` into a folder: `add` every clip, then `finish`."""

    def __init__(self, folder: Path) -> None:
        self._file = RowGroups(folder / "provenance.parquet", SCHEMA)

    def add(self, clip: ReleaseClip) -> None:
        answers = as_json([version._asdict() for version in clip.versions])
        rows = []
        for person in clip.persons:
            origin_of = {action: o for o in person.origins for action in o.action_ids}
            for action in person.action_ids:
                row = _row(person, action, origin_of.get(action), clip)
                rows.append(row | {"answers": answers})
        self._file.add(rows)

    def finish(self) -> None:
        self._file.close()


def _row(
    person: ReleasedPerson, action: int, origin: Origin | None, clip: ReleaseClip
) -> dict[str, Any]:
    row = {
        "video_id": clip.name, "timestamp": person.timestamp, "person_id": person.person_id,
        "action_id": action, "split": clip.split, "drawn_by": list(person.drawn_by),
    }  # fmt: skip
    if origin is None:
        return row
    return row | {
        "group": origin.group, "rule": origin.rule, "votes": as_json(dict(origin.votes)),
        "reviewer": origin.reviewer or None, "decided_at": origin.decided_at or None,
        "reason": origin.reason or None,
    }  # fmt: skip


def as_json(value: Any) -> str:
    """Compact JSON whose keys are sorted.

    >>> as_json({2: "walk", 1: ["wave"]})
    '{"1":["wave"],"2":"walk"}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
