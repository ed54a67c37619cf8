"""CVAT pages of a dataset: connect it, send tasks, sync jobs, deliveries, members."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.core.encryption import DecryptionError
from annotation.cvat.errors import CvatError
from annotation.forms.cvat import ConnectForm, InviteForm, MembersForm
from annotation.models import AnnotationTask, CvatJob, CvatProject, CvatServer
from annotation.selectors.cvat import cvat_page, deliveries_of, job_lines, job_rows
from annotation.services.answer_fit import AnswersError
from annotation.services.box_table import box_table, task_box_table
from annotation.services.cvat.comments import reply
from annotation.services.cvat.deferral import retry_now
from annotation.services.cvat.deliveries import replay as replay_deliveries
from annotation.services.cvat.organisation_members import (
    InviteError,
    add_annotators,
    invite,
    organisation_members,
)
from annotation.services.cvat.other_tasks import AdoptionError, adopt_job
from annotation.services.cvat.projects import (
    ProjectError,
    connect_dataset,
    recreate_project,
    resend_tasks,
    retry_setup,
)
from annotation.services.cvat.reconciliation import request_reconciliation
from annotation.services.cvat.task_sending import pause_sending, request_sending
from avaproject.base.views import paginate, parse_key, selected_rows
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets


def _dataset(request: HttpRequest, name: str, act: Act = Act.SEE_NAMES) -> Dataset:
    return get_object_or_404(permitted_datasets(request.user, act), name=name)


def _project(request: HttpRequest, name: str) -> CvatProject:
    """The project of a dataset that the user may change."""
    datasets = Dataset.objects.permitting(request.user, Act.ASSIGN)
    return get_object_or_404(
        CvatProject.objects.select_related("dataset", "server"),
        dataset__in=datasets, dataset__name=name,
    )  # fmt: skip


@login_required
@require_GET
def overview(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset(request, name)
    page = cvat_page(dataset)
    context: dict[str, Any] = {"dataset": dataset, "page": page}
    context["servers"] = CvatServer.objects.count()
    if page is not None:
        rows = paginate(request, job_rows(dataset))
        context |= {"jobs": rows, "lines": job_lines(list(rows))}
    fragment = "HX-Request" in request.headers
    return render(
        request, "annotation/_cvat.html" if fragment else "annotation/cvat.html", context
    )


@login_required
@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.CONFIGURE), name=name)
    project = CvatProject.objects.filter(dataset=dataset).first()
    form = ConnectForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        try:
            connect_dataset(dataset, form.cleaned_data["server"])
        except ProjectError as error:
            form.add_error("server", str(error))
        else:
            return redirect("annotation:cvat", name=name)
    context = {"dataset": dataset, "form": form, "servers": CvatServer.objects.count()}
    return render(request, "annotation/cvat_connect.html", context)


@login_required
@require_POST
def send(request: HttpRequest, name: str) -> HttpResponse:
    project = _project(request, name)
    count = request_sending(project.dataset)
    sentence = ngettext(
        "%d task will be sent to CVAT.", "%d tasks will be sent to CVAT.", count
    )
    messages.success(request, sentence % count if count else _("Sending resumed."))
    return redirect("annotation:cvat", name=name)


@login_required
@require_POST
def pause(request: HttpRequest, name: str) -> HttpResponse:
    pause_sending(_project(request, name))
    messages.success(request, _("Sending paused. Tasks being sent now are finished."))
    return redirect("annotation:cvat", name=name)


@login_required
@require_POST
def sync(request: HttpRequest, name: str) -> HttpResponse:
    request_reconciliation(_project(request, name))
    messages.success(request, _("All jobs will be synced with CVAT now."))
    return redirect("annotation:cvat", name=name)


@login_required
@require_POST
def retry(request: HttpRequest, name: str, what: str) -> HttpResponse:
    """Retry what failed, was deleted or is deferred, recreate the project, repeat its setup."""
    project = _project(request, name)
    jobs = selected_rows(request, CvatJob.objects.filter(project=project))
    if what == "failed":
        count = jobs.retry()
    elif what == "deleted":
        count = resend_tasks(jobs.filter(is_deleted=True))
    elif what == "deferred":
        count = retry_now(project)
    elif what == "project":
        count = recreate_project(project)
    else:
        count = retry_setup(project)
    messages.success(
        request, ngettext("%d will be retried.", "%d will be retried.", count) % count
    )
    return redirect("annotation:cvat", name=name)


@login_required
@require_POST
def adopt_task(request: HttpRequest, name: str) -> HttpResponse:
    """Take a task that was created in CVAT as that of a clip."""
    project = _project(request, name)
    try:
        row = adopt_job(project, parse_key(request.POST.get("task", "")) or 0)
    except (AdoptionError, CvatError, DecryptionError) as error:
        messages.error(request, _("It was not adopted: %(error)s.") % {"error": error})
    else:
        messages.success(request, _("%(row)s is a task of this dataset now.") % {"row": row})
    return redirect("annotation:cvat", name=name)


@login_required
@require_POST
def reply_to_issue(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Answer an annotator in an issue of CVAT."""
    dataset = _dataset(request, name, Act.REVIEW)
    job = get_object_or_404(CvatJob, task__clip__video__dataset=dataset, task=pk)
    issue = parse_key(request.POST.get("issue", "")) or 0
    try:
        reply(job, issue, user=cast(User, request.user), text=request.POST.get("text", ""))
    except AnswersError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Your answer is sent to CVAT."))
    return redirect("qc:task", name=name, pk=pk)


