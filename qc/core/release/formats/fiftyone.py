"""FiftyOne: a folder of the type `FiftyOneVideoLabelsDataset`, over the release's own clips.

    fiftyone.Dataset.from_dir(dataset_dir="formats/fiftyone",
                              dataset_type=fiftyone.types.FiftyOneVideoLabelsDataset)

A person is a detection of its class (`person`) at the frames of keyframes (from 1), with its
number as index and each of its actions as an attribute: `action_12` says the name of action 12,
for names may hold dots, which FiftyOne does not allow in names of attributes. The split is one
of the video.
"""

import json
from typing import Any

from qc.core.release.formats.content import FormatContext, frame_of
from qc.core.release.records import ReleaseClip, ReleasedPerson

CATEGORY = "eta.core.data.CategoricalAttribute"


class FiftyOneWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._index: list[dict[str, str]] = []
        (context.folder / "labels").mkdir()

    def add(self, clip: ReleaseClip) -> None:
        frames = {}
        for at in clip.annotated:
            number = frame_of(at) + 1
            persons = [self._detection(person, number) for person in clip.at(at)]
            frames[str(number)] = {"frame_number": number, "objects": {"objects": persons}}
        labels = {
            "attrs": {"attrs": [_attribute("split", clip.split)]},
            "frames": frames,
        }
        path = f"labels/{clip.name}.json"
        text = json.dumps(labels, ensure_ascii=True)
        (self._context.folder / path).write_text(f"{text}\n", encoding="ascii")
        self._index.append({"data": f"../../clips/{clip.name}.mp4", "labels": path})

    def finish(self) -> None:
        manifest = {
            "type": "eta.core.datasets.LabeledVideoDataset",
            "description": self._context.title,
            "index": self._index,
        }
        text = json.dumps(manifest, indent=1)
        (self._context.folder / "manifest.json").write_text(f"{text}\n", encoding="ascii")

    def _detection(self, person: ReleasedPerson, number: int) -> dict[str, Any]:
        x1, y1, x2, y2 = map(float, person.box.split(","))
        names = {f"action_{i}": self._context.names[i] for i in person.action_ids}
        return {
            "label": person.label,
            "bounding_box": {
                "top_left": {"x": x1, "y": y1}, "bottom_right": {"x": x2, "y": y2},
            },
            "index": person.person_id,
            "frame_number": number,
            "attrs": {"attrs": [_attribute(*each) for each in names.items()]},
        }  # fmt: skip


def _attribute(name: str, value: str) -> dict[str, str]:
    return {"type": CATEGORY, "name": name, "value": value}
