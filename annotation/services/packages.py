"""Stage 6 by hand: who annotates which clip, and the package that each one gets.

A package is a zip with all that a person needs to make the task in any CVAT: pictures, labels,
the tracks found so far, and the steps in plain words.
"""

import json
import shutil
import zipfile
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count

from annotation.core.assignment import AssignmentError, assign
from annotation.core.cvat_xml import Document, dump
from annotation.core.labels import LabelsError, attributes_of, label_constructor
from annotation.core.tracks import pre_annotated, task_frame_count
from annotation.models import AnnotationTask, Annotator
from annotation.selectors import group_specs, ready_clips
from datasets.core.zipping import NewZip, new_zip
from datasets.files import keep, local_path, work_folder
from datasets.models import Clip, Dataset
from tracking.core.trackfile import TrackFile, TrackFileError, load
from tracking.models import TrackingRun

__all__ = [
    "PackageError",
    "check_pictures",
    "copy_packages",
    "document_of",
    "group_specs",
    "plan_tasks",
    "write_package",
]

README = """\
{name}
{underline}

One clip of the dataset "{dataset}", {frame_count} pictures, for the annotator {annotator}.

Make the task in CVAT
 1. Tasks, "+", "Create a new task". Name: {name}
 2. Labels: choose "Raw", replace the text by that of labels.json, press "Done".
 3. Select files: frames.zip. Leave everything else as it is. Press "Submit & open".
 4. Actions, "Upload annotations", "CVAT 1.1": annotations.xml.
 5. Open the job.

Annotate
 - Every person found so far has a box that follows him or her. Correct it where it is wrong.
 - Answer the questions of every person. "unset" means that nobody looked yet, "unknown" that
   you looked and cannot tell. An answer holds until the frame where you change it.
 - These frames count: {frames}.
   The pictures between them are there to see the movement.
 - A person without a box: draw a rectangle in the mode "Track"; leave person_id empty.
 - A box without a person: delete the whole track.
 - A person leaves the picture: press O (outside) in the first frame without him or her.
 - Leave person_id as it is.

Give it back
 1. Save. Menu, "Export job dataset", format "CVAT for video 1.1", without images.
 2. Call the zip {name}.zip and send it back.
    It is read in with: manage.py import_answers FOLDER --dataset {dataset}
"""


class PackageError(ValueError):
    """The package cannot be made, or the work not be given out."""


