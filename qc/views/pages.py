"""Pages that span the rooms: overview, clips, tasks, agreement, releases."""

from functools import partial
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.ranges import serve_pieces, serve_stored
from avaproject.base.views import key_of, page_of, retried
from avaproject.base.work import StagedQuerySet
from datasets.core.clipping import FRAME_RATE
from datasets.models import Dataset
from datasets.selectors import visible_clips, visible_datasets
from qc.core.release.formats import FORMATS
from qc.core.release.packing import PARTS
from qc.forms import ReleaseForm
from qc.models import (
    AgreementReport,
    AgreementSummary,
    Consensus,
    Release,
    Score,
    ThirdOpinion,
)
from qc.selectors.clips import clip_page, clip_rows
from qc.selectors.consensus.explanation import explained
from qc.selectors.overview import navigation
from qc.selectors.overview import overview as overview_of
from qc.selectors.proposals import proposal_page, run_merit
from qc.selectors.release.release_list import is_moving, release_plan, release_rows
from qc.selectors.player_scene import number_of, scene
from qc.selectors.clip_and_task_states import CLIP_STATES, TASK_STATES, clips_with_state, tabs
from qc.selectors.review.task_list import annotators_of, task_rows, tasks_with_state
from qc.selectors.to_do import chores
from qc.services.release.make_release import order_release
from qc.services.release.release_storage import StoreError, opener, withdraw_release, zip_of
from qc.services.release.bucket_sync import SyncError, bucket_address, order_sync
from tracking.models import TrackingRun


def _dataset_or_404(request: HttpRequest, name: str, **conditions: Any) -> Dataset:
    return get_object_or_404(visible_datasets(request.user), name=name, **conditions)


