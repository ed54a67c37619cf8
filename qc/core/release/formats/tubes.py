"""Action tubes: `tubes.pkl` in the form of UCF101-24 (ACT, MOC) and MultiSports.

Keys: `labels`, `gttubes` {video: {place of the label: [tube]}}, `nframes`, `resolution`
{video: (height, width)}, `train_videos` and `test_videos`, each a list of one list: val is the
test list, and `held_out_videos` is test where there is one. A tube has the shape `(n, 5)`:
frame from 1, then the box in pixels. It runs through all frames of consecutive keyframes;
between them boxes are interpolated, because these readers want every frame.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats.ava.dense_proposals import dump_for_old_numpy
from qc.core.release.formats.content import FormatContext, by_person, frame_of, pixels, runs
from qc.core.release.records import ReleaseClip, ReleasedPerson


class TubesWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._place = {action.action_id: i for i, action in enumerate(context.actions)}
        self._tubes: dict[str, dict[int, list[NDArray[np.float32]]]] = {}
        self._frames: dict[str, int] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._videos: dict[str, list[str]] = {split: [] for split in context.splits}

    def add(self, clip: ReleaseClip) -> None:
        tubes: dict[int, list[NDArray[np.float32]]] = defaultdict(list)
        width, height = self._context.frame_size(clip)
        for persons in by_person(clip).values():
            for action in sorted({a for person in persons for a in person.action_ids}):
                acting = [person for person in persons if action in person.action_ids]
                for run in runs(acting):
                    tubes[self._place[action]].append(_tube(run, width, height))
        self._tubes[clip.name] = dict(sorted(tubes.items()))
        self._frames[clip.name] = clip.window.frame_count
        self._sizes[clip.name] = (height, width)
        self._videos[clip.split].append(clip.name)

    def finish(self) -> None:
        content: dict[str, Any] = {
            "labels": [action.name for action in self._context.actions],
            "gttubes": self._tubes,
            "nframes": self._frames,
            "train_videos": [self._videos["train"]],
            "test_videos": [self._videos["val"]],
            "resolution": self._sizes,
        }
        if self._videos.get("test"):
            content["held_out_videos"] = [self._videos["test"]]
        (self._context.folder / "tubes.pkl").write_bytes(dump_for_old_numpy(content))


def _tube(run: list[ReleasedPerson], width: int, height: int) -> NDArray[np.float32]:
    keyframes = np.array([frame_of(person.timestamp) + 1 for person in run])
    boxes = np.array([pixels(p.box, width=width, height=height) for p in run])
    frames = np.arange(keyframes[0], keyframes[-1] + 1)
    corners = [np.interp(frames, keyframes, boxes[:, corner]) for corner in range(4)]
    return np.column_stack([frames, *corners]).astype(np.float32)
