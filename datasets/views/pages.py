"""Pages of datasets, uploads and videos; clip files, posters and keyframes."""

import zipfile
from pathlib import Path
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from avaproject.base.ranges import serve_stored
from avaproject.base.temporary import work_folder
from avaproject.base.views import paginate, retry_failed
from avaproject.base.work import StagedQuerySet
from datasets.accounts.activity import record
from datasets.accounts.quotas import QuotaError, may_create
from datasets.clip_frames import FramesError, read_frame
from datasets.core.roles import Act
from datasets.forms import (
    SETTINGS,
    DatasetForm,
    DeleteForm,
    DescriptionForm,
    UploadForm,
    detectors_with_ids,
    detectors_with_weights,
)
from datasets.models import BundleImport, Clip, Dataset, Fingerprint, Upload, Video
from datasets.selectors import (
    dataset_cards,
    first_posters,
    only_annotates,
    permitted_clips,
    permitted_datasets,
    probe_facts,
    settings_of,
    shared_sentences,
    states_of,
    transfers_of,
    uploads_of,
    videos_of,
)
from datasets.services.create import (
    create_dataset,
    create_from_text,
    describe,
    read_vocabulary,
    shipped_vocabularies,
)
from datasets.services.delete import COUNTED, InUseError, delete, dependents
from datasets.services.recut import copy_videos
from datasets.services.upload import ArchiveError, receive_zip

VIDEOS_ON_A_PAGE = 20
UPLOADS_SHOWN = 20


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The first page after log-in: one's tasks for an annotator, else the datasets."""
    return redirect("qc:my" if only_annotates(request.user) else "datasets:list")


