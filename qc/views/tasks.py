"""The list of annotation tasks, one task with its task_history, and comments on it."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from annotation.selectors.cvat import job_of_task
from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets
from qc.selectors.clip_and_task_filters import (
    TASK,
    TASK_ORDERS,
    filter_bar,
    headings,
    narrowed,
    ordered,
    saved_views,
)
from qc.selectors.clip_and_task_states import (
    TASK_STATES,
    count_of,
    tabs,
    tasks_of,
    tasks_with_state,
)
from qc.selectors.review.review_queue import (
    pending_rows,
    task_history,
)
from qc.selectors.statuses import task_statuses
from qc.selectors.task_list import task_rows
from qc.services.review.verdicts import ReviewError, comment

TASK_COLUMNS = {
    "name": gettext_lazy("Clip"),
    "annotator": gettext_lazy("Annotator"),
    "state": gettext_lazy("Status"),
    "version": gettext_lazy("Version"),
    "unfinished": gettext_lazy("Unfinished"),
    "persons": gettext_lazy("Persons"),
    "agreement": gettext_lazy("Lowest \N{GREEK SMALL LETTER ALPHA}"),
    "findings": gettext_lazy("Findings"),
    "changed": gettext_lazy("Changed"),
}
BUSY = ("writing", "reading")  # states that end by themselves


@login_required
@require_GET
def tasks(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    query = request.GET.dict()
    found = narrowed(task_statuses(dataset), query, of=TASK)
    chosen = query.get("state", "")
    shown = tabs(found, TASK_STATES, chosen)
    found = ordered(found.filter(state=chosen) if chosen else found, query, TASK_ORDERS)
    page = paginate(request, found, count=count_of(shown))
    bar = filter_bar(dataset, query, with_names=True, further=("state",))
    context = {
        "dataset": dataset,
        "page": page,
        "rows": task_rows(tasks_of(page)),
        "tabs": shown,
    }
    context |= {"is_filtered": bool(chosen or bar.is_used), "bar": bar}
    context |= {"heads": headings(query, TASK_COLUMNS, default="name")}
    context |= {"list_page": "qc:tasks", "noun": "tasks"}
    context["is_busy"] = any(tab["key"] in BUSY and tab["count"] for tab in shown)
    if "HX-Request" in request.headers:
        return render(request, "qc/review/_tasks.html", context)
    context["saved_views"] = saved_views(request.user, dataset, "qc:tasks")
    return render(request, "qc/review/tasks.html", context)


@login_required
@require_GET
def task(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One task: its findings, its agreement figures and its history."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    found = tasks_with_state(dataset).select_related(
        "clip__video__dataset", "annotator", "status"
    )
    about = found.filter(pk=pk).first()
    if about is None:
        raise Http404(_("%(name)s has no such task.") % {"name": name})
    rows = pending_rows([about.status]) if about.latest_version_id else []
    context = {"dataset": dataset, "task": about, "state": TASK_STATES[about.state]}
    context |= {"row": rows[0] if rows else None, "events": task_history(about)}
    context["cvat"] = job_of_task(about)
    versions = about.versions.done().order_by("-number")
    context["versions"] = versions.exclude(pk=about.latest_version_id)
    context["compared_version"] = parse_key(request.GET.get("compare", ""))
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
