"""The review queue: approve, send back."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from datasets.pages import page_of
from datasets.selectors import visible_datasets
from qc.forms import VerdictForm
from qc.models import Review
from qc.selectors.review import pending, pending_rows
from qc.services.review import ReviewError, approve, reject


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    page = page_of(request, pending(dataset), size=50)
    context = {"dataset": dataset, "page": page, "rows": pending_rows(list(page))}
    return render(request, "qc/review.html", context)


@login_required
@require_POST
def verdict(request: HttpRequest, name: str) -> HttpResponse:
    """Approve or reject the tasks that were ticked."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    form = VerdictForm(request.POST, tasks=AnnotationTask.objects.of(dataset))
    try:
        for sentence in _judge(form, cast(User, request.user)):
            messages.success(request, sentence)
    except ReviewError as error:
        messages.error(request, str(error))
    for sentences in form.errors.values():
        messages.error(request, str(sentences[0]))
    return redirect("qc:review", name=name)


def _judge(form: VerdictForm, user: User) -> list[str]:
    """Carry the verdict out and say so; nothing if the form is wrong. Raises ReviewError."""
    if not form.is_valid():
        return []
    values = form.cleaned_data
    chosen = list(values["tasks"])
    noun = "task" if len(chosen) == 1 else "tasks"
    if values["verdict"] == Review.Verdict.APPROVED:
        approve(chosen, reviewer=user, despite_findings=values["despite_findings"])
        return [f"{len(chosen)} {noun} approved."]
    reject(chosen, reviewer=user, reason=values["reason"])
    return [f"{len(chosen)} {noun} sent back."]
