"""Pages of tracking: configurations, contact sheets, cancel, retry, bundles."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from avaproject.base.ranges import serve_file, serve_stored
from avaproject.base.views import paginate, parse_key, retry_failed, selected_rows
from avaproject.base.work import Stage, StagedQuerySet
from datasets.accounts.activity import record
from datasets.core.roles import Act
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from tracking.core.tracks_file import TracksFileError
from tracking.detectors.registry import DetectorError
from tracking.forms import ExperimentForm
from tracking.models import Bundle, Experiment, IdentityRun, TrackImport, TrackingRun
from tracking.selectors import (
    ConfigRow,
    bundles_of,
    clip_count,
    clips_without_video,
    config_row,
    imports_of,
    is_importing,
    open_runs,
    other_rows,
    track_rows,
    tracks_of,
)
from tracking.services import experiments
from tracking.services.contact_sheets import ContactSheetError, contact_sheet
from tracking.services.detector_files import (
    DetectorFileError,
    check_file,
    detector_files,
    store_file,
)
from tracking.services.detector_speed import speed_rows
from tracking.services.export_bundle import NotTrackedError, request_bundle
from tracking.services.tracking_configs import config_key_of, read_weights_again

TRACKS_ON_A_PAGE = 20


@login_required
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, name: str) -> HttpResponse:
    """The configurations, runs, imports and bundles of a dataset; POST starts an experiment."""
    act = Act.CONFIGURE if request.method == "POST" else Act.SEE
    dataset = get_object_or_404(permitted_datasets(request.user, act), name=name)
    form = ExperimentForm(request.POST or None, initial=_settings_of(dataset))
    if request.method == "POST" and form.is_valid():
        try:
            experiments.start_experiment(dataset, **form.arguments())
        except experiments.ExperimentError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The comparison has started. Nothing else changes."))
            return redirect("tracking:page", name=name)
    runs, without_video = open_runs(dataset), clips_without_video(dataset)
    bundles, imports = bundles_of(dataset), imports_of(dataset)
    is_changing = bool(runs) or is_importing(dataset) or any(one.is_open for one in imports)
    is_changing |= any(one.stage in (Stage.WAITING, Stage.RUNNING) for one in bundles)
    context = {
        "dataset": dataset, "configs": _configs(dataset), "runs": runs, "bundles": bundles,
        "form": form, "is_changing": is_changing, "imports": imports,
        "without_video": without_video,
        "has_weights": dataset.tracking_configs.exclude(weights_sha256="").exists(),
        "can_track": not without_video or without_video < clip_count(dataset),
    }  # fmt: skip
    is_refresh = request.headers.get("HX-Request") and request.method == "GET"
    return render(request, f"tracking/{'_page' if is_refresh else 'page'}.html", context)


def _settings_of(dataset: Dataset) -> dict[str, Any]:
    names = ("detector", "weights", "threshold", "frame_stride", "keep_ids")
    return {name: getattr(dataset, name) for name in names}


def _configs(dataset: Dataset) -> list[ConfigRow]:
    found = list(Experiment.objects.filter(dataset=dataset))
    is_own = not any(experiment.is_active for experiment in found)
    key = config_key_of(dataset)
    own = config_row(dataset, None, key, is_active=is_own, title=_("Dataset settings"))
    others = other_rows(dataset, key)
    rows = [
        config_row(
            dataset, experiment, config_key_of(experiment), is_active=experiment.is_active,
            title=_("Experiment %(experiment)s") % {"experiment": experiment.pk},
        )
        for experiment in found
    ]  # fmt: skip
    is_unused = bool(others) and not (own.done or own.open or own.failed) and is_own
    return [*[own] * (not is_unused), *others, *rows]


@login_required
@require_POST
def activate(request: HttpRequest, name: str) -> HttpResponse:
    """Put the experiment posted as `experiment` in use; empty: the dataset's own settings."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    experiments.activate(dataset, _posted_experiment(request, dataset))
    messages.success(
        request, _("This configuration is in use. Existing tasks keep their boxes.")
    )
    return redirect("tracking:page", name=name)


@login_required
@require_POST
def read_weights(request: HttpRequest, name: str) -> HttpResponse:
    """Let the weights files be what they are now; what they changed is tracked again."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    read_weights_again(dataset)
    messages.success(
        request, _("The weights are read again; clips are tracked if they changed.")
    )
    return redirect("tracking:page", name=name)


@login_required
@require_POST
def delete(request: HttpRequest, name: str) -> HttpResponse:
    """Delete the experiment posted as `experiment` with its tracks."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    experiment = _posted_experiment(request, dataset)
    if experiment is None:
        raise Http404(_("There is no such experiment."))
    try:
        experiments.delete_experiment(experiment)
        messages.success(request, _("The experiment and its tracks are deleted."))
    except experiments.ExperimentError as error:
        messages.error(request, str(error))
    return redirect("tracking:page", name=name)


def _posted_experiment(request: HttpRequest, dataset: Dataset) -> Experiment | None:
    key = request.POST.get("experiment", "")
    if not key:
        return None
    return get_object_or_404(Experiment, dataset=dataset, pk=parse_key(key))


