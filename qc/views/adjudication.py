"""Adjudication: the queue of items that need a reviewer's decision, and the decisions made.

The page's script gets JSON, because it already shows the next item; a browser without
JavaScript gets a redirect.
"""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_clips, permitted_datasets
from qc.forms import AdjudicationForm
from qc.models import Adjudication
from qc.selectors.consensus.adjudication_queue import (
    KINDS,
    AdjudicationItem,
    adjudication_items,
    item_keys,
    open_item_count,
    parse_item_key,
)
from qc.selectors.consensus.decisions import decision_rows, decision_times, reviewer_agreement
from qc.services.consensus.adjudicate import (
    AdjudicationError,
    adjudicate_all,
    withdraw_decisions,
)

ITEMS_AHEAD = 8  # items sent at once


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """One item: the one named by `at`, or the first after `after`."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    kind = _kind(request)
    asked = parse_item_key(request.GET.get("at", ""))
    found = adjudication_items(dataset, [asked]) if asked else _next(request, dataset, limit=1)
    counts = {one: open_item_count(dataset, one) for one in KINDS}
    context: dict[str, Any] = {
        "dataset": dataset,
        "kind": kind,
        "item": found[0] if found else None,
        "count": counts[kind],
        "is_end": bool(not found and request.GET.get("after") and counts[kind]),
        "kinds": [
            ("open", "Labels and persons", counts["open"]),
            ("boxes", "Box disagreements", counts["boxes"]),
        ],
    }
    return render(request, "qc/adjudication/adjudication.html", context)


@login_required
@require_GET
def next_items(request: HttpRequest, name: str) -> HttpResponse:
    """The next items after `after`, as HTML fragments."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    context = {"dataset": dataset, "kind": _kind(request)}
    context["items"] = _next(request, dataset, limit=ITEMS_AHEAD)
    return render(request, "qc/adjudication/_items.html", context)


def _kind(request: HttpRequest) -> str:
    kind = request.GET.get("kind") or request.POST.get("kind", "")
    return kind if kind in KINDS else KINDS[0]


def _next(request: HttpRequest, dataset: Dataset, *, limit: int) -> list[AdjudicationItem]:
    after = parse_item_key(request.GET.get("after", ""))
    keys = item_keys(dataset, kind=_kind(request), after=after, limit=limit)
    return adjudication_items(dataset, keys)


def _answer(
    request: HttpRequest, name: str, *, made: list[int], sentence: str = "", error: str = ""
) -> HttpResponse:
    """JSON to a script; to a browser the next item, with a message."""
    if request.accepts("text/html"):
        if error:
            messages.error(request, error)
        elif sentence:
            messages.success(request, sentence)
        where = {"kind": _kind(request)}
        if (key := request.POST.get("key", "")) and parse_item_key(key):
            where["at" if error else "after"] = key
        if request.POST.get("back") == "decisions":
            return redirect("qc:decisions", name=name)
        return redirect(f"{reverse('qc:adjudication', args=[name])}?{urlencode(where)}")
    if error:
        return JsonResponse({"error": error}, status=400)
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    return JsonResponse({"made": made, "count": open_item_count(dataset, _kind(request))})


@login_required
@require_POST
def decide(request: HttpRequest, name: str) -> HttpResponse:
    """Save a reviewer's decision on one item."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    form = AdjudicationForm(request.POST, dataset=dataset)
    if not form.is_valid():
        sentence = next(str(sentences[0]) for sentences in form.errors.values())
        return _answer(request, name, made=[], error=sentence)
    clips = permitted_clips(request.user, name, Act.ADJUDICATE).select_related("video__dataset")
    about = get_object_or_404(clips, name=form.cleaned_data["clip"])
    try:
        made = adjudicate_all(about, user=cast(User, request.user), **form.decision())
    except AdjudicationError as error:
        return _answer(request, name, made=[], error=f"{about.name}: {error}.")
    seconds = ", ".join(str(one.second) for one in made)
    sentence = f"Decided: {about.name}, second {seconds}."
    return _answer(request, name, made=[one.pk for one in made], sentence=sentence)


@login_required
@require_POST
def undo(request: HttpRequest, name: str) -> HttpResponse:
    """Withdraw the decisions posted as `made`."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    made = map(parse_key, request.POST.getlist("made"))
    keys = [key for key in made if key is not None]
    try:
        undone = withdraw_decisions(dataset, keys, user=cast(User, request.user))
    except AdjudicationError as error:
        return _answer(request, name, made=[], error=f"Not undone: {error}.")
    noun = "decision" if len(undone) == 1 else "decisions"
    return _answer(request, name, made=keys, sentence=f"{len(undone)} {noun} undone.")


@login_required
@require_GET
def decisions(request: HttpRequest, name: str) -> HttpResponse:
    """All decisions, newest first, and how often each annotator had answered the same."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    found = Adjudication.objects.of(dataset).order_by("-pk")
    page = paginate(request, found.select_related("clip", "decided_by", "withdrawn_by"))
    may_override = "override" in dataset.may
    rows = decision_rows(list(page), user=cast(User, request.user), may_override=may_override)
    context = {
        "dataset": dataset,
        "page": page,
        "rows": rows,
        "reviewer_agreement": reviewer_agreement(dataset),
        "decision_times": decision_times(dataset),
    }
    return render(request, "qc/adjudication/decisions.html", context)
