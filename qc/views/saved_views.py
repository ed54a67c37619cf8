"""Saved views of lists: kept and removed by their user."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from datasets.selectors import permitted_datasets
from qc.models import SavedView


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ("page", "name", "query")


@login_required
@require_POST
def save_view(request: HttpRequest, name: str) -> HttpResponse:
    """Keep the posted query under a name; one of the same name is replaced."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    form = SavedViewForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Give the view a name of up to 60 characters."))
        return redirect("qc:clips", name=name)
    values = form.cleaned_data
    query = QueryDict(values["query"], mutable=True)
    query.pop("page", None)
    SavedView.objects.update_or_create(
        user=cast(User, request.user), dataset=dataset, page=values["page"],
        name=values["name"], defaults={"query": query.urlencode()},
    )  # fmt: skip
    messages.success(request, _("View %(name)s saved.") % {"name": values["name"]})
    return redirect(f"{reverse(values['page'], args=[name])}?{query.urlencode()}")


@login_required
@require_POST
def remove_view(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Remove a view of one's own."""
    mine = SavedView.objects.filter(user=cast(User, request.user), dataset__name=name)
    view = get_object_or_404(mine, pk=pk)
    view.delete()
    messages.success(request, _("View %(view)s removed.") % {"view": view.name})
    return redirect(view.page, name=name)
