"""The quality rules of a dataset: which are checked, and how votes are counted."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from qc.forms import QualityRulesForm
from qc.selectors.agreement.newest import newest_summary
from qc.services.review.quality_rules import change_rules, rules_of


@login_required
@require_GET
def quality_rules(request: HttpRequest, name: str) -> HttpResponse:
    """The rules, whether each is checked, how often it is broken, and the vote rule."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    figures = newest_summary(dataset).figures
    found = figures.dataset.findings.rules if figures else {}
    context = {"dataset": dataset, "rows": rules_of(dataset, found)}
    context["form"] = QualityRulesForm.of(dataset)
    return render(request, "qc/review/quality_rules.html", context)


@login_required
@require_POST
def save(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(
        Dataset.objects.permitting(cast(User, request.user), Act.CONFIGURE), name=name
    )
    form = QualityRulesForm(request.POST)
    if form.is_valid():
        count = change_rules(dataset, **form.choices())
        sentence = ngettext(
            "Rules saved. %d clip is checked again.",
            "Rules saved. %d clips are checked again.",
            count,
        )
        messages.success(request, sentence % count)
    for sentences in form.errors.values():
        messages.error(request, str(sentences[0]))
    return redirect("qc:quality-rules", name=name)
