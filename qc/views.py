"""Pages that span the rooms: overview, clips, tasks, review, open questions, releases."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotation.models import AnnotationTask
from datasets.models import Dataset
from datasets.pages import page_of, retried
from datasets.ranged import serve_stored
from datasets.selectors import visible_clips, visible_datasets
from datasets.stages import StagedQuerySet
from qc.forms import AdjudicationForm, VerdictForm
from qc.models import AgreementReport, AgreementSummary, Consensus, Release, Review
from qc.selectors.clips import clip_page, clip_rows, scene
from qc.selectors.overview import overview as overview_of
from qc.selectors.releases import is_moving, release_rows
from qc.selectors.review import open_keys, pending, pending_rows, questions
from qc.selectors.states import CLIP_STATES, TASK_STATES, clips_with_state, tabs
from qc.selectors.tasks import annotators_of, task_rows, tasks_with_state
from qc.services.release import order_release
from qc.services.review import ReviewError, approve, reject
from qc.services.settle import AdjudicationError, adjudicate

QUESTIONS_ON_A_PAGE = 10


def _dataset_or_404(request: HttpRequest, name: str, **conditions: Any) -> Dataset:
    return get_object_or_404(visible_datasets(request.user), name=name, **conditions)


@login_required
@require_GET
def overview(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    context = {"dataset": dataset, "overview": overview_of(dataset)}
    page = "qc/_overview.html" if "HX-Request" in request.headers else "qc/overview.html"
    return render(request, page, context)


@login_required
@require_GET
def clips(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    found = clips_with_state(dataset).select_related("video").order_by("name")
    if query := request.GET.get("q", "").strip():
        found = found.filter(name__icontains=query)
    chosen = request.GET.get("state", "")
    shown = tabs(found, CLIP_STATES, chosen)
    page = page_of(request, found.filter(state=chosen) if chosen else found)
    context = {"dataset": dataset, "page": page, "rows": clip_rows(list(page)), "query": query}
    context |= {"tabs": shown, "is_filtered": bool(chosen or query)}
    fragment = "HX-Request" in request.headers
    return render(request, "qc/_clips.html" if fragment else "qc/clips.html", context)


@login_required
@require_GET
def clip(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    page = clip_page(dataset, request.user, clip)
    if page is None:
        raise Http404(f"{name} has no clip {clip}.")
    return render(request, "qc/clip.html", {"dataset": dataset, "page": page})


@login_required
@require_GET
def clip_scene(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    """Boxes and labels for the player, as JSON."""
    found = visible_clips(request.user, name).select_related("video")
    return JsonResponse(scene(get_object_or_404(found, name=clip)))


@login_required
@require_GET
def tasks(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    found = tasks_with_state(dataset)
    if annotator := request.GET.get("annotator", ""):
        found = found.filter(annotator__name=annotator)
    chosen = request.GET.get("state", "")
    shown = tabs(found, TASK_STATES, chosen)
    page = page_of(request, found.filter(state=chosen) if chosen else found)
    context = {"dataset": dataset, "page": page, "rows": task_rows(list(page)), "tabs": shown}
    context |= {"annotators": annotators_of(dataset), "annotator": annotator, "chosen": chosen}
    return render(request, "qc/tasks.html", context)


@login_required
@require_GET
def review(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    page = page_of(request, pending(dataset), size=50)
    context = {"dataset": dataset, "page": page, "rows": pending_rows(list(page))}
    return render(request, "qc/review.html", context)


@login_required
@require_POST
def verdict(request: HttpRequest, name: str) -> HttpResponse:
    """Approve or reject the tasks that were ticked."""
    dataset = _dataset_or_404(request, name)
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


@login_required
@require_GET
def open_questions(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    page = page_of(request, open_keys(dataset), size=QUESTIONS_ON_A_PAGE)
    context = {"dataset": dataset, "page": page, "questions": questions(dataset, list(page))}
    return render(request, "qc/questions.html", context)


@login_required
@require_POST
def decide(request: HttpRequest, name: str) -> HttpResponse:
    """Keep a reviewer's answer to one open question."""
    dataset = _dataset_or_404(request, name)
    form = AdjudicationForm(request.POST, dataset=dataset)
    if form.is_valid():
        clips = visible_clips(request.user, name).select_related("video__dataset")
        about = get_object_or_404(clips, name=form.cleaned_data["clip"])
        try:
            adjudicate(about, user=cast(User, request.user), **form.decision())
        except AdjudicationError as error:
            messages.error(request, f"{about.name}: {error}.")
        else:
            second = form.cleaned_data["second"]
            messages.success(request, f"Decided: {about.name}, second {second}.")
    for sentences in form.errors.values():
        messages.error(request, str(sentences[0]))
    return redirect("qc:questions", name=name)


@login_required
@require_GET
def releases(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    rows = release_rows(dataset)
    context = {"dataset": dataset, "rows": rows, "is_moving": is_moving(rows)}
    fragment = "HX-Request" in request.headers
    return render(request, "qc/_releases.html" if fragment else "qc/releases.html", context)


@login_required
@require_POST
def release_order(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name, can_run=True)
    release = order_release(dataset, user=cast(User, request.user))
    messages.success(request, f"Release {release.number} is being made.")
    return redirect("qc:releases", name=name)


@login_required
@require_GET
def release_download(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    found = Release.objects.visible_to(request.user).done()
    release = get_object_or_404(found, dataset__name=name, number=number)
    return serve_stored(
        request, release.archive.name or "", content_type="application/zip",
        download_as=f"{name}-release-{number}.zip",
    )  # fmt: skip


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Send failed work of this room back: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(Dataset.objects.run_by(request.user), name=name)
    rows: dict[str, StagedQuerySet[Any]] = {
        "report": AgreementReport.objects.of(dataset),
        "summary": AgreementSummary.objects.filter(dataset=dataset),
        "consensus": Consensus.objects.of(dataset),
        "release": Release.objects.filter(dataset=dataset),
    }
    return retried(request, rows.get(kind), dataset=name)
