"""Imports of annotations made with other tools: read, previewed, confirmed, and undone.

A file is kept as it came. Its answers become versions of an annotator of their own, the source,
so that agreement with later annotators can be measured; the source gets no other tasks. Running
an import again stores nothing twice. Undone answers are kept and marked, and count no longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from annotation.core.importing.clip_places import ClipIndex, ClipPlace
from annotation.core.importing.conversion import (
    EVERYBODY,
    FollowedClasses,
    ImportChoices,
    ImportOutcome,
    convert,
    placed_videos,
)
from annotation.core.importing.label_mapping import (
    LEFT_OUT,
    PEOPLE,
    VEHICLES,
    Classes,
    MappingError,
    checked_mapping,
    suggested_mapping,
)
from annotation.core.importing.person_matching import Given
from annotation.importers.importer import Importer
from annotation.importers.registry import IMPORTERS, importer_of
from annotation.importers.source_files import read_files
from annotation.models import AnnotationTask, Annotator, AnswerVersion, LabelImport
from annotation.selectors.tasks import group_specs, ready_clips
from annotation.services.answer_fit import given_boxes
from annotation.services.answers import store_version
from avaproject.base.storage import local_path, remove, store
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.accounts.quotas import StorageQuotaError, charging_bytes, check_bytes
from datasets.core.formats.cvat_json import fingerprint
from datasets.core.formats.cvat_labels import LabelsError
from datasets.core.formats.cvat_xml import dump
from datasets.core.formats.external.document import ImportedDocument, ImportFileError
from datasets.core.media.clips_and_keyframes import export_window
from datasets.core.naming import safe_name
from datasets.models import Clip, Dataset
from tracking.core.tracks_file import PERSON
from tracking.detectors.class_names import GROUPS
from tracking.person_classes import classes_by_video

MAX_SHOWN = 500  # videos, labels and clips of a preview or report
WITHDRAWN = gettext_noop("Withdrawn: the import that it came with was undone.")


class LabelImportError(ValueError):
    """An import that can't be begun, confirmed or undone; the message says why."""


def begin_import(
    dataset: Dataset,
    path: Path,
    *,
    original_name: str,
    source_name: str,
    format: str = "",
    user: User | None = None,
) -> LabelImport:
    """Keep a file and order its preview; `path` is moved into the storage.

    Raises LabelImportError for a source that is an annotator already, or no name, an unknown
    format, or a file that does not fit the quota of the dataset's account.
    """
    if format and format not in IMPORTERS:
        raise LabelImportError(
            gettext("there is no format %(format)s; there are %(importers)s")
            % {"format": format, "importers": ", ".join(IMPORTERS)}
        )
    row = LabelImport(
        dataset=dataset, source_name=source_name, original_name=original_name[:255],
        size=path.stat().st_size, format=format, created_by=user,
    )  # fmt: skip
    _check_source(row)
    stem = safe_name(original_name, taken=())
    moment = timezone.now().strftime("%Y%m%d-%H%M%S-%f")
    ending = Path(original_name).suffix.lower()[:10]
    try:
        with transaction.atomic():
            check_bytes(dataset.charged_to_id, row.size)
        row.file = store(path, f"{dataset.name}/label-imports/{moment}-{stem}{ending}")
        with charging_bytes(dataset, row.size):
            row.save()
    except StorageQuotaError as error:
        if row.file:  # what was left was taken while it was stored
            remove(str(row.file))
        raise LabelImportError(str(error).rstrip(".")) from error
    return row


def _check_source(row: LabelImport) -> None:
    try:
        row.clean_fields(exclude=["file", "dataset", "created_by", "source"])
    except ValidationError as error:
        if "source_name" in error.message_dict:
            raise LabelImportError(
                gettext(
                    '"%(source_name)s" is no name for a source: use letters, digits and @ '
                    ". + - _ only, at most 150 characters"
                )
                % {"source_name": row.source_name}
            ) from error
        raise
    annotator = row.dataset.annotators.filter(name=row.source_name).first()
    if annotator is not None and not annotator.label_imports.exists():
        raise LabelImportError(
            gettext("%(annotator)s is an annotator already: call the source by another name")
            % {"annotator": annotator}
        )


def preview_again(row: LabelImport, choices: Mapping[str, Any]) -> None:
    """Read the file again with other choices, nothing is taken yet. Raises LabelImportError."""
    _start(row, choices, confirmed_at=None)


def confirm_import(row: LabelImport, choices: Mapping[str, Any]) -> None:
    """Order that the answers are taken, as `choices` say. Raises LabelImportError."""
    _check_source(row)
    _start(row, choices, confirmed_at=timezone.now())
    record("import labels", row, dataset=row.dataset, details=f"as {row.source_name}")


