"""Requests of a third annotator for disputed clips."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from avaproject.base.views import paginate
from datasets.core.roles import Act
from datasets.selectors import permitted_datasets
from qc.forms import ThirdOpinionForm
from qc.selectors.consensus.third_opinions import (
    disputed_clip_rows,
    disputed_clips,
    task_counts,
)
from qc.services.consensus.third_opinions import ThirdOpinionError, request_third_opinions

CLIPS_SHOWN = 100


@login_required
@require_http_methods(["GET", "POST"])
def third_opinions(request: HttpRequest, name: str) -> HttpResponse:
    """Clips on which two annotators disagree, and the annotators who can be asked."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ASSIGN), name=name)
    page = paginate(request, disputed_clips(dataset), size=CLIPS_SHOWN)
    rows, annotators = disputed_clip_rows(list(page)), task_counts(dataset)
    form = ThirdOpinionForm(
        request.POST if request.method == "POST" else None,
        clips=[row.clip.name for row in rows],
        annotators=[annotator for annotator, _ in annotators],
    )
    if request.method == "POST" and form.is_valid():
        try:
            requested = request_third_opinions(
                dataset, user=cast(User, request.user), **form.cleaned_data
            )
        except ThirdOpinionError as error:
            form.add_error(None, str(error))
        else:
            noun = "opinion" if len(requested) == 1 else "opinions"
            messages.success(request, f"{len(requested)} third {noun} requested.")
            return redirect("qc:adjudication", name=name)
    context = {"dataset": dataset, "form": form, "rows": rows, "annotators": annotators}
    context["page"] = page
    return render(request, "qc/adjudication/third_opinions.html", context)