def plan_tasks(
    dataset: Dataset,
    *,
    annotators: list[str],
    overlap: float,
    per_clip: int | None = None,
    seed: int = 0,
    simulated: bool = False,
) -> int:
    """Give the clips that are ready to annotators; return how many tasks are new.

    What is given out already stays as it is: a second call adds nothing, and later clips are
    added so that share and balance come out over all of them. Raises PackageError with a
    sentence if the work cannot be shared out like this.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)  # one planner at a time
        ready = {clip.name: (clip, run_id) for clip, run_id in ready_clips(dataset)}
        given = _given_out(dataset)
        try:
            plan = assign(
                _weights(ready, given), annotators,
                overlap=overlap, per_clip=per_clip, seed=seed, given=given,
            )  # fmt: skip
        except AssignmentError as error:
            raise PackageError(str(error)) from error
        people = _annotators(dataset, annotators, simulated=simulated)
        tasks = [
            AnnotationTask(clip=clip, run_id=run_id, annotator=people[name])
            for clip, run_id in ready.values()
            if clip.name not in given
            for name in plan[clip.name]
        ]
        AnnotationTask.objects.bulk_create(tasks)
    return len(tasks)


def write_package(task_id: int) -> AnnotationTask | None:
    """Write the zip of one task; None if somebody else has it or it is done."""
    task = AnnotationTask.objects.claim(task_id)
    if task is None:
        return None
    with task.working(PackageError, LabelsError, TrackFileError, zipfile.BadZipFile):
        document = document_of(task)
        with work_folder() as folder, local_path(str(task.clip.frames)) as frames:
            check_pictures(frames, document.task_name, document.frame_count)
            path = folder / "package.zip"
            with new_zip(path) as package:
                _fill(package, task, document, frames)
            name = keep(path, f"{task.clip.video.dataset.name}/packages/{task}.zip")
        task.finish(package=name)
    return task


def copy_packages(dataset: Dataset, out: Path) -> int:
    """Copy the written packages into the folder `out`; return how many were not there yet.

    A file that is there already stays: somebody may have put the answers in its place.
    """
    out.mkdir(parents=True, exist_ok=True)
    copied = 0
    for task in AnnotationTask.objects.of(dataset).done().select_related("clip", "annotator"):
        target = out / f"{task}.zip"
        if target.exists():
            continue
        beside = out / f".{task}.part"
        with local_path(str(task.package)) as package:
            shutil.copyfile(package, beside)
        beside.replace(target)
        copied += 1
    return copied


def _given_out(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    given: dict[str, tuple[str, ...]] = {}
    tasks = AnnotationTask.objects.of(dataset).order_by("clip__name", "annotator__name")
    for clip, annotator in tasks.values_list("clip__name", "annotator__name"):
        given[clip] = (*given.get(clip, ()), annotator)
    return given


def _weights(
    ready: dict[str, tuple[Clip, int]], given: dict[str, tuple[str, ...]]
) -> dict[str, float]:
    """Boxes to look at in each clip, and one for the clip itself."""
    runs = TrackingRun.objects.filter(pk__in=[run_id for _, run_id in ready.values()])
    boxes = dict(runs.annotate(count=Count("proposals")).values_list("pk", "count"))
    return {clip: 1.0 for clip in given} | {
        name: 1.0 + boxes[run_id] for name, (_, run_id) in ready.items()
    }


def _annotators(dataset: Dataset, names: list[str], *, simulated: bool) -> dict[str, Annotator]:
    people = [Annotator(dataset=dataset, name=name, is_simulated=simulated) for name in names]
    for person in people:
        try:
            person.clean_fields()
        except ValidationError as error:
            raise PackageError(
                f'"{person.name}" cannot be an annotator: a name has letters, digits, hyphens '
                "and underscores only"
            ) from error
    Annotator.objects.bulk_create(people, ignore_conflicts=True)
    found = Annotator.objects.filter(dataset=dataset, name__in=names)
    return {person.name: person for person in found}


def document_of(task: AnnotationTask) -> Document:
    """The pre-annotation of `task`. Raises PackageError if there are no tracks."""
    clip, fps = task.clip, task.clip.video.dataset.annotation_fps
    groups = group_specs(clip.video.dataset)
    file = _tracks(task.run)
    return Document(
        task_name=str(task),
        frame_count=task_frame_count(clip.frame_count, annotation_fps=fps),
        width=file.width,
        height=file.height,
        attributes=attributes_of(groups),
        tracks=pre_annotated(
            file,
            dict(task.run.persons.values_list("track_id", "person_id")),
            seconds=clip.keyframes(),
            annotation_fps=fps,
            groups=groups,
        ),
    )


def _tracks(run: TrackingRun) -> TrackFile:
    if not run.tracks:
        raise PackageError(f"the tracking run {run} has no tracks file: run it again")
    with local_path(str(run.tracks)) as path:
        file = load(path.read_bytes())
    if file.clip != run.clip.name:
        raise PackageError(f"the tracks file of {run} belongs to the clip {file.clip}")
    return file


def check_pictures(frames: Path, name: str, wanted: int) -> None:
    """Raise PackageError if the zip `frames` does not hold the `wanted` pictures of `name`."""
    with zipfile.ZipFile(frames) as archive:
        count = len(archive.namelist())
    if count != wanted:
        raise PackageError(
            f"{name} wants {wanted} pictures, but the clip has "
            f"{count}: the annotation rate was changed after the clip was cut; cut it again"
        )


def _fill(package: NewZip, task: AnnotationTask, document: Document, frames: Path) -> None:
    name, dataset = document.task_name, task.clip.video.dataset
    seconds = task.clip.keyframes()
    readme = README.format(
        name=name,
        underline="=" * len(name),
        dataset=dataset.name,
        annotator=task.annotator.name,
        frame_count=document.frame_count,
        frames=", ".join(str(second * dataset.annotation_fps) for second in seconds),
    )
    labels = json.dumps(label_constructor(document.attributes), indent=2)
    package.add("README.txt", readme.encode())
    package.add("annotations.xml", dump(document))
    package.add("labels.json", f"{labels}\n".encode())
    package.add_file("frames.zip", frames)
