"""Stage 7: answers come back, as CVAT exports by hand or pulled from a server (version.py).

Each that differs from the newest version of its task is kept as it came, a version that stays,
and read afterwards: into StoredBoxes as it says, and from these into Annotations at every AVA
keyframe. Nothing is overwritten: agreement and releases name the version used.
"""

import gzip
import json
import unicodedata
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.db import IntegrityError, transaction

from annotation.core.cvat_json import CvatJsonError, LabelIds, document_from
from annotation.core.cvat_xml import CvatXmlError, Document, XmlTrack, load
from annotation.core.labels import (
    PERSON,
    PERSON_ID,
    ActionGroupSpec,
    LabelsError,
    answers_from,
    attributes_of,
    unset_groups,
)
from annotation.core.tracks import sample_at_keyframes, task_frame_count
from annotation.models import Annotation, AnnotationTask, AnswerVersion, StoredBox
from annotation.selectors.tasks import group_specs
from avaproject.base.storage import local_path, store, work_folder
from datasets.core.archive import DAMAGE
from datasets.models import Dataset
from tracking.core.boxes import area, clipped

LARGEST = 256 << 20  # bytes of XML; a crowded clip of 80 actions has about 20 MB
TRIES = 5
ROWS_AT_ONCE = 2000
XML_NAME = "annotations.xml"
FILE_NAMES = (
    "a file of answers is called <clip>--<annotator>.xml or .zip, or is CVAT's export of a "
    "task of that name"
)


class AnswersError(ValueError):
    """The answers are not those to the task."""


class Refusal(NamedTuple):
    file: str
    reason: str


@dataclass
class Imported:
    """What became of the files in a folder."""

    received: int = 0
    unchanged: int = 0  # the newest version already, or a package that nobody has answered
    refused: list[Refusal] = field(default_factory=list)


def receive_answers(task: AnnotationTask, content: bytes) -> AnswerVersion | None:
    """Keep the XML of a task as its next version; None if it is the newest version already.

    Raises AnswersError if it is too large to be one.
    """
    if len(content) > LARGEST:
        raise AnswersError(f"it has more than {LARGEST >> 20} MB, too much for one clip")
    return store_version(task, content, sha256(content).hexdigest(), suffix="xml")


def store_version(
    task: AnnotationTask,
    content: bytes,
    digest: str,
    *,
    suffix: str,
    job: int | None = None,
    even_if_same: bool = False,
) -> AnswerVersion | None:
    """Keep `content` as the next version of `task`; None if the newest has this `digest`.

    Args:
        digest: The same for content that says the same.
        suffix: "xml" or "json".
        job: CVAT's number, if it came from a job there.
        even_if_same: Make a version all the same, as after a rejection.
    """
    for attempt in range(1, TRIES + 1):
        newest = task.versions.order_by("-number").first()
        if newest is not None and newest.sha256 == digest and not even_if_same:
            return None
        try:
            return _next_version(task, content, digest, suffix, job)
        except IntegrityError:  # somebody else brought the same version at the same moment
            if attempt == TRIES:
                raise
    return None


def import_answers(dataset: Dataset, folder: Path) -> Imported:
    """Receive every file of answers in `folder`; what cannot be is named with a reason.

    Subfolders and hidden files are left alone.
    """
    tasks = {
        str(task): task
        for task in AnnotationTask.objects.of(dataset).select_related("clip", "annotator")
    }
    imported = Imported()
    files = sorted(one for one in folder.iterdir() if one.is_file() and one.name[0] != ".")
    names = {path: _task_name(path, tasks) for path in files}
    for path in files:
        try:
            _check_name(path, names, tasks)
            content = _xml_of(path)
            version = receive_answers(tasks[names[path]], content) if content else None
        except AnswersError as error:
            imported.refused.append(Refusal(path.name, str(error)))
        else:
            imported.received += version is not None
            imported.unchanged += version is None
    return imported


