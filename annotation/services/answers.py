"""Answer versions: import CVAT exports, store each as a version, and read it into rows.

Answers that differ from the newest version of their task are stored unchanged as a new version.
Each version is read into StoredBoxes (CVAT keyframes) and Annotations (AVA keyframes). Nothing
is overwritten: agreement and releases name the versions they use. Jobs of a CVAT server are
fetched by `cvat/jobs.py`.
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

from annotation.core.cvat_tracks import interpolate_at_keyframes, task_frame_count
from annotation.models import Annotation, AnnotationTask, AnswerVersion, StoredBox
from annotation.selectors.tasks import group_specs
from avaproject.base.storage import local_path, store, work_folder
from datasets.core.action_groups import (
    ActionGroupSpec,
    Answers,
    answered_once,
    asked_once,
    unset_groups,
)
from datasets.core.formats.cvat_document import Document, XmlTrack
from datasets.core.formats.cvat_json import CvatJsonError, LabelIds, document_from
from datasets.core.formats.cvat_labels import (
    PERSON,
    PERSON_ID,
    LabelsError,
    answers_from,
    attributes_of,
)
from datasets.core.formats.cvat_xml import CvatXmlError, load
from datasets.core.zip_reader import ZIP_ERRORS
from datasets.models import Dataset
from tracking.core.boxes import area, clip_boxes

MAX_SIZE = 256 << 20  # bytes of XML; a crowded clip of 80 actions has about 20 MB
MAX_ATTEMPTS = 5
BATCH_SIZE = 2000
XML_NAME = "annotations.xml"
FILE_NAMES = (
    "an answer file is named <clip>--<annotator>.xml or .zip, or is CVAT's export of a task of "
    "that name"
)


class AnswersError(ValueError):
    """The answers do not fit the task."""


class Refusal(NamedTuple):
    file: str
    reason: str


@dataclass
class Imported:
    """The outcome of importing the files in a folder."""

    received: int = 0
    unchanged: int = 0  # equal to the newest version, or still the package
    refused: list[Refusal] = field(default_factory=list)


def receive_answers(task: AnnotationTask, content: bytes) -> AnswerVersion | None:
    """Store the XML of a task as its next version; None if it equals the newest version.

    Raises AnswersError if it is too large.
    """
    if len(content) > MAX_SIZE:
        raise AnswersError(f"it has more than {MAX_SIZE >> 20} MB, too much for one clip")
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
    """Store `content` as the next version of `task`; None if the newest has this `digest`.

    Args:
        digest: Equal for content with equal answers.
        suffix: "xml" or "json".
        job: CVAT's job id, if it was fetched from there.
        even_if_same: Store a version anyway, as after a rejection.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        newest = task.versions.order_by("-number").first()
        if newest is not None and newest.sha256 == digest and not even_if_same:
            return None
        try:
            return _next_version(task, content, digest, suffix, job)
        except IntegrityError:  # a version with this number was stored at the same moment
            if attempt == MAX_ATTEMPTS:
                raise
    return None


def import_answers(dataset: Dataset, folder: Path) -> Imported:
    """Import every answer file in `folder`; refused files are listed with a reason.

    Subfolders and hidden files are ignored.
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
    """Read one version into its rows; None if another worker has it or it is done."""
    version = AnswerVersion.objects.claim(version_id)
    if version is None:
        return None
    with version.working(CvatXmlError, CvatJsonError, LabelsError, AnswersError):
        document = version_document(version)
        groups = group_specs(version.task.clip.video.dataset)
        _check_task(document, version.task)
        _check_labels(document, groups)
        rows = list(_annotations(version, document, groups))
        boxes = list(_stored_boxes(version, document))
        with transaction.atomic():
            version.boxes.all().delete()
            version.annotations.all().delete()
            StoredBox.objects.bulk_create(boxes, batch_size=BATCH_SIZE)
            Annotation.objects.bulk_create(rows, batch_size=BATCH_SIZE)
            version.finish(
                person_count=len({row.person_id or f"track {row.track}" for row in rows}),
                unfinished=sum(len(unset_groups(row.answers, groups)) for row in rows),
            )
    return version


def version_document(version: AnswerVersion) -> Document:
    """The annotations of one version, parsed from the stored file.

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
    # The name has the content's hash: the loser of a race must not touch the winner's file.
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
    """The task that a file belongs to: by the file's name, or by the name CVAT wrote inside."""
    # Some file systems decompose accented letters.
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
        raise AnswersError("there are two files for this task; remove one of them")


