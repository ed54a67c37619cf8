"""Downloads of tasks: packages, and backups from which CVAT makes tasks or a project."""

from collections.abc import Callable, Iterator
from itertools import chain

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from annotation.models import AnnotationTask, Annotator
from annotation.services.downloads import (
    NoOpenTaskError,
    annotator_backup,
    annotator_packages,
    annotator_task_backups,
    dataset_packages,
    task_backup,
)
from avaproject.base.ranges import serve_stored
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets


@login_required
@require_GET
def package(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    tasks = AnnotationTask.objects.permitting(request.user, Act.DOWNLOAD, Act.SEE_NAMES).done()
    task = get_object_or_404(
        tasks.select_related("clip", "annotator"), clip__video__dataset__name=name, pk=pk
    )
    return serve_stored(
        request, task.package.name or "", content_type="application/zip",
        download_as=f"{task}.zip",
    )  # fmt: skip


@login_required
@require_GET
def backup(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The backup of one task: CVAT makes the task from it in one step."""
    tasks = AnnotationTask.objects.permitting(request.user, Act.DOWNLOAD, Act.SEE_NAMES).done()
    task = get_object_or_404(
        tasks.select_related("clip__video__dataset", "annotator"),
        clip__video__dataset__name=name, pk=pk,
    )  # fmt: skip
    return _zip(task_backup(task), f"{task}-backup")


@login_required
@require_GET
def all_packages(request: HttpRequest, name: str) -> HttpResponseBase:
    """The packages of all open tasks of a dataset."""
    dataset = get_object_or_404(
        permitted_datasets(request.user, Act.DOWNLOAD, Act.SEE_NAMES), name=name
    )
    try:
        return _zip(dataset_packages(dataset), f"{name}--packages")
    except NoOpenTaskError as error:
        messages.error(request, f"{error}.")
        return redirect("qc:tasks", name=name)


@login_required
@require_GET
def packages(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The packages of all open tasks of an annotator."""
    return _of_annotator(request, name, pk, annotator_packages, "packages")


@login_required
@require_GET
def backups(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The backup of a CVAT project with all open tasks of an annotator."""
    return _of_annotator(request, name, pk, annotator_backup, "project-backup")


@login_required
@require_GET
def task_backups(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The backups of all open tasks of an annotator, one a task."""
    return _of_annotator(request, name, pk, annotator_task_backups, "task-backups")


def _of_annotator(
    request: HttpRequest,
    name: str,
    pk: int,
    made: Callable[[Annotator], Iterator[bytes]],
    what: str,
) -> HttpResponseBase:
    dataset = get_object_or_404(
        permitted_datasets(request.user, Act.DOWNLOAD, Act.SEE_NAMES), name=name
    )
    annotator = get_object_or_404(dataset.annotators.select_related("dataset"), pk=pk)
    try:
        return _zip(made(annotator), f"{name}--{annotator}-{what}")
    except NoOpenTaskError as error:
        messages.error(request, f"{error}.")
        return redirect("qc:tasks", name=name)


def _zip(content: Iterator[bytes], name: str) -> StreamingHttpResponse:
    """Send a zip while it is made; an error of its first part is still an error page."""
    first = next(content, b"")
    disposition = content_disposition_header(True, f"{name}.zip") or "attachment"
    return StreamingHttpResponse(
        chain([first], content),
        content_type="application/zip",
        headers={"Content-Disposition": disposition},
    )
