"""Pages of the installation: work queues, help, change password."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_GET

from workers.help import HelpPage, decision_page, help_pages
from workers.selectors import queues, steps


@login_required
@require_GET
def work(request: HttpRequest) -> HttpResponse:
    """The page of all steps; for htmx its table, or the queue box of the sidebar."""
    rows = steps()
    context = {"queues": queues(rows), "steps": rows}
    if request.headers.get("HX-Target") == "worker-box":
        return render(request, "workers/_box.html", context)
    fragment = "HX-Request" in request.headers
    return render(request, "workers/_work.html" if fragment else "workers/work.html", context)


class Password(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]
    """Users change their password, which logs out their other sessions."""

    template_name = "workers/password.html"
    success_url = reverse_lazy("datasets:list")
    success_message = "Password changed."


def _shown(pages: list[HelpPage], slug: str) -> HelpPage:
    for page in pages:
        if page.slug == slug:
            return page
    if decision := decision_page(slug):
        return decision
    raise Http404


@login_required
@require_GET
def help_index(request: HttpRequest) -> HttpResponse:
    return render(request, "workers/help.html", {"pages": help_pages()})


@login_required
@require_GET
def help_page(request: HttpRequest, slug: str) -> HttpResponse:
    page = _shown(help_pages(), slug)
    return render(request, "workers/help_page.html", {"page": page, "text": page.html()})
