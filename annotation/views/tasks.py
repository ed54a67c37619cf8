"""Pages for assigning tasks and importing answers."""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from annotation.core.plan_forecast import AnnotatorShare, PlanForecast, plan_forecast
from annotation.forms.tasks import TOOLS, AnswersForm, GoldTasksForm, PlanForm
from annotation.models import AnnotationTask, Annotator, AnswerVersion
from annotation.selectors.tasks import annotators_with_work, gold_clips, ready_counts
from annotation.services.answer_files import Imported, import_answers
from annotation.services.answers import confirm_answers
from annotation.services.plan import (
    PlanChangedError,
    PlanError,
    assign,
    assign_gold_tasks,
    assign_revision,
    choose_tool,
    mark_gold,
    preview,
    reassign,
    unassign,
    unmark_gold,
)
from annotation.services.qualification import ask_qualification, end_qualification
from avaproject.base.temporary import work_folder
from avaproject.base.views import parse_key, retry_failed
from avaproject.base.work import StagedQuerySet
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets

REFUSALS_SHOWN = 5
GOLD_CLIPS_SHOWN = 50
CLIPS_AT_ONCE = 500  # planned while the page is made; more, when it is there
PLANNED_CLIPS_SHOWN = 500


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """The assignment plan: GET previews it, POST assigns it exactly as previewed."""
    dataset = _own_dataset(request, name)
    typed = request.POST or request.GET
    form = PlanForm(typed if "annotators" in typed else None, initial=PlanForm.of(dataset))
    is_valid = form.is_bound and form.is_valid()
    if is_valid and request.method == "POST":
        try:
            digest = request.POST.get("digest", "")
            plan_request, tool = form.plan_request(dataset), form.cleaned_data["tool"]
            count = assign(dataset, plan_request, digest=digest, tool=tool)
            messages.success(request, _assigned(count))
            return redirect("qc:tasks", name=name)
        except PlanChangedError as error:
            messages.warning(request, f"No tasks were assigned: {error}.")
        except PlanError as error:
            form.add_error(None, str(error))
    context: dict[str, Any] = {
        "dataset": dataset, "form": form, "gold_form": GoldTasksForm(),
        "planned_clips_shown": PLANNED_CLIPS_SHOWN,
    }  # fmt: skip
    context |= _clips_and_annotators(dataset)
    at_once = context["ready"] <= CLIPS_AT_ONCE or "now" in typed or request.method == "POST"
    if is_valid and (at_once or "HX-Request" in request.headers):
        forecast = _forecast(dataset, form)
        context |= {"forecast": forecast, "shares": _shares(dataset, form, forecast)}
    else:
        context["is_coming"] = is_valid
    return render(request, "annotation/plan.html", context)


def _forecast(dataset: Dataset, form: PlanForm) -> PlanForecast | None:
    """The forecast of the plan; None with an error on the form if there is no plan."""
    plan_request = form.plan_request(dataset)
    try:
        state, previewed = preview(dataset, plan_request)
    except PlanError as error:
        if not form.non_field_errors():
            form.add_error(None, f"{error}.")
        return None
    return plan_forecast(state, previewed, plan_request)


def _shares(
    dataset: Dataset, form: PlanForm, forecast: PlanForecast | None
) -> list[tuple[AnnotatorShare, str]]:
    """The work of each annotator, and where they do it."""
    labels, new = dict(TOOLS), form.cleaned_data["tool"]
    chosen = dict(dataset.annotators.values_list("name", "tool"))
    shares = forecast.shares if forecast else []
    return [(one, str(labels[chosen.get(one.annotator, new)])) for one in shares]


def _clips_and_annotators(dataset: Dataset) -> dict[str, Any]:
    """What the page shows beside the form: clip counts, gold clips, annotators with work."""
    gold = gold_clips(dataset)
    return {
        **ready_counts(dataset)._asdict(),
        "gold_clips": gold[:GOLD_CLIPS_SHOWN],
        "gold_count": len(gold),
        "annotators": annotators_with_work(dataset),
        "tools": TOOLS,
    }


