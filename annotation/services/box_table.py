"""CSV table of stored boxes: a line for each CVAT keyframe of the answers."""

import csv
import io
import json
from collections.abc import Callable, Iterator

from annotation.models import Annotation, AnnotationTask, AnswerVersion, StoredBox
from datasets.core.formats.cvat_labels import PERSON, PERSON_ID
from datasets.models import Dataset
from tracking.person_classes import classes_in

COLUMNS = (
    "task", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside", "attributes",
    "annotator",
)  # fmt: skip
CLASS = "class"  # the last column, where others than persons are followed
CHUNK_SIZE = 2000


def box_table(dataset: Dataset) -> Iterator[str]:
    """The newest version of every task, by clip, annotator, track and frame."""
    tasks = AnnotationTask.objects.of(dataset).with_latest_version()
    ordered = tasks.order_by("clip__name", "annotator__name")
    newest = ordered.values_list("latest_version_id", flat=True)  # type: ignore[misc]
    return _lines(dataset, [version for version in newest if version is not None])


def task_box_table(task: AnnotationTask, *, number: int | None = None) -> Iterator[str]:
    """One version of a task, the newest unless given; only the header if there is none."""
    versions = task.versions.done().order_by("-number")
    if number is not None:
        versions = versions.filter(number=number)
    dataset = task.clip.video.dataset
    return _lines(dataset, list(versions.values_list("pk", flat=True)[:1]))


def _lines(dataset: Dataset, versions: list[int]) -> Iterator[str]:
    """CSV, line by line; pixels have two decimals, `frame` is that of the CVAT task."""
    has_classes = dataset.class_names != [PERSON]
    yield _csv((*COLUMNS, CLASS) if has_classes else COLUMNS)
    for version in versions:
        class_of = _classes_of_boxes(version) if has_classes else None
        boxes = StoredBox.objects.filter(version=version).select_related(
            "task__clip", "task__annotator"
        )
        for box in boxes.order_by("track", "frame").iterator(CHUNK_SIZE):
            sides = [f"{side:.2f}" for side in (box.xtl, box.ytl, box.xbr, box.ybr)]
            yield _csv(
                (
                    str(box.task), "" if box.job is None else box.job, box.track, box.frame,
                    *sides, int(box.outside), json.dumps(box.attributes, sort_keys=True),
                    box.annotator, *([class_of(box)] if class_of else []),
                )
            )  # fmt: skip


def _classes_of_boxes(version: int) -> Callable[[StoredBox], str]:
    """What says of each box of an answer version what it shows."""
    found = Annotation.objects.filter(version=version).exclude(label="")
    drawn = dict(found.order_by().values_list("track", "label").distinct())
    videos = AnswerVersion.objects.filter(pk=version).values_list("task__clip__video")
    classes = {
        str(number): label for (video,) in videos for number, label in classes_in(video).items()
    }

    def class_of(box: StoredBox) -> str:
        given = str(box.attributes.get(PERSON_ID, "")).strip()
        return drawn.get(box.track) or classes.get(given, PERSON)

    return class_of


def _csv(line: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(line)
    return buffer.getvalue()
