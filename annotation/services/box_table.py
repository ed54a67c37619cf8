"""CSV table of stored boxes: a line for each CVAT keyframe of the answers."""

import csv
import io
import json
from collections.abc import Iterator

from annotation.models import AnnotationTask, StoredBox
from datasets.models import Dataset

COLUMNS = (
    "task", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside", "attributes",
    "annotator",
)  # fmt: skip
CHUNK_SIZE = 2000


def box_table(dataset: Dataset) -> Iterator[str]:
    """The newest version of every task, by clip, annotator, track and frame."""
    tasks = AnnotationTask.objects.of(dataset).with_latest_version()
    ordered = tasks.order_by("clip__name", "annotator__name")
    newest = ordered.values_list("latest_version_id", flat=True)  # type: ignore[misc]
    return _lines([version for version in newest if version is not None])


def task_box_table(task: AnnotationTask, *, number: int | None = None) -> Iterator[str]:
    """One version of a task, the newest unless given; only the header if there is none."""
    versions = task.versions.done().order_by("-number")
    if number is not None:
        versions = versions.filter(number=number)
    return _lines(list(versions.values_list("pk", flat=True)[:1]))


def _lines(versions: list[int]) -> Iterator[str]:
    """CSV, line by line; pixels have two decimals, `frame` is that of the CVAT task."""
    yield _csv(COLUMNS)
    for version in versions:
        boxes = StoredBox.objects.filter(version=version).select_related(
            "task__clip", "task__annotator"
        )
        for box in boxes.order_by("track", "frame").iterator(CHUNK_SIZE):
            sides = [f"{side:.2f}" for side in (box.xtl, box.ytl, box.xbr, box.ybr)]
            yield _csv(
                (
                    str(box.task), "" if box.job is None else box.job, box.track, box.frame,
                    *sides, int(box.outside), json.dumps(box.attributes, sort_keys=True),
                    box.annotator,
                )
            )  # fmt: skip


def _csv(line: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(line)
    return buffer.getvalue()
