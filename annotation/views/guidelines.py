"""Guidelines of a dataset: the page that annotators read, and the pages that change it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.core.guidelines import to_html
from annotation.forms.guidelines import DefinitionForm, FrameForm, ImageForm, TextForm
from annotation.models import Guideline, GuidelineImage
from annotation.selectors.guidelines import (
    clip_names,
    example_images,
    frame_of,
    guidelines_of,
    suggested_frames,
)
from annotation.services.guidelines import (
    GuidelineError,
    add_frame,
    add_upload,
    remove_image,
    save_text,
)
from avaproject.base.ranges import serve_stored
from avaproject.base.views import parse_key
from datasets.core.roles import Act
from datasets.models import Action, Dataset
from datasets.selectors import permitted_datasets
from tracking.core.tracks_file import PERSON
from tracking.person_classes import number_in_sentence


@login_required
@require_GET
def guidelines(request: HttpRequest, name: str) -> HttpResponse:
    """The page; the label page gets its content alone."""
    dataset = _dataset(request, name, Act.READ_GUIDELINES)
    found = guidelines_of(dataset)
    context = {"dataset": dataset, "found": found, "html": _html(dataset, found.text)}
    is_fragment = "fragment" in request.GET
    template = "_guidelines.html" if is_fragment else "guidelines.html"
    return render(request, f"annotation/guidelines/{template}", context)


@login_required
@require_GET
def image(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    dataset = _dataset(request, name, Act.READ_GUIDELINES)
    found = get_object_or_404(GuidelineImage.objects.of(dataset), pk=pk)
    return serve_stored(request, found.file.name or "", content_type="image/jpeg")


@login_required
@require_http_methods(["GET", "POST"])
def text(request: HttpRequest, name: str) -> HttpResponse:
    """Change the text of a dataset; "preview" shows it without storing it."""
    dataset = _dataset(request, name, Act.CONFIGURE)
    form = TextForm(request.POST or None, instance=_guideline(dataset, None))
    preview = None
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            preview = _html(dataset, form.cleaned_data["text"])
        else:
            try:
                save_text(dataset, form.cleaned_data["text"])
            except GuidelineError as error:
                form.add_error("text", _("Not saved: %(error)s.") % {"error": error})
            else:
                messages.success(request, _("Guidelines saved."))
                return redirect("annotation:guidelines", name=name)
    context = {
        "dataset": dataset, "form": form, "preview": preview,
        "upload": ImageForm(is_example=False),
        "images": GuidelineImage.objects.of(dataset).filter(guideline__action=None),
    }  # fmt: skip
    return render(request, "annotation/guidelines/text.html", context, status=_status(form))


@login_required
@require_http_methods(["GET", "POST"])
def action(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """The definition of an action, and its examples."""
    dataset = _dataset(request, name, Act.CONFIGURE)
    found = get_object_or_404(Action.objects.select_related("group"), dataset=dataset, pk=pk)
    form = DefinitionForm(request.POST or None, instance=_guideline(dataset, found))
    if request.method == "POST" and form.is_valid():
        try:
            save_text(dataset, form.cleaned_data["text"], action=found)
        except GuidelineError as error:
            form.add_error("text", _("Not saved: %(error)s.") % {"error": error})
        else:
            messages.success(request, _("%(found)s: definition saved.") % {"found": found.name})
            return redirect("annotation:guideline-action", name=name, pk=pk)
    images = example_images(found)
    context = {
        "dataset": dataset, "action": found, "form": form, "images": images,
        "upload": ImageForm(is_example=True),
    }  # fmt: skip
    return render(request, "annotation/guidelines/action.html", context, status=_status(form))


@login_required
@require_POST
def upload(request: HttpRequest, name: str) -> HttpResponse:
    """Add an uploaded image to the text, or to the action posted as `action`."""
    dataset = _dataset(request, name, Act.CONFIGURE)
    about = _posted_action(request, dataset)
    form = ImageForm(request.POST, request.FILES, is_example=about is not None)
    if form.is_valid():
        values = {
            key: form.cleaned_data[key] for key in ("caption", "kind") if key in form.fields
        }
        try:
            made = add_upload(dataset, form.cleaned_data["file"], action=about, **values)
        except GuidelineError as error:
            messages.error(request, _("Not added: %(error)s.") % {"error": error})
        else:
            messages.success(request, _("%(made)s is added.") % {"made": made})
    for sentences in form.errors.values():
        messages.error(request, _("Not added: %(sentence)s") % {"sentence": sentences[0]})
    return _back(name, about)


@login_required
@require_http_methods(["GET", "POST"])
def pick(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Pick a keyframe of a clip, and a person in it, as an example of an action."""
    dataset = _dataset(request, name, Act.CONFIGURE)
    about = get_object_or_404(Action.objects.select_related("group"), dataset=dataset, pk=pk)
    given = request.GET if request.method == "GET" else request.POST
    frame = frame_of(dataset, given.get("clip", ""), parse_key(given.get("second", "")))
    form = FrameForm(request.POST or None, initial={"kind": given.get("kind", "yes")})
    if request.method == "POST" and form.is_valid() and frame is not None:
        number = form.cleaned_data["person"]
        there = {one.person_id: one for one in frame.persons}
        try:
            if number is not None and number not in there:
                label = frame.classes.get(number, PERSON)
                raise GuidelineError(
                    _("%(person)s is not in this frame")
                    % {"person": number_in_sentence(number, label)}
                )
            one = there[number] if number is not None else None
            box = (one.x1, one.y1, one.x2, one.y2) if one else None
            add_frame(
                frame.clip, frame.second, box, action=about, person_id=number,
                kind=form.cleaned_data["kind"], caption=form.cleaned_data["caption"],
            )  # fmt: skip
        except GuidelineError as error:
            messages.error(request, _("Not added: %(error)s.") % {"error": error})
        else:
            messages.success(request, _("The example is added."))
            return _back(name, about)
    context = {
        "dataset": dataset, "action": about, "frame": frame, "form": form,
        "clips": clip_names(dataset),
        "suggested": suggested_frames(about), "asked": given.get("clip", ""),
    }  # fmt: skip
    is_wrong = request.method == "POST"
    return render(
        request, "annotation/guidelines/pick.html", context, status=422 if is_wrong else 200
    )


