"""The label page of one task, and its data as JSON."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from annotation.models import AnnotationTask
from annotation.selectors.labelling import labelled_tasks
from qc.selectors.label_page import label_data


@login_required
@require_GET
def label(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    task = _task(request, name, pk)
    data = label_data(task, request.user)
    context = {"dataset": task.clip.video.dataset, "task": task, "data": data}
    return render(request, "annotation/label.html", context)


@login_required
@require_GET
def label_task(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """The data of a task, which is fetched ahead while another is labelled."""
    return JsonResponse(label_data(_task(request, name, pk), request.user))


def _task(request: HttpRequest, name: str, pk: int) -> AnnotationTask:
    """A task that the user labels, or may look on at; 404 for any other."""
    tasks = labelled_tasks(request.user).select_related(
        "clip__video__dataset", "annotator", "run__clip"
    )
    return get_object_or_404(tasks, clip__video__dataset__name=name, pk=pk)
