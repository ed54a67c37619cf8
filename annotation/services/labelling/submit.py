"""Submission of a draft of the label page as the next answer version of its task."""

from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from annotation.core.label_document import dump
from annotation.core.label_state import progress, unset
from annotation.models import AnnotationTask, AnswerDraft, AnswerVersion
from annotation.selectors.labelling import draft_state, label_task, newest_draft
from annotation.services.answers import store_version
from annotation.services.labelling.refusals import (
    GapError,
    MalformedError,
    NewerVersionError,
    TakenOverError,
    UnsetError,
)
from datasets.accounts.activity import record


def submit(
    task: AnnotationTask, *, holder: str, last: int, despite: int | None = None
) -> AnswerVersion:
    """Submit the open draft of `task`; a second call returns the same version.

    Args:
        holder: Who has the draft open.
        last: Number of the holder's last operation: all must have arrived.
        despite: Number of a newer version that the annotator knows of and replaces.

    Raises:
        UnsetError: if a required answer is unset.
        GapError: if operations of the holder have not arrived.
        TakenOverError: if another holder has the draft.
        MalformedError: if nobody has begun the task.
        NewerVersionError: if the task has got a version that the draft did not begin with.
    """
    about = label_task(task)
    with transaction.atomic():
        draft = AnswerDraft.objects.select_for_update().open().filter(task=task).first()
        if draft is None:
            newest = newest_draft(task)
            if newest is None or newest.version is None:
                raise MalformedError("nobody has begun this task")
            return newest.version
        if draft.holder not in (holder, ""):
            raise TakenOverError(draft)
        if draft.last != last:
            raise GapError(draft.last)
        _check_newest(task, draft, despite)
        state = draft_state(draft, about)
        if missing := unset(about, state):
            raise UnsetError(missing)
        content = dump(state, about)
        version = store_version(
            task, content, sha256(content).hexdigest(), suffix="json",
            source=AnswerVersion.Source.LABEL_PAGE, even_if_same=True,
            replies=[{"remark": key, "text": text} for key, text in state.remarks.items()],
        )  # fmt: skip
        draft.version, draft.held_at, draft.holder = version, timezone.now(), ""
        draft.done, draft.total = progress(about, state)
        draft.save(update_fields=["version", "held_at", "holder", "done", "total"])
        record("submit", task, dataset=task.clip.video.dataset)
    if version is None:
        raise RuntimeError(f"no version of {task} was stored")
    return version


def _check_newest(task: AnnotationTask, draft: AnswerDraft, despite: int | None) -> None:
    newest = task.versions.order_by("-number").first()
    known = draft.base_id if draft.base is not None and draft.base.task_id == task.pk else None
    if newest is None or newest.pk == known or newest.number == despite:
        return
    raise NewerVersionError(newest)
