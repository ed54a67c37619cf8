"""Shared view functions: retry buttons, primary keys from requests, pagination."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

Text = str | Promise  # what a page shows; a promise is translated when it is shown
MAX_KEY_DIGITS = 18  # digits; larger numbers do not fit a database key


def retry_failed(
    request: HttpRequest, rows: Any, *, dataset: str,
    on_retry: Callable[[int], object] = lambda count: None,
) -> HttpResponse:  # fmt: skip
    """Retry failed rows, or those that `selected_rows` finds; redirect to the dataset.

    Args:
        rows: A StagedQuerySet; None for an unknown kind of work.
        dataset: Name of the dataset.
        on_retry: Called with the number of rows that are retried, unless it is 0.
    """
    if rows is None:
        raise Http404(_("There is no such work."))
    count = selected_rows(request, rows).retry()
    if count:
        on_retry(count)
        sentence = ngettext("%d will be retried.", "%d will be retried.", count)
        messages.success(request, sentence % count)
    else:
        messages.info(request, _("Nothing to retry."))
    return redirect("qc:overview", name=dataset)


def selected_rows(request: HttpRequest, rows: Any) -> Any:
    """All of `rows`, or only the one posted as `pk`; those that failed by the same cause too,
    where `with_same_cause` is posted. Raises Http404 for an invalid key.
    """
    text = request.POST.get("pk", "")
    if not text:
        return rows
    if (key := parse_key(text)) is None:
        raise Http404(_("There is no %(text)s.") % {"text": text})
    if "with_same_cause" in request.POST:
        return rows.filter(error__in=list(rows.filter(pk=key).values_list("error", flat=True)))
    return rows.filter(pk=key)


def parse_key(text: str) -> int | None:
    """The primary key in a URL or form; None if it is invalid.

    >>> parse_key("12"), parse_key("²"), parse_key("9" * 30), parse_key("")
    (12, None, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MAX_KEY_DIGITS else None


def paginate(
    request: HttpRequest, rows: Any, *, size: int = 25, count: int | None = None
) -> Page[Any]:
    """The page of `rows` that the request asks for, or the nearest one.

    Args:
        request: Its `page` is the number, from 1.
        rows: A queryset with an order.
        size: Of a page.
        count: How many rows there are, where that is known: they are not counted again.
    """
    pages = Paginator(rows, size)
    if count is not None:
        pages.count = count
    return pages.get_page(request.GET.get("page"))
