"""Drafts of the label page: open, take over, append operations, discard, begin a revision.

A holder is a tab of a browser. Only the holder's operations are appended, in the order of their
numbers and each once: a lost answer, a repeated batch and a restart change nothing. When
another tab has taken over, the earlier one chooses: its log replaces what came since (`log` of
`open_draft`), or its own operations are discarded. Discarded ones stay readable.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.core.answer_segments import Operation
from annotation.models import AnnotationTask, AnswerDraft, AnswerVersion, DraftOperation
from annotation.selectors.labelling import label_task, operations_of
from annotation.services.labelling.refusals import (
    GapError,
    HeldError,
    MalformedError,
    StartError,
    SubmittedError,
    TakenOverError,
)
from annotation.services.labelling.start import start_state
from avaproject.base.work import Stage
from datasets.accounts.activity import record

MAX_PAUSE = 60_000  # ms that count of a pause between two operations
HELD_FOR = timedelta(minutes=10)  # after which a silent holder is taken over without asking
STATE_OF_LOG = ("last", "saved_at", "active_ms", "done", "total", "holder", "held_at")
KEY = re.compile(r"[\w-]{1,40}\Z", re.ASCII)
KIND = re.compile(r"[a-z]{1,20}\Z")


class OpenedDraft(NamedTuple):
    draft: AnswerDraft
    operations: list[Operation]


def open_draft(
    task: AnnotationTask,
    *,
    holder: str,
    take_over: bool = False,
    log: Sequence[str] | None = None,
) -> OpenedDraft:
    """Make `holder` the holder of the open draft of `task`; begin one if nobody has.

    Args:
        take_over: Although another holder has it.
        log: Ids of the holder's whole log: operations that came since it parted from that of
            the draft are discarded. None: the log of the draft counts.

    Raises:
        HeldError: if another holder was heard of lately and `take_over` is not given.
        SubmittedError: if the answers were submitted.
        StartError: if what the draft begins with cannot be read.
    """
    if not KEY.match(holder):
        raise MalformedError("holder is not an id")
    _begin(task)
    with transaction.atomic():
        draft = _locked(task)
        is_held = draft.holder not in ("", holder)
        is_recent = draft.held_at is not None and draft.held_at > timezone.now() - HELD_FOR
        if is_held and is_recent and not take_over:
            raise HeldError(draft)
        if log is not None:
            draft.last = _discard_after_parting(draft, log)
        draft.holder, draft.held_at = holder, timezone.now()
        draft.save(update_fields=["holder", "held_at", "last"])
    return OpenedDraft(draft, operations_of(draft))


def append_operations(
    task: AnnotationTask,
    *,
    holder: str,
    operations: Iterable[Any],
    progress: tuple[int, int] | None = None,
    release: bool = False,
) -> AnswerDraft:
    """Append operations to the open draft; those that are there already are skipped.

    Args:
        operations: As the browser made them, ascending by number.
        progress: Keyframes done and keyframes to do, as the browser counts them.
        release: The holder gives the draft up: its tab closes.

    Raises:
        TakenOverError: if another holder has the draft now.
        GapError: if an operation before them is missing.
        SubmittedError: if the draft was submitted.
        MalformedError: if it is no list of operations.
    """
    given = [_row(one, holder) for one in operations]
    with transaction.atomic():
        draft = _locked(task)
        if draft.holder not in ("", holder):
            raise TakenOverError(draft)
        new = _new_rows(draft, given)
        for row in new:
            row.draft = draft
        _revive(draft, new)
        now = timezone.now()
        if new:
            draft.last, draft.saved_at = new[-1].number, now
            draft.active_ms = F("active_ms") + sum(row.active_ms for row in new)
        if progress is not None:
            draft.done, draft.total = progress
        draft.holder, draft.held_at = ("" if release else holder), now
        draft.save(update_fields=STATE_OF_LOG)
    draft.refresh_from_db(fields=["active_ms"])
    return draft


def discard_operations(task: AnnotationTask, *, holder: str, operations: Iterable[Any]) -> int:
    """Store operations that shall not count, readable for ever; return how many are new."""
    given = [_row(one, holder) for one in operations]
    with transaction.atomic():
        draft = _locked(task)
        known = set(draft.operations.values_list("key", flat=True))
        new = [row for row in given if row.key not in known]
        for row in new:
            row.draft, row.discarded_at = draft, timezone.now()
        DraftOperation.objects.bulk_create(new)
    return len(new)


def reopen(task: AnnotationTask) -> AnswerDraft:
    """The open draft of `task`; if its answers were submitted, the next revision of them.

    It begins with the newest version, wherever that came from. Raises StartError.
    """
    if draft := task.drafts.open().first():
        return draft
    record("reopen", task, dataset=task.clip.video.dataset)
    return _create(task, _newest_version(task))


def _begin(task: AnnotationTask) -> None:
    """Begin the first draft of a task. Raises SubmittedError if it has answers."""
    if task.drafts.open().exists():
        return
    if _newest_version(task) is not None or task.drafts.exists():
        raise SubmittedError
    base = None
    if task.revises is not None:
        base = task.revises.versions.done().order_by("-number").first()
        if base is None:
            raise StartError(_("The answers that this task revises are not there yet."))
    _create(task, base)


def _create(task: AnnotationTask, base: AnswerVersion | None) -> AnswerDraft:
    start = start_state(task, label_task(task), base)
    newest = task.drafts.order_by("-revision").values_list("revision", flat=True).first()
    try:
        with transaction.atomic():
            return AnswerDraft.objects.create(
                task=task, revision=(newest or 0) + 1, base=base, start=start.to_json()
            )
    except IntegrityError:  # begun by another request at the same moment
        return task.drafts.open().get()


def _newest_version(task: AnnotationTask) -> AnswerVersion | None:
    return task.versions.exclude(stage=Stage.FAILED).order_by("-number").first()


def _locked(task: AnnotationTask) -> AnswerDraft:
    draft = AnswerDraft.objects.select_for_update().open().filter(task=task).first()
    if draft is None:
        raise SubmittedError
    return draft


def _row(operation: Any, holder: str) -> DraftOperation:
    """One operation as a row. Raises MalformedError if it is none."""
    if not isinstance(operation, Mapping):
        raise MalformedError("an operation is not an object")
    content = dict(operation)
    key, number, ms = (content.pop(name, None) for name in ("id", "number", "ms"))
    if not isinstance(key, str) or not KEY.match(key):
        raise MalformedError("an operation has no id")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**31:
        raise MalformedError(f"operation {key} has no number")
    if not isinstance(content.get("kind"), str) or not KIND.match(content["kind"]):
        raise MalformedError(f"operation {key} has no kind")
    is_time = isinstance(ms, int | float) and ms >= 0  # not nan
    active = int(min(ms, MAX_PAUSE)) if is_time else 0
    return DraftOperation(
        key=key, number=number, content=content, active_ms=active, holder=holder
    )


def _new_rows(draft: AnswerDraft, given: list[DraftOperation]) -> list[DraftOperation]:
    """Those that follow the last one. Raises GapError, or TakenOverError for another log."""
    if not given:
        return []
    counting = draft.operations.counting().filter(number__gte=given[0].number)
    known = dict(counting.values_list("number", "key"))
    new: list[DraftOperation] = []
    last = draft.last
    for row in given:
        if row.number <= draft.last:
            if known.get(row.number) != row.key:
                raise TakenOverError(draft)
        elif row.number == last + 1:
            new.append(row)
            last = row.number
        else:
            raise GapError(draft.last)
    return new


def _revive(draft: AnswerDraft, new: list[DraftOperation]) -> None:
    """Store rows; one that was discarded before counts again, at its new place."""
    keys = [row.key for row in new]
    discarded = draft.operations.filter(key__in=keys)
    found = {row.key: row for row in discarded} if new else {}
    for row in new:
        if (old := found.get(row.key)) is not None:
            if old.discarded_at is None:
                raise TakenOverError(draft)
            old.number, old.discarded_at = row.number, None
            old.save(update_fields=["number", "discarded_at"])
    DraftOperation.objects.bulk_create(row for row in new if row.key not in found)


def _discard_after_parting(draft: AnswerDraft, log: Sequence[str]) -> int:
    """Discard what the log of `draft` has beyond its common part with `log`; its length."""
    counting = list(draft.operations.counting().values_list("number", "key"))
    common = 0
    for (number, key), own in zip(counting, log, strict=False):
        if key != own:
            break
        common = number
    later = draft.operations.counting().filter(number__gt=common)
    later.update(discarded_at=timezone.now())
    return common
