"""What one answer version says: its document, checked against its task, and the rows of it."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext

from annotation.core.answer_checks import of_vocabulary, with_current_names
from annotation.core.cvat_tracks import interpolate_at_keyframes
from annotation.core.label_document import document_of
from annotation.core.label_document import load as load_label_file
from annotation.core.label_state import LabelState
from annotation.models import Annotation, AnnotationTask, AnswerVersion, StoredBox
from annotation.selectors.labelling import label_task
from annotation.selectors.tasks import former_names
from annotation.services.answer_fit import (
    AnswersError,
    check_plausible,
    check_task,
    frame_count_of,
    given_boxes,
)
from avaproject.base.storage import local_path
from datasets.core.action_groups import (
    ActionGroupSpec,
    answered_once,
    asked_once,
)
from datasets.core.formats.cvat_document import AnswerProblem, Document, XmlTrack
from datasets.core.formats.cvat_json import LabelIds, document_from
from datasets.core.formats.cvat_labels import (
    PERSON,
    PERSON_ID,
    answers_from,
    attributes_of,
    checkbox_names,
)
from datasets.core.formats.cvat_shapes import Notes
from datasets.core.formats.cvat_xml import load
from datasets.core.naming import frame_name
from datasets.core.untrusted import gunzip
from tracking.core.boxes import area, clip_boxes
from tracking.core.tracks_file import person_label, with_class
from tracking.person_classes import classes_in, number_in_sentence

AS_SENT = ("auto", "semi-auto")  # CVAT's sources of a track that was sent, and then corrected
MAX_CONTENT = 1 << 30  # bytes of stored answers, unpacked


class ReadAnswers(NamedTuple):
    """The rows of one version, not saved yet, and what there is to say about them."""

    annotations: list[Annotation]
    boxes: list[StoredBox]
    missing_persons: list[int]
    notes: list[str]
    problems: list[AnswerProblem]


def answers_of(version: AnswerVersion, groups: tuple[ActionGroupSpec, ...]) -> ReadAnswers:
    """What `version` says.

    Raises CvatXmlError, CvatJsonError or AnswersError if it cannot be read, and HeldBackError
    if it looks wrong and nobody has confirmed it.
    """
    document = with_current_names(
        version_document(version), groups, former_names(version.task.clip.video.dataset)
    )
    check_task(document, version.task)
    notes = Notes()
    document = _of_followed(document, version.task.clip.video.dataset.class_names, notes)
    _check_attributes(document, groups, notes)
    classes = classes_in(version.task.clip.video_id)
    document, foreign = of_vocabulary(document, groups, classes)
    annotations = list(_annotations(version, document, groups, notes))
    given = {} if version.task.is_blind else _given(version.task)
    persons = {person for _, person in given}
    _note_other_classes(document, version.task, persons, notes)
    mentioned = {_person_id(track, number, persons) for number, track in _numbered(document)}
    missing = sorted(persons - mentioned)
    left_out = [*document.problems, *foreign]
    mistyped = list(_mistyped(document, persons, missing, classes))
    deleted = [] if mistyped or not _is_as_sent(version, document, persons) else missing
    is_said = version.source == AnswerVersion.Source.LABEL_PAGE  # nobody is there by accident
    if version.confirmed_by_id is None and not is_said:
        check_plausible(version.task, annotations, given)
    return ReadAnswers(
        annotations,
        list(_stored_boxes(version, document)),
        [] if deleted else missing,
        [
            # The annotator of a file is not told in CVAT: the reviewer reads it.
            *(
                gettext("Left out: %(text)s.") % {"text": one.text}
                for one in left_out
                if version.job is None
            ),
            *(_deleted_sentence(person, classes) for person in deleted),
            *document.notes,
            *notes.sentences(),
        ],
        [*left_out, *mistyped],
    )


def version_document(version: AnswerVersion) -> Document:
    """The annotations of one version, parsed from the stored file.

    Raises CvatXmlError, CvatJsonError or LabelFileError.
    """
    task = version.task
    if version.source == AnswerVersion.Source.LABEL_PAGE:
        video = task.clip.video
        return document_of(
            label_state(version), label_task(task), name=str(task),
            width=video.width or 0, height=video.height or 0,
        )  # fmt: skip
    content = _content(version)
    if not str(version.raw).endswith(".json.gz"):
        return xml_document(task, content)
    envelope = json.loads(content)
    others = {int(number): name for number, name in envelope.get("labels", {}).items()}
    ids = LabelIds.of_classes(
        envelope["label"], envelope["attributes"], envelope.get("classes"), others
    )
    return document_from(
        envelope["annotations"], ids, task_name=str(task), frame_count=frame_count_of(task)
    )


def label_state(version: AnswerVersion) -> LabelState:
    """The state that was submitted on the label page. Raises LabelFileError."""
    return load_label_file(_content(version))


def _content(version: AnswerVersion) -> bytes:
    with local_path(str(version.raw)) as path:
        return gunzip(path.read_bytes(), max_bytes=MAX_CONTENT)


def xml_document(task: AnnotationTask, content: bytes) -> Document:
    """The document in an XML, its images matched to the frames of the clip by their names."""
    names = [frame_name(task.clip.name, frame) for frame in range(frame_count_of(task))]
    return load(content, frame_names=names)


def _of_followed(document: Document, labels: Sequence[str], notes: Notes) -> Document:
    """Without boxes of other labels, which are noted. Raises AnswersError if all are others.

    "person" stands for the first of `labels` where the dataset does not follow persons, as in
    projects that were set up when all were persons.
    """
    known = {PERSON, *labels}
    others = sorted({track.label for track in document.tracks} - known)
    kept = tuple(
        track if track.label in labels else replace(track, label=labels[0])
        for track in document.tracks
        if track.label in known
    )
    if others and not kept:
        raise AnswersError(
            gettext("it has tracks of %(others)s; this dataset has only the label %(person)s")
            % {"others": ", ".join(others), "person": ", ".join(labels)}
        )
    for number, track in _numbered(document):
        if track.label in others and track.shapes:
            what = gettext(
                "it has the label %(track)s and was left out; only %(person)s counts"
            ) % {"track": track.label, "person": ", ".join(labels)}
            notes.add(what, f"track {number}", track.shapes[0].frame)
    return replace(document, tracks=kept)


def _note_other_classes(
    document: Document, task: AnnotationTask, persons: set[int], notes: Notes
) -> None:
    """Note who was tracked as one class and has the label of another: the first one stays."""
    video = task.clip.video
    labels = video.dataset.class_names
    if len(labels) == 1:
        return
    rows = video.persons.filter(person_id__in=persons, label__in=labels)
    tracked = dict(rows.values_list("person_id", "label"))
    for number, track in _numbered(document):
        person = _person_id(track, number, persons)
        if person in tracked and track.label != tracked[person] and track.shapes:
            what = gettext(
                "it has the label %(label)s, but %(person)s was tracked as %(class)s, which "
                "stays"
            ) % {
                "label": track.label,
                "person": number_in_sentence(person, tracked[person]),
                "class": tracked[person],
            }
            notes.add(what, f"track {number}", track.shapes[0].frame)


def _deleted_sentence(person: int, classes: Mapping[int, str]) -> str:
    if person in classes:
        name = person_label(person, classes)
        return gettext("%(name)s was deleted in CVAT.") % {"name": name}
    return gettext("Person %(person)s was deleted in CVAT.") % {"person": person}


def _is_as_sent(version: AnswerVersion, document: Document, persons: Collection[int]) -> bool:
    """Whether a job has tracks that were sent to it: then those that it lacks were deleted.

    An annotation file that somebody imports in CVAT replaces all tracks, and their source too.
    The export of a task by hand says nothing: whoever made the task may have lost a person.
    """
    return version.job is not None and any(
        track.source in AS_SENT
        and track.shapes[0].attributes.get(PERSON_ID, "") in map(str, persons)
        for track in document.tracks
        if track.shapes
    )


def _mistyped(
    document: Document,
    persons: Collection[int],
    missing: list[int],
    classes: Mapping[int, str],
) -> Iterator[AnswerProblem]:
    """Given tracks whose `person_id` was changed into nobody's, while people are missing."""
    for _, track in _numbered(document):
        value = track.shapes[0].attributes.get(PERSON_ID, "").strip() if track.shapes else ""
        if missing and value and not track.is_drawn and value not in map(str, persons):
            lost = ", ".join(with_class(f"{n}", classes.get(n, PERSON)) for n in missing)
            yield AnswerProblem(
                track.shapes[0].frame,
                gettext(
                    "the %(attribute)s %(value)s is of nobody in this clip; enter the "
                    "number it had (missing: %(lost)s)"
                )
                % {"attribute": PERSON_ID, "value": value, "lost": lost},
                track.shapes[0].box,
            )


