"""Display names of action groups, persons and annotators on pages.

Files keep names and ids unchanged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from annotation.models import Annotator
from datasets.models import Dataset
from qc.core.annotator_keys import annotator_key, with_names
from qc.models import ConsensusBox
from tracking.core.tracks_file import PERSON
from tracking.person_classes import class_words


def annotator_names(dataset: Dataset, *, hidden: bool = False) -> dict[str, str]:
    """The name of each annotator by the key that stored figures and votes have.

    Args:
        hidden: Numbers instead of names, for a user who may not see names.
    """
    rows = Annotator.objects.filter(dataset=dataset).order_by("pk").values_list("pk", "name")
    return {
        annotator_key(pk): _("annotator %(number)s") % {"number": number} if hidden else name
        for number, (pk, name) in enumerate(rows, start=1)
    }


def name_annotators(boxes: Iterable[ConsensusBox], names: Mapping[str, str]) -> None:
    """Replace keys by names in boxes that are only shown, never saved."""
    for box in boxes:
        box.drawn_by = sorted(with_names(box.drawn_by, names))
        box.drawn = dict(sorted(with_names(box.drawn, names).items()))
        for label in box.labels.all():
            label.votes = dict(sorted(with_names(label.votes, names).items()))


def group_title(name: str) -> str:
    """An action group as a heading or a table cell.

    >>> group_title("object_manipulation"), group_title("")
    ('Object manipulation', '')
    """
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def decided_text(label: str, is_person: bool) -> str:
    """What was decided on one that may be a false box.

    >>> decided_text("person", True), decided_text("vehicle", False)
    ('a person', 'No vehicle')
    """
    if label != PERSON:
        return label if is_person else class_words(label).no
    return _("a person") if is_person else _("not a person")


def answer_text(answer: Any) -> str:
    """An answer as text.

    >>> answer_text(["walk", "wave"]), answer_text([]), answer_text(None), answer_text("unset")
    ('walk, wave', 'none', 'no answer', 'no answer')
    """
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "none"
    return _("no answer") if answer in (None, "unset") else str(answer)
