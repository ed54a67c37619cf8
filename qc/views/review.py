"""The review queue: verdicts on one task, on several, or on all above a threshold."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from qc.forms import ThresholdForm, VerdictForm
from qc.models import Review, TaskStatus
from qc.selectors.clip_and_task_filters import filter_bar, headings, saved_views
from qc.selectors.review.review_queue import (
    good_enough_to_approve,
    next_pending,
    pending,
    pending_rows,
)
from qc.services.review.verdicts import ReviewError, approve, reject

COLUMNS = {
    "name": gettext_lazy("Clip"),
    "annotator": gettext_lazy("Annotator"),
    "version": gettext_lazy("Version"),
    "persons": gettext_lazy("Persons"),
    "unfinished": gettext_lazy("Unfinished"),
    "agreement": gettext_lazy("Lowest \N{GREEK SMALL LETTER ALPHA}"),
    "boxes": gettext_lazy("Box F1"),
    "findings": gettext_lazy("Findings"),
}
TASKS_COMPARED = 100  # with the threshold, a page


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    return _render_queue(request, dataset)


def _render_queue(
    request: HttpRequest, dataset: Dataset, *, refused: VerdictForm | None = None
) -> HttpResponse:
    """The queue; after a refused verdict with what was selected and written."""
    query = request.GET.dict()
    waiting = pending(dataset, query)
    page = paginate(request, waiting)
    rows = pending_rows(page)
    if refused is not None:
        overrides, selected = refused.overrides(), set(request.POST.getlist("tasks"))
        for row in rows:
            row.is_selected = str(row.task.pk) in selected
            row.override = overrides.get(row.task.pk, "")
    context = {"dataset": dataset, "page": page, "rows": rows}
    context["pager_base"] = reverse("qc:review", args=[dataset.name])
    context |= {"bar": filter_bar(dataset, query, with_names=True)}
    context |= {"list_page": "qc:review", "noun": "submissions"}
    context["saved_views"] = saved_views(request.user, dataset, "qc:review")
    context["newest"] = _newest(waiting)
    context["heads"] = headings(query, COLUMNS, default="")
    if refused is not None:
        context["reason"] = request.POST.get("reason", "")
    status = 200 if refused is None else 422
    return render(request, "qc/review/review_queue.html", context, status=status)


@login_required
@require_GET
def by_threshold(request: HttpRequest, name: str) -> HttpResponse:
    """The tasks of a page that are above the threshold; nothing is approved here."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    form = ThresholdForm(request.GET or None)
    page = paginate(request, pending(dataset), size=TASKS_COMPARED)
    rows = good_enough_to_approve(page, **form.cleaned_data) if form.is_valid() else []
    context = {"dataset": dataset, "form": form, "page": page, "rows": rows}
    context["newest"] = _newest(pending(dataset))
    return render(request, "qc/review/approve_by_threshold.html", context)


@login_required
@require_POST
def verdict(request: HttpRequest, name: str) -> HttpResponse:
    """Approve or reject the selected tasks; from the page of one, go on to the next."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    data = request.POST.copy()
    if newest := parse_key(data.get("all", "")):
        rows = _all_that_match(request, dataset, newest)
        data.setlist("tasks", [str(pk) for pk, _ in rows])
        data.setlist("seen", [str(version) for _, version in rows])
    form = VerdictForm(data, tasks=AnnotationTask.objects.of(dataset))
    back = parse_key(request.POST.get("back", ""))
    before = next_pending(dataset, after=back) if back else None
    is_done = False
    try:
        for sentence in _apply_verdict(form, cast(User, request.user)):
            messages.success(request, sentence)
            is_done = True
    except ReviewError as error:
        messages.error(request, str(error))
    for sentences in form.errors.values():
        messages.error(request, str(sentences[0]))
    if back:
        return _after_one(name, before if is_done else back)
    if not is_done:
        return _render_queue(request, dataset, refused=form)
    return redirect("qc:review", name=name)


def _newest(waiting: QuerySet[TaskStatus]) -> int | None:
    """The newest answers of these tasks: later ones are in no verdict on all of them."""
    newest: int | None = waiting.aggregate(max=Max("version"))["max"]
    return newest


def _all_that_match(
    request: HttpRequest, dataset: Dataset, newest: int
) -> list[tuple[int, int]]:
    """Tasks and versions of all pages: those of the filters, or above the posted threshold.

    Without answers that came after the page was shown.
    """
    matching = pending(dataset, request.GET.dict()).filter(version__lte=newest)
    threshold = ThresholdForm(request.POST)
    if "alpha" not in request.POST or not threshold.is_valid():
        return list(matching.values_list("pk", "version"))
    rows = good_enough_to_approve(matching, **threshold.cleaned_data)
    return [(row.task.pk, row.version.pk) for row in rows]


def _after_one(name: str, pk: int | None) -> HttpResponse:
    """The page of a task; after the last one the overview, which names the next step."""
    return redirect("qc:task", name=name, pk=pk) if pk else redirect("qc:overview", name=name)


def _apply_verdict(form: VerdictForm, user: User) -> list[str]:
    """Apply the verdict; the messages to show, none if the form is invalid."""
    if not form.is_valid():
        return []
    values = form.cleaned_data
    chosen = list(values["tasks"])
    if values["verdict"] == Review.Verdict.APPROVED:
        approve(chosen, reviewer=user, seen=values["seen"], overrides=values["overrides"])
        done = ngettext("%d task approved.", "%d tasks approved.", len(chosen))
        return [done % len(chosen)]
    reject(chosen, reviewer=user, seen=values["seen"], reason=values["reason"])
    done = ngettext(
        "%d task rejected and returned to the annotator.",
        "%d tasks rejected and returned to the annotator.",
        len(chosen),
    )
    return [done % len(chosen)]
