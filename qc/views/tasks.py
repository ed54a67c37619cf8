"""The list of annotation tasks, one task with its task_history, and comments on it."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from annotation.selectors.cvat import job_of_task
from avaproject.base.views import paginate
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets
from qc.selectors.clip_and_task_states import TASK_STATES, tabs, tasks_of, tasks_with_state
from qc.selectors.review.review_queue import (
    pending_rows,
    task_history,
)
from qc.selectors.statuses import task_statuses
from qc.selectors.task_list import annotators_of, task_rows
from qc.services.review.verdicts import ReviewError, comment


@login_required
@require_GET
def tasks(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    found = task_statuses(dataset)
    if annotator := request.GET.get("annotator", ""):
        found = found.filter(annotator__in=dataset.annotators.filter(name=annotator))
    chosen = request.GET.get("state", "")
    shown = tabs(found, TASK_STATES, chosen)
    page = paginate(request, found.filter(state=chosen) if chosen else found)
    context = {
        "dataset": dataset,
        "page": page,
        "rows": task_rows(tasks_of(page)),
        "tabs": shown,
    }
    context |= {"annotators": annotators_of(dataset), "annotator": annotator, "chosen": chosen}
    return render(request, "qc/review/tasks.html", context)


@login_required
@require_GET
def task(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One task: its findings, its agreement figures and its history."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    found = tasks_with_state(dataset).select_related("clip__video__dataset", "annotator")
    about = found.filter(pk=pk).first()
    if about is None:
        raise Http404(f"{name} has no such task.")
    rows = pending_rows([about]) if about.latest_version_id else []
    context = {"dataset": dataset, "task": about, "state": TASK_STATES[about.state]}
    context |= {"row": rows[0] if rows else None, "events": task_history(about)}
    context["cvat"] = job_of_task(about)
    return render(request, "qc/review/task.html", context)


@login_required
@require_POST
def task_comment(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Add a comment to a task."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    about = get_object_or_404(AnnotationTask.objects.of(dataset), pk=pk)
    try:
        comment(about, author=cast(User, request.user), text=request.POST.get("text", ""))
    except ReviewError as error:
        messages.error(request, str(error))
    return redirect("qc:task", name=name, pk=pk)
