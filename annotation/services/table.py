"""All newest answers of a dataset as one table: a line for each box at each AVA keyframe."""

import csv
import io
import json
from collections.abc import Iterator

from annotation.core.cvat_xml import XmlTrack
from annotation.core.labels import PERSON_ID
from annotation.core.tracks import boxes_at
from annotation.models import AnnotationTask, Pull
from annotation.services.answers import document_of_pull
from datasets.models import Dataset

COLUMNS = (
    "task", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside", "attributes",
    "annotator",
)  # fmt: skip
Line = tuple[object, ...]


def table(dataset: Dataset) -> Iterator[str]:
    """The CSV, line by line; `frame` is that of the CVAT task, pixels have two decimals.

    `track` is the person's number, or "new" and the track's place for one the annotator drew. A
    track that left the picture has `outside` 1 and the box it was last seen in.
    """
    yield _csv(COLUMNS)
    for pull in _newest(dataset):
        for number, track in enumerate(document_of_pull(pull).tracks):
            for line in _lines(pull, number, track):
                yield _csv(line)


def _newest(dataset: Dataset) -> Iterator[Pull]:
    tasks = AnnotationTask.objects.of(dataset).with_latest_pull()
    keys = tasks.exclude(latest_pull_id=None).values_list("latest_pull_id", flat=True)  # type: ignore[misc]
    pulls = Pull.objects.filter(pk__in=list(keys)).select_related(
        "task__clip__video__dataset", "task__annotator", "task__cvat_job"
    )
    yield from pulls.order_by("task__clip__name", "task__annotator__name").iterator()


def _lines(pull: Pull, number: int, track: XmlTrack) -> Iterator[Line]:
    task, seconds = pull.task, pull.task.clip.keyframes()
    fps = task.clip.video.dataset.annotation_fps
    job = getattr(task, "cvat_job", None)
    seen = {one.second: one for one in boxes_at(track, seconds, annotation_fps=fps)}
    for second in seconds:
        frame = second * fps
        last = [shape for shape in track.shapes if shape.frame <= frame]
        if not last:
            continue
        found = seen.get(second)
        box = found.box if found else last[-1].box
        said = found.attributes if found else last[-1].attributes
        sides = [f"{side:.2f}" for side in box]
        label = said.get(PERSON_ID) or f"new {number}"
        yield (
            str(task), job.job_id if job else "", label, frame, *sides, int(found is None),
            json.dumps(said, sort_keys=True), task.annotator.name,
        )  # fmt: skip


def _csv(line: Line) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(line)
    return buffer.getvalue()