@login_required
@require_GET
def boxes_csv(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The boxes of the newest answers; of one task with `?task=`, an earlier `&version=`."""
    datasets = permitted_datasets(request.user, Act.SEE_NAMES, Act.DOWNLOAD)
    dataset = get_object_or_404(datasets, name=name)
    lines, title = box_table(dataset), dataset.name
    key, version = request.GET.get("task", ""), request.GET.get("version", "")
    if key:
        task = get_object_or_404(AnnotationTask.objects.of(dataset), pk=parse_key(key))
        number = parse_key(version)
        lines = task_box_table(task, number=number)
        title = str(task) if number is None else f"{task}-v{number}"
    name = content_disposition_header(True, f"{title}-annotations.csv") or "attachment"
    return StreamingHttpResponse(
        lines, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


@login_required
@require_GET
def deliveries(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset(request, name)
    project = get_object_or_404(CvatProject.objects.select_related("server"), dataset=dataset)
    rows = paginate(request, deliveries_of(project))
    context = {"dataset": dataset, "project": project, "page": rows}
    return render(request, "annotation/webhook_deliveries.html", context)


@login_required
@require_POST
def replay(request: HttpRequest, name: str) -> HttpResponse:
    """Process deliveries again: the one posted as `pk`, or all of this dataset."""
    rows = selected_rows(request, deliveries_of(_project(request, name)))
    count = replay_deliveries(rows.order_by())
    sentence = ngettext("%d will be processed again.", "%d will be processed again.", count)
    messages.success(request, sentence % count)
    return redirect("annotation:cvat_deliveries", name=name)


@login_required
@require_GET
def members(request: HttpRequest, name: str) -> HttpResponse:
    """The organisation's members; htmx loads them, since CVAT may take a while."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.ASSIGN), name=name)
    project = _project(request, name)
    context = {"dataset": dataset, "project": project, "form": InviteForm()}
    if "HX-Request" not in request.headers and "now" not in request.GET:
        return render(request, "annotation/members.html", context)
    try:
        context["members"] = organisation_members(project.server, dataset)
    except (CvatError, DecryptionError) as error:
        context["error"] = str(error)
    fragment = "HX-Request" in request.headers
    page = "annotation/_members.html" if fragment else "annotation/members.html"
    return render(request, page, context)


@login_required
@require_POST
def add_members(request: HttpRequest, name: str) -> HttpResponse:
    project = _project(request, name)
    try:
        found = organisation_members(project.server, project.dataset)
    except (CvatError, DecryptionError) as error:
        messages.error(request, str(error))
        return redirect("annotation:cvat_members", name=name)
    allowed = [one.member.name for one in found if not one.problem]
    form = MembersForm(request.POST, names=allowed)
    if form.is_valid():
        count = add_annotators(project.dataset, form.cleaned_data["names"])
        sentence = ngettext(
            "%d annotator added. Assign clips next.",
            "%d annotators added. Assign them clips next.",
            count,
        )
        messages.success(request, sentence % count)
    else:
        messages.error(request, _("Select at least one member."))
    return redirect("annotation:cvat_members", name=name)


@login_required
@require_POST
def invite_member(request: HttpRequest, name: str) -> HttpResponse:
    project = _project(request, name)
    form = InviteForm(request.POST)
    try:
        if form.is_valid():
            member = invite(project.server, form.cleaned_data["email"])
            messages.success(request, _("%(member)s was invited.") % {"member": member.name})
        else:
            messages.error(request, _("Enter a valid e-mail address."))
    except (CvatError, InviteError, DecryptionError) as error:
        messages.error(request, str(error))
    return redirect("annotation:cvat_members", name=name)
