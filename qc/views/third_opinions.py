"""Requests of a third annotator for disputed clips."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from avaproject.base.views import paginate
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets
from qc.forms import ThirdOpinionForm
from qc.selectors.clip_and_task_filters import headings, ordered
from qc.selectors.consensus.third_opinions import (
    disputed_clip_rows,
    disputed_clips,
    task_counts,
)
from qc.services.consensus.third_opinions import ThirdOpinionError, request_third_opinions

CLIPS_SHOWN = 100
ORDERS = {"name": "name", "open": "open_items"}
COLUMNS = {"name": gettext_lazy("Clip"), "open": gettext_lazy("To decide")}


@login_required
@require_http_methods(["GET", "POST"])
def third_opinions(request: HttpRequest, name: str) -> HttpResponse:
    """Clips on which two annotators disagree, and the annotators who can be asked."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ASSIGN), name=name)
    query = request.GET.dict()
    disputed = ordered(disputed_clips(dataset), query, ORDERS, ties=("name",))
    page = paginate(request, disputed, size=CLIPS_SHOWN)
    rows, annotators = disputed_clip_rows(page), task_counts(dataset)
    data = request.POST.copy() if request.method == "POST" else None
    clips = [row.clip.name for row in rows]
    names = [annotator for annotator, _ in annotators]
    ticked = {*clips, *names} if data is None else {
        *data.getlist("clips"), *data.getlist("annotators")
    }  # fmt: skip
    if data is not None and "all" in data:
        clips = list(disputed.values_list("name", flat=True))
        data.setlist("clips", clips)
    form = ThirdOpinionForm(data, clips=clips, annotators=names)
    if request.method == "POST" and form.is_valid():
        try:
            requested = request_third_opinions(
                dataset, user=cast(User, request.user), **form.cleaned_data
            )
        except ThirdOpinionError as error:
            form.add_error(None, str(error))
        else:
            sentence = ngettext(
                "%d third opinion requested.", "%d third opinions requested.", len(requested)
            )
            messages.success(request, sentence % len(requested))
            return redirect("qc:adjudication", name=name)
    context = {"dataset": dataset, "form": form, "rows": rows, "annotators": annotators}
    context |= {"page": page, "ticked": ticked, "is_all": data is not None and "all" in data}
    context["heads"] = headings(query, COLUMNS, default="-open")
    return render(request, "qc/adjudication/third_opinions.html", context)
