"""Refusals of the label page: a sentence, a code, and what the page must know."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.core.label_state import Unset
from annotation.models import AnswerDraft, AnswerVersion


class LabelError(Exception):
    """A request that is refused; `facts` are for the page."""

    code = ""
    status = 409

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class MalformedError(LabelError):
    """The request is none that the label page makes."""

    code, status = "malformed", 400


class StartError(LabelError):
    """The work cannot begin: what it begins with cannot be read."""

    code = "cannot begin"


class SubmittedError(LabelError):
    """The answers were submitted: the task must be reopened first."""

    code = "submitted"

    def __init__(self) -> None:
        super().__init__(_("The answers were submitted. Reopen the task to change them."))


class HeldError(LabelError):
    """Another tab or machine has the draft open."""

    code = "held"

    def __init__(self, draft: AnswerDraft) -> None:
        super().__init__(
            _("This task is open in another tab or on another machine."), held=_held(draft)
        )


class TakenOverError(LabelError):
    """Another tab or machine has taken the draft over."""

    code = "taken over"

    def __init__(self, draft: AnswerDraft) -> None:
        super().__init__(
            _("This task was opened in another tab or on another machine."), held=_held(draft)
        )


class GapError(LabelError):
    """Operations are missing before those that were sent; the last one there is `last`."""

    code = "gap"

    def __init__(self, last: int) -> None:
        super().__init__(
            _("Operation %(last)s has not arrived yet.") % {"last": last + 1}, last=last
        )


class UnsetError(LabelError):
    """Something that must be answered is unset."""

    code = "unset"

    def __init__(self, unset: list[Unset]) -> None:
        count = len(unset)
        super().__init__(
            ngettext("%d answer is missing.", "%d answers are missing.", count) % count,
            unset=[one._asdict() for one in unset],
        )


class NewerVersionError(LabelError):
    """The task got other answers since the draft began."""

    code = "newer"

    def __init__(self, newest: AnswerVersion) -> None:
        super().__init__(
            _(
                "This task got other answers since you began: version %(newest)s, "
                "%(source)s. Submit yours to replace them, or ask a manager."
            )
            % {"newest": newest.number, "source": newest.get_source_display()},
            number=newest.number,
        )


def _held(draft: AnswerDraft) -> dict[str, Any]:
    """When the other one was last heard of and saved, and how many operations there are."""
    moments = {"heard_at": draft.held_at, "saved_at": draft.saved_at}
    return {name: one.isoformat() if one else None for name, one in moments.items()} | {
        "count": draft.last
    }
