"""What the pages of all rooms share: which rows a button means, keys, a page of a list."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

LONGEST_KEY = 18  # digits, of a number that a database still holds


def retried(request: HttpRequest, rows: Any, *, dataset: str) -> HttpResponse:
    """Send failed rows back to waiting, or only the one posted as `pk`; then to the dataset.

    Args:
        rows: A StagedQuerySet; None if the page asked for work that does not exist.
    """
    if rows is None:
        raise Http404("There is no such work.")
    count = posted(request, rows).retry()
    if count:
        messages.success(request, f"{count} will be tried again.")
    else:
        messages.info(request, "There is nothing left to try again.")
    return redirect("qc:overview", name=dataset)


def posted(request: HttpRequest, rows: Any) -> Any:
    """All of `rows`, or only the one posted as `pk`. Raises Http404 if that can be no key."""
    text = request.POST.get("pk", "")
    if not text:
        return rows
    if (key := key_of(text)) is None:
        raise Http404(f"There is no {text}.")
    return rows.filter(pk=key)


def key_of(text: str) -> int | None:
    """The key of a row that an address or a form names; None if it can be none.

    >>> key_of("12"), key_of("²"), key_of("9" * 30), key_of("")
    (12, None, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= LONGEST_KEY else None


def page_of(request: HttpRequest, rows: Any, *, size: int = 25) -> Page[Any]:
    """The page of `rows` that the address asks for, or the nearest one."""
    return Paginator(rows, size).get_page(request.GET.get("page"))
