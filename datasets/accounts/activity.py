"""Activity: services record what people do, once for each act and with the act itself.

Who acts is the user of the request, or of the command, in a context variable. Work that nobody
asked for in person, such as the pipeline's, is not recorded.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

from datasets.models import ActivityRecord, Dataset

Actor = User | AnonymousUser | None
_actor: ContextVar[Callable[[], Actor] | None] = ContextVar("actor", default=None)
NAMES_SHOWN = 5


@contextmanager
def acting(user: User) -> Iterator[None]:
    """Record what is done meanwhile as done by `user`."""
    token = _actor.set(lambda: user)
    try:
        yield
    finally:
        _actor.reset(token)


class RecordActor:
    """Middleware: what a request does is done by its user, be it of a session or a token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _actor.set(lambda: getattr(request, "user", None))
        try:
            return self.get_response(request)
        finally:
            _actor.reset(token)


def current_actor() -> User | None:
    """Who acts now; None for nobody in person."""
    ask = _actor.get()
    user = ask() if ask else None
    return user if user is not None and user.is_authenticated else None  # type: ignore[return-value]


def record(
    verb: str, target: Any = "", *, dataset: Dataset | None = None, details: str = ""
) -> None:
    """Record that the current actor did `verb` to `target`; nothing without an actor.

    Called in the transaction of the act where there is one, so that both are kept or neither.
    """
    user = current_actor()
    if user is None:
        return
    ActivityRecord.objects.create(
        user_id=user.pk, user_name=user.get_username(), dataset=dataset,
        dataset_name=dataset.name if dataset else "", verb=verb, target=str(target)[:300],
        details=details[:500],
    )  # fmt: skip


def record_many(
    verb: str, targets: Sequence[Any], noun: str, *, dataset: Dataset, details: str = ""
) -> None:
    """Record one act on several things: one by its name, several by number and first names.

    Nothing for no targets.
    """
    if not targets or current_actor() is None:
        return
    if len(targets) == 1:
        record(verb, targets[0], dataset=dataset, details=details)
        return
    names = ", ".join(str(one) for one in targets[:NAMES_SHOWN])
    more = "" if len(targets) <= NAMES_SHOWN else f" and {len(targets) - NAMES_SHOWN} more"
    text = f"{details}: {names}{more}" if details else f"{names}{more}"
    record(verb, f"{len(targets)} {noun}", dataset=dataset, details=text)


def activity_of(
    dataset: Dataset | None, *, user: str = "", verb: str = "", text: str = ""
) -> QuerySet[ActivityRecord]:
    """The records of a dataset, or of all for None, newest first, narrowed as asked."""
    found = ActivityRecord.objects.order_by("-pk")
    if dataset is not None:
        found = found.filter(dataset=dataset)
    if user:
        found = found.filter(user_name=user)
    if verb:
        found = found.filter(verb=verb)
    if text:
        found = found.filter(target__icontains=text)
    return found
