"""Parquet: `<split>.parquet`, a row per person and keyframe, with votes and agreement.

`datasets.load_dataset("parquet", data_files={"train": "formats/parquet/train.parquet"})` and
pandas read it. `agreement` is the share of pairs of annotators who gave the same answer, over
all groups that two or more answered; null where there is no such group.
"""

from itertools import combinations
from typing import Any

import pyarrow as pa

from datasets.core.formats import ava
from qc.core.release.formats.content import FormatContext, frame_of
from qc.core.release.provenance import RowGroups, as_json
from qc.core.release.records import ReleaseClip, ReleasedPerson

SCHEMA = pa.schema(
    [
        ("video_id", pa.string()), ("source_video", pa.string()), ("timestamp", pa.int32()),
        ("frame", pa.string()), ("width", pa.int32()), ("height", pa.int32()),
        ("person_id", pa.int32()), ("x1", pa.float64()), ("y1", pa.float64()),
        ("x2", pa.float64()), ("y2", pa.float64()), ("action_ids", pa.list_(pa.int32())),
        ("actions", pa.list_(pa.string())), ("drawn_by", pa.list_(pa.int32())),
        ("votes", pa.string()), ("agreement", pa.float64()),
    ]
)  # fmt: skip
CLASS = pa.field("class", pa.string())  # only where not all are persons


class ParquetWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context, self._names = context, context.names
        schema = SCHEMA if context.is_of_persons else SCHEMA.append(CLASS)
        self._files = {
            split: RowGroups(context.folder / f"{split}.parquet", schema)
            for split in context.splits
        }

    def add(self, clip: ReleaseClip) -> None:
        self._files[clip.split].add([self._row(person, clip) for person in clip.persons])

    def finish(self) -> None:
        for file in self._files.values():
            file.close()

    def _row(self, person: ReleasedPerson, clip: ReleaseClip) -> dict[str, Any]:
        image = f"rawframes/{clip.name}/{ava.frame_file(frame_of(person.timestamp))}"
        corners = map(float, person.box.split(","))
        width, height = self._context.frame_size(clip)
        return {
            "video_id": clip.name, "source_video": clip.source_video,
            "timestamp": person.timestamp, "frame": image, "width": width,
            "height": height, "person_id": person.person_id,
            **dict(zip(("x1", "y1", "x2", "y2"), corners, strict=True)),
            "action_ids": list(person.action_ids),
            "actions": [self._names[action] for action in person.action_ids],
            "drawn_by": list(person.drawn_by),
            "votes": as_json({origin.group: dict(origin.votes) for origin in person.origins}),
            "agreement": agreement_of(person), "class": person.label,
        }  # fmt: skip


def agreement_of(person: ReleasedPerson) -> float | None:
    """The share of pairs of annotators who agree, over the groups of one person."""
    pairs = [
        as_json(a) == as_json(b)
        for origin in person.origins
        for (_, a), (_, b) in combinations(
            [vote for vote in origin.votes if vote[1] not in (None, "unset")], 2
        )
    ]
    return sum(pairs) / len(pairs) if pairs else None
