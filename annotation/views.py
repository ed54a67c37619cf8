"""Giving out tasks, taking packages away, bringing answers in."""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.forms import AnswersForm, PlanForm
from annotation.models import AnnotationTask, Pull
from annotation.selectors import ready_clips
from annotation.services.answers import Imported, import_answers
from annotation.services.packages import PackageError, plan_tasks
from datasets.files import work_folder
from datasets.models import Dataset
from datasets.pages import retried
from datasets.ranged import serve_stored
from datasets.selectors import visible_datasets
from datasets.stages import StagedQuerySet

REFUSALS_SHOWN = 5


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(visible_datasets(request.user), name=name, can_run=True)
    known = ", ".join(dataset.annotators.values_list("name", flat=True))
    form = PlanForm(request.POST or None, initial={"annotators": known})
    if request.method == "POST" and form.is_valid():
        try:
            count = plan_tasks(dataset, **_shares(form))
        except PackageError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _planned(count))
            return redirect("qc:tasks", name=name)
    ready = len(ready_clips(dataset))
    context = {"dataset": dataset, "form": form, "ready": ready}
    return render(request, "annotation/plan.html", context)


def _shares(form: PlanForm) -> dict[str, Any]:
    values = form.cleaned_data
    return {
        "annotators": values["annotators"],
        "overlap": values["overlap"] / 100,
        "per_clip": values["per_clip"],
        "seed": values["seed"],
    }


def _planned(count: int) -> str:
    if count:
        return f"{count} tasks are given out; their packages are being written."
    return "Every clip that is ready had been given out already."


@login_required
@require_GET
def package(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    tasks = AnnotationTask.objects.visible_to(request.user).done()
    task = get_object_or_404(
        tasks.select_related("clip", "annotator"), clip__video__dataset__name=name, pk=pk
    )
    return serve_stored(
        request, task.package.name or "", content_type="application/zip",
        download_as=f"{task}.zip",
    )  # fmt: skip


@login_required
@require_POST
def answers(request: HttpRequest, name: str) -> HttpResponse:
    """Bring answers in: of the task posted as `task`, or of those the files are named for."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    form = AnswersForm(request.POST, request.FILES)
    if not form.is_valid():
        for sentence in form.errors.get("answers", ["Choose the answer files first."]):
            messages.error(request, str(sentence))
        return redirect("qc:tasks", name=name)
    pk = request.POST.get("task", "")
    stem = ""
    if pk.isdigit():
        task = get_object_or_404(AnnotationTask.objects.of(dataset), pk=pk)
        stem = str(task)
    with work_folder() as folder:
        _lay_out(form.cleaned_data["answers"], folder, stem=stem)
        imported = import_answers(dataset, folder)
    _tell(request, imported)
    return redirect("qc:tasks", name=name)


def _lay_out(files: Iterable[UploadedFile], folder: Path, *, stem: str) -> None:
    """Write `files` into `folder`, under their own names or all for the task `stem`."""
    for file in files:
        name = PurePosixPath(file.name or "answers.xml").name
        if stem:
            name = stem + PurePosixPath(name).suffix.lower()
        with (folder / name).open("wb") as target:
            shutil.copyfileobj(file, target)


def _tell(request: HttpRequest, imported: Imported) -> None:
    if imported.received:
        noun = "file has" if imported.received == 1 else "files have"
        messages.success(request, f"{imported.received} answer {noun} arrived.")
    if imported.unchanged:
        messages.info(request, f"Here already, unchanged: {imported.unchanged}.")
    for file, sentence in imported.refused[:REFUSALS_SHOWN]:
        messages.error(request, f"{file}: {sentence}")
    if len(imported.refused) > REFUSALS_SHOWN:
        rest = len(imported.refused) - REFUSALS_SHOWN
        messages.error(request, f"{rest} more files were refused.")


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Send failed work of this room back: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(Dataset.objects.run_by(request.user), name=name)
    rows: dict[str, StagedQuerySet[Any]] = {
        "task": AnnotationTask.objects.of(dataset),
        "pull": Pull.objects.filter(task__clip__video__dataset=dataset),
    }
    return retried(request, rows.get(kind), dataset=name)
