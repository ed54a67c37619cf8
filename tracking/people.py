"""Pages of the persons of a video: their crops over time, and corrections of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from avaproject.base.ranges import serve_file
from avaproject.base.views import paginate, parse_key
from datasets.core.roles import Act
from datasets.models import Clip, Video
from datasets.selectors import permitted_datasets
from tracking.core.doubts import DOUBTFUL
from tracking.core.returning import PersonSpan, nearest_in_time
from tracking.core.tracks_file import PERSON, TracksFileError
from tracking.models import PersonCorrection, VideoPerson
from tracking.person_classes import ClassWords, class_words
from tracking.selectors import (
    PersonCrop,
    crops_of,
    most_alike,
    persons_of,
    runs_in_use,
    spans_of,
)
from tracking.services import corrections
from tracking.services.contact_sheets import ContactSheetError, person_sheet
from tracking.services.corrected_runs import corrections_left_out

PERSONS_ON_A_PAGE = 20
CROPS = 9  # of a person: one digit each
SIMILAR = 3
ALIKE = 24


class PersonRow(NamedTuple):
    """A person on the page, with who it may be the same as."""

    person: VideoPerson
    is_doubtful: bool
    crops: list[PersonCrop]
    span: PersonSpan | None
    similar: list[int]
    words: ClassWords


@login_required
@require_GET
def videos(request: HttpRequest, name: str) -> HttpResponse:
    """The videos of a dataset, those with most doubtful persons first."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    of_video = Q(persons__doubt__isnull=False)  # those that are tracked
    is_doubtful = Q(persons__checked_at=None, persons__doubt__gte=DOUBTFUL)
    listed = (
        Video.objects.filter(dataset=dataset)
        .annotate(
            tracked=Count("persons", filter=of_video),
            doubtful=Count("persons", filter=is_doubtful),
        )
        .filter(tracked__gt=0)
        .order_by("-doubtful", "name")
    )
    context = {"dataset": dataset, "page": paginate(request, listed)}
    return render(request, "tracking/people_videos.html", context)


@login_required
@require_GET
def people(request: HttpRequest, name: str, video: str) -> HttpResponse:
    """The persons of a video, one row each, the most doubtful first."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    found = get_object_or_404(Video, dataset=dataset, name=video)
    runs = runs_in_use(found)
    persons = persons_of(found, runs)
    page = paginate(request, persons, size=PERSONS_ON_A_PAGE)
    spans = spans_of(runs)
    labels = {person.person_id: person.label for person in persons}
    crops = crops_of(runs, [person.person_id for person in page], count=CROPS)
    rows = [
        PersonRow(
            person, person.checked_at is None and (person.doubt or 0) >= DOUBTFUL,
            crops.get(person.person_id, []), spans.get(person.person_id),
            nearest_in_time(spans, person.person_id, labels=labels, count=SIMILAR),
            class_words(person.label),
        )
        for person in page
    ]  # fmt: skip
    made = PersonCorrection.objects.in_force().filter(video=found)
    newest = made.select_related("person", "other").last()
    context = {
        "dataset": dataset, "video": found, "page": page, "rows": rows, "classes": labels,
        "newest": newest, "newest_text": newest and _about(newest), "made": made.count(),
        "left_out": [
            (_about(one.correction, whole=True), one.reason)
            for one in corrections_left_out(found)
        ],
        "doubtful": sum(
            person.checked_at is None and (person.doubt or 0) >= DOUBTFUL for person in persons
        ),
    }  # fmt: skip
    return render(request, "tracking/people.html", context)


@login_required
@require_GET
def alike(request: HttpRequest, name: str, video: str, number: int) -> HttpResponse:
    """Who in other videos looks most like a person; they are not made one."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    persons = VideoPerson.objects.filter(video__dataset=dataset, video__name=video)
    person = get_object_or_404(persons.select_related("video"), person_id=number)
    found = most_alike(person, count=ALIKE)
    context = {"dataset": dataset, "person": person, "video": person.video, "found": found}
    return render(request, "tracking/people_alike.html", context)


@login_required
@require_GET
def crops(request: HttpRequest, name: str, video: str, number: int) -> HttpResponseBase:
    """The contact sheet of a person over its video; one crop alone with `?one=1`."""
    dataset = get_object_or_404(permitted_datasets(request.user), name=name)
    found = get_object_or_404(Video, dataset=dataset, name=video)
    shown = crops_of(runs_in_use(found), [number], count=CROPS).get(number, [])
    if request.GET.get("one"):
        shown = sorted(shown, key=lambda crop: -crop.score)[:1]
    try:
        path = person_sheet(shown, video=found.pk)
    except ContactSheetError as error:
        raise Http404(str(error)) from error
    return serve_file(request, path, content_type="image/jpeg")


