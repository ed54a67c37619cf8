"""Reads of the label page: the task as its core sees it, the open draft, its operations."""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet

from annotation.core.answer_segments import Operation, fold
from annotation.core.label_state import LabelState, LabelTask
from annotation.models import AnnotationTask, AnswerDraft, DraftOperation
from annotation.selectors.tasks import group_specs
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.roles import Act


def label_task(task: AnnotationTask) -> LabelTask:
    """What folding and checking must know of `task`."""
    clip, dataset = task.clip, task.clip.video.dataset
    return LabelTask(
        group_specs(dataset), tuple(clip.keyframes()), clip.frame_count,
        FRAME_RATE // dataset.annotation_fps, FRAME_RATE, tuple(dataset.class_names),
    )  # fmt: skip


def labelled_tasks(user: User | AnonymousUser) -> QuerySet[AnnotationTask]:
    """The tasks that `user` labels or may look on at."""
    seen = AnnotationTask.objects.permitting(user, Act.SEE, Act.SEE_NAMES)
    return AnnotationTask.objects.own(user) | seen


def newest_draft(task: AnnotationTask) -> AnswerDraft | None:
    """The draft of the newest revision, submitted or not; None if nobody began."""
    return task.drafts.order_by("-revision").first()


def operations_of(draft: AnswerDraft, *, after: int = 0) -> list[Operation]:
    """The counting operations of `draft` in their order, as the browser made them."""
    rows = draft.operations.counting().filter(number__gt=after)
    return [
        as_operation(*row) for row in rows.values_list("key", "number", "active_ms", "content")
    ]


def as_operation(key: str, number: int, active_ms: int, content: dict[str, Any]) -> Operation:
    return {**content, "id": key, "number": number, "ms": active_ms}


def draft_state(draft: AnswerDraft, about: LabelTask) -> LabelState:
    """The state of `draft` now."""
    return fold(about, LabelState.from_json(draft.start), operations_of(draft))


def discarded_operations(task: AnnotationTask) -> QuerySet[DraftOperation]:
    """Operations that another tab's replaced, the newest first."""
    rows = DraftOperation.objects.filter(draft__task=task).exclude(discarded_at=None)
    return rows.select_related("draft").order_by("-discarded_at", "-number")
