"""Adjudication: the queue of items that need a reviewer's decision, and the decisions made.

The page's script already shows the next item: it posts decisions from its outbox, in their
order. A browser without JavaScript posts a form and gets a redirect.
"""

import json
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_clips, permitted_datasets
from qc.forms import AdjudicationForm
from qc.models import Adjudication
from qc.selectors.clip_and_task_filters import filter_bar, headings, ordered, saved_views
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
    withdraw_operation,
)

ITEMS_AHEAD = 8  # items sent at once
JSON = "application/json"
ORDERS = (
    ("", gettext_lazy("Clip")),
    ("agreement", gettext_lazy("Lowest agreement first")),
    ("-persons", gettext_lazy("Most persons first")),
    ("persons", gettext_lazy("Fewest persons first")),
    ("-findings", gettext_lazy("Most findings first")),
    ("-length", gettext_lazy("Longest clip first")),
)
DECISION_ORDERS = {
    "name": "clip__name", "second": "second", "person": "video_person__person_id",
    "about": "group",
    "by": "decided_by__username", "when": "decided_at", "reason": "reason",
}  # fmt: skip
DECISION_COLUMNS = {
    "name": gettext_lazy("Clip"),
    "second": gettext_lazy("Second"),
    "person": gettext_lazy("Person"),
    "about": gettext_lazy("About"),
    "by": gettext_lazy("By"),
    "when": gettext_lazy("When"),
    "reason": gettext_lazy("Reason"),
}


@login_required
@require_GET
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """One item: the one named by `at`, or the first after `after`."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    kind = _kind(request)
    asked = parse_item_key(request.GET.get("at", ""))
    found = adjudication_items(dataset, [asked]) if asked else _next(request, dataset, limit=1)
    query = request.GET.dict()
    counts = {one: open_item_count(dataset, one, query) for one in KINDS}
    bar = filter_bar(
        dataset, query, with_names="see_names" in dataset.may, further=("kind",), orders=ORDERS
    )
    context: dict[str, Any] = {
        "dataset": dataset,
        "kind": kind,
        "item": found[0] if found else None,
        "count": counts[kind],
        "is_end": bool(not found and request.GET.get("after") and counts[kind]),
        "kinds": [
            ("open", _("Labels and persons"), counts["open"]),
            ("boxes", _("Box disagreements"), counts["boxes"]),
        ],
    }
    context |= {"bar": bar, "list_page": "qc:adjudication", "noun": "questions"}
    context["saved_views"] = saved_views(request.user, dataset, "qc:adjudication")
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
    query = request.GET.dict()
    keys = item_keys(dataset, kind=_kind(request), after=after, query=query, limit=limit)
    return adjudication_items(dataset, keys)


def _answer(
    request: HttpRequest, name: str, *, sentence: str = "", error: str = ""
) -> HttpResponse:
    """The next item, or after an error the same, with a message."""
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


@login_required
@require_POST
def decide(request: HttpRequest, name: str) -> HttpResponse:
    """Save a reviewer's decision on one item."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    try:
        made = _decide(dataset, request.POST, user=cast(User, request.user))
    except AdjudicationError as error:
        return _answer(request, name, error=str(error))
    seconds = ", ".join(str(one.second) for one in made)
    return _answer(
        request,
        name,
        sentence=_("Decided: %(name)s, second %(seconds)s.")
        % {"name": made[0].clip.name, "seconds": seconds},
    )


def _decide(
    dataset: Dataset, fields: QueryDict, *, user: User, operation: UUID | None = None
) -> list[Adjudication]:
    """Save the decision that the fields of a form describe. Raises AdjudicationError."""
    form = AdjudicationForm(fields, dataset=dataset)
    if not form.is_valid():
        raise AdjudicationError(next(str(errors[0]) for errors in form.errors.values()))
    clips = permitted_clips(user, dataset.name, Act.ADJUDICATE).select_related("video__dataset")
    about = clips.filter(name=form.cleaned_data["clip"]).first()
    if about is None:
        raise AdjudicationError(
            _("%(dataset)s has no clip %(clip)s.")
            % {"dataset": dataset, "clip": form.cleaned_data["clip"]}
        )
    try:
        return adjudicate_all(about, user=user, operation=operation, **form.decision())
    except AdjudicationError as error:
        raise AdjudicationError(f"{about.name}: {error}.") from error


class Entry(NamedTuple):
    """An entry of the page's outbox: a decision, or the undo of an earlier entry."""

    id: UUID
    number: int
    undoes: UUID | None
    fields: list[tuple[str, str]]  # of the form


@login_required
@require_POST
def entries(request: HttpRequest, name: str) -> HttpResponse:
    """Store entries of the outbox in their order; one sent again changes nothing.

    Answers with the number of the last, and with a sentence for each that is refused: the page
    shows its item again, and those after it count all the same.
    """
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    user = cast(User, request.user)
    try:
        found, kind = _entries(request.body if request.content_type == JSON else b"")
    except (ValueError, TypeError, KeyError):
        return JsonResponse({"error": _("These are no decisions.")}, status=400)
    refused = {}
    for entry in found:
        try:
            if entry.undoes:
                withdraw_operation(dataset, entry.undoes, user=user)
            else:
                fields = QueryDict(mutable=True)
                for field, value in entry.fields:
                    fields.appendlist(field, value)
                _decide(dataset, fields, user=user, operation=entry.id)
        except AdjudicationError as error:
            refused[str(entry.id)] = str(error)
    return JsonResponse({
        "last": found[-1].number,
        "saved_at": timezone.now().isoformat(),
        "refused": refused,
        "count": open_item_count(
            dataset, kind if kind in KINDS else KINDS[0], request.GET.dict()
        ),
    })  # fmt: skip


def _entries(body: bytes) -> tuple[list[Entry], str]:
    """The entries of a request, at least one, and the kind of items to count.

    Raises ValueError, TypeError or KeyError if it is something else.
    """
    content = json.loads(body)
    found = [
        Entry(
            UUID(str(one["id"])),
            int(one["number"]),
            UUID(str(one["undoes"])) if "undoes" in one else None,
            [(_text(field), _text(value)) for field, value in one.get("fields", [])],
        )
        for one in content["entries"]
    ]  # fmt: skip
    if not found:
        raise ValueError("no entries")
    return found, str(content.get("kind", ""))


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("no text")
    return value


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
        return _answer(request, name, error=_("Not undone: %(error)s.") % {"error": error})
    sentence = ngettext("%d decision undone.", "%d decisions undone.", len(undone))
    return _answer(request, name, sentence=sentence % len(undone))


@login_required
@require_GET
def decisions(request: HttpRequest, name: str) -> HttpResponse:
    """All decisions, newest first, and how often each annotator had answered the same."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ADJUDICATE), name=name)
    query = request.GET.dict()
    every = Adjudication.objects.of(dataset).order_by("-pk")
    found = ordered(every, query, DECISION_ORDERS, ties=("-pk",))
    page = paginate(request, found.select_related("clip", "decided_by", "withdrawn_by"))
    may_override = "override" in dataset.may
    rows = decision_rows(list(page), user=cast(User, request.user), may_override=may_override)
    context = {
        "dataset": dataset,
        "page": page,
        "rows": rows,
        "heads": headings(query, DECISION_COLUMNS, default="-when"),
        "reviewer_agreement": reviewer_agreement(dataset),
        "decision_times": decision_times(dataset),
    }
    return render(request, "qc/adjudication/decisions.html", context)
