"""Pages of activity: who did what, when and to what, in a dataset or in the installation."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from avaproject.base.views import paginate
from datasets.accounts.activity import activity_of
from datasets.core.roles import Act
from datasets.models import ActivityRecord, Dataset
from datasets.selectors import permitted_datasets

ROWS_ON_A_PAGE = 50
CHOICES_SHOWN = 200
COLUMNS = ("when", "user", "dataset", "act", "what", "details")


class _Echo:
    """What csv.writer writes to: it hands each line back."""

    def write(self, line: str) -> str:
        return line


@login_required
@require_GET
def dataset_activity(request: HttpRequest, name: str) -> HttpResponseBase:
    """The activity of one dataset, filtered; the same as CSV with `csv`."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    return _activity(request, dataset, "workers/activity.html")


@login_required
@require_GET
def all_activity(request: HttpRequest) -> HttpResponseBase:
    """The activity of the installation, for operators."""
    if not request.user.is_staff:
        raise Http404
    return _activity(request, None, "workers/all_activity.html")


def _activity(request: HttpRequest, dataset: Dataset | None, template: str) -> HttpResponseBase:
    query = {key: request.GET.get(key, "") for key in ("user", "verb", "text")}
    found = activity_of(dataset, **query)
    if "csv" in request.GET:
        saved_as = f"{dataset.name if dataset else 'all'}-activity.csv"
        return StreamingHttpResponse(
            _lines(found), content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": content_disposition_header(True, saved_as) or "",
                "Cache-Control": "no-store",
            },
        )  # fmt: skip
    page = paginate(request, found, size=ROWS_ON_A_PAGE)
    context: dict[str, Any] = {"dataset": dataset, "page": page, "query_of": query}
    context["users"], context["verbs"] = _choices(dataset)
    context["is_filtered"] = any(query.values())
    return render(request, template, context)


def _choices(dataset: Dataset | None) -> tuple[list[str], list[str]]:
    """Who has done something, and what was done, for the filters."""
    rows = activity_of(dataset).order_by()
    return tuple(  # type: ignore[return-value]
        sorted(rows.values_list(field, flat=True).distinct()[:CHOICES_SHOWN])
        for field in ("user_name", "verb")
    )


def _lines(found: QuerySet[ActivityRecord]) -> Iterator[str]:
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for row in found.iterator(chunk_size=2000):
        when = row.happened_at.isoformat(timespec="seconds")
        texts = (row.user_name, row.dataset_name, row.verb, row.target, row.details)
        yield writer.writerow([when, *map(_safe, texts)])


def _safe(text: str) -> str:
    """The text, so that a spreadsheet does not take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
