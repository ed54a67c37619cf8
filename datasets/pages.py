"""What the pages of all rooms share: the answer to a retry button, a page of a long list."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect


def retried(request: HttpRequest, rows: Any, *, dataset: str) -> HttpResponse:
    """Send failed rows back to waiting, or only the one posted as `pk`; then to the dataset.

    Args:
        rows: A StagedQuerySet; None if the page asked for work that does not exist.
    """
    if rows is None:
        raise Http404("There is no such work.")
    pk = request.POST.get("pk", "")
    count = (rows.filter(pk=pk) if pk.isdecimal() else rows).retry()
    if count:
        messages.success(request, f"{count} will be tried again.")
    else:
        messages.info(request, "There is nothing left to try again.")
    return redirect("qc:overview", name=dataset)


def page_of(request: HttpRequest, rows: Any, *, size: int = 25) -> Page[Any]:
    """The page of `rows` that the address asks for, or the nearest one."""
    return Paginator(rows, size).get_page(request.GET.get("page"))