def _check_attributes(
    document: Document, groups: tuple[ActionGroupSpec, ...], notes: Notes
) -> None:
    """Note attributes that are not the dataset's. Raises AnswersError if some of these lack."""
    wanted = {attribute.name for attribute in attributes_of(groups)}
    checkboxes = {name for group in groups for name in checkbox_names(group)}
    declared = {attribute.name for attribute in document.attributes}
    missing = [] if declared & checkboxes else sorted(wanted - declared)
    if declared and missing:
        others = sorted(declared - wanted - checkboxes)
        instead = (
            gettext(" (it has %(others)s)") % {"others": ", ".join(others)} if others else ""
        )
        raise AnswersError(
            gettext(
                "its task lacks the attributes %(missing)s%(instead)s; create it with the "
                "package's labels.json"
            )
            % {"missing": ", ".join(missing), "instead": instead}
        )
    for number, track in _numbered(document):
        for shape in track.shapes:
            for name in sorted(shape.attributes.keys() - wanted - checkboxes):
                what = gettext(
                    "the attribute %(name)s is none of this dataset's and was left out"
                ) % {"name": name}
                notes.add(what, f"track {number}", shape.frame)


def _given(task: AnnotationTask) -> dict[tuple[int, int], list[float]]:
    """The boxes that were given out, by second and person."""
    return given_boxes([task.run_id]).get(task.run_id, {})


