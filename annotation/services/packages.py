"""Annotation packages: a zip per task, to create the task in any CVAT by hand.

It holds the frames, the labels, the pre-annotation, and a README with the steps.
"""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

from django.utils.translation import gettext as _

from annotation.core.annotation_guide import TRACK_DIALOG, classes_sentence
from annotation.core.cvat_tracks import pre_annotation_tracks, task_frame_count
from annotation.core.guidelines import image_name
from annotation.models import AnnotationTask
from annotation.selectors.guidelines import guidelines_markdown, shown_images
from annotation.selectors.tasks import group_specs
from avaproject.base.storage import local_path, store
from avaproject.base.temporary import partial_path, work_folder
from datasets.clip_frames import FramesError, frames_path
from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_labels import LabelsError, attributes_of, labels_data
from datasets.core.formats.cvat_xml import dump
from datasets.core.zip_writer import ZipWriter, new_zip
from datasets.models import Dataset
from tracking.core.tracks_file import TracksFile, TracksFileError, load
from tracking.models import TrackingRun

README = """\
{name}
{underline}

One clip of the dataset "{dataset}", {frame_count} frames, for the annotator {annotator}.

Create the task in CVAT
 1. Tasks, "+", "Create a new task". Name: {name}
 2. Labels: choose "Raw", replace the text with the content of labels.json, press "Done".
 3. Select files: frames.zip. Change nothing else. Press "Submit & open".
 4. Actions, "Upload annotations", "CVAT 1.1": annotations.xml.
 5. Open the job.

Annotate
{classes}{boxes}
 - Answer every question of every person in their first frame, and again in each frame where
   the answer changes. "as before" means that the answer before it holds; where there is none
   before it, the question is not answered. "unknown" means that you can't tell, "none" that no
   action applies.
 - Only these frames count: {frames}.
   The frames between them show the movement.
 - Person without a box: draw a rectangle with "Track", not with "Shape", which is one frame
   only; leave person_id empty.

{dialog}
 - Box without a person: press O (outside) on its first frame. Who deletes it is asked whether
   it was lost.
 - Person leaves the frame: press O (outside) on the first frame without them.
 - Box that changes from one person to another: "Split" the track there. Both parts keep the
   person_id: clear it in the part that shows somebody else, and answer all questions there.
 - Don't change the person_id of existing boxes otherwise.

What each action means is in guidelines.md, if the dataset has guidelines.

Return the answers
 1. Save. Tasks, Actions of this task, "Export task dataset", format "CVAT for video 1.1",
    without images. Send the zip as it is: the task's name is in it. (The export of the job
    works as well: its clip is found by its people. To be sure, rename it to {name}.zip.)
 2. The manager imports all files of a folder, or one zip of them, on the page "Tasks" or with:
    ./ava manage import_answers FOLDER --dataset {dataset}
"""

BOXES = """\
 - Every person found so far has a box that follows him or her. Correct it where it is wrong."""
NO_BOXES = """\
 - This clip comes without boxes: draw one round every person whom you see."""


class PackageError(ValueError):
    """The package cannot be written."""


def write_package(task_id: int) -> AnnotationTask | None:
    """Write the zip of one task; None if another worker has it or it is done."""
    task = AnnotationTask.objects.claim(task_id)
    if task is None:
        return None
    expected = (PackageError, LabelsError, TracksFileError, FramesError, zipfile.BadZipFile)
    with task.working(*expected):
        document = task_document(task)
        with work_folder() as folder, frames_path(task.clip) as frames:
            check_frame_count(frames, document.task_name, document.frame_count)
            path = folder / "package.zip"
            with new_zip(path) as package:
                _fill(package, task, document, frames)
            name = store(path, task.stored_name)
        task.finish(package=name)
    return task


