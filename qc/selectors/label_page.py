"""The data of the label page: clip, questions, remarks of the reviewer, and the next task."""

from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.storage import default_storage
from django.db.models import Case, IntegerField, Value, When
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.core.cvat_issues import parse_issues
from annotation.models import AnnotationTask, AnswerDraft, GuidelineImage
from annotation.selectors.guidelines import guidelines_of
from annotation.selectors.labelling import newest_draft
from annotation.selectors.pace import expected_pace
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Dataset
from datasets.selectors import only_annotates
from qc.models import Review
from qc.selectors.clip_and_task_states import with_verdict
from qc.selectors.display_names import group_title
from tracking.core.tracks_file import TracksFileError
from tracking.models import Person
from tracking.selectors import tracks_of


def label_data(task: AnnotationTask, user: User | AnonymousUser) -> dict[str, Any]:
    """What `static/annotation/label/` needs of a task; `docs/labelling.md` describes it.

    `start` is None until somebody has begun: opening the draft answers with it.
    """
    draft = newest_draft(task)
    state, review = _state(task, draft)
    problem = _problem(task)
    may_edit = AnnotationTask.objects.own(user).filter(pk=task.pk).exists()
    return {
        "task": {
            "pk": task.pk, "name": str(task), "is_blind": task.is_blind,
            "revision": _revision(draft), "state": "missing" if problem else state,
            "may_edit": may_edit, "is_simulated": task.annotator.is_simulated,
            "revises": _("another annotator") if task.revises_id else "", "problem": problem,
        },
        "clip": _clip(task),
        "groups": _groups(task.clip.video.dataset),
        "labels": task.clip.video.dataset.class_names,
        "start": draft.start if draft else None,
        "detections": {} if task.is_blind or problem else _detections(task),
        "remarks": _remarks(task, review),
        "pace": {"seconds_per_keyframe": _pace(task)},
        "next": _next(task, user) if may_edit else None,
        "urls": _urls(task, user, is_annotator=may_edit),
    }  # fmt: skip


def _state(task: AnnotationTask, draft: AnswerDraft | None) -> tuple[str, Review | None]:
    """The state of the work, and the review that sent it back."""
    newest = task.versions.exclude(stage=Stage.FAILED).order_by("-number").first()
    review = Review.objects.filter(version=newest).order_by("-pk").first() if newest else None
    is_rejected = review is not None and review.verdict == Review.Verdict.REJECTED
    if task.unassigned_at is not None:
        return "unassigned", None
    if is_rejected:
        return _("sent back"), review
    is_open = draft is not None and draft.version_id is None
    return "open" if is_open or newest is None else "submitted", None


def _revision(draft: AnswerDraft | None) -> int:
    if draft is None:
        return 1
    return draft.revision + (draft.version_id is not None)


def _problem(task: AnnotationTask) -> str:
    name = task.clip.file.name or ""
    if not name or not default_storage.exists(name):
        return _("The file of the clip %(clip)s is missing.") % {"clip": task.clip}
    return ""


def _clip(task: AnnotationTask) -> dict[str, Any]:
    clip = task.clip
    args = [clip.video.dataset.name, task.pk]
    return {
        "name": clip.name,
        "video": reverse("annotation:label-clip", args=args),
        "poster": reverse("annotation:label-poster", args=args) if clip.poster else "",
        "width": clip.video.width,
        "height": clip.video.height,
        "frame_rate": FRAME_RATE,
        "frame_count": clip.frame_count,
        "step": FRAME_RATE // clip.video.dataset.annotation_fps,
        "keyframes": clip.keyframes(),
    }


def _groups(dataset: Dataset) -> list[dict[str, Any]]:
    return [
        {
            "name": group.name,
            "title": group_title(group.name),
            "choice": group.choice,
            "required": group.required,
            "max": 1 if group.choice == "one" else group.max_per_person,
            "scope": group.scope,
            "actions": [
                {
                    "name": one.action.name, "id": one.action.action_id,
                    "hint": one.definition,
                    "images": [_image(dataset, image) for image in (*one.yes, *one.no)],
                }
                for one in actions
            ],
        }
        for group, actions in guidelines_of(dataset).groups
    ]  # fmt: skip