@login_required
@require_POST
def correct(request: HttpRequest, name: str, video: str) -> HttpResponse:
    """Carry out the correction posted as `act` on the person posted as `person`."""
    datasets = permitted_datasets(request.user, Act.CONFIGURE)
    dataset = get_object_or_404(datasets, name=name)
    found = get_object_or_404(Video, dataset=dataset, name=video)
    acts: dict[str, Callable[[HttpRequest, Video], str]] = {
        "merge": _merge, "split": _split, "drop": _drop, "rename": _rename, "check": _check,
        "undo": _undo,
    }  # fmt: skip
    act = acts.get(request.POST.get("act", ""))
    if act is None:
        raise Http404(_("There is no such correction."))
    try:
        messages.success(request, act(request, found))
    except (corrections.CorrectionError, TracksFileError) as error:
        messages.error(request, str(error))
    page = parse_key(request.POST.get("page", "")) or 1
    place = f"#P{_number(request, 'next')}" if request.POST.get("next") else ""
    address = reverse("tracking:people", args=[name, video])
    return redirect(f"{address}?page={page}{place}")


def _number(request: HttpRequest, field: str) -> int:
    text = request.POST.get(field, "").strip().removeprefix("P")
    if (number := parse_key(text)) is None:
        raise corrections.CorrectionError(
            _("%(value)s is not a person's number.") % {"value": text}
            if text
            else _("Enter the number of a person.")
        )
    return number


def _merge(request: HttpRequest, video: Video) -> str:
    number, other = _number(request, "person"), _number(request, "other")
    made = corrections.merge(video, number, other, user=_user(request))
    return _("%(person)s is %(other)s now.") % {
        "person": made.person.called, "other": made.other and made.other.called,
    }  # fmt: skip


def _split(request: HttpRequest, video: Video) -> str:
    clip = Clip.objects.filter(video=video, name=request.POST.get("clip", "")).first()
    frame = parse_key(request.POST.get("frame", ""))
    if clip is None or frame is None:
        raise corrections.CorrectionError(
            _("Choose the image from which on it is somebody else.")
        )
    number = _number(request, "person")
    made = corrections.split(video, number, clip, frame, user=_user(request))
    return _("From frame %(frame)d of %(clip)s on, %(person)s is %(other)s.") % {
        "frame": made.frame, "clip": clip.name, "person": made.person.called,
        "other": made.other and made.other.called,
    }  # fmt: skip


def _drop(request: HttpRequest, video: Video) -> str:
    number = _number(request, "person")
    made = corrections.drop(video, number, user=_user(request))
    if made.person.label != PERSON:
        return _("P%(number)d is no %(class)s.") % {
            "number": number, "class": made.person.label,
        }  # fmt: skip
    return _("P%(number)d is not a person.") % {"number": number}


def _rename(request: HttpRequest, video: Video) -> str:
    number, name = _number(request, "person"), request.POST.get("name", "")
    made = corrections.rename(video, number, name, user=_user(request))
    if not made.name:
        return _("%(person)s has no name now.") % {"person": made.person.called}
    return _("%(person)s is called %(name)s.") % {
        "person": made.person.called, "name": made.name,
    }  # fmt: skip


def _check(request: HttpRequest, video: Video) -> str:
    number = _number(request, "person")
    person = corrections.check(video, number)
    return _("%(person)s is right.") % {"person": person.called}


def _undo(request: HttpRequest, video: Video) -> str:
    undone = corrections.undo(video)
    return _("Undone: %(correction)s.") % {"correction": _about(undone)}


def _about(made: PersonCorrection, *, whole: bool = False) -> str:
    """A correction in a few words; with `whole` also with whom somebody was merged."""
    if made.kind == PersonCorrection.Kind.DROP and made.person.label != PERSON:
        no = class_words(made.person.label).no
        return f"P{made.person.person_id} {no[:1].lower()}{no[1:]}"
    if whole and made.kind == PersonCorrection.Kind.MERGE and made.other:
        return _("%(person)s merged with %(other)s") % {
            "person": made.person.called, "other": made.other.called,
        }  # fmt: skip
    return f"{made.person.called} {made.get_kind_display()}"


def _user(request: HttpRequest) -> Any:
    return request.user
