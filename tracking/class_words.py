"""What pages say of one that may be a false box, in the words of its class."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from tracking.core.tracks_file import PERSON


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