@login_required
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Remove the image posted as `image`."""
    dataset = _dataset(request, name, Act.CONFIGURE)
    images = GuidelineImage.objects.of(dataset).select_related(
        "guideline__action", "guideline__dataset"
    )
    found = get_object_or_404(images, pk=parse_key(request.POST.get("image", "")) or 0)
    label, about = str(found), found.guideline.action
    try:
        remove_image(found)
    except GuidelineError as error:
        messages.error(request, _("Not removed: %(error)s.") % {"error": error})
    else:
        messages.success(request, _("%(label)s is removed.") % {"label": label})
    return _back(name, about)


def _dataset(request: HttpRequest, name: str, act: Act) -> Dataset:
    return get_object_or_404(permitted_datasets(request.user, act), name=name)


def _guideline(dataset: Dataset, about: Action | None) -> Guideline:
    found = Guideline.objects.filter(dataset=dataset, action=about).first()
    return found or Guideline(dataset=dataset, action=about)


def _posted_action(request: HttpRequest, dataset: Dataset) -> Action | None:
    key = request.POST.get("action", "")
    return get_object_or_404(Action, dataset=dataset, pk=parse_key(key) or 0) if key else None


def _back(name: str, about: Action | None) -> HttpResponse:
    if about is None:
        return redirect("annotation:guideline-text", name=name)
    return redirect("annotation:guideline-action", name=name, pk=about.pk)


def _html(dataset: Dataset, content: str) -> SafeString:
    """The Markdown as HTML: raw HTML in it is shown as text."""
    images = set(GuidelineImage.objects.of(dataset).values_list("pk", flat=True))

    def address(number: int) -> str:
        args: list[Any] = [dataset.name, number]
        return reverse("annotation:guideline-image", args=args) if number in images else ""

    return mark_safe(to_html(content, address))  # noqa: S308  # rendered without raw HTML


def _status(form: Any) -> int:
    return 422 if form.is_bound and form.errors else 200
