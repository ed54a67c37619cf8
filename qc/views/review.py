"""The review queue: verdicts on one task, on several, or on all above a threshold."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets
from qc.forms import ThresholdForm, VerdictForm
from qc.models import Review
from qc.selectors.review.review_queue import (
    good_enough_to_approve,
    pending,
    pending_rows,
)
from qc.services.review.verdicts import ReviewError, approve, reject

TASKS_COMPARED = 100  # with the threshold, a page


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    page = paginate(request, pending(dataset))
    context = {"dataset": dataset, "page": page, "rows": pending_rows(list(page))}
    return render(request, "qc/review/review_queue.html", context)


@login_required
@require_GET
def by_threshold(request: HttpRequest, name: str) -> HttpResponse:
    """The tasks of a page that are above the threshold; nothing is approved here."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    form = ThresholdForm(request.GET or None)
    page = paginate(request, pending(dataset), size=TASKS_COMPARED)
    rows = good_enough_to_approve(list(page), **form.cleaned_data) if form.is_valid() else []
    context = {"dataset": dataset, "form": form, "page": page, "rows": rows}
    return render(request, "qc/review/approve_by_threshold.html", context)


@login_required
@require_POST
def verdict(request: HttpRequest, name: str) -> HttpResponse:
    """Approve or reject the selected tasks."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.REVIEW), name=name)
    form = VerdictForm(request.POST, tasks=AnnotationTask.objects.of(dataset))
    try:
        for sentence in _apply_verdict(form, cast(User, request.user)):
            messages.success(request, sentence)
    except ReviewError as error:
        messages.error(request, str(error))
    for sentences in form.errors.values():
        messages.error(request, str(sentences[0]))
    if back := parse_key(request.POST.get("back", "")):
        return redirect("qc:task", name=name, pk=back)
    return redirect("qc:review", name=name)


def _apply_verdict(form: VerdictForm, user: User) -> list[str]:
    """Apply the verdict; the messages to show, none if the form is invalid."""
    if not form.is_valid():
        return []
    values = form.cleaned_data
    chosen = list(values["tasks"])
    noun = "task" if len(chosen) == 1 else "tasks"
    if values["verdict"] == Review.Verdict.APPROVED:
        approve(
            chosen, reviewer=user, seen=values["seen"],
            despite_findings=values["despite_findings"],
        )  # fmt: skip
        return [f"{len(chosen)} {noun} approved."]
    reject(chosen, reviewer=user, seen=values["seen"], reason=values["reason"])
    return [f"{len(chosen)} {noun} rejected and returned to the annotator."]
