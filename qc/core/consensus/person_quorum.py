"""Whether a person is there: how many of the annotators of a clip must have drawn them."""

from typing import Literal

from datasets.core.translation import ngettext
from tracking.core.tracks_file import PERSON

Status = Literal["agreed", "disputed", "dropped"]


def person_status(
    drawers: int, annotators: int, *, is_proposed: bool, decided: bool | None
) -> Status:
    """What a person at a keyframe is whom `drawers` of the annotators drew.

    A reviewer's decision, None if there is none, overrides the quorum. A pre-annotated person
    whom a quorum did not keep is dropped.

    >>> person_status(1, 2, is_proposed=True, decided=None)
    'disputed'
    >>> person_status(1, 3, is_proposed=True, decided=None)
    'dropped'
    """
    if decided is not None:
        return "agreed" if decided else "dropped"
    if is_quorum(drawers, annotators):
        return "agreed"
    is_rejected = is_quorum(annotators - drawers, annotators)
    return "dropped" if is_proposed and is_rejected else "disputed"


def is_quorum(count: int, annotators: int) -> bool:
    """Whether `count` of the annotators who answered settle something: more than half.

    >>> is_quorum(1, 1), is_quorum(1, 2), is_quorum(2, 3)
    (True, False, True)
    """
    return 2 * count > annotators


def why_disputed(drawers: int, annotators: int, label: str = PERSON) -> str:
    """Why it is a question whether there is one of the class `label`.

    >>> why_disputed(1, 2), why_disputed(2, 4, "vehicle")
    ('1 of 2 annotators has this person; more than half must.', \
'2 of 4 annotators have this: vehicle; more than half must.')
    """
    if label != PERSON:
        sentence = ngettext(
            "%(drawers)s of %(annotators)s annotators has this: %(class)s; more than half "
            "must.",
            "%(drawers)s of %(annotators)s annotators have this: %(class)s; more than half "
            "must.",
            drawers,
        )
        return sentence % {"drawers": drawers, "annotators": annotators, "class": label}
    sentence = ngettext(
        "%(drawers)s of %(annotators)s annotators has this person; more than half must.",
        "%(drawers)s of %(annotators)s annotators have this person; more than half must.",
        drawers,
    )
    return sentence % {"drawers": drawers, "annotators": annotators}
