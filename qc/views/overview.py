"""The overview of a dataset, and retries of failed quality work."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.views import retry_failed
from datasets.accounts.activity import record
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from qc.selectors.cost import cost_meter, label_page_rows
from qc.selectors.overview import overview as overview_of
from qc.selectors.overview import sidebar_counts
from qc.selectors.statuses import task_statuses
from qc.selectors.to_do import next_step, to_do_list
from qc.selectors.work_kinds import work_kinds


@login_required
@require_GET
def overview(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    context = {"dataset": dataset, "overview": overview_of(dataset, may=dataset.may)}
    context["label_hours"] = sum(row.hours for row in label_page_rows(dataset))
    context["counts"] = counts = sidebar_counts(dataset)
    context["to_do"] = to_do = to_do_list(dataset, counts, may=dataset.may)
    mine = task_statuses(dataset).filter(
        annotator__user=request.user.pk, state__in=("given", "rejected", "writing")
    )
    to_label = mine.order_by("pk").values_list("task", flat=True).first()
    context["next_step"] = next_step(
        dataset, to_do, counts, to_label=to_label, is_operator=request.user.is_staff
    )
    page = "qc/_overview.html" if "HX-Request" in request.headers else "qc/overview.html"
    return render(request, page, context)


@login_required
@require_GET
def cost(request: HttpRequest, name: str) -> HttpResponse:
    """Person-hours per AVA hour, by annotator and by tool."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.SEE_NAMES), name=name)
    meter = cost_meter(dataset)
    tables = [(_("By annotator"), meter.rows), (_("By tool"), meter.tools)]
    context = {"dataset": dataset, "cost": meter, "tables": tables}
    return render(request, "qc/cost.html", context)


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Retry failed work of this app: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    rows = {one.key: one.rows for one in work_kinds(dataset) if one.app == "qc"}
    return retry_failed(
        request, rows.get(kind), dataset=name,
        on_retry=lambda count: record("retry", f"{count} {kind}", dataset=dataset),
    )  # fmt: skip
