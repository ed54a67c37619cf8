"""Classes of the persons of a video, and what pages say of each."""

from collections.abc import Iterable
from typing import NamedTuple

from django.utils.translation import gettext as _

from tracking.core.tracks_file import PERSON, person_label
from tracking.models import VideoPerson


class ClassWords(NamedTuple):
    """What pages say of one that may be a false box."""

    question: str
    yes: str
    no: str


def class_words(label: str) -> ClassWords:
    """
    >>> class_words("vehicle").no
    'No vehicle'
    """
    if label == PERSON:
        return ClassWords(_("Is this a person?"), _("Person"), _("Not a person"))
    name = {"class": label}
    question = _("Is this right: %(class)s?") % name
    return ClassWords(question, f"{label[:1].upper()}{label[1:]}", _("No %(class)s") % name)


def number_in_sentence(number: int, label: str) -> str:
    """One of a video in a sentence that is translated: `person 3`, or `P4 vehicle`."""
    if label == PERSON:
        return _("person %(number)s") % {"number": number}
    return person_label(number, {number: label})


def classes_of(videos: Iterable[int]) -> dict[tuple[int, int], str]:
    """What those in `videos` are who are no persons, by video and number."""
    rows = VideoPerson.objects.filter(video__in=set(videos)).exclude(label=PERSON)
    found = rows.values_list("video", "person_id", "label")
    return {(video, number): label for video, number, label in found}


def classes_by_video(videos: Iterable[int]) -> dict[int, dict[int, str]]:
    """The same by video, and then by number; a video of persons alone is missing."""
    found: dict[int, dict[int, str]] = {}
    for (video, number), label in classes_of(videos).items():
        found.setdefault(video, {})[number] = label
    return found


def classes_in(video: int) -> dict[int, str]:
    """What those in one video are who are no persons, by number."""
    return classes_by_video([video]).get(video, {})
