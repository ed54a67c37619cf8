"""The list of clips, and the page of one clip with its player."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from avaproject.base.views import paginate, parse_key
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.selectors import permitted_clips, permitted_datasets
from qc.selectors.agreement.proposal_quality import run_metrics
from qc.selectors.clip_and_task_filters import (
    ORDERS,
    filter_bar,
    headings,
    narrowed,
    ordered,
    saved_views,
)
from qc.selectors.clip_and_task_states import CLIP_STATES, count_of, tabs
from qc.selectors.clips import clip_page, clip_rows
from qc.selectors.consensus.explanation import explain_consensus
from qc.selectors.player_scene import player_scene, selected_person
from qc.selectors.statuses import clip_statuses
from tracking.models import TrackingRun

CLIP_COLUMNS = {
    "name": gettext_lazy("Clip"),
    "state": gettext_lazy("Status"),
    "length": gettext_lazy("Length"),
    "persons": gettext_lazy("Persons"),
    "agreement": gettext_lazy("Lowest alpha"),
    "findings": gettext_lazy("Findings"),
    "open": gettext_lazy("Questions"),
    "tasks": gettext_lazy("Annotation"),
}


@login_required
@require_GET
def clips(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    query = request.GET.dict()
    with_names = "see_names" in dataset.may
    found = narrowed(clip_statuses(dataset), _permitted(query, with_names=with_names))
    chosen = query.get("state", "")
    shown = tabs(found, CLIP_STATES, chosen)
    found = ordered(found.filter(state=chosen) if chosen else found, query, ORDERS)
    is_grid = query.get("view") == "grid"
    size = 60 if is_grid else 25
    page = paginate(request, found, size=size, count=count_of(shown))
    bar = filter_bar(dataset, query, with_names=with_names, further=("state",))
    context = {"dataset": dataset, "page": page, "rows": clip_rows(list(page))}
    context |= {"tabs": shown, "is_filtered": bool(chosen or bar.is_used), "bar": bar}
    context |= {"heads": headings(query, CLIP_COLUMNS, default="name"), "is_grid": is_grid}
    context |= {"list_page": "qc:clips", "noun": "clips", "query": query.get("q", "")}
    fragment = "HX-Request" in request.headers
    if not fragment:
        context["saved_views"] = saved_views(request.user, dataset, "qc:clips")
    return render(request, "qc/_clips.html" if fragment else "qc/clips.html", context)


def _permitted(query: dict[str, str], *, with_names: bool) -> dict[str, str]:
    """The query without the filter by annotator, for whoever may not see names."""
    return {name: value for name, value in query.items() if with_names or name != "annotator"}


@login_required
@require_GET
def clip(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    asked: dict[str, Any] = {
        f"{name}_key": request.GET.get(name, "") for name in ("run", "compare")
    }
    asked["hide_names"] = "see_names" not in dataset.may
    page = clip_page(dataset, clip, **asked)
    if page is None:
        raise Http404(_("%(name)s has no clip %(clip)s.") % {"name": name, "clip": clip})
    context = {"dataset": dataset, "page": page}
    context["keyframes"] = explain_consensus(page.clip, page.consensus, page.classes)
    context["selected"] = selected_person(
        request.GET.get("person", ""), page.clip, page.consensus,
        second=(parse_key(request.GET.get("frame", "")) or 0) // FRAME_RATE,
    )  # fmt: skip
    context["metrics"] = run_metrics(page.run) if page.run else None
    context["compared_metrics"] = run_metrics(page.compared.run) if page.compared else None
    return render(request, "qc/clip.html", context)


@login_required
@require_GET
def clip_scene(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    """Boxes and labels for the player, as JSON.

    `run` selects another tracking run, `version` answer versions instead of the consensus.
    """
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    clips = permitted_clips(request.user, name).select_related("video__dataset")
    found = get_object_or_404(clips, name=clip)
    key = parse_key(request.GET.get("run", ""))
    runs = TrackingRun.objects.done().filter(clip=found)
    run = None if key is None else get_object_or_404(runs, pk=key)
    versions = [key for text in request.GET.getlist("version") if (key := parse_key(text))]
    hide_names = "see_names" not in dataset.may
    scene = player_scene(found, run, versions=versions, hide_names=hide_names)
    return JsonResponse(scene)
