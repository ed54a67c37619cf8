"""Downloads of an annotator's open tasks: their packages, or backups that CVAT restores.

Open is what is assigned, written as a package, and not answered. The zips are made while they
are sent; no more than one task is in memory.
"""

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.core.annotation_guide import guide
from annotation.cvat.task_upload import IMAGE_QUALITY
from annotation.models import AnnotationTask, Annotator
from annotation.selectors.guidelines import guidelines_markdown
from annotation.selectors.tasks import group_specs
from avaproject.base.storage import local_path
from avaproject.base.temporary import partial_path, work_folder
from avaproject.base.work import Stage
from datasets.core.formats import cvat_backup
from datasets.core.formats.cvat_labels import attributes_of
from datasets.core.formats.cvat_xml import load
from datasets.core.zip_writer import ZipWriter, new_zip, stream_zip
from datasets.models import Dataset


class NoOpenTaskError(ValueError):
    """There is nothing to download."""


def annotator_packages(annotator: Annotator) -> Iterator[bytes]:
    """A zip of the packages of all open tasks. Raises NoOpenTaskError."""
    return stream_zip([partial(_add_package, task=task) for task in _open_tasks(annotator)])


def dataset_packages(dataset: Dataset) -> Iterator[bytes]:
    """The packages of all open tasks, a folder an annotator. Raises NoOpenTaskError."""
    tasks = list(_open(AnnotationTask.objects.of(dataset)).order_by("annotator__name", "clip"))
    if not tasks:
        raise NoOpenTaskError(
            _("%(dataset)s has no open task whose package is written") % {"dataset": dataset}
        )
    return stream_zip([
        partial(_add_package, task=task, folder=f"{task.annotator.name}/") for task in tasks
    ])  # fmt: skip


def annotator_backup(annotator: Annotator) -> Iterator[bytes]:
    """CVAT's backup of a project with all open tasks. Raises NoOpenTaskError."""
    tasks, dataset = _open_tasks(annotator), annotator.dataset
    groups = group_specs(dataset)
    name = f"{dataset.name}--{annotator.name}"

    def begin(archive: ZipWriter) -> None:
        """The project with its first task: a file that can't be read is found before a byte."""
        cvat_backup.add_project(
            archive, name=name, attributes=attributes_of(groups), guide=_guide(dataset),
            labels=dataset.class_names,
        )  # fmt: skip
        _add_to_backup(archive, task=tasks[0], number=0)

    rest = [
        partial(_add_to_backup, task=task, number=number)
        for number, task in enumerate(tasks[1:], 1)
    ]
    return stream_zip([begin, *rest])


def annotator_task_backups(annotator: Annotator) -> Iterator[bytes]:
    """A zip of CVAT's backups of all open tasks, one a task. Raises NoOpenTaskError."""
    return stream_zip([partial(_add_task_backup, task=task) for task in _open_tasks(annotator)])


def task_backup(task: AnnotationTask) -> Iterator[bytes]:
    """CVAT's backup of one task, whose package is written."""
    return stream_zip([partial(_add_to_backup, task=task)])


def write_backups(dataset: Dataset, out: Path) -> int:
    """Write the backup of each annotator with open tasks into `out`; return how many."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for annotator in dataset.annotators.select_related("dataset"):
        try:
            content = annotator_backup(annotator)
        except NoOpenTaskError:
            continue
        target = out / f"{dataset.name}--{annotator}-backup.zip"
        with partial_path(target) as beside:
            with beside.open("wb") as file:
                file.writelines(content)
            beside.replace(target)
        count += 1
    return count


def _open_tasks(annotator: Annotator) -> list[AnnotationTask]:
    tasks = AnnotationTask.objects.filter(annotator=annotator)
    found = list(_open(tasks).order_by("clip__name"))
    if not found:
        raise NoOpenTaskError(
            _("%(annotator)s has no open task whose package is written")
            % {"annotator": annotator}
        )
    return found


def _open(tasks: QuerySet[AnnotationTask]) -> QuerySet[AnnotationTask]:
    """Those that are assigned and written as a package, but not answered."""
    written = tasks.filter(unassigned_at=None, stage=Stage.DONE, versions=None)
    return written.select_related("clip__video__dataset", "annotator")


def _guide(dataset: Dataset) -> str:
    text = guidelines_markdown(dataset, lambda number: "")  # a backup has no images
    return guide(
        dataset.name, group_specs(dataset), guidelines=text, labels=dataset.class_names
    )


def _add_package(archive: ZipWriter, *, task: AnnotationTask, folder: str = "") -> None:
    with local_path(str(task.package)) as path:
        archive.add_file(f"{folder}{task}.zip", path)


def _add_task_backup(archive: ZipWriter, *, task: AnnotationTask) -> None:
    with work_folder() as folder:
        path = folder / "backup.zip"
        with new_zip(path) as backup:
            _add_to_backup(backup, task=task)
        archive.add_file(f"{task}-backup.zip", path)


def _add_to_backup(
    archive: ZipWriter, *, task: AnnotationTask, number: int | None = None
) -> None:
    with local_path(str(task.package)) as path, zipfile.ZipFile(path) as package:
        document = load(package.read("annotations.xml"))
        with package.open("frames.zip") as opened, zipfile.ZipFile(opened) as frames:
            cvat_backup.add_task(
                archive, document, frames, quality=IMAGE_QUALITY, number=number,
                guide=_guide(task.clip.video.dataset) if number is None else "",
            )  # fmt: skip