@login_required
@require_GET
def overview(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    context = {"dataset": dataset, "overview": overview_of(dataset)}
    context["counts"] = counts = navigation(dataset)
    can_run: bool = dataset.can_run  # type: ignore[attr-defined]  # annotated
    context["chores"] = chores(dataset, counts, can_run=can_run)
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
    asked = {f"{name}_key": request.GET.get(name, "") for name in ("run", "beside")}
    page = clip_page(dataset, request.user, clip, **asked)
    if page is None:
        raise Http404(f"{name} has no clip {clip}.")
    context = {"dataset": dataset, "page": page}
    context["seconds"] = explained(page.clip, page.beliefs)
    context["selected"] = number_of(
        request.GET.get("person", ""), page.clip, page.beliefs,
        second=(key_of(request.GET.get("frame", "")) or 0) // FRAME_RATE,
    )  # fmt: skip
    context["merit"] = run_merit(page.run) if page.run else None
    context["beside_merit"] = run_merit(page.beside.run) if page.beside else None
    return render(request, "qc/clip.html", context)


@login_required
@require_GET
def clip_scene(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    """Boxes and labels for the player, as JSON; `run` names another run than the annotated."""
    clips = visible_clips(request.user, name).select_related("video__dataset")
    found = get_object_or_404(clips, name=clip)
    key = key_of(request.GET.get("run", ""))
    runs = TrackingRun.objects.done().filter(clip=found)
    run = None if key is None else get_object_or_404(runs, pk=key)
    return JsonResponse(scene(found, run))


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
def proposals(request: HttpRequest, name: str) -> HttpResponse:
    """The ways of tracking against the boxes that annotators have corrected."""
    dataset = _dataset_or_404(request, name)
    context = {"dataset": dataset, "page": proposal_page(dataset)}
    return render(request, "qc/proposals.html", context)


@login_required
@require_GET
def releases(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    rows = release_rows(dataset, bucket=bucket_address())
    context = {"dataset": dataset, "rows": rows, "is_moving": is_moving(rows)}
    fragment = "HX-Request" in request.headers
    return render(request, "qc/_releases.html" if fragment else "qc/releases.html", context)


@login_required
@require_GET
def release_new(request: HttpRequest, name: str) -> HttpResponse:
    """What may be chosen for a release, with the sizes it would have."""
    dataset = _dataset_or_404(request, name, can_run=True)
    form = ReleaseForm(None, dataset=dataset)
    return render(request, "qc/release_new.html", _new_context(dataset, form))


@login_required
@require_POST
def release_order(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name, can_run=True)
    form = ReleaseForm(request.POST, dataset=dataset)
    if not form.is_valid():
        return render(request, "qc/release_new.html", _new_context(dataset, form), status=422)
    user = cast(User, request.user)
    release = order_release(dataset, user=user, options=form.options())
    messages.success(request, f"Release {release.number} is being made.")
    return redirect("qc:releases", name=name)


@login_required
@require_GET
def release_download(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """A zip of the parts named by `part`, of all of them without any."""
    release = _release_or_404(request, name, number)
    parts = [part for part in request.GET.getlist("part") if part in PARTS]
    is_small = "annotations" in request.GET.getlist("part") and not parts
    chosen = parts if parts or is_small else list(PARTS)
    saved_as = "-".join([name, "release", str(number), *(["annotations"] * is_small), *parts])
    if not release.folder:
        archives = release.counts.get("archives", {})
        one = archives.get("annotations", {}).get("name") if is_small else ""
        return serve_stored(
            request, one or release.archive.name or "", content_type="application/zip",
            download_as=f"{saved_as}.zip",
        )  # fmt: skip
    try:
        layout, folder = zip_of(release, chosen)
    except StoreError as error:
        raise Http404(str(error)) from error
    return serve_pieces(
        request, partial(layout.read, opened=opener(folder)), size=layout.size,
        etag="-".join([release.counts.get("manifest", "")[:32], *sorted(chosen)]),
        content_type="application/zip", download_as=f"{saved_as}.zip",
    )  # fmt: skip


@login_required
@require_GET
def release_card(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """The card's page, as a download: it is a document of its own."""
    release = _release_or_404(request, name, number)
    if not release.folder:
        raise Http404("It is in the zip.")
    return serve_stored(
        request, f"{release.folder}/card.html", content_type="text/html",
        download_as=f"{name}-release-{number}.html",
    )  # fmt: skip


@login_required
@require_POST
def release_sync(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Send a release to the bucket, under the prefix posted; only the parts ticked."""
    _dataset_or_404(request, name, can_run=True)
    release = _release_or_404(request, name, number)
    prefix, parts = request.POST.get("prefix", ""), request.POST.getlist("part")
    try:
        order = order_sync(release, prefix=prefix, parts=parts, user=cast(User, request.user))
    except SyncError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Release {number} is being sent to {order.prefix}.")
    return redirect("qc:releases", name=name)


@login_required
@require_POST
def release_withdraw(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Delete the files of a release for good; an admin's act."""
    dataset = _dataset_or_404(request, name, can_run=True)
    release = get_object_or_404(Release, dataset=dataset, number=number)
    if request.POST.get("confirm") != str(number):
        messages.error(request, f"Type {number} to delete the files of release {number}.")
        return redirect("qc:releases", name=name)
    try:
        is_first = withdraw_release(release, user=cast(User, request.user))
    except StoreError as error:
        messages.error(request, f"{error}.")
    except OSError as error:
        sentence = f"Some files of release {number} are left: {error} They are removed later."
        messages.error(request, sentence)
    else:
        done = "are deleted; its number stays" if is_first else "were deleted already"
        messages.success(request, f"The files of release {number} {done}.")
    return redirect("qc:releases", name=name)


def _new_context(dataset: Dataset, form: ReleaseForm) -> dict[str, Any]:
    plan = release_plan(dataset)
    sizes = dict(plan.pictures)
    offered = {*sizes, "none", "annotations"} if sizes else {"annotations"}
    form.initial["pictures"] = "full" if sizes else "annotations"
    pictures = [
        {
            "radio": radio.tag(),
            "label": radio.data["label"],
            "said": _pictures_said(radio.data["value"], sizes),
        }
        for radio in form["pictures"].subwidgets
        if radio.data["value"] in offered
    ]
    formats = [
        {"box": box.tag(), "label": box.data["label"], "what": FORMATS[box.data["value"]].what}
        for box in form["formats"].subwidgets
    ]
    return {
        "dataset": dataset, "form": form, "plan": plan, "pictures": pictures,
        "formats": formats,
    }  # fmt: skip


def _pictures_said(choice: str, sizes: dict[str, int]) -> str:
    if choice in sizes:
        return f"about {filesizeformat(sizes[choice])}"
    return "a few MB" if choice == "annotations" else "nothing more"


def _release_or_404(request: HttpRequest, name: str, number: int) -> Release:
    found = Release.objects.visible_to(request.user).there()
    return get_object_or_404(found, dataset__name=name, number=number)


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Send failed work of this room back: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(Dataset.objects.run_by(request.user), name=name)
    rows: dict[str, StagedQuerySet[Any]] = {
        "report": AgreementReport.objects.of(dataset),
        "summary": AgreementSummary.objects.filter(dataset=dataset),
        "consensus": Consensus.objects.of(dataset),
        "opinion": ThirdOpinion.objects.of(dataset),
        "score": Score.objects.filter(pull__task__clip__video__dataset=dataset),
        "release": Release.objects.filter(dataset=dataset),
    }
    return retried(request, rows.get(kind), dataset=name)
