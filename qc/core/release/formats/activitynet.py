"""ActivityNet: `activity_net.json`, what is done from when to when in each clip.

A person who does something at keyframes of consecutive seconds does it from half a second
before the first to half a second after the last; overlapping segments of several persons are
one. Seconds count from the beginning of `clips/<video_id>.mp4`.
"""

import json
from collections import defaultdict
from typing import Any

from datasets.core.media.clips_and_keyframes import FIRST_TIMESTAMP, FRAME_RATE
from qc.core.agreement.labels_over_time import segments_of
from qc.core.release.formats.content import FormatContext
from qc.core.release.records import ReleaseClip

SUBSETS = {"train": "training", "val": "validation", "test": "testing"}


class ActivityNetWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._database: dict[str, Any] = {}

    def add(self, clip: ReleaseClip) -> None:
        seconds: dict[int, set[int]] = defaultdict(set)
        for person in clip.persons:
            for action in person.action_ids:
                seconds[action].add(person.timestamp - FIRST_TIMESTAMP)
        self._database[clip.name] = {
            "subset": SUBSETS[clip.split],
            "duration": round(clip.window.frame_count / FRAME_RATE, 3),
            "resolution": f"{clip.width}x{clip.height}",
            "url": "",
            "annotations": [
                {"label": self._context.names[action], "segment": segment}
                for action in sorted(seconds)
                for segment in segments(seconds[action])
            ],
        }

    def finish(self) -> None:
        taxonomy = [
            {"parentName": "Root", "nodeName": action.name, "nodeId": action.action_id,
             "parentId": 0}
            for action in self._context.actions
        ]  # fmt: skip
        content = {"version": self._context.title, "taxonomy": taxonomy}
        text = json.dumps(content | {"database": self._database}, indent=1)
        (self._context.folder / "activity_net.json").write_text(f"{text}\n", encoding="ascii")


def segments(seconds: set[int]) -> list[list[float]]:
    """Consecutive seconds as segments, half a second around each.

    >>> segments({2, 3, 7})
    [[1.5, 3.5], [6.5, 7.5]]
    """
    return [[start - 0.5, end - 0.5] for start, end in segments_of(sorted(seconds))]
