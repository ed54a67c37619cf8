"""The page of recording groups: what belongs together, and the user's own groups."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from datasets.core.roles import Act
from datasets.selectors import permitted_datasets, recording_groups_with_reasons
from datasets.services.recordings import GroupsError, read_groups, set_groups, write_groups

GROUPS_SHOWN = 200


@login_required
@require_http_methods(["GET", "POST"])
def recordings(request: HttpRequest, name: str) -> HttpResponse:
    act = Act.CONFIGURE if request.method == "POST" else Act.SEE
    dataset = get_object_or_404(permitted_datasets(request.user, act), name=name)
    error, table = "", write_groups(dataset)
    if request.method == "POST":
        table = request.POST.get("table", "")
        try:
            count = set_groups(dataset, read_groups(table))
        except GroupsError as fault:
            error = str(fault)
        else:
            sentence = ngettext("%d video changed.", "%d videos changed.", count)
            messages.success(request, sentence % count)
            return redirect("datasets:recordings", name=name)
    groups = recording_groups_with_reasons(dataset)
    context = {
        "dataset": dataset,
        "groups": groups[:GROUPS_SHOWN],
        "more": max(0, len(groups) - GROUPS_SHOWN),
        "table": table,
        "error": error,
    }
    return render(request, "datasets/recordings.html", context, status=422 if error else 200)