@login_required
@require_POST
def plan_unassign(request: HttpRequest, name: str) -> HttpResponse:
    """Unassign the unanswered tasks of an annotator."""
    annotator = _annotator(request, name)
    count = unassign(annotator)
    messages.success(
        request,
        f"{count} task{'' if count == 1 else 's'} unassigned from {annotator}. "
        "The next plan assigns them to others.",
    )
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_reassign(request: HttpRequest, name: str) -> HttpResponse:
    """Assign the tasks to their annotator again, where nobody else has the clips."""
    annotator = _annotator(request, name)
    count = reassign(annotator)
    messages.success(
        request, f"{count} task{'' if count == 1 else 's'} assigned to {annotator} again."
    )
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_tool(request: HttpRequest, name: str) -> HttpResponse:
    """Choose where an annotator's tasks are annotated."""
    annotator = _annotator(request, name)
    try:
        choose_tool(annotator, request.POST.get("tool", ""))
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        messages.success(request, f"The tool of {annotator} was changed.")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_qualify(request: HttpRequest, name: str) -> HttpResponse:
    """Ask an annotator for a qualification round, or end it."""
    annotator = _annotator(request, name)
    if "end" in request.POST:
        end_qualification(annotator)
        messages.success(request, f"{annotator} gets all assigned tasks now.")
        return redirect("annotation:plan", name=name)
    try:
        count = ask_qualification(annotator, parse_key(request.POST.get("count", "")) or 0)
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        noun = "gold clip" if count == 1 else "gold clips"
        messages.success(request, f"{annotator} does {count} {noun} before all other tasks.")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_gold_tasks(request: HttpRequest, name: str) -> HttpResponse:
    """Assign clips to an expert, whose answers will be gold answers."""
    dataset = _own_dataset(request, name)
    form = GoldTasksForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            count = assign_gold_tasks(dataset, **values)
        except PlanError as error:
            messages.error(request, f"{error}.")
        else:
            noun = "gold clip" if count == 1 else "gold clips"
            messages.success(request, f"{count} {noun} assigned to {values['annotator']}.")
    for field, errors in form.errors.items():
        messages.error(request, f"{form[field].label}: {errors[0]}")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_gold(request: HttpRequest, name: str) -> HttpResponse:
    """Mark or unmark the answers of a task, named `<clip>--<annotator>`, as gold answers."""
    dataset = _own_dataset(request, name)
    try:
        task = _named_task(request, dataset)
        if "remove" in request.POST:
            unmark_gold(task)
            messages.success(request, f"{task.clip} is no longer a gold clip.")
        else:
            mark_gold(task)
            messages.success(
                request,
                f"{task.clip} is a gold clip, with the answers of {task.annotator}.",
            )
    except PlanError as error:
        messages.error(request, f"{error}.")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_revise(request: HttpRequest, name: str) -> HttpResponse:
    """Let an annotator revise the answers of a task, named `<clip>--<annotator>`."""
    annotator = _annotator(request, name)
    try:
        revision = assign_revision(_named_task(request, annotator.dataset), annotator)
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        messages.success(request, f"{annotator} revises {revision.revises}.")
    return redirect("annotation:plan", name=name)


def _named_task(request: HttpRequest, dataset: Dataset) -> AnnotationTask:
    """The task posted by its name. Raises PlanError."""
    named = request.POST.get("task", "").strip()
    clip, _, annotator = named.partition("--")
    tasks = AnnotationTask.objects.of(dataset).select_related("clip", "annotator")
    task = tasks.filter(clip__name=clip, annotator__name=annotator).first()
    if task is None:
        raise PlanError(f'there is no task called "{named}"')
    return task


def _own_dataset(request: HttpRequest, name: str) -> Dataset:
    """A dataset whose tasks the user may assign; 404 for anybody else."""
    return get_object_or_404(permitted_datasets(request.user, Act.ASSIGN), name=name)


def _annotator(request: HttpRequest, name: str) -> Annotator:
    key = parse_key(request.POST.get("annotator", "")) or 0
    return get_object_or_404(_own_dataset(request, name).annotators, pk=key)


def _assigned(count: int) -> str:
    if count:
        plural = "" if count == 1 else "s"
        return f"{count} task{plural} assigned. Packages are being written."
    return "All clips that are ready are already assigned."


@login_required
@require_POST
def answers(request: HttpRequest, name: str) -> HttpResponse:
    """Import answers: of the task posted as `task`, or of the tasks named by the files."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    form = AnswersForm(request.POST, request.FILES)
    if not form.is_valid():
        for message in form.errors.get("answers", ["Choose the answer files first."]):
            messages.error(request, str(message))
        return redirect("qc:tasks", name=name)
    pk = request.POST.get("task", "")
    stem = ""
    if pk:
        task = get_object_or_404(AnnotationTask.objects.of(dataset), pk=parse_key(pk))
        stem = str(task)
    with work_folder() as folder:
        _save_files(form.cleaned_data["answers"], folder, stem=stem)
        imported = import_answers(dataset, folder)
    _add_messages(request, imported)
    return redirect("qc:tasks", name=name)


def _save_files(files: Iterable[UploadedFile], folder: Path, *, stem: str) -> None:
    """Write `files` into `folder`, under their own names or under that of the task `stem`."""
    for file in files:
        name = PurePosixPath(file.name or "answers.xml").name
        if stem:
            name = stem + PurePosixPath(name).suffix.lower()
        with (folder / name).open("wb") as target:
            shutil.copyfileobj(file, target)


def _add_messages(request: HttpRequest, imported: Imported) -> None:
    if imported.received:
        noun = "file" if imported.received == 1 else "files"
        messages.success(request, f"{imported.received} answer {noun} imported.")
    if imported.unchanged:
        messages.info(request, f"Unchanged since the last import: {imported.unchanged}.")
    for file, reason in imported.refused[:REFUSALS_SHOWN]:
        messages.error(request, f"{file}: {reason}")
    if len(imported.refused) > REFUSALS_SHOWN:
        rest = len(imported.refused) - REFUSALS_SHOWN
        messages.error(request, f"{rest} more files were refused.")


@login_required
@require_POST
def accept_answers(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Read answers that were held back as they are."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.OVERRIDE), name=name
    )
    versions = AnswerVersion.objects.filter(task__clip__video__dataset=dataset)
    version = get_object_or_404(versions.select_related("task"), pk=pk)
    if confirm_answers(version, user=cast(User, request.user)):
        messages.success(request, f"{version} is accepted as it is and will be read.")
    else:
        messages.info(request, f"{version} is not held back.")
    return redirect("qc:tasks", name=name)


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Retry failed work of this app: the row posted as `pk`, or all rows of its kind."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    rows: dict[str, StagedQuerySet[Any]] = {
        "task": AnnotationTask.objects.of(dataset),
        "version": AnswerVersion.objects.filter(
            task__clip__video__dataset=dataset
        ).without_history(),
    }
    return retry_failed(request, rows.get(kind), dataset=name)
