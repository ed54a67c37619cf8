"""CVAT backups: zips that "Create from backup" turns into a task, or a project with its tasks.

A task's is `task.json`, `annotations.json` and its frames in `data/`; a project's is
`project.json` with the labels, and each task in a folder `task_<n>`. Labels and attributes are
named, not numbered. Both are what CVAT 2.54 and 2.73 read, without what they make up.
"""

import json
import zipfile
from collections.abc import Sequence
from typing import Any

from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_json import LabelIds, labelled_data
from datasets.core.formats.cvat_labels import PERSON, Attribute, labels_data
from datasets.core.zip_writer import ZipWriter

VERSION = "1.0"
GUIDE = "annotation_guide.md"


def add_project(
    backup: ZipWriter,
    name: str,
    attributes: Sequence[Attribute],
    *,
    guide: str,
    labels: Sequence[str] = (PERSON,),
) -> None:
    """Begin the backup of the project `name`; its tasks follow with `add_task`."""
    project = {
        "version": VERSION,
        "name": name,
        "status": "annotation",
        "bug_tracker": "",
        "labels": labels_data(attributes, labels),
    }
    _add_json(backup, "project.json", project)
    backup.add(GUIDE, guide.encode())


def add_task(
    backup: ZipWriter,
    document: Document,
    frames: zipfile.ZipFile,
    *,
    quality: int,
    guide: str = "",
    number: int | None = None,
) -> None:
    """Add a task: frames, boxes and, if it is alone, its labels and guide.

    Args:
        document: Its name, labels, attributes and tracks.
        frames: Its frames, in the order of their names.
        quality: JPEG quality of what CVAT shows, 1 to 100.
        guide: Markdown; of a task in a project that of the project counts.
        number: Of a task in a project, from 0; None for the backup of a task alone.
    """
    folder = "" if number is None else f"task_{number}/"
    task = {
        "version": VERSION,
        "name": document.task_name,
        "status": "annotation",
        "subset": "",
        "labels": labels_data(document.attributes, document.labels) if number is None else [],
        "data": {
            "chunk_type": "imageset",
            "storage": "local",
            "storage_method": "cache",
            "sorting_method": "lexicographical",
            "image_quality": quality,
        },
        "jobs": [
            {
                "start_frame": 0,
                "stop_frame": document.frame_count - 1,
                "status": "annotation",
                "type": "annotation",
            }
        ],
    }
    _add_json(backup, f"{folder}task.json", task)
    _add_json(backup, f"{folder}annotations.json", [_named(document)])
    if guide:
        backup.add(f"{folder}{GUIDE}", guide.encode())
    for name in sorted(frames.namelist()):
        backup.add(f"{folder}data/{name}", frames.read(name))


def _named(document: Document) -> dict[str, Any]:
    """The annotations with names where `PUT annotations` has ids."""
    names = [attribute.name for attribute in document.attributes]
    ids = LabelIds(0, {name: number for number, name in enumerate(names)})
    data = labelled_data(document.tracks, ids, document.attributes)
    sent = (track for track in document.tracks if track.shapes)
    for track, of in zip(data["tracks"], sent, strict=True):
        del track["label_id"]
        track["label"] = of.label
        for row in (track, *track["shapes"]):
            row["attributes"] = [
                {"name": names[one["spec_id"]], "value": one["value"]}
                for one in row["attributes"]
            ]
    return data


def _add_json(backup: ZipWriter, name: str, content: Any) -> None:
    backup.add(name, json.dumps(content).encode())
