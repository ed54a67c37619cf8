"""The review queue: one task, many by tick, or many by threshold; comments; third opinions."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.models import AnnotationTask
from avaproject.base.views import key_of, page_of
from datasets.selectors import visible_datasets
from qc.forms import OpinionForm, ThresholdForm, VerdictForm
from qc.models import Review
from qc.selectors.consensus.third_opinions import clips_in_dispute, dispute_rows, loads
from qc.selectors.review.review_queue import above_threshold, history, pending, pending_rows
from qc.selectors.clip_and_task_states import TASK_STATES, tasks_with_state
from qc.services.consensus.third_opinions import OpinionError, ask_third_opinions
from qc.services.review.verdicts import ReviewError, approve, comment, reject

LOOKED_THROUGH = 200  # tasks held against a threshold at once
DISPUTES_SHOWN = 100


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    page = page_of(request, pending(dataset), size=50)
    context = {"dataset": dataset, "page": page, "rows": pending_rows(list(page))}
    return render(request, "qc/review.html", context)


@login_required
@require_GET
def threshold(request: HttpRequest, name: str) -> HttpResponse:
    """What would be approved by threshold, of a page of tasks; looking approves nothing."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    form = ThresholdForm(request.GET or None)
    page = page_of(request, pending(dataset), size=LOOKED_THROUGH)
    rows = above_threshold(list(page), **form.cleaned_data) if form.is_valid() else []
    context = {"dataset": dataset, "form": form, "page": page, "rows": rows}
    return render(request, "qc/review_threshold.html", context)


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
    if back := key_of(request.POST.get("back", "")):
        return redirect("qc:task", name=name, pk=back)
    return redirect("qc:review", name=name)


def _judge(form: VerdictForm, user: User) -> list[str]:
    """Carry the verdict out and say so; nothing if the form is wrong. Raises ReviewError."""
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
    return [f"{len(chosen)} {noun} sent back."]


@login_required
@require_GET
def task(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One task: its findings, its figures, all that happened to it."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    found = tasks_with_state(dataset).select_related("clip__video__dataset", "annotator")
    about = found.filter(pk=pk).first()
    if about is None:
        raise Http404(f"{name} has no such task.")
    rows = pending_rows([about]) if about.latest_pull_id else []
    context = {"dataset": dataset, "task": about, "state": TASK_STATES[about.state]}
    context |= {"row": rows[0] if rows else None, "acts": history(about)}
    return render(request, "qc/task.html", context)


@login_required
@require_POST
def remark(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Keep a comment on a task."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name)
    about = get_object_or_404(AnnotationTask.objects.of(dataset), pk=pk)
    try:
        comment(about, author=cast(User, request.user), text=request.POST.get("text", ""))
    except ReviewError as error:
        messages.error(request, str(error))
    return redirect("qc:task", name=name, pk=pk)


@login_required
@require_http_methods(["GET", "POST"])
def opinions(request: HttpRequest, name: str) -> HttpResponse:
    """Clips on which two disagree, and whom to ask."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name, can_run=True)
    page = page_of(request, clips_in_dispute(dataset), size=DISPUTES_SHOWN)
    disputes, people = dispute_rows(list(page)), loads(dataset)
    form = OpinionForm(
        request.POST if request.method == "POST" else None,
        clips=[row.clip.name for row in disputes],
        annotators=[person for person, _ in people],
    )
    if request.method == "POST" and form.is_valid():
        try:
            asked = ask_third_opinions(
                dataset, user=cast(User, request.user), **form.cleaned_data
            )
        except OpinionError as error:
            form.add_error(None, str(error))
        else:
            noun = "opinion is" if len(asked) == 1 else "opinions are"
            messages.success(request, f"{len(asked)} third {noun} asked for.")
            return redirect("qc:questions", name=name)
    context = {"dataset": dataset, "form": form, "disputes": disputes, "people": people}
    context["page"] = page
    return render(request, "qc/opinions.html", context)
