"""Pages of the installation: work queues, help, change password."""

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from datasets.selectors import only_annotates
from workers.help import decision_pages, developer_pages, guide_pages, image_path
from workers.planning import current_faults
from workers.selectors import queues, steps, waits


@login_required
@require_GET
def work(request: HttpRequest) -> HttpResponse:
    """The page of all steps; for htmx its table, or the queue box of the sidebar."""
    if only_annotates(request.user):
        raise Http404
    rows = steps()
    context = {
        "queues": queues(rows),
        "steps": rows,
        "faults": current_faults(),
        "waits": waits(),
    }
    if request.headers.get("HX-Target") == "worker-box":
        return render(request, "workers/_box.html", context)
    fragment = "HX-Request" in request.headers
    return render(request, "workers/_work.html" if fragment else "workers/work.html", context)


class Password(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]
    """Users change their password, which logs out their other sessions."""

    template_name = "workers/password.html"
    success_url = reverse_lazy("datasets:home")
    success_message = _("Password changed.")


password = require_http_methods(["GET", "POST"])(Password.as_view())


@login_required
@require_GET
def security(request: HttpRequest) -> HttpResponse:
    """How the account logs in, and where to change it."""
    context = {"has_second_factor": is_mfa_enabled(request.user)}
    context["has_sso"] = bool(settings.OIDC_URL)
    return render(request, "workers/security.html", context)


@login_required
@require_GET
def help_index(request: HttpRequest) -> HttpResponse:
    context = {"guide": guide_pages(), "documents": developer_pages()}
    return render(request, "workers/help.html", context)


@login_required
@require_GET
def help_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One document; a page of the guide links to the next one."""
    guide = guide_pages()
    pages = {page.slug: page for page in (*decision_pages(), *developer_pages(), *guide)}
    if slug not in pages:
        raise Http404
    slugs = [page.slug for page in guide]
    after = guide[slugs.index(slug) + 1 :][:1] if slug in slugs else []
    context = {"page": pages[slug], "text": pages[slug].html(), "after": after}
    return render(request, "workers/help_page.html", context)


@login_required
@require_GET
def help_image(request: HttpRequest, name: str) -> FileResponse:
    path = image_path(name)
    if path is None:
        raise Http404
    return FileResponse(path.open("rb"))
