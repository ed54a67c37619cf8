"""The newest answer version of every task of a clip, read together."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
from django.db.models import Q
from django.utils.translation import gettext as _

from annotation.models import Annotation, AnnotationTask, AnswerVersion
from avaproject.base.work import Stage
from datasets.core.action_groups import ActionGroupSpec, Answers
from datasets.models import ActionGroup, Clip, Dataset
from qc.core.annotator_keys import annotator_key
from qc.core.consensus.identity import DrawnBoxes
from qc.models import AgreementReport, Consensus
from tracking.core.tracks_file import PERSON
from tracking.person_classes import classes_in

ClipWork = TypeVar("ClipWork", AgreementReport, Consensus)


class AnswersDeletedError(RuntimeError):
    """An answer version was deleted before it was compared."""


@dataclass(frozen=True)
class ClipAnswers:
    """The answers of all annotators of a clip, one version of each.

    Attributes:
        versions: One of each annotator, by the key of who finished it.
        drawn: Every box; its annotators are places in `versions`.
        answers: Of each box.
        labels: What each box is.
    """

    clip: Clip
    versions: list[AnswerVersion]
    drawn: DrawnBoxes
    answers: list[Answers]
    labels: list[str]

    @property
    def annotators(self) -> list[str]:
        """Who finished each version: the annotators' keys."""
        return [annotator_key(version.author_id) for version in self.versions]


def changed_clips(since: datetime | None) -> set[int] | None:
    """Clips whose tasks or answers have changed since then; None for all clips."""
    if since is None:
        return None
    tasks = AnnotationTask.objects.changed_since(since).order_by().values_list("clip")
    versions = AnswerVersion.objects.changed_since(since).order_by().values_list("task__clip")
    return {clip for (clip,) in tasks.union(versions)}


def complete_versions(clips: Collection[int] | None = None) -> dict[int, list[int]]:
    """For each clip whose tasks all have answers, the keys of the newest, ascending.

    Args:
        clips: Keys of the clips to look at; None for all.
    """
    counting = AnnotationTask.objects.counting()
    if clips is not None:
        counting = counting.filter(clip__in=clips)
    tasks = counting.with_latest_version().order_by()
    newest: dict[int, list[int | None]] = {}
    fields = ("clip_id", "latest_version_id")
    for clip, version in tasks.values_list(*fields):  # type: ignore[misc]  # annotated
        newest.setdefault(clip, []).append(version)
    return {
        clip: sorted(version for version in versions if version is not None)
        for clip, versions in newest.items()
        if None not in versions
    }


def plan(model: type[ClipWork], since: datetime | None = None) -> int:
    """Create the missing rows of `model`, one for each clip's newest set of versions.

    Args:
        since: Plan only clips whose tasks or answers have changed since then.
    """
    clips = changed_clips(since)
    if clips is not None and not clips:
        return 0
    drop_outdated(model, clips)
    rows = model.objects.order_by()
    if clips is not None:
        rows = rows.filter(clip__in=clips)
    there = set(rows.values_list("clip_id", "versions_key"))
    missing = [
        model(clip_id=clip, versions=versions, versions_key=key)
        for clip, versions in sorted(complete_versions(clips).items())
        if (clip, key := versions_key(versions)) not in there
    ]
    model.objects.bulk_create(missing, ignore_conflicts=True)  # another planner may run as well
    return len(missing)


def drop_outdated(
    model: type[AgreementReport] | type[Consensus], clips: Collection[int] | None
) -> None:
    """Delete rows that name withdrawn answers, or answers that were read again after them.

    Withdrawn are those of an undone import; they would be newer than what counts now. Answers
    are read again when actions were renamed or merged.
    """
    changed = AnswerVersion.objects.filter(
        ~Q(withdrawn_at=None) | Q(claim_token__gt=1, stage=Stage.DONE)
    ).order_by()
    if clips is not None:
        changed = changed.filter(task__clip__in=clips)
    fields = ("pk", "task__clip", "withdrawn_at", "finished_at")
    read_at: dict[int, datetime | None] = {}
    of_clips = set()
    for pk, clip, withdrawn_at, finished_at in changed.values_list(*fields):
        read_at[pk] = None if withdrawn_at else finished_at
        of_clips.add(clip)
    rows = model.objects.filter(clip__in=of_clips).order_by()
    old = [
        pk
        for pk, versions, started_at in rows.values_list("pk", "versions", "started_at")
        if any(_is_outdated(started_at, read_at, one) for one in versions)
    ]
    if old:
        model.objects.filter(pk__in=old).delete()


def _is_outdated(
    started_at: datetime | None, read_at: dict[int, datetime | None], version: int
) -> bool:
    """Whether a comparison that began at a moment has an older reading of a version."""
    if version not in read_at:
        return False
    moment = read_at[version]
    return moment is None or (started_at is not None and started_at < moment)


def versions_key(versions: Iterable[int]) -> str:
    """The same for the same versions, of any number: their SHA-256."""
    return hashlib.sha256(",".join(map(str, versions)).encode()).hexdigest()


def read_clip_answers(row: AgreementReport | Consensus) -> ClipAnswers:
    """The answers that a row names. Raises AnswersDeletedError if some were deleted."""
    clip = Clip.objects.select_related("video__dataset").get(pk=row.clip_id)
    keys = row.versions
    found = list(
        AnswerVersion.objects.filter(pk__in=keys, task__clip=clip)
        .select_related("task", "author")
        .order_by("pk")
    )
    if len(found) != len(keys) or not keys:
        raise AnswersDeletedError(
            _(
                "%(clip)s: of the %(count)s answers to compare, %(deleted)s were deleted; "
                "import them again to start a new comparison"
            )
            % {"clip": clip, "count": len(keys), "deleted": len(keys) - len(found)}
        )
    # Nobody is compared with themselves: of two answers by one author the newest counts.
    by_author = {version.author_id: version for version in found}
    versions = [version for _, version in sorted(by_author.items())]
    places = {version.pk: place for place, version in enumerate(versions)}
    rows = list(
        Annotation.objects.filter(version__in=versions)
        .order_by("version__author", "second", "track")
        .values_list(
            "version_id", "second", "track", "person_id", "x1", "y1", "x2", "y2", "answers",
            "label",
        )
    )  # fmt: skip
    classes = classes_in(clip.video_id)
    labels = [row[9] or classes.get(row[3] or 0, PERSON) for row in rows]
    drawn = DrawnBoxes(
        seconds=np.array([row[1] for row in rows], dtype=np.int64),
        annotators=np.array([places[row[0]] for row in rows], dtype=np.int64),
        tracks=np.array([row[2] for row in rows], dtype=np.int64),
        person_ids=np.array([row[3] or 0 for row in rows], dtype=np.int64),
        boxes=np.array([row[4:8] for row in rows], dtype=np.float64).reshape(-1, 4),
        classes=np.unique(np.array(labels, dtype=str), return_inverse=True)[1].astype(np.int64),
    )
    return ClipAnswers(clip, versions, drawn, [row[8] for row in rows], labels)


def group_specs_of(datasets: Iterable[Dataset]) -> dict[int, list[ActionGroupSpec]]:
    """The action groups of each dataset in order, by the key of the dataset."""
    wanted = list(datasets)
    groups_of: dict[int, list[ActionGroupSpec]] = {dataset.pk: [] for dataset in wanted}
    groups = ActionGroup.objects.filter(dataset__in=wanted).prefetch_related("actions")
    for group in groups:
        groups_of[group.dataset_id].append(group.spec())
    return groups_of