def _start(row: LabelImport, choices: Mapping[str, Any], **changes: Any) -> None:
    try:
        names = row.dataset.class_names
        checked_mapping(choices.get("mapping", {}), group_specs(row.dataset), names)
    except MappingError as error:
        raise LabelImportError(str(error)) from error
    rows = LabelImport.objects.filter(pk=row.pk, confirmed_at=None)
    if not rows.start_over(choices=dict(choices), **changes):
        raise LabelImportError(gettext("it is being read, or was confirmed already"))


def run_import(import_id: int) -> LabelImport | None:
    """Read one file for its preview, or take its answers; None if another worker has it."""
    row: LabelImport | None = LabelImport.objects.claim(import_id)
    if row is None:
        return None
    with row.working(ImportFileError, MappingError, LabelsError, LabelImportError):
        with local_path(str(row.file)) as path:
            files = read_files(path, row.original_name)
        importer = importer_of(files, row.format)
        document = importer.read(files)
        choices = _choices(row, document)
        outcome = _outcome(row.dataset, document, choices)
        if row.confirmed_at is None:
            row.finish(preview=_preview(importer, document, choices, outcome))
        else:
            source = _store(row, outcome)
            row.finish(source=source, format=importer.name, outcome=_report(row, outcome))
    return row


def undo_import(row: LabelImport) -> int:
    """Withdraw the answers of an import; return how many versions.

    A clip's task goes back to the version before, or counts no longer. Raises
    LabelImportError while the import is running, or if it was undone.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = LabelImport.objects.select_for_update().get(pk=row.pk)
        if locked.stage != Stage.DONE or locked.confirmed_at is None or locked.undone_at:
            raise LabelImportError(gettext("it was not imported, or was undone already"))
        tasks = list(locked.versions.filter(withdrawn_at=None).values_list("task", flat=True))
        count = locked.versions.filter(withdrawn_at=None).update(
            stage=Stage.FAILED, withdrawn_at=now, error=gettext(WITHDRAWN)
        )
        left = AnswerVersion.objects.filter(task=OuterRef("pk"), withdrawn_at=None)
        empty = AnnotationTask.objects.filter(pk__in=tasks).exclude(Exists(left))
        empty.update(unassigned_at=now)
        LabelImport.objects.filter(pk=row.pk).update(undone_at=now)
        record("undo import of labels", row, dataset=row.dataset)
    return count


def _choices(row: LabelImport, document: ImportedDocument) -> ImportChoices:
    """What was chosen, and for the rest what is likely. Raises MappingError."""
    given = row.choices
    offered = row.dataset.actions.filter(merged_into=None)
    names = dict(offered.values_list("action_id", "name"))
    groups = group_specs(row.dataset)
    classes = row.dataset.class_names
    suggested = suggested_mapping(document, groups, names, _words_of(classes))
    mapping = suggested | given.get("mapping", {})
    subjects = {one: _subject_meaning(one, classes) for one in document.subjects()}
    first = given.get("first_timestamp")
    return ImportChoices(
        mapping=checked_mapping(mapping, groups, classes),
        subjects={**subjects, **given.get("subjects", {})},
        videos=given.get("videos", {}),
        fps=float(given.get("fps") or 0),
        first_timestamp=None if first is None else int(first),
        is_complete=given.get("is_complete"),
    )


def _words_of(classes: Sequence[str]) -> Classes:
    """The classes that a dataset follows, each with the words that mean it."""
    words = {**GROUPS, "vehicle": (*GROUPS["vehicle"], *VEHICLES), PERSON: PEOPLE}
    return {name: words.get(name, ()) for name in classes}


def _subject_meaning(subject: str, classes: Sequence[str]) -> str:
    """A subject with one number is that person, the whole frame everybody."""
    if subject.lower() in classes and classes != [PERSON]:
        return subject.lower()
    digits = "".join(c for c in subject if c.isdecimal())
    if not subject:
        return EVERYBODY
    return str(int(digits)) if digits and len(digits) < 7 else LEFT_OUT


def _outcome(
    dataset: Dataset, document: ImportedDocument, choices: ImportChoices
) -> ImportOutcome:
    index = ClipIndex(clip_places(dataset))
    placed = placed_videos(document, index, choices)
    wanted = {one.clip.name for video in placed for one in video.places}
    runs = {name: run for name, run in _runs(dataset).items() if name in wanted}
    boxes = given_boxes(sorted(runs.values()))
    given: dict[str, Given] = {name: boxes.get(run, {}) for name, run in runs.items()}
    clips = Clip.objects.of(dataset).filter(name__in=runs)
    videos = dict(clips.values_list("name", "video"))
    found = classes_by_video(videos.values())
    by_clip = {name: found[video] for name, video in videos.items() if video in found}
    classes = FollowedClasses(dataset.class_names, by_clip)
    return convert(document, index, given, group_specs(dataset), choices, classes)


def _runs(dataset: Dataset) -> dict[str, int]:
    """The tracking run that each clip is annotated from; an assigned clip keeps its run."""
    runs = {clip.name: run for clip, run in ready_clips(dataset)}
    tasks = AnnotationTask.objects.of(dataset).order_by("-pk")
    return runs | dict(tasks.values_list("clip__name", "run_id"))


def clip_places(dataset: Dataset) -> list[ClipPlace]:
    """All clips of `dataset` as imports see them."""
    clips = Clip.objects.of(dataset).done().select_related("video").order_by("name")
    return [_place(clip, dataset.annotation_fps) for clip in clips]


def _place(clip: Clip, annotation_fps: int) -> ClipPlace:
    video = clip.video
    frames, probe = video.frame_count or 0, video.probe or {}
    window = export_window(clip.start_frame, clip.frame_count, video_frame_count=frames)
    size = (int(probe.get("width") or 0), int(probe.get("height") or 0))
    return ClipPlace(
        clip.name, video.name, video.original_name, clip.start_frame, clip.frame_count, window,
        tuple(clip.keyframes()), video.width or 1, video.height or 1, annotation_fps, size,
        _rate(str(probe.get("frame_rate") or "")), frames,
    )  # fmt: skip


def _rate(text: str) -> float:
    try:
        return round(float(Fraction(text)), 3)
    except (ValueError, ZeroDivisionError):
        return 0.0


def _store(row: LabelImport, outcome: ImportOutcome) -> Annotator:
    """Store the answers as the next versions of the source's tasks."""
    source, _ = Annotator.objects.get_or_create(
        dataset=row.dataset, name=row.source_name,
        defaults={"is_active": False, "tool": Annotator.Tool.PACKAGE},
    )  # fmt: skip
    LabelImport.objects.filter(pk=row.pk).update(source=source)
    runs = _runs(row.dataset)
    names = list(outcome.clips)
    clips = {one.name: one for one in Clip.objects.of(row.dataset).filter(name__in=names)}
    for number, (name, found) in enumerate(sorted(outcome.clips.items())):
        task, _ = AnnotationTask.objects.get_or_create(
            clip=clips[name], annotator=source,
            defaults={"run_id": runs[name], "stage": Stage.DONE},
        )  # fmt: skip
        if task.unassigned_at is not None:  # an earlier import was undone
            task.unassigned_at = None
            task.save(update_fields=["unassigned_at"])
        document = replace(found.document, task_name=str(task))
        store_version(
            task, dump(document), fingerprint(document), suffix="xml", author=source,
            source=AnswerVersion.Source.IMPORT, label_import=row,
        )  # fmt: skip
        row.report(number / len(names))
    return source


