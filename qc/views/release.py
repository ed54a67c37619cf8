"""Releases: list, new release, downloads, copies in a bucket, deletion of files."""

from functools import partial
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.ranges import serve_stored, serve_stream
from datasets.core.roles import Act
from datasets.core.sizes import size_text
from datasets.models import Dataset
from datasets.selectors import permitted_datasets
from qc.core.release.formats import FORMATS
from qc.core.release.packing import PARTS
from qc.forms import ReleaseForm
from qc.models import (
    Release,
)
from qc.selectors.release.learning_curve import learning_curve
from qc.selectors.release.release_list import (
    ReleaseEstimate,
    estimate_release,
    is_in_progress,
    release_rows,
)
from qc.selectors.release.release_warnings import release_warnings
from qc.services.release.bucket_sync import SyncError, bucket_address, request_sync
from qc.services.release.make_release import request_release
from qc.services.release.release_storage import (
    ReleaseFilesError,
    opener,
    withdraw_release,
    zip_of,
)


@login_required
@require_GET
def releases(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    rows = release_rows(dataset, bucket=bucket_address())
    context = {"dataset": dataset, "rows": rows, "is_in_progress": is_in_progress(rows)}
    fragment = "HX-Request" in request.headers
    if not fragment:
        context["curve"] = learning_curve(dataset)
    return render(
        request,
        "qc/release/_release_list.html" if fragment else "qc/release/releases.html",
        context,
    )


@login_required
@require_GET
def release_new(request: HttpRequest, name: str) -> HttpResponse:
    """The options of a release, with the sizes to expect."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.RELEASE), name=name)
    form = ReleaseForm(None, dataset=dataset)
    return render(request, "qc/release/new_release.html", _form_context(dataset, form))


@login_required
@require_POST
def release_create(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.RELEASE), name=name)
    form = ReleaseForm(request.POST, dataset=dataset)
    if not form.is_valid():
        return render(
            request, "qc/release/new_release.html", _form_context(dataset, form), status=422
        )
    user = cast(User, request.user)
    release = request_release(dataset, user=user, options=form.options())
    messages.success(
        request, _("Release %(number)s is being created.") % {"number": release.number}
    )
    return redirect("qc:releases", name=name)


@login_required
@require_GET
def release_download(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """A zip of the parts named by `part`, or of all parts."""
    release = _release_or_404(request, name, number)
    parts = [part for part in request.GET.getlist("part") if part in PARTS]
    annotations_only = "annotations" in request.GET.getlist("part") and not parts
    chosen = parts if parts or annotations_only else list(PARTS)
    saved_as = "-".join([release.folder_name, *["annotations"] * annotations_only, *parts])
    if not release.folder:
        archives = release.counts.get("archives", {})
        one = archives.get("annotations", {}).get("name") if annotations_only else ""
        return serve_stored(
            request, one or release.archive.name or "", content_type="application/zip",
            download_as=f"{saved_as}.zip",
        )  # fmt: skip
    try:
        layout, folder = zip_of(release, chosen)
    except ReleaseFilesError as error:
        raise Http404(str(error)) from error
    return serve_stream(
        request, partial(layout.read, opened=opener(folder)), size=layout.size,
        etag="-".join([release.counts.get("manifest", "")[:32], "top", *sorted(chosen)]),
        content_type="application/zip", download_as=f"{saved_as}.zip",
    )  # fmt: skip


@login_required
@require_GET
def release_card(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """The dataset card as an HTML download."""
    release = _release_or_404(request, name, number)
    if not release.folder:
        raise Http404(_("The card is in the zip of this release."))
    return serve_stored(
        request, f"{release.folder}/card.html", content_type="text/html",
        download_as=f"{name}-release-{number}.html",
    )  # fmt: skip


@login_required
@require_POST
def release_sync(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Copy the selected parts of a release to the posted prefix of the bucket."""
    get_object_or_404(permitted_datasets(request.user, Act.RELEASE), name=name)
    release = _release_or_404(request, name, number)
    prefix, parts = request.POST.get("prefix", ""), request.POST.getlist("part")
    try:
        sync = request_sync(release, prefix=prefix, parts=parts, user=cast(User, request.user))
    except SyncError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("Release %(number)s is being copied to %(prefix)s.")
            % {"number": number, "prefix": sync.prefix},
        )
    return redirect("qc:releases", name=name)


@login_required
@require_POST
def delete_files(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Delete the files of a release permanently; its row stays."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.DELETE), name=name)
    release = get_object_or_404(Release, dataset=dataset, number=number)
    if request.POST.get("confirm") != str(number):
        messages.error(
            request,
            _("Type %(number)s to delete the files of release %(number)s.")
            % {"number": number},
        )
        return redirect("qc:releases", name=name)
    try:
        is_first = withdraw_release(release, user=cast(User, request.user))
    except ReleaseFilesError as error:
        messages.error(request, f"{error}.")
    except OSError as error:
        sentence = _(
            "Some files of release %(number)s could not be deleted yet: %(error)s This is "
            "retried."
        ) % {"number": number, "error": error}
        messages.error(request, sentence)
    else:
        sentence = _("The files of release %(number)d were already deleted.")
        if is_first:
            sentence = _("The files of release %(number)d are deleted.")
        messages.success(request, sentence % {"number": number})
    return redirect("qc:releases", name=name)


def _form_context(dataset: Dataset, form: ReleaseForm) -> dict[str, Any]:
    estimate = estimate_release(dataset)
    offered = {"annotations"}
    if estimate.frames:
        offered |= {"none", *dict(estimate.frames)}
    form.initial["frames"] = "full" if estimate.frames else "annotations"
    frame_choices = [
        {
            "radio": radio.tag(),
            "label": radio.data["label"],
            "size": _size_text(radio.data["value"], estimate),
        }
        for radio in form["frames"].subwidgets
        if radio.data["value"] in offered
    ]
    formats = [
        {"box": box.tag(), "label": box.data["label"], "what": FORMATS[box.data["value"]].what}
        for box in form["formats"].subwidgets
    ]
    return {
        "dataset": dataset, "form": form, "estimate": estimate, "frame_choices": frame_choices,
        "formats": formats, "warnings": release_warnings(dataset) if estimate.clips else [],
    }  # fmt: skip


def _size_text(choice: str, estimate: ReleaseEstimate) -> str:
    if choice == "annotations":
        return _("a few MB")
    size = estimate.video_bytes + dict(estimate.frames).get(choice, 0)
    return _("about %(size)s") % {"size": size_text(size)}


def _release_or_404(request: HttpRequest, name: str, number: int) -> Release:
    found = Release.objects.permitting(request.user, Act.DOWNLOAD).passed_on()
    return get_object_or_404(found, dataset__name=name, number=number)