def _image(dataset: Dataset, image: GuidelineImage) -> dict[str, Any]:
    return {
        "url": reverse("annotation:guideline-image", args=[dataset.name, image.pk]),
        "caption": image.caption,
        "is_yes": image.kind == GuidelineImage.Kind.YES,
    }


def _detections(task: AnnotationTask) -> dict[int, list[list[float]]]:
    """Boxes of tracks that show nobody given out, by annotation frame, to snap to."""
    if not task.run.tracks:
        return {}
    try:
        file = tracks_of(task.run)
    except TracksFileError:
        return {}
    given = set(Person.objects.filter(run=task.run).values_list("track_id", flat=True))
    step = FRAME_RATE // task.clip.video.dataset.annotation_fps
    found: dict[int, list[list[float]]] = {}
    for track in file.tracks:
        if track.track_id in given:
            continue
        on_grid = track.frames % step == 0
        boxes = np.round(track.boxes[on_grid], 2).tolist()
        for frame, box in zip(track.frames[on_grid].tolist(), boxes, strict=True):
            found.setdefault(frame, []).append(box)
    return found


def _remarks(task: AnnotationTask, review: Review | None) -> list[dict[str, Any]]:
    """What the reviewer sent the answers back for, keyframe by keyframe."""
    if review is None:
        return []
    labels = task.clip.video.dataset.class_names
    return [
        {
            "id": f"{review.pk}-{place}", "text": one.text, "second": one.second,
            "person": None if one.person_id is None else str(one.person_id),
            "author": str(review.reviewer), "created_at": review.reviewed_at.isoformat(),
        }
        for place, one in enumerate(
            parse_issues(review.reason, task.clip.keyframes(), labels)
        )
    ]  # fmt: skip


def _pace(task: AnnotationTask) -> float:
    return round(expected_pace(task.clip.video.dataset, task.annotator), 2)


def _next(task: AnnotationTask, user: User | AnonymousUser) -> dict[str, str] | None:
    """The user's next task in the dataset: what came back first, then as assigned."""
    dataset = task.clip.video.dataset
    tasks: Any = with_verdict(
        AnnotationTask.objects.own(user).filter(clip__video__dataset=dataset)
    )
    rank = Case(
        When(verdict=Review.Verdict.REJECTED, then=Value(0)),
        When(latest_version_id__isnull=True, then=Value(1)),
        default=Value(2), output_field=IntegerField(),
    )  # fmt: skip
    is_answered = AnswerDraft.objects.filter(version__isnull=False).values("task")
    open_tasks = tasks.exclude(pk=task.pk).annotate(rank=rank).filter(rank__lt=2)
    found = open_tasks.exclude(rank=1, pk__in=is_answered).order_by("rank", "pk").first()
    if found is None:
        return None
    args = [dataset.name, found.pk]
    return {"task": reverse("qc:label-task", args=args), "page": reverse("qc:label", args=args)}


def _urls(
    task: AnnotationTask, user: User | AnonymousUser, *, is_annotator: bool
) -> dict[str, str]:
    dataset = task.clip.video.dataset.name
    names = ("open", "operations", "discard", "discarded", "submit", "reopen")
    found = {
        name: reverse(f"annotation:label-{name}", args=[dataset, task.pk]) for name in names
    }
    found["page"] = reverse("qc:label", args=[dataset, task.pk])
    found["task_json"] = reverse("qc:label-task", args=[dataset, task.pk])
    found["guidelines"] = reverse("annotation:guidelines", args=[dataset])
    # After the last task: whoever does more than label gets the next step of the dataset.
    overview = reverse("qc:overview", args=[dataset])
    found["end"] = reverse("qc:my") if only_annotates(user) else overview
    found["task"] = "" if is_annotator else reverse("qc:task", args=[dataset, task.pk])
    return found
