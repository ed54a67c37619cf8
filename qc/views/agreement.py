"""Pages of agreement: a dataset, a group, a pair, an annotator, a clip; each table as CSV."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_clips, permitted_datasets
from qc.core.agreement.summary_figures import GroupAnchoring
from qc.forms import PeriodForm
from qc.selectors.agreement.agreement_tables import agreement_page
from qc.selectors.agreement.details import (
    AnnotatorPage,
    annotator_page,
    clip_agreement,
    group_page,
    pair_page,
)
from qc.selectors.agreement.gold import gold_page
from qc.selectors.agreement.newest import Newest, newest_summary
from qc.selectors.agreement.proposal_quality import proposal_page
from qc.selectors.agreement.table_parts import Table
from qc.selectors.consensus.decisions import reviewer_agreement, single_votes
from qc.services.agreement.reports import order_period
from tracking.person_classes import classes_in


def _dataset_or_404(request: HttpRequest, name: str) -> Dataset:
    return get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)


def _newest(request: HttpRequest, dataset: Dataset) -> tuple[PeriodForm, Newest]:
    """The period asked for, and its figures."""
    form = PeriodForm(request.GET)
    period = form.period() if form.is_valid() else ""
    return form, newest_summary(dataset, period)


def _answer(
    request: HttpRequest, template: str, dataset: Dataset, page: Any, **more: Any
) -> HttpResponse:
    """The page; or one of its tables as CSV, with `?csv=NAME`."""
    if wanted := request.GET.get("csv"):
        return _csv(page if isinstance(page, dict) else _csv_texts(page), wanted, dataset)
    context = {"dataset": dataset, "page": page, "query": request.GET.urlencode()} | more
    return render(request, f"qc/agreement/{template}.html", context)


def _page(request: HttpRequest, newest: Newest, name: str, compute: Callable[[], Any]) -> Any:
    """What the page shows, or the CSV texts of its tables; kept. None if there is nothing."""
    if "csv" in request.GET:
        return newest.kept(f"{name} csv", lambda: _csv_texts(compute()))
    return newest.page(name, compute)


def _part(
    request: HttpRequest,
    dataset: Dataset,
    template: str,
    page_of: Callable[..., Any],
    people: tuple[str, ...] = (),
    group: str = "",
    *,
    missing: str,
) -> HttpResponse:
    """The page of people or of a group; 404 with the sentence `missing` without figures."""
    _, newest = _newest(request, dataset)

    def compute() -> Any:
        figures = newest.of_group(group) if group else newest.of_people(*people)
        return figures and page_of(dataset, figures, *(people or [group]))

    page = _page(request, newest, repr((template, people, group)), compute)
    if page is None:
        raise Http404(missing)
    if isinstance(page, AnnotatorPage):  # decisions are newer than the figures
        agreed = (one for one in reviewer_agreement(dataset) if one.annotator == page.name)
        page.reviewer_agreement = next(agreed, None)
    return _answer(request, template, dataset, page)


def _csv_texts(page: Any) -> dict[str, str] | None:
    """All tables of a page by the names of their files, each with all rows."""
    found: dict[str, str] = {}
    for value in vars(page).values() if page else ():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Table):
                found[one.name] = one.as_csv()
    return found or None


def _csv(texts: Mapping[str, str] | None, name: str, dataset: Dataset) -> HttpResponse:
    if not texts or name not in texts:
        raise Http404(
            _("There is no table %(name)s here: %(names)s.")
            % {"name": name, "names": ", ".join(sorted(texts or ()))}
        )
    saved_as = content_disposition_header(True, f"{dataset.name}-{name}.csv")
    return HttpResponse(
        texts[name],
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": saved_as},
    )


@login_required
@require_GET
def agreement(request: HttpRequest, name: str) -> HttpResponse:
    """The dataset: which groups, actions, pairs, annotators and clips can be relied on."""
    dataset = _dataset_or_404(request, name)
    form, newest = _newest(request, dataset)
    context = {"form": form, "newest": newest, "period": form.heading()}
    context |= {"single": single_votes(dataset)}

    def compute() -> Any:
        figures = newest.with_clips() if "csv" in request.GET else newest.figures
        return figures and agreement_page(dataset, figures)

    page = _page(request, newest, "dataset", compute)
    if page is None:
        return render(request, "qc/agreement/dataset.html", context | {"dataset": dataset})
    return _answer(request, "dataset", dataset, page, **context)


@login_required
@require_POST
def period(request: HttpRequest, name: str) -> HttpResponse:
    """Order the figures of a period."""
    dataset = _dataset_or_404(request, name)
    form = PeriodForm(request.POST)
    url = reverse("qc:agreement", args=[name])
    if not form.is_valid() or not form.period():
        for sentences in form.errors.values():
            messages.error(request, str(sentences[0]))
        return redirect(url)
    order_period(dataset, form.period())
    return redirect(f"{url}?{urlencode(form.days())}")


@login_required
@require_GET
def group(request: HttpRequest, name: str, group: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    missing = _("%(name)s has no figures of the group %(group)s.") % {
        "name": name,
        "group": group,
    }
    return _part(request, dataset, "group", group_page, group=group, missing=missing)


@login_required
@require_GET
def pair(request: HttpRequest, name: str, a: str, b: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    missing = _("%(a)s and %(b)s have no clip of %(name)s in common.") % {
        "a": a,
        "b": b,
        "name": name,
    }
    return _part(request, dataset, "pair", pair_page, (a, b), missing=missing)


@login_required
@require_GET
def annotator(request: HttpRequest, name: str, annotator: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    missing = _("%(annotator)s has answered nothing of %(name)s yet.") % {
        "annotator": annotator,
        "name": name,
    }
    return _part(request, dataset, "annotator", annotator_page, (annotator,), missing=missing)


@login_required
@require_GET
def clip(request: HttpRequest, name: str, clip: str) -> HttpResponse:
    dataset = _dataset_or_404(request, name)
    found = get_object_or_404(permitted_clips(request.user, name, Act.SEE_NAMES), name=clip)
    page = clip_agreement(dataset, found)
    if page is None:
        raise Http404(_("%(clip)s has not been compared yet.") % {"clip": clip})
    classes = classes_in(found.video_id)
    return _answer(request, "clip", dataset, page, classes=classes)


@login_required
@require_GET
def gold(request: HttpRequest, name: str) -> HttpResponse:
    """Who does well on gold clips, and whether the boxes that are given lead people."""
    dataset = _dataset_or_404(request, name)
    newest = newest_summary(dataset)

    def compute() -> list[GroupAnchoring] | None:
        return newest.figures.anchoring if newest.figures else None

    page = gold_page(dataset, newest.kept("anchoring", compute) or [])
    return _answer(request, "gold", dataset, page)


@login_required
@require_GET
def proposals(request: HttpRequest, name: str) -> HttpResponse:
    """The ways of tracking against the boxes that annotators have corrected."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    context = {"dataset": dataset, "page": proposal_page(dataset)}
    return render(request, "qc/agreement/proposals.html", context)
