"""COCO-video: `<split>.json` with videos, images at keyframes, and persons as annotations.

A person is an annotation of the category of its class (`person`) with `bbox` in pixels of the
frames, from 0, `[left, top, width, height]`, the `action_ids` of what it does (their names are
in `actions`), and its `instance_id` in the video.
"""

import json

from datasets.core.formats import ava
from qc.core.release.formats.content import FormatContext, frame_of, pixels
from qc.core.release.records import ReleaseClip


class CocoWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._parts: dict[str, dict[str, list[str]]] = {
            split: {"videos": [], "images": [], "annotations": []} for split in context.splits
        }

    def add(self, clip: ReleaseClip) -> None:
        parts = self._parts[clip.split]
        video_id = len(parts["videos"]) + 1
        width, height = self._context.frame_size(clip)
        size = {"width": width, "height": height}
        video = {"id": video_id, "name": clip.name, "length": clip.window.frame_count} | size
        parts["videos"].append(json.dumps(video))
        for at in clip.annotated:
            image_id = len(parts["images"]) + 1
            frame = frame_of(at)
            name = f"{clip.name}/{ava.frame_file(frame)}"
            image = {
                "id": image_id, "video_id": video_id, "file_name": name, "frame_id": frame,
                "timestamp": at,
            }  # fmt: skip
            parts["images"].append(json.dumps(image | size))
            for person in clip.at(at):
                left, top, right, bottom = pixels(person.box, **size)
                wide, high = round(right - left, 4), round(bottom - top, 4)
                annotation = {
                    "id": len(parts["annotations"]) + 1, "image_id": image_id,
                    "video_id": video_id, "category_id": self._context.number_of(person.label),
                    "instance_id": person.person_id,
                    "bbox": [left, top, wide, high], "area": round(wide * high, 4),
                    "iscrowd": 0, "action_ids": person.action_ids,
                }  # fmt: skip
                parts["annotations"].append(json.dumps(annotation))

    def finish(self) -> None:
        head = {
            "info": {"description": f"{self._context.title}. Frames: rawframes/"},
            "licenses": [],
            "categories": [
                {"id": number, "name": name, "supercategory": name}
                for number, name in enumerate(self._context.labels, start=1)
            ],
            "actions": [
                {"id": action.action_id, "name": action.name, "type": action.label_type}
                for action in self._context.actions
            ],
        }
        for split, parts in self._parts.items():
            lists = "".join(_list(name, rows) for name, rows in parts.items())
            text = f"{json.dumps(head)[:-1]}{lists}\n}}\n"
            (self._context.folder / f"{split}.json").write_text(text, encoding="ascii")


def _list(name: str, rows: list[str]) -> str:
    return f',\n"{name}": [\n' + ",\n".join(rows) + "\n]"
