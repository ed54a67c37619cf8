"""CVAT server pages, for operators: add, edit, test and remove servers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.forms.cvat import ServerForm
from annotation.models import CvatServer
from annotation.selectors.cvat import forgeries, servers_in_use
from annotation.services.cvat.connection import (
    request_connection_test,
    save_server,
    webhook_url,
)
from avaproject.base.work import Stage


def _permit(request: HttpRequest) -> None:
    """404 for everybody but operators, since servers hold credentials."""
    if not request.user.is_staff:
        raise Http404


@login_required
@require_GET
def servers(request: HttpRequest) -> HttpResponse:
    _permit(request)
    return render(request, "annotation/servers.html", {"servers": servers_in_use()})


@login_required
@require_http_methods(["GET", "POST"])
def server_new(request: HttpRequest) -> HttpResponse:
    _permit(request)
    form = ServerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        server = save_server(form.save(commit=False), **form.credentials())
        return redirect("annotation:server", name=server.name)
    return render(request, "annotation/server_form.html", {"form": form})


@login_required
@require_GET
def server(request: HttpRequest, name: str) -> HttpResponse:
    _permit(request)
    found = get_object_or_404(servers_in_use(), name=name)
    is_testing = found.stage in (Stage.WAITING, Stage.RUNNING)
    context = {"server": found, "is_testing": is_testing, "webhook_url": webhook_url(found)}
    context["forged"], context["forged_at"] = forgeries(found)
    fragment = "HX-Request" in request.headers
    page = "annotation/_server.html" if fragment else "annotation/server.html"
    return render(request, page, context)


@login_required
@require_http_methods(["GET", "POST"])
def server_edit(request: HttpRequest, name: str) -> HttpResponse:
    _permit(request)
    found = get_object_or_404(CvatServer, name=name, is_from_environment=False)
    form = ServerForm(request.POST or None, instance=found, initial={"user": found.user})
    if request.method == "POST" and form.is_valid():
        saved = save_server(form.save(commit=False), **form.credentials())
        return redirect("annotation:server", name=saved.name)
    return render(request, "annotation/server_form.html", {"form": form, "server": found})


@login_required
@require_POST
def server_test(request: HttpRequest, name: str) -> HttpResponse:
    _permit(request)
    request_connection_test(get_object_or_404(CvatServer, name=name))
    return redirect("annotation:server", name=name)


@login_required
@require_POST
def server_delete(request: HttpRequest, name: str) -> HttpResponse:
    _permit(request)
    found = get_object_or_404(CvatServer, name=name, is_from_environment=False)
    try:
        found.delete()
    except ProtectedError:
        messages.error(
            request,
            _("%(name)s can't be removed: datasets are connected to it.") % {"name": name},
        )
        return redirect("annotation:server", name=name)
    messages.success(
        request, _("%(name)s was removed here. Nothing changed in CVAT.") % {"name": name}
    )
    return redirect("annotation:servers")