def _preview(
    importer: Importer,
    document: ImportedDocument,
    choices: ImportChoices,
    outcome: ImportOutcome,
) -> dict[str, Any]:
    """What a page shows before anything is taken."""
    unplaced = set(outcome.unplaced)
    videos = [
        {
            "name": video.name, "tracks": len(video.tracks), "unit": str(video.unit),
            "boxes": sum(len(track.boxes) for track in video.tracks),
            "intervals": len(video.intervals), "is_placed": video.name not in unplaced,
        }
        for video in document.videos
    ]  # fmt: skip
    videos.sort(key=lambda one: (one["is_placed"], one["name"]))
    labels = [
        {"text": str(label), "count": count, "meaning": choices.mapping[str(label)]}
        for label, count in sorted(document.labels().items(), key=lambda one: -one[1])
    ]
    subjects = [
        {"name": name, "count": count, "meaning": choices.subjects[name]}
        for name, count in document.subjects().items()
    ]
    complete = choices.is_complete
    return {
        "format": importer.name, "title": importer.title, "videos": videos[:MAX_SHOWN],
        "video_count": len(videos), "labels": labels, "subjects": subjects,
        "left_out": list(document.left_out),
        "is_complete": document.is_complete if complete is None else complete,
        **_summary(outcome),
    }  # fmt: skip


def _report(row: LabelImport, outcome: ImportOutcome) -> dict[str, Any]:
    preview = row.preview or {}
    return {
        **_summary(outcome), "versions": row.versions.count(),
        "left_out": preview.get("left_out", []),
    }  # fmt: skip


def _summary(outcome: ImportOutcome) -> dict[str, Any]:
    clips = [
        {"name": name, "persons": one.persons, "drawn": one.drawn, "keyframes": one.keyframes}
        for name, one in sorted(outcome.clips.items())
    ]
    said = asdict(replace(outcome, clips={}))
    del said["clips"]
    if not outcome.class_counts:
        del said["class_counts"]  # persons alone are followed
    return {
        **said, "clip_count": len(clips), "clips": clips[:MAX_SHOWN],
        "notes": outcome.notes[:MAX_SHOWN], "unplaced": outcome.unplaced[:MAX_SHOWN],
        "untracked": outcome.untracked[:MAX_SHOWN],
        "persons": sum(one["persons"] for one in clips),
        "drawn": sum(one["drawn"] for one in clips),
        "keyframes": sum(one["keyframes"] for one in clips),
    }  # fmt: skip
