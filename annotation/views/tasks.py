"""Pages for assigning tasks."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from annotation.core.plan_forecast import AnnotatorShare, PlanForecast, plan_forecast
from annotation.forms.tasks import TOOLS, GoldTasksForm, PlanForm
from annotation.models import (
    AnnotationTask,
    Annotator,
    AnswerVersion,
    LabelImport,
    check_user_name,
)
from annotation.selectors.tasks import annotators_with_work, gold_clips, ready_counts
from annotation.services.assign_tasks import (
    PlanChangedError,
    PlanError,
    assign,
    assign_gold_tasks,
    assign_revision,
    choose_tool,
    mark_gold,
    preview,
    reassign,
    unassign,
    unmark_gold,
)
from annotation.services.qualification import ask_qualification, end_qualification
from avaproject.base.views import parse_key, retry_failed
from avaproject.base.work import StagedQuerySet
from datasets.accounts.activity import record
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets

GOLD_CLIPS_SHOWN = 50
CLIPS_AT_ONCE = 500  # planned while the page is made; more, when it is there
PLANNED_CLIPS_SHOWN = 500


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """The assignment plan: GET previews it, POST assigns it exactly as previewed."""
    dataset = _own_dataset(request, name)
    typed = request.POST or request.GET
    initial = PlanForm.of(dataset, user_name=_annotator_name(request))
    clips = _clips_and_annotators(dataset)
    form = PlanForm(typed if "annotators" in typed else None, initial=initial)
    if not form.is_bound and initial["annotators"] and clips["unassigned"]:
        form = PlanForm({**_defaults(), **initial}, initial=initial)  # previewed at once
    is_valid = form.is_bound and form.is_valid()
    if is_valid and request.method == "POST":
        try:
            digest = request.POST.get("digest", "")
            plan_request, tool = form.plan_request(dataset), form.cleaned_data["tool"]
            count = assign(dataset, plan_request, digest=digest, tool=tool)
            messages.success(request, _assigned(count))
            own = AnnotationTask.objects.own(request.user).of(dataset)
            return redirect("qc:overview" if own.exists() else "qc:tasks", name=name)
        except PlanChangedError as error:
            messages.warning(
                request, _("No tasks were assigned: %(error)s.") % {"error": error}
            )
        except PlanError as error:
            form.add_error(None, str(error))
    context: dict[str, Any] = {
        "dataset": dataset, "form": form, "gold_form": GoldTasksForm(),
        "planned_clips_shown": PLANNED_CLIPS_SHOWN,
    }  # fmt: skip
    context |= clips
    at_once = context["ready"] <= CLIPS_AT_ONCE or "now" in typed or request.method == "POST"
    if is_valid and (at_once or "HX-Request" in request.headers):
        forecast = _forecast(dataset, form)
        context |= {"forecast": forecast, "shares": _shares(dataset, form, forecast)}
    else:
        context["is_coming"] = is_valid
    return render(request, "annotation/plan.html", context)


def _annotator_name(request: HttpRequest) -> str:
    """The user's name, if it can be that of an annotator."""
    name = request.user.get_username()
    try:
        check_user_name(name)
    except ValidationError:
        return ""
    return name


def _defaults() -> dict[str, Any]:
    """The values of an untouched form."""
    return {name: field.initial for name, field in PlanForm.base_fields.items()}


def _forecast(dataset: Dataset, form: PlanForm) -> PlanForecast | None:
    """The forecast of the plan; None with an error on the form if there is no plan."""
    plan_request = form.plan_request(dataset)
    try:
        state, previewed = preview(dataset, plan_request)
    except PlanError as error:
        if not form.non_field_errors():
            form.add_error(None, f"{error}.")
        return None
    return plan_forecast(state, previewed, plan_request)


def _shares(
    dataset: Dataset, form: PlanForm, forecast: PlanForecast | None
) -> list[tuple[AnnotatorShare, str]]:
    """The work of each annotator, and where they do it."""
    labels, new = dict(TOOLS), form.cleaned_data["tool"]
    chosen = dict(dataset.annotators.values_list("name", "tool"))
    shares = forecast.shares if forecast else []
    return [(one, str(labels[chosen.get(one.annotator, new)])) for one in shares]


def _clips_and_annotators(dataset: Dataset) -> dict[str, Any]:
    """What the page shows beside the form: clip counts, gold clips, annotators with work."""
    gold = gold_clips(dataset)
    return {
        **ready_counts(dataset)._asdict(),
        "gold_clips": gold[:GOLD_CLIPS_SHOWN],
        "gold_count": len(gold),
        "annotators": annotators_with_work(dataset),
        "tools": TOOLS,
    }


