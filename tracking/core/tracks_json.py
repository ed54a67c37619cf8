"""`<clip>.json` of `tracking_jsons.zip`: the boxes of one clip at keyframes, written and read.

A list of `{video_id, frame, track_id, bbox}`: `video_id` is the clip's name, `frame` the file
name of an annotation frame, `track_id` the person, `bbox` x1, y1, x2, y2 in pixels.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from datasets.core.formats.ava.dense_proposals import TrackedBox
from datasets.core.untrusted import read_json, shown

MAX_BYTES = 256 << 20  # of a clip's boxes


def dump_boxes(clip: str, boxes: Iterable[TrackedBox]) -> bytes:
    """The JSON of the boxes of one clip.

    >>> dump_boxes("a", [TrackedBox("a_frame_0010.jpg", 3, (1.0, 2.0, 3.0, 4.0), 0.5)])[:40]
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


def load_boxes(content: bytes) -> Iterator[tuple[str, TrackedBox]]:
    """The clip and the box of every row, the score 0. Raises ValueError if it is other JSON."""
    try:
        for row in read_json(content, max_bytes=MAX_BYTES):
            x1, y1, x2, y2 = map(float, row["bbox"])
            if not all(map(math.isfinite, (x1, y1, x2, y2))):
                raise ValueError(f"{shown(row['bbox'])} is not a box")
            frame = PurePosixPath(str(row["frame"])).name
            box = TrackedBox(frame, int(row["track_id"]), (x1, y1, x2, y2), 0.0)
            yield str(row["video_id"]), box
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(repr(error)) from error