@login_required
@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    if only_annotates(request.user):
        return redirect("qc:my")
    context = {"cards": dataset_cards(request.user), "may_create": may_create(request.user)}
    return render(request, "datasets/list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def dataset_new(request: HttpRequest) -> HttpResponse:
    if only_annotates(request.user) or not may_create(request.user):
        raise Http404
    like = Dataset.objects.permitting(request.user, Act.UPLOAD).filter(
        name=request.GET.get("videos_of", "")
    )
    form = DatasetForm(
        request.POST or None,
        user=request.user,
        initial=settings_of(like.first()),
    )
    if request.method == "POST" and form.is_valid():
        try:
            dataset = created(form, cast(User, request.user))
        except QuotaError as error:
            form.add_error(None, str(error))
        else:
            return _created(request, dataset, form.cleaned_data["videos_of"])
    previews = {name: read_vocabulary(name) for name in shipped_vocabularies()}
    advanced = set(SETTINGS) - {"detector", "weights"}
    is_open = any(form.errors.get(field) for field in (*advanced, "videos_of"))
    context = {"form": form, "previews": previews, "is_open": is_open}
    context["needs_weights"] = detectors_with_weights()
    context["has_ids"] = detectors_with_ids()
    return render(request, "datasets/new.html", context)


def created(form: DatasetForm, owner: User) -> Dataset:
    """The dataset of a valid form, now created. Raises QuotaError."""
    name, text = form.cleaned_data["name"], form.own_text()
    if text is None:
        shipped = form.cleaned_data["vocabulary"]
        return create_dataset(name, vocabulary=shipped, owner=owner, **form.settings())
    return create_from_text(name, text, owner=owner, **form.settings())


def _created(request: HttpRequest, dataset: Dataset, source: Dataset | None) -> HttpResponse:
    """The next page after a new dataset; the videos of `source`, if any, are added."""
    if source is None:
        messages.success(
            request,
            _("Dataset %(dataset)s created. Now upload a zip of videos.")
            % {"dataset": dataset.name},
        )
        return redirect("datasets:upload", name=dataset.name)
    try:
        count = copy_videos(source, dataset).new
        messages.success(
            request,
            ngettext(
                "%(count)d video of %(source)s was added. Cutting starts now.",
                "%(count)d videos of %(source)s were added. Cutting starts now.",
                count,
            )
            % {"count": count, "source": source.name},
        )
    except QuotaError as error:
        messages.error(
            request,
            _("Not all videos of %(source)s were added. %(error)s")
            % {"source": source.name, "error": error},
        )
    return redirect("datasets:videos", name=dataset.name)


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, name: str) -> HttpResponse:
    """The upload page; with JavaScript it sends chunks to `datasets.views.tus` instead."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.UPLOAD), name=name)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            received = _receive(dataset, form.cleaned_data["file"])
        except (ArchiveError, OSError) as error:
            form.add_error("file", str(error))
        else:
            messages.success(
                request,
                _("%(original_name)s uploaded. Unpacking starts now.")
                % {"original_name": received.original_name},
            )
            return redirect("qc:overview", name=name)
    uploads = uploads_of(dataset)[:UPLOADS_SHOWN]
    unfinished = transfers_of(dataset, request.user)
    context = {"dataset": dataset, "form": form, "uploads": uploads, "transfers": unfinished}
    return render(
        request, "datasets/upload.html", context, status=422 if form.is_bound else 200
    )


def _receive(dataset: Dataset, files: list[TemporaryUploadedFile]) -> Upload:
    if len(files) == 1:
        path, name = Path(files[0].temporary_file_path()), files[0].name or "upload.zip"
        return receive_zip(dataset, path, original_name=name, move=True)
    with work_folder() as folder:
        with zipfile.ZipFile(folder / "bundle.zip", "w") as bundle:
            for file in files:
                bundle.write(file.temporary_file_path(), file.name)
        return receive_zip(
            dataset, folder / "bundle.zip", original_name="bundle.zip", move=True
        )


@login_required
@require_GET
def video_list(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    videos = videos_of(dataset)
    if request.GET.get("q"):
        videos = videos.filter(name__icontains=request.GET["q"])
    page = paginate(request, videos, size=VIDEOS_ON_A_PAGE)
    posters, shared = first_posters(page), shared_sentences(page)
    rows = [
        {
            "video": video,
            "facts": probe_facts(video),
            "state": state,
            "poster": posters.get(video.pk),
            "shared": shared.get(video.pk, []),
        }
        for video, state in zip(page, states_of(page), strict=True)
    ]
    uploads = uploads_of(dataset)[:UPLOADS_SHOWN]
    context = {"dataset": dataset, "page": page, "rows": rows, "uploads": uploads}
    is_fragment = request.headers.get("HX-Request")
    template = "datasets/_videos.html" if is_fragment else "datasets/videos.html"
    return render(request, template, context)


@login_required
@require_http_methods(["GET", "POST"])
def video_delete(request: HttpRequest, name: str, video: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.DELETE), name=name)
    found = get_object_or_404(dataset.videos, name=video)
    return _deleted(request, dataset, found, then=reverse("datasets:videos", args=[name]))


@login_required
@require_http_methods(["GET", "POST"])
def dataset_settings(request: HttpRequest, name: str) -> HttpResponse:
    """The settings of a dataset: its description to edit, and where all else is set."""
    act = Act.CONFIGURE if request.method == "POST" else Act.SEE
    dataset = get_object_or_404(permitted_datasets(request.user, act), name=name)
    form = DescriptionForm(request.POST or None, instance=dataset)
    if request.method == "POST" and form.is_valid():
        describe(dataset, form.cleaned_data["description"])
        messages.success(request, _("Description saved."))
        return redirect("datasets:settings", name=name)
    groups = dataset.groups.prefetch_related("actions").order_by("position")
    context = {"dataset": dataset, "form": form, "groups": groups}
    return render(request, "datasets/settings.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def dataset_delete(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.DELETE), name=name)
    return _deleted(request, dataset, dataset, then=reverse("datasets:list"))


def _deleted(
    request: HttpRequest, dataset: Dataset, thing: Dataset | Video, *, then: str
) -> HttpResponse:
    """Confirmation page with the dependents of `thing`; deletes it when its name is typed."""
    form = DeleteForm(request.POST or None, expected=thing.name)
    if request.method == "POST" and form.is_valid():
        try:
            delete(thing)
        except (InUseError, OSError) as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("%(thing)s was deleted.") % {"thing": thing.name})
            return redirect(then)
    context = {
        "dataset": dataset,
        "thing": thing,
        "kind": thing._meta.verbose_name,
        "dependents": dependents(thing),
        "counted": COUNTED,
        "form": form,
        "back": reverse("datasets:videos", args=[dataset.name]),
    }
    status = 422 if form.is_bound else 200
    return render(request, "datasets/delete.html", context, status=status)


@login_required
@require_GET
def clip_file(request: HttpRequest, name: str, clip: str) -> HttpResponseBase:
    found = get_object_or_404(permitted_clips(request.user, name), name=clip)
    return serve_stored(request, found.file.name or "", content_type="video/mp4")


@login_required
@require_GET
def clip_poster(request: HttpRequest, name: str, clip: str) -> HttpResponseBase:
    found = get_object_or_404(permitted_clips(request.user, name), name=clip)
    return serve_stored(request, found.poster.name or "", content_type="image/jpeg")


@login_required
@require_GET
def keyframe(request: HttpRequest, name: str, clip: str, second: int) -> HttpResponse:
    """The annotation frame of one clip second."""
    clips = permitted_clips(request.user, name).select_related("video__dataset")
    found = get_object_or_404(clips, name=clip)
    try:
        content = read_frame(found, second * found.video.dataset.annotation_fps)
    except (FramesError, FileNotFoundError) as error:
        raise Http404(
            _("%(clip)s has no frame of second %(second)s.") % {"clip": clip, "second": second}
        ) from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


@login_required
@require_POST
def retry(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Retry failed work of this app: the row posted as `pk`, or all rows of its kind."""
    dataset = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.CONFIGURE), name=name
    )
    rows: dict[str, StagedQuerySet[Any]] = {
        "upload": Upload.objects.filter(dataset=dataset),
        "video": Video.objects.filter(dataset=dataset),
        "clip": Clip.objects.of(dataset),
        "footage": Fingerprint.objects.filter(video__dataset=dataset),
        "import": BundleImport.objects.filter(upload__dataset=dataset),
    }
    return retry_failed(
        request, rows.get(kind), dataset=name,
        on_retry=lambda count: record("retry", f"{count} {kind}", dataset=dataset),
    )  # fmt: skip