@login_required
@require_POST
def plan_unassign(request: HttpRequest, name: str) -> HttpResponse:
    """Unassign the unanswered tasks of an annotator."""
    annotator = _annotator(request, name)
    count = unassign(annotator)
    sentence = ngettext(
        "%(count)d task unassigned from %(annotator)s. The next plan assigns it to others.",
        "%(count)d tasks unassigned from %(annotator)s. The next plan assigns them to others.",
        count,
    )
    messages.success(request, sentence % {"count": count, "annotator": annotator})
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_reassign(request: HttpRequest, name: str) -> HttpResponse:
    """Assign the tasks to their annotator again, where nobody else has the clips."""
    annotator = _annotator(request, name)
    count = reassign(annotator)
    sentence = ngettext(
        "%(count)d task assigned to %(annotator)s again.",
        "%(count)d tasks assigned to %(annotator)s again.",
        count,
    )
    messages.success(request, sentence % {"count": count, "annotator": annotator})
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_tool(request: HttpRequest, name: str) -> HttpResponse:
    """Choose where an annotator's tasks are annotated."""
    annotator = _annotator(request, name)
    try:
        choose_tool(annotator, request.POST.get("tool", ""))
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        messages.success(
            request, _("The tool of %(annotator)s was changed.") % {"annotator": annotator}
        )
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_qualify(request: HttpRequest, name: str) -> HttpResponse:
    """Ask an annotator for a qualification round, or end it."""
    annotator = _annotator(request, name)
    if "end" in request.POST:
        end_qualification(annotator)
        messages.success(
            request, _("%(annotator)s gets all assigned tasks now.") % {"annotator": annotator}
        )
        return redirect("annotation:plan", name=name)
    try:
        count = ask_qualification(annotator, parse_key(request.POST.get("count", "")) or 0)
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        sentence = ngettext(
            "%(annotator)s does %(count)d gold clip before all other tasks.",
            "%(annotator)s does %(count)d gold clips before all other tasks.",
            count,
        )
        messages.success(request, sentence % {"count": count, "annotator": annotator})
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_gold_tasks(request: HttpRequest, name: str) -> HttpResponse:
    """Assign clips to an expert, whose answers will be gold answers."""
    dataset = _own_dataset(request, name)
    form = GoldTasksForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            count = assign_gold_tasks(dataset, **values)
        except PlanError as error:
            messages.error(request, f"{error}.")
        else:
            sentence = ngettext(
                "%(count)d gold clip assigned to %(annotator)s.",
                "%(count)d gold clips assigned to %(annotator)s.",
                count,
            )
            messages.success(
                request, sentence % {"count": count, "annotator": values["annotator"]}
            )
    for field, errors in form.errors.items():
        messages.error(request, f"{form[field].label}: {errors[0]}")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_gold(request: HttpRequest, name: str) -> HttpResponse:
    """Mark or unmark the answers of a task, named `<clip>--<annotator>`, as gold answers."""
    dataset = _own_dataset(request, name)
    try:
        task = _named_task(request, dataset)
        if "remove" in request.POST:
            unmark_gold(task)
            messages.success(
                request, _("%(clip)s is no longer a gold clip.") % {"clip": task.clip}
            )
        else:
            mark_gold(task)
            messages.success(
                request,
                _("%(clip)s is a gold clip, with the answers of %(annotator)s.")
                % {"clip": task.clip, "annotator": task.annotator},
            )
    except PlanError as error:
        messages.error(request, f"{error}.")
    return redirect("annotation:plan", name=name)


@login_required
@require_POST
def plan_revise(request: HttpRequest, name: str) -> HttpResponse:
    """Let an annotator revise the answers of a task, named `<clip>--<annotator>`."""
    annotator = _annotator(request, name)
    try:
        revision = assign_revision(_named_task(request, annotator.dataset), annotator)
    except PlanError as error:
        messages.error(request, f"{error}.")
    else:
        messages.success(
            request,
            _("%(annotator)s revises %(revises)s.")
            % {"annotator": annotator, "revises": revision.revises},
        )
    return redirect("annotation:plan", name=name)


def _named_task(request: HttpRequest, dataset: Dataset) -> AnnotationTask:
    """The task posted by its name. Raises PlanError."""
    named = request.POST.get("task", "").strip()
    clip, annotator = [*named.split("--", 1), ""][:2]
    tasks = AnnotationTask.objects.of(dataset).select_related("clip", "annotator")
    task = tasks.filter(clip__name=clip, annotator__name=annotator).first()
    if task is None:
        raise PlanError(_('there is no task called "%(named)s"') % {"named": named})
    return task


def _own_dataset(request: HttpRequest, name: str) -> Dataset:
    """A dataset whose tasks the user may assign; 404 for anybody else."""
    return get_object_or_404(permitted_datasets(request.user, Act.ASSIGN), name=name)


def _annotator(request: HttpRequest, name: str) -> Annotator:
    key = parse_key(request.POST.get("annotator", "")) or 0
    return get_object_or_404(_own_dataset(request, name).annotators, pk=key)


def _assigned(count: int) -> str:
    if count:
        sentence = ngettext(
            "%d task assigned. Packages are being written.",
            "%d tasks assigned. Packages are being written.",
            count,
        )
        return sentence % count
    return _("All clips that are ready are already assigned.")


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Retry failed work of this app: the row posted as `pk`, or all rows of its kind."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    rows: dict[str, StagedQuerySet[Any]] = {
        "task": AnnotationTask.objects.of(dataset),
        "version": AnswerVersion.objects.filter(
            task__clip__video__dataset=dataset
        ).without_history(),
        "label-import": LabelImport.objects.of(dataset),
    }
    return retry_failed(
        request, rows.get(kind), dataset=name,
        on_retry=lambda count: record("retry", f"{count} {kind}", dataset=dataset),
    )  # fmt: skip