@login_required
@require_POST
def cancel(request: HttpRequest, name: str) -> HttpResponse:
    """Cancel the run posted as `pk`, or all that are waiting or running."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    count = selected_rows(request, TrackingRun.objects.of(dataset)).cancel()
    sentence = ngettext(
        "%d cancelled. Retry on the overview continues it.",
        "%d cancelled. Retry on the overview continues them.",
        count,
    )
    messages.info(request, sentence % count)
    return redirect("tracking:page", name=name)


@login_required
@require_POST
def bundle_request(request: HttpRequest, name: str) -> HttpResponse:
    """Create a bundle of what is tracked so far, without clips if `clips` is posted as `no`."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.RELEASE), name=name
    )
    try:
        bundle = request_bundle(dataset, with_clips=request.POST.get("clips") != "no")
        messages.success(
            request,
            _("Bundle %(bundle)s contains what is tracked so far.") % {"bundle": bundle.pk},
        )
    except NotTrackedError as error:
        messages.error(request, str(error))
    return redirect("tracking:page", name=name)


@login_required
@require_GET
def bundle_file(request: HttpRequest, name: str, pk: int, file: str) -> HttpResponseBase:
    """One file of a bundle."""
    datasets = Dataset.objects.permitting(request.user, Act.DOWNLOAD).filter(name=name)
    bundle = get_object_or_404(Bundle.objects.done(), dataset__in=datasets, pk=pk)
    if file not in bundle.files:
        raise Http404(_("Bundle %(pk)s has no file %(file)s.") % {"pk": pk, "file": file})
    return serve_stored(
        request, f"{bundle.folder}/{file}", content_type="application/octet-stream",
        download_as=file,
    )  # fmt: skip


@login_required
@require_GET
def tracks(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    """The tracks file of one finished run."""
    runs = (
        TrackingRun.objects.permitting(request.user, Act.DOWNLOAD).done().select_related("clip")
    )
    run = get_object_or_404(runs, clip__video__dataset__name=name, pk=pk)
    return serve_stored(
        request, run.tracks.name or "", content_type="application/gzip",
        download_as=f"{run.clip.name}.tracks.json.gz",
    )  # fmt: skip


@login_required
@require_GET
def run(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Every track of one finished run, with its contact sheet."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    found = get_object_or_404(_finished_runs(request, name), pk=pk)
    rows, error = [], ""
    try:
        rows = track_rows(found, tracks_of(found).tracks)
    except TracksFileError as unreadable:
        error = str(unreadable)
    page = paginate(request, rows, size=TRACKS_ON_A_PAGE)
    context = {"dataset": dataset, "run": found, "page": page, "error": error}
    return render(request, "tracking/run.html", context)


@login_required
@require_GET
def sheet(request: HttpRequest, name: str, pk: int, track: int) -> HttpResponseBase:
    """The contact sheet of one track."""
    found = get_object_or_404(_finished_runs(request, name), pk=pk)
    try:
        path = contact_sheet(found, track)
    except (ContactSheetError, TracksFileError) as error:
        raise Http404(str(error)) from error
    return serve_file(request, path, content_type="image/jpeg")


def _finished_runs(request: HttpRequest, dataset: str) -> QuerySet[TrackingRun]:
    runs = TrackingRun.objects.permitting(request.user).done().exclude(tracks="")
    return runs.filter(clip__video__dataset__name=dataset).select_related(
        "clip__video__dataset"
    )


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Retry failed work of tracking: the row posted as `pk`, or all of its kind."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    rows: dict[str, StagedQuerySet[Any]] = {
        "run": TrackingRun.objects.of(dataset),
        "identities": IdentityRun.objects.filter(video__dataset=dataset),
        "bundle": Bundle.objects.filter(dataset=dataset),
        "track-import": TrackImport.objects.filter(bundle_import__upload__dataset=dataset),
    }
    return retry_failed(
        request, rows.get(kind), dataset=name,
        on_retry=lambda count: record("retry", f"{count} {kind}", dataset=dataset),
    )  # fmt: skip


@login_required
@require_http_methods(["GET", "POST"])
def files(request: HttpRequest) -> HttpResponse:
    """Files of detectors, for operators: a checkpoint can run code, so only they store one."""
    if not request.user.is_staff:
        raise Http404
    if request.method == "GET":
        context = {"files": detector_files(), "folder": settings.WEIGHTS_DIR}
        return render(request, "tracking/files.html", context)
    try:
        if name := request.POST.get("check", ""):
            if name not in {one.name for one in detector_files()}:
                raise Http404(_("There is no file %(name)s.") % {"name": name})
            messages.success(request, check_file(name))
        elif file := request.FILES.get("file"):
            name = store_file(file.name or "", file.chunks())
            messages.success(
                request,
                _("%(name)s is stored. %(finding)s")
                % {"name": name, "finding": check_file(name)},
            )
        else:
            messages.error(request, _("Choose a file."))
    except (DetectorError, DetectorFileError, OSError) as error:
        messages.error(request, str(error))
    return redirect("tracking:files")


@login_required
@require_GET
def speeds(request: HttpRequest) -> HttpResponse:
    """How long detectors take on this machine: a part of the page of a new dataset."""
    return render(request, "tracking/_speeds.html", {"speeds": speed_rows()})
