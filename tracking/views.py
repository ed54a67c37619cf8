"""Tracking over the web: try again, and take the tracks of a clip away."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from datasets.models import Dataset
from datasets.pages import retried
from datasets.ranged import serve_stored
from datasets.stages import StagedQuerySet
from tracking.models import Bundle, Linking, TrackingRun


@login_required
@require_GET
def tracks(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The track file of one finished run."""
    runs = TrackingRun.objects.visible_to(request.user).done().select_related("clip")
    run = get_object_or_404(runs, clip__video__dataset__name=name, pk=pk)
    return serve_stored(
        request, run.tracks.name or "", content_type="application/gzip",
        download_as=f"{run.clip.name}.tracks.json.gz",
    )  # fmt: skip


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Send failed work of this room back: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(Dataset.objects.run_by(request.user), name=name)
    rows: dict[str, StagedQuerySet[Any]] = {
        "run": TrackingRun.objects.of(dataset),
        "linking": Linking.objects.filter(video__dataset=dataset),
        "bundle": Bundle.objects.filter(dataset=dataset),
    }
    return retried(request, rows.get(kind), dataset=name)
