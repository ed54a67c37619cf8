"""Provenance of a release: how every label, box and proposal came about, as Parquet files.

`provenance.parquet` has a row per row of `AVA_dataset.csv`, in its order: the group asked, the
votes of the annotators by number and the share of them that name the action, the rule that
decided, the reviewer who did where votes could not, and the versions of the answers that the
consensus was computed from. `provenance_boxes.parquet` has a row per person and keyframe: the
box, those that the annotators drew, in pixels, and the rule and the votes of every group, also
of those that gave no label. `provenance_proposals.parquet` has every
proposal as the tracker gave it.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.action_groups import counts_as_vote
from datasets.core.formats import ava
from qc.core.release.records import Origin, ReleaseClip, ReleasedPerson

ROWS_PER_GROUP = 20_000
LABELS = "provenance.parquet"
BOXES = "provenance_boxes.parquet"
PROPOSALS = "provenance_proposals.parquet"
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()), ("timestamp", pa.int32()), ("person_id", pa.int32()),
        ("action_id", pa.int32()), ("split", pa.string()), ("group", pa.string()),
        ("rule", pa.string()), ("votes", pa.string()), ("share", pa.float64()),
        ("drawn_by", pa.list_(pa.int32())), ("reviewer", pa.int32()),
        ("decided_at", pa.string()), ("reason", pa.string()), ("answers", pa.string()),
    ]
)  # fmt: skip
BOXES_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()), ("timestamp", pa.int32()), ("person_id", pa.int32()),
        ("box", pa.string()), ("drawn_by", pa.list_(pa.int32())),
        ("drawn", pa.list_(pa.list_(pa.float64()))), ("is_decided", pa.bool_()),
        ("votes", pa.string()),
    ]
)  # fmt: skip
PROPOSALS_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()), ("timestamp", pa.int32()), ("track", pa.int32()),
        ("box", pa.string()), ("score", pa.string()),
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
    """Writes the files of provenance into a folder: `add` every clip, then `finish`."""

    def __init__(self, folder: Path, *, names: dict[int, str]) -> None:
        self._names = names  # of the actions
        self._labels = RowGroups(folder / LABELS, SCHEMA)
        self._boxes = RowGroups(folder / BOXES, BOXES_SCHEMA)
        self._proposals = RowGroups(folder / PROPOSALS, PROPOSALS_SCHEMA)

    def add(self, clip: ReleaseClip) -> None:
        answers = as_json([version._asdict() for version in clip.versions])
        rows = []
        for person in clip.persons:
            origin_of = {action: o for o in person.origins for action in o.action_ids}
            for action in person.action_ids:
                row = self._row(person, action, origin_of.get(action), clip)
                rows.append(row | {"answers": answers})
        self._labels.add(rows)
        self._boxes.add([_box_row(person, clip) for person in clip.persons])
        self._proposals.add(
            [
                {"video_id": clip.name, "timestamp": at, "track": one.person_id,
                 "box": one.box, "score": ava.format_score(one.score)}
                for at, proposals in clip.proposals.items() for one in proposals
            ]
        )  # fmt: skip

    def finish(self) -> None:
        for file in (self._labels, self._boxes, self._proposals):
            file.close()

    def _row(
        self, person: ReleasedPerson, action: int, origin: Origin | None, clip: ReleaseClip
    ) -> dict[str, Any]:
        row = {
            "video_id": clip.name, "timestamp": person.timestamp, "person_id": person.person_id,
            "action_id": action, "split": clip.split, "drawn_by": list(person.drawn_by),
        }  # fmt: skip
        if origin is None:
            return row
        votes = dict(origin.votes)
        return row | {
            "group": origin.group, "rule": origin.rule, "votes": as_json(votes),
            "share": vote_share(votes, self._names[action]),
            "reviewer": origin.reviewer or None, "decided_at": origin.decided_at or None,
            "reason": origin.reason or None,
        }  # fmt: skip


def _box_row(person: ReleasedPerson, clip: ReleaseClip) -> dict[str, Any]:
    return {
        "video_id": clip.name, "timestamp": person.timestamp, "person_id": person.person_id,
        "box": person.box, "drawn_by": list(person.drawn_by),
        "drawn": [[float(side) for side in box] for box in person.drawn],
        "is_decided": person.is_box_decided,
        "votes": as_json(
            {
                origin.group: {"rule": origin.rule, "votes": dict(origin.votes)}
                for origin in person.origins
            }
        ),
    }  # fmt: skip


def vote_share(votes: dict[Any, Any], action: str) -> float | None:
    """The share of the votes that count which name `action`, 0 to 1; None without votes.

    >>> vote_share({1: "walk", 2: "sit", 3: "unset"}, "walk")
    0.5
    """
    counted = [vote for vote in votes.values() if counts_as_vote(vote)]
    named = sum(action in (vote if isinstance(vote, list) else [vote]) for vote in counted)
    return named / len(counted) if counted else None


def as_json(value: Any) -> str:
    """Compact JSON whose keys are sorted.

    >>> as_json({2: "walk", 1: ["wave"]})
    '{"1":["wave"],"2":"walk"}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