def _stored_boxes(version: AnswerVersion, document: Document) -> Iterator[StoredBox]:
    """The CVAT keyframes; a manual export has the boxes between them too."""
    task, name = version.task, version.author.name
    for number, track in _numbered(document):
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
    version: AnswerVersion,
    document: Document,
    groups: tuple[ActionGroupSpec, ...],
    notes: Notes,
) -> Iterator[Annotation]:
    clip, video = version.task.clip, version.task.clip.video
    fps = video.dataset.annotation_fps
    known = set(version.task.run.persons.values_list("person_id", flat=True))
    persons = [_person_id(track, number, known, notes) for number, track in _numbered(document)]
    keys = [person or f"track {number}" for number, person in enumerate(persons)]
    once = asked_once(
        (
            (key, answers_from(track.shapes[-1].attributes, groups))
            for key, track in zip(keys, document.tracks, strict=True)
            if track.shapes
        ),
        groups,
    )
    for number, track in _numbered(document):
        for found in interpolate_at_keyframes(track, clip.keyframes(), annotation_fps=fps):
            box = clip_boxes(
                np.array([found.box]), width=video.width or 0, height=video.height or 0
            )
            if not area(box)[0]:
                what = gettext("its box has no area inside the frame and was left out")
                notes.add(what, f"track {number}", found.second * fps)
                continue
            answers = answers_from(found.attributes, groups)
            x1, y1, x2, y2 = box[0].tolist()
            yield Annotation(
                version=version, second=found.second, person_id=persons[number], track=number,
                x1=x1, y1=y1, x2=x2, y2=y2, answers=answered_once(keys[number], answers, once),
                label=track.label if persons[number] is None and track.label != PERSON else "",
            )  # fmt: skip


def _numbered(document: Document) -> Iterator[tuple[int, XmlTrack]]:
    return enumerate(document.tracks)


def _person_id(
    track: XmlTrack, number: int, known: set[int], notes: Notes | None = None
) -> int | None:
    """The person of the pre-annotation that a track shows; None if the annotator drew it.

    A number of no person of the clip counts as drawn; unless it was drawn, that is noted.
    """
    given = {shape.attributes.get(PERSON_ID, "").strip() for shape in track.shapes} - {""}
    if not given:
        return None
    if given - set(map(str, known)):
        if notes is not None and not track.is_drawn:
            what = gettext(
                "no person of this clip has the %(attribute)s %(given)s; it counts as "
                "a new person"
            ) % {"attribute": PERSON_ID, "given": ", ".join(sorted(given))}
            notes.add(what, f"track {number}", track.shapes[0].frame)
        return None
    if len(given) > 1:
        raise AnswersError(
            gettext("track %(number)s has several values of %(attribute)s: %(given)s")
            % {"number": number, "attribute": PERSON_ID, "given": ", ".join(sorted(given))}
        )
    return int(given.pop())