def _xml_of(path: Path) -> bytes | None:
    """The XML in `path` or in its zip, at most one byte more than MAX_SIZE.

    None for an annotation package that was not replaced by an export.
    """
    if path.suffix == ".xml":
        with path.open("rb") as file:
            return file.read(MAX_SIZE + 1)
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
                return file.read(MAX_SIZE + 1)
    except (*ZIP_ERRORS, OSError) as error:  # damaged bzip2 is an OSError
        raise AnswersError(f"the zip cannot be opened: {error}") from error


def _check_task(document: Document, task: AnnotationTask) -> None:
    """Raise AnswersError if the file belongs to another task or to other frames."""
    clip, video = task.clip, task.clip.video
    named = document.task_name
    if named != str(task) and named in map(str, AnnotationTask.objects.of(video.dataset)):
        raise AnswersError(f"these are the answers to {named}, not to {task}")
    frames = task_frame_count(clip.frame_count, annotation_fps=video.dataset.annotation_fps)
    if document.frame_count not in (0, frames):
        raise AnswersError(
            f"its task has {document.frame_count} frames, but {clip} has {frames}: export the "
            "whole task that was created from this clip's frames.zip"
        )
    last = max((shape.frame for one in document.tracks for shape in one.shapes), default=0)
    if last > frames:  # a track may end with the clip, one frame after its last
        raise AnswersError(f"it has a box at frame {last}, but {clip} has {frames} frames")
    size = (document.width, document.height)
    if size not in ((0, 0), (video.width, video.height)):
        raise AnswersError(
            f"its frames have {size[0]}x{size[1]} pixels, but those of {clip} have "
            f"{video.width}x{video.height}"
        )


def _check_labels(document: Document, groups: tuple[ActionGroupSpec, ...]) -> None:
    """Raise AnswersError if labels or attributes are not those of the dataset."""
    strange = sorted({track.label for track in document.tracks} - {PERSON})
    if strange:
        raise AnswersError(
            f"it has tracks of {', '.join(strange)}; this dataset has only the label {PERSON}"
        )
    wanted = {attribute.name for attribute in attributes_of(groups)}
    declared = {attribute.name for attribute in document.attributes}
    used = {
        name for track in document.tracks for shape in track.shapes for name in shape.attributes
    }
    extra, missing = sorted((declared | used) - wanted), sorted(wanted - declared)
    if extra:
        raise AnswersError(
            f"it has unknown attributes: {', '.join(extra)}; create the task with the "
            "package's labels.json"
        )
    if declared and missing:
        raise AnswersError(
            f"its task lacks the attributes {', '.join(missing)}; create it with the package's "
            "labels.json"
        )


def _stored_boxes(version: AnswerVersion, document: Document) -> Iterator[StoredBox]:
    """The CVAT keyframes; a manual export has the boxes between them too."""
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
    persons = [_person_id(track, number, known) for number, track in enumerate(document.tracks)]
    keys = [person or f"track {number}" for number, person in enumerate(persons)]
    once = asked_once(
        (
            (key, _answers(track.shapes[-1].attributes, groups, f"track {number}"))
            for number, (key, track) in enumerate(zip(keys, document.tracks, strict=True))
            if track.shapes
        ),
        groups,
    )
    for number, track in enumerate(document.tracks):
        fps = video.dataset.annotation_fps
        for found in interpolate_at_keyframes(track, clip.keyframes(), annotation_fps=fps):
            box = clip_boxes(
                np.array([found.box]), width=video.width or 0, height=video.height or 0
            )
            if not area(box)[0]:
                continue
            answers = _answers(
                found.attributes, groups, f"track {number} at second {found.second}"
            )
            x1, y1, x2, y2 = box[0].tolist()
            yield Annotation(
                version=version, second=found.second, person_id=persons[number], track=number,
                x1=x1, y1=y1, x2=x2, y2=y2, answers=answered_once(keys[number], answers, once),
            )  # fmt: skip


def _answers(
    attributes: Mapping[str, str], groups: tuple[ActionGroupSpec, ...], place: str
) -> Answers:
    try:
        return answers_from(attributes, groups)
    except LabelsError as error:
        raise AnswersError(f"{place}: {error}") from error


def _person_id(track: XmlTrack, number: int, known: set[int]) -> int | None:
    """The person of the pre-annotation that a track shows; None if the annotator drew it.

    A number that an annotator gives to a drawn person is ignored.
    """
    given = {shape.attributes.get(PERSON_ID, "").strip() for shape in track.shapes} - {""}
    if not given:
        return None
    if given - set(map(str, known)):
        if track.is_drawn:
            return None
        raise AnswersError(
            f"track {number} has the {PERSON_ID} {', '.join(sorted(given))}, but no person in "
            f"this clip has it: restore the {PERSON_ID}, or clear it for a new person, and "
            "finish the job again"
        )
    if len(given) > 1:
        raise AnswersError(
            f"track {number} has several values of {PERSON_ID}: {', '.join(sorted(given))}"
        )
    return int(given.pop())