def read_answers(version_id: int) -> AnswerVersion | None:
    """Read one version into its rows; None if somebody else has it or it is done."""
    version = AnswerVersion.objects.claim(version_id)
    if version is None:
        return None
    with version.working(CvatXmlError, CvatJsonError, LabelsError, AnswersError):
        document = document_of_version(version)
        groups = group_specs(version.task.clip.video.dataset)
        _check_task(document, version.task)
        _check_labels(document, groups)
        rows = list(_annotations(version, document, groups))
        boxes = list(_stored_boxes(version, document))
        with transaction.atomic():
            version.boxes.all().delete()
            version.annotations.all().delete()
            StoredBox.objects.bulk_create(boxes, batch_size=ROWS_AT_ONCE)
            Annotation.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
            version.finish(
                person_count=len({row.person_id or f"track {row.track}" for row in rows}),
                unfinished=sum(len(unset_groups(row.answers, groups)) for row in rows),
            )
    return version


def document_of_version(version: AnswerVersion) -> Document:
    """What one version says, read from what came.

    Raises CvatXmlError or CvatJsonError.
    """
    task = version.task
    with local_path(str(version.raw)) as path:
        content = gzip.decompress(path.read_bytes())
    if not str(version.raw).endswith(".json.gz"):
        return load(content)
    envelope = json.loads(content)
    ids = LabelIds(envelope["label"], envelope["attributes"])
    fps = task.clip.video.dataset.annotation_fps
    frames = task_frame_count(task.clip.frame_count, annotation_fps=fps)
    return document_from(envelope["annotations"], ids, task_name=str(task), frame_count=frames)


def _next_version(
    task: AnnotationTask, content: bytes, digest: str, suffix: str, job: int | None
) -> AnswerVersion:
    # Named by its content: who loses the race for a version must not touch the winner's file.
    number, mark = AnswerVersion.next_number(task), sha256(content).hexdigest()[:8]
    name = f"{task.clip.video.dataset.name}/answers/{task}--v{number}-{mark}.{suffix}.gz"
    with work_folder() as folder:
        path = folder / "answers.gz"
        path.write_bytes(gzip.compress(content, mtime=0))
        store(path, name)
    with transaction.atomic():
        return AnswerVersion.objects.create(
            task=task, number=number, raw=name, sha256=digest, job=job
        )


def _task_name(path: Path, tasks: Collection[str]) -> str:
    """The name of the task that a file answers: its own, or as CVAT wrote it into the file."""
    # Some file systems take the accents of letters apart.
    name = unicodedata.normalize("NFC", path.stem)
    if name in tasks:
        return name
    try:
        inside = load(_xml_of(path) or b"").task_name
    except (AnswersError, CvatXmlError):
        return name
    return inside if inside in tasks else name


def _check_name(path: Path, names: Mapping[Path, str], tasks: Collection[str]) -> None:
    if path.suffix not in (".xml", ".zip"):
        raise AnswersError(f"it is neither XML nor zip; {FILE_NAMES}")
    if names[path] not in tasks:
        raise AnswersError(f"no task of this dataset is called {names[path]}; {FILE_NAMES}")
    if list(names.values()).count(names[path]) > 1:
        raise AnswersError("there are two files for this task; leave the one that counts")


def _xml_of(path: Path) -> bytes | None:
    """The XML in `path`, itself or in a zip, at most a byte more than the largest allowed.

    None if it is still the package: nobody has put an export in its place.
    """
    if path.suffix == ".xml":
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "labels.json" in names:
                return None
            if XML_NAME not in names:
                raise AnswersError(
                    f"there is no {XML_NAME} in it: export the task from CVAT as "
                    '"CVAT for video 1.1"'
                )
            with archive.open(XML_NAME) as file:
                return file.read(LARGEST + 1)
    except (*DAMAGE, OSError) as error:  # damaged bzip2 is an OSError
        raise AnswersError(f"the zip cannot be opened: {error}") from error


