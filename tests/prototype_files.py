"""Files in the format of the earlier prototype: images at 1 fps, boxes in pixels."""

import json
import pickle
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from datasets.core.media.standard_video import encode_jpeg

WIDTH, HEIGHT = 640, 360


@cache
def grey_jpeg(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A grey JPEG, another one for each number up to 255."""
    return encode_jpeg(np.full((height, width, 3), number % 256, np.uint8))


def boxes_of(clip: str, *, seconds: int = 15, persons: int = 2, first: int = 0) -> Any:
    """Persons who walk to the right, `{frame: [[x1, y1, x2, y2, score, track_id], ...]}`.

    They are lower by the last digit of the clip: no two clips have the same boxes.
    """
    top = 50.0 + int(clip[-1]) if clip[-1:].isdecimal() else 50.0
    return {
        f"{clip}_frame_{first + second:04d}.jpg": [
            [100.0 * number + 2 * second, top, 100.0 * number + 2 * second + 40, top + 150, 0.8,
             number]
            for number in range(1, persons + 1)
        ]
        for second in range(seconds)
    }  # fmt: skip


def write_prototype(
    folder: Path,
    dense: dict[str, Any] | None = None,
    *,
    clips: dict[str, int] | None = None,
    first: int = 0,
    with_tracks: bool = True,
) -> Path:
    """Write `frames.zip`, `dense_proposals.pkl` and, if asked, `tracking_jsons.zip`.

    `clips` holds the number of images of each clip, numbered from `first`.
    """
    clips = clips or {"street_1_clip_000": 15, "street_1_clip_001": 15}
    if dense is None:
        dense = {clip: boxes_of(clip, seconds=n, first=first) for clip, n in clips.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "frames.zip", "w") as archive:
        for clip, count in clips.items():
            for second in range(count):
                content = grey_jpeg(10 * second, width=WIDTH, height=HEIGHT)
                archive.writestr(f"{clip}/{clip}_frame_{first + second:04d}.jpg", content)
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    if with_tracks:
        with zipfile.ZipFile(folder / "tracking_jsons.zip", "w") as archive:
            for clip, frames in dense.items():
                archive.writestr(f"{clip}.json", json.dumps(rows_of(clip, frames)))
    return folder


def rows_of(clip: str, frames: dict[str, Any]) -> list[dict[str, Any]]:
    """The same boxes as `<clip>.json` lists them."""
    return [
        {"video_id": clip, "frame": frame, "track_id": int(row[-1]), "bbox": list(row[:4])}
        for frame, rows in frames.items()
        for row in rows
    ]