def copy_packages(dataset: Dataset, out: Path) -> int:
    """Copy the written packages into the folder `out`; return how many were new.

    An existing file stays: the annotator may have replaced the package by the answers.
    """
    out.mkdir(parents=True, exist_ok=True)
    copied = 0
    for task in AnnotationTask.objects.of(dataset).done().select_related("clip", "annotator"):
        target = out / f"{task}.zip"
        if target.exists():
            continue
        with local_path(str(task.package)) as package, partial_path(target) as beside:
            shutil.copyfile(package, beside)
            beside.replace(target)
        copied += 1
    return copied


def task_document(task: AnnotationTask) -> Document:
    """The pre-annotation of `task`. Raises PackageError if its run has no tracks file."""
    clip, fps = task.clip, task.clip.video.dataset.annotation_fps
    groups = group_specs(clip.video.dataset)
    labels = clip.video.dataset.class_names
    file = _with_labels(_tracks(task.run), labels)
    return Document(
        task_name=str(task),
        frame_count=task_frame_count(clip.frame_count, annotation_fps=fps),
        width=file.width,
        height=file.height,
        attributes=attributes_of(groups),
        tracks=()
        if task.is_blind
        else pre_annotation_tracks(
            file,
            dict(task.run.persons.values_list("track_id", "person_id")),
            seconds=clip.keyframes(),
            annotation_fps=fps,
        ),
        labels=tuple(labels),
    )


def _with_labels(file: TracksFile, labels: list[str]) -> TracksFile:
    """Tracks of a class that is not followed, as a bundle may have, count as the first."""
    tracks = [
        one if one.label in labels else replace(one, label=labels[0]) for one in file.tracks
    ]
    return replace(file, tracks=tracks)


def _tracks(run: TrackingRun) -> TracksFile:
    if not run.tracks:
        raise PackageError(
            _("the tracking run %(run)s has no tracks file: run it again") % {"run": run}
        )
    with local_path(str(run.tracks)) as path:
        file = load(path.read_bytes())
    if file.clip != run.clip.name:
        raise PackageError(
            _("the tracks file of %(run)s belongs to the clip %(clip)s")
            % {"run": run, "clip": file.clip}
        )
    return file


def check_frame_count(frames: Path, name: str, wanted: int) -> None:
    """Raise PackageError if the zip `frames` does not have the `wanted` frames of `name`."""
    with zipfile.ZipFile(frames) as archive:
        count = len(archive.namelist())
    if count != wanted:
        raise PackageError(
            _(
                "%(name)s needs %(wanted)s frames, but the clip has %(count)s: the "
                "annotation frame rate was changed after the clip was cut. Cut it again"
            )
            % {"name": name, "wanted": wanted, "count": count}
        )


def _fill(package: ZipWriter, task: AnnotationTask, document: Document, frames: Path) -> None:
    name, dataset = document.task_name, task.clip.video.dataset
    seconds = task.clip.keyframes()
    readme = README.format(
        name=name,
        underline="=" * len(name),
        dataset=dataset.name,
        annotator=task.annotator.name,
        dialog=TRACK_DIALOG.rstrip(),
        classes=f" - {words}\n" if (words := classes_sentence(document.labels)) else "",
        boxes=NO_BOXES if task.is_blind else BOXES,
        frame_count=document.frame_count,
        frames=", ".join(str(second * dataset.annotation_fps) for second in seconds),
    )
    labels = json.dumps(labels_data(document.attributes, document.labels), indent=2)
    package.add("README.txt", readme.encode())
    _add_guidelines(package, dataset)
    package.add("annotations.xml", dump(document))
    package.add("labels.json", f"{labels}\n".encode())
    package.add_file("frames.zip", frames)


def _add_guidelines(package: ZipWriter, dataset: Dataset) -> None:
    """The guidelines as Markdown, with their images beside them."""
    text = guidelines_markdown(dataset, image_name)
    if not text:
        return
    package.add("guidelines.md", f"# {dataset}\n\n{text}\n".encode())
    for image in shown_images(dataset):
        with local_path(image.file.name or "") as path:
            package.add_file(str(image), path)