def _check_task(document: Document, task: AnnotationTask) -> None:
    """The file is of a task with this clip's pictures, as far as it says."""
    clip, video = task.clip, task.clip.video
    named = document.task_name
    if named != str(task) and named in map(str, AnnotationTask.objects.of(video.dataset)):
        raise AnswersError(f"these are the answers to {named}, not to {task}")
    frames = task_frame_count(clip.frame_count, annotation_fps=video.dataset.annotation_fps)
    if document.frame_count not in (0, frames):
        raise AnswersError(
            f"its task has {document.frame_count} pictures, but {clip} has {frames}: export "
            "the whole task that was made of this clip's frames.zip"
        )
    last = max((shape.frame for one in document.tracks for shape in one.shapes), default=0)
    if last > frames:  # a track may end with the clip, one frame after its last
        raise AnswersError(f"it has a box at frame {last}, but {clip} has {frames} pictures")
    size = (document.width, document.height)
    if size not in ((0, 0), (video.width, video.height)):
        raise AnswersError(
            f"its pictures have {size[0]}x{size[1]} pixels, but those of {clip} have "
            f"{video.width}x{video.height}"
        )


def _check_labels(document: Document, groups: tuple[ActionGroupSpec, ...]) -> None:
    """Labels and attributes are those of the dataset."""
    strange = sorted({track.label for track in document.tracks} - {PERSON})
    if strange:
        raise AnswersError(
            f"it has tracks of {', '.join(strange)}; this dataset knows only {PERSON}"
        )
    wanted = {attribute.name for attribute in attributes_of(groups)}
    declared = {attribute.name for attribute in document.attributes}
    used = {
        name for track in document.tracks for shape in track.shapes for name in shape.attributes
    }
    extra, missing = sorted((declared | used) - wanted), sorted(wanted - declared)
    if extra:
        raise AnswersError(
            f"it answers what was not asked: {', '.join(extra)}; make the task with the "
            "package's labels.json"
        )
    if declared and missing:
        raise AnswersError(
            f"its task does not ask for {', '.join(missing)}; make it with the package's "
            "labels.json"
        )


def _stored_boxes(version: AnswerVersion, document: Document) -> Iterator[StoredBox]:
    """The CVAT keyframes; an export by hand has the boxes between them too."""
    task, name = version.task, version.task.annotator.name
    for number, track in enumerate(document.tracks):
        for at, shape in enumerate(track.shapes):
            if at and not shape.keyframe:
                continue
            xtl, ytl, xbr, ybr = shape.box
            yield StoredBox(
                version=version, task=task, job=version.job, track=number, frame=shape.frame,
                xtl=xtl, ytl=ytl, xbr=xbr, ybr=ybr, outside=shape.outside,
                attributes=shape.attributes, annotator=name,
            )  # fmt: skip


def _annotations(
    version: AnswerVersion, document: Document, groups: tuple[ActionGroupSpec, ...]
) -> Iterator[Annotation]:
    clip, video = version.task.clip, version.task.clip.video
    known = set(version.task.run.persons.values_list("person_id", flat=True))
    for number, track in enumerate(document.tracks):
        person_id = _person_id(track, number, known)
        fps = video.dataset.annotation_fps
        for found in sample_at_keyframes(track, clip.keyframes(), annotation_fps=fps):
            box = clipped(
                np.array([found.box]), width=video.width or 0, height=video.height or 0
            )
            if not area(box)[0]:
                continue
            try:
                answers = answers_from(found.attributes, groups)
            except LabelsError as error:
                raise AnswersError(
                    f"track {number} at second {found.second}: {error}"
                ) from error
            x1, y1, x2, y2 = box[0].tolist()
            yield Annotation(
                version=version, second=found.second, person_id=person_id, track=number,
                x1=x1, y1=y1, x2=x2, y2=y2, answers=answers,
            )  # fmt: skip


def _person_id(track: XmlTrack, number: int, known: set[int]) -> int | None:
    """The person of the pre-annotation that a track shows; None if the annotator drew it.

    A number of their own that annotators give to whom they drew says nothing.
    """
    given = {shape.attributes.get(PERSON_ID, "").strip() for shape in track.shapes} - {""}
    if not given:
        return None
    if given - set(map(str, known)):
        if track.is_drawn:
            return None
        raise AnswersError(
            f"track {number} has the {PERSON_ID} {', '.join(sorted(given))}, which is nobody "
            "in this clip: give it its number back, or empty it if it is somebody else, and "
            "finish the job again"
        )
    if len(given) > 1:
        raise AnswersError(
            f"track {number} has several: {PERSON_ID} {', '.join(sorted(given))}"
        )
    return int(given.pop())
