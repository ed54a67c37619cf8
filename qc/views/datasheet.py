"""The datasheet of a dataset, and taking people, clips and videos out of its releases."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from qc.core.release.docs.datasheet import MAX_ANSWER, QUESTIONS
from qc.selectors.release.datasheets import datasheet_answers, open_questions
from qc.services.release.datasheet import save_datasheet
from qc.services.release.take_out import TakeOutError
from qc.services.release.take_out import take_out as take_out_of_releases


@login_required
@require_GET
def datasheet(request: HttpRequest, name: str) -> HttpResponse:
    """The questions with their answers."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    answers = datasheet_answers(dataset)
    rows = [(question, answers.get(question.key, "")) for question in QUESTIONS]
    context = {
        "dataset": dataset, "rows": rows, "open": open_questions(dataset), "most": MAX_ANSWER,
    }  # fmt: skip
    return render(request, "qc/release/datasheet.html", context)


@login_required
@require_POST
def save(request: HttpRequest, name: str) -> HttpResponse:
    user = cast(User, request.user)
    dataset = get_object_or_404(Dataset.objects.permitting(user, Act.CONFIGURE), name=name)
    given = {question.key: request.POST.get(question.key, "") for question in QUESTIONS}
    missing = save_datasheet(dataset, given, user=user)
    left = ngettext("%d question is open.", "%d questions are open.", len(missing))
    left = left % len(missing) if missing else _("Every question is answered.")
    messages.success(request, _("Datasheet saved. %(left)s") % {"left": left})
    return redirect("qc:datasheet", name=name)


@login_required
@require_POST
def take_out(request: HttpRequest, name: str) -> HttpResponse:
    """Take a video, clip or person out of all releases."""
    user = cast(User, request.user)
    dataset = get_object_or_404(permitted_datasets(user, Act.DELETE), name=name)
    what, reason = request.POST.get("what", ""), request.POST.get("reason", "")
    try:
        result = take_out_of_releases(dataset, what, reason=reason, user=user)
    except TakeOutError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, result.sentence)
    return redirect("qc:releases", name=name)
