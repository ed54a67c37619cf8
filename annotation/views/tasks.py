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

from annotation.core.outlook import Outlook, outlook
from annotation.forms.tasks import AnswersForm, GoldTasksForm, PlanForm
from annotation.models import AnnotationTask, AnswerVersion
from annotation.selectors.tasks import gold_clips, people_with_work, ready_clips
from annotation.services.answers import Imported, import_answers
from annotation.services.plan import (
    PlanChangedError,
    PlanError,
    assign_gold_tasks,
    draw_up,
    give_back,
    give_out,
    mark_gold,
    take_back,
    unmark_gold,
)
from avaproject.base.ranges import serve_stored
from avaproject.base.storage import work_folder
from avaproject.base.views import key_of, retried
from avaproject.base.work import StagedQuerySet
from datasets.models import Dataset
from datasets.selectors import visible_datasets

REFUSALS_SHOWN = 5


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """The plan: asked for with GET it is shown, posted it is given out as it was shown."""
    dataset = _own_dataset(request, name)
    typed = request.POST or request.GET
    form = PlanForm(typed if "annotators" in typed else None, initial=PlanForm.of(dataset))
    is_valid = form.is_bound and form.is_valid()
    if is_valid and request.method == "POST":
        try:
            digest = request.POST.get("digest", "")
            messages.success(request, _planned(give_out(dataset, form.wishes(), digest=digest)))
            return redirect("qc:tasks", name=name)
        except PlanChangedError as error:
            messages.warning(request, f"Nothing was given out: {error}.")
        except PlanError as error:
            form.add_error(None, str(error))
    context = {"dataset": dataset, "form": form, "keys_form": GoldTasksForm()}
    context |= _standing(dataset)
    if is_valid:
        context["outlook"] = _outlook(dataset, form)
    return render(request, "annotation/plan.html", context)


def _outlook(dataset: Dataset, form: PlanForm) -> Outlook | None:
    """What the form's wishes lead to; None, and the form says why, if to nothing."""
    wishes = form.wishes()
    try:
        standing, found = draw_up(dataset, wishes)
    except PlanError as error:
        if not form.non_field_errors():
            form.add_error(None, f"{error}.")
        return None
    return outlook(standing, found, wishes)


def _standing(dataset: Dataset) -> dict[str, Any]:
    """What the page says beside the form: clips, gold, and who still has work."""
    ready = ready_clips(dataset)
    tasks = AnnotationTask.objects.of(dataset)
    given = set(tasks.values_list("clip", flat=True))
    return {
        "ready": len(ready),
        "not_given": sum(clip.pk not in given for clip, _ in ready),
        "keys": gold_clips(dataset),
        "people": people_with_work(dataset),
    }


@login_required
@require_POST
def plan_take_back(request: HttpRequest, name: str) -> HttpResponse:
    """Take back what an annotator who leaves has not answered."""
    dataset = _own_dataset(request, name)
    person = get_object_or_404(dataset.annotators, pk=_number(request, "annotator"))
    count = take_back(person)
    noun = "task is" if count == 1 else "tasks are"
    messages.success(
        request, f"{count} {noun} taken back from {person}. The next plan gives them to others."
    )
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_give_back(request: HttpRequest, name: str) -> HttpResponse:
    """Undo the taking back, as far as nobody else has the clips."""
    dataset = _own_dataset(request, name)
    person = get_object_or_404(dataset.annotators, pk=_number(request, "annotator"))
    count = give_back(person)
    noun = "task is" if count == 1 else "tasks are"
    messages.success(request, f"{count} {noun} with {person} again.")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_keys(request: HttpRequest, name: str) -> HttpResponse:
    """Give an expert clips whose answers will be known ones."""
    dataset = _own_dataset(request, name)
    form = GoldTasksForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            count = assign_gold_tasks(dataset, **values)
        except PlanError as error:
            messages.error(request, f"{error}.")
        else:
            noun = "clip is" if count == 1 else "clips are"
            messages.success(
                request, f"{count} {noun} given to {values['annotator']}, to become gold."
            )
    for field, errors in form.errors.items():
        messages.error(request, f"{form[field].label}: {errors[0]}")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_gold(request: HttpRequest, name: str) -> HttpResponse:
    """Take the answers of a task, named `<clip>--<annotator>`, for known; or no longer."""
    dataset = _own_dataset(request, name)
    named = request.POST.get("task", "").strip()
    clip, _, annotator = named.partition("--")
    task = (
        AnnotationTask.objects.of(dataset)
        .filter(clip__name=clip, annotator__name=annotator)
        .select_related("clip", "annotator")
        .first()
    )
    try:
        if task is None:
            raise PlanError(f'there is no task called "{named}"')
        if "remove" in request.POST:
            unmark_gold(task)
            messages.success(request, f"{task.clip} is gold no longer.")
        else:
            mark_gold(task)
            messages.success(request, f"{task.clip} is gold: the answers of {task.annotator}.")
    except PlanError as error:
        messages.error(request, f"{error}.")
    return redirect("annotation:plan", name=name)


def _own_dataset(request: HttpRequest, name: str) -> Dataset:
    """A dataset whose work the user may give out; 404 for anybody else."""
    return get_object_or_404(visible_datasets(request.user), name=name, can_run=True)


def _number(request: HttpRequest, field: str) -> int:
    return key_of(request.POST.get(field, "")) or 0


def _planned(count: int) -> str:
    if count:
        noun = "task is given out; its package is" if count == 1 else (
            "tasks are given out; their packages are"
        )  # fmt: skip
        return f"{count} {noun} being written."
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
        for message in form.errors.get("answers", ["Choose the answer files first."]):
            messages.error(request, str(message))
        return redirect("qc:tasks", name=name)
    pk = request.POST.get("task", "")
    stem = ""
    if pk:
        task = get_object_or_404(AnnotationTask.objects.of(dataset), pk=key_of(pk))
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
    for file, reason in imported.refused[:REFUSALS_SHOWN]:
        messages.error(request, f"{file}: {reason}")
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
        "version": AnswerVersion.objects.filter(task__clip__video__dataset=dataset),
    }
    return retried(request, rows.get(kind), dataset=name)
