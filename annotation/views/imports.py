"""Pages of imports: annotations that were made with another tool."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from annotation.forms.imports import ImportChoicesForm, LabelFileForm
from annotation.importers.registry import IMPORTERS
from annotation.models import LabelImport
from annotation.services.label_imports import (
    LabelImportError,
    begin_import,
    confirm_import,
    preview_again,
    undo_import,
)
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets

SHOWN = 100  # imports
IN_WORK = (Stage.WAITING, Stage.RUNNING)


@login_required
@require_http_methods(["GET", "POST"])
def imports(request: HttpRequest, name: str) -> HttpResponse:
    """The imports of a dataset; POST uploads a file for a preview."""
    dataset = _dataset(request, name)
    form = LabelFileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = _receive(dataset, form, cast(User, request.user))
        except LabelImportError as error:
            form.add_error(None, f"{str(error)[:1].upper()}{str(error)[1:]}.")
        else:
            return redirect("annotation:import", name=name, pk=row.pk)
    rows = LabelImport.objects.of(dataset).select_related("source", "created_by")[:SHOWN]
    context = {
        "dataset": dataset, "form": form, "imports": rows, "formats": IMPORTERS.values(),
    }  # fmt: skip
    status = 422 if request.method == "POST" else 200
    return render(request, "annotation/imports.html", context, status=status)


def _receive(dataset: Dataset, form: LabelFileForm, user: User) -> LabelImport:
    with received(form.cleaned_data["file"]) as (path, name):
        return begin_import(
            dataset, path, original_name=name, source_name=form.cleaned_data["source"],
            format=form.cleaned_data["format"], user=user,
        )  # fmt: skip


@contextmanager
def received(file: UploadedFile) -> Iterator[tuple[Path, str]]:
    """An uploaded file as a file of its own, and what it is called; removed afterwards."""
    name = PurePosixPath((file.name or "labels").replace("\\", "/")).name
    with work_folder() as folder:
        path = folder / "upload"
        with path.open("wb") as target:
            shutil.copyfileobj(file, target)
        yield path, name


@login_required
@require_http_methods(["GET", "POST"])
def label_import(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One import: its preview with the mapping of labels, or its report."""
    dataset = _dataset(request, name)
    row = get_object_or_404(LabelImport.objects.of(dataset), pk=pk)
    form = ImportChoicesForm(row, request.POST or None)
    if request.method == "POST" and form.is_valid():
        order = confirm_import if "confirm" in request.POST else preview_again
        try:
            order(row, form.choices())
        except LabelImportError as error:
            messages.error(request, _("Nothing was taken: %(error)s.") % {"error": error})
        return redirect("annotation:import", name=name, pk=pk)
    context = {
        "dataset": dataset, "row": row, "form": form, "is_in_work": row.stage in IN_WORK,
        "is_preview": row.confirmed_at is None and row.preview is not None,
        "result": row.outcome or row.preview,
    }  # fmt: skip
    status = 422 if request.method == "POST" else 200
    return render(request, "annotation/import.html", context, status=status)


@login_required
@require_POST
def undo(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Withdraw the answers of an import."""
    dataset = _dataset(request, name)
    row = get_object_or_404(LabelImport.objects.of(dataset), pk=pk)
    try:
        count = undo_import(row)
    except LabelImportError as error:
        messages.error(request, _("Nothing was undone: %(error)s.") % {"error": error})
    else:
        messages.success(
            request,
            ngettext(
                "The import was undone: answers to %d clip count no longer.",
                "The import was undone: answers to %d clips count no longer.",
                count,
            )
            % count,
        )
    return redirect("annotation:import", name=name, pk=pk)


def _dataset(request: HttpRequest, name: str) -> Dataset:
    """A dataset into which the user may import answers; 404 for anybody else."""
    return get_object_or_404(
        permitted_datasets(request.user, Act.ASSIGN, Act.REVIEW), name=name
    )
