"""The newest answer version of every task of a clip, read together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from annotation.models import Annotation, AnnotationTask, AnswerVersion
from datasets.core.action_groups import ActionGroupSpec, Answers
from datasets.models import ActionGroup, Clip, Dataset
from qc.core.consensus.identity import DrawnBoxes
from qc.models import AgreementReport, Consensus

ClipWork = TypeVar("ClipWork", AgreementReport, Consensus)


class AnswersDeletedError(RuntimeError):
    """An answer version was deleted before it was compared."""


@dataclass(frozen=True)
class ClipAnswers:
    """The answers of all annotators of a clip, one version of each.

    Attributes:
        versions: One of each annotator, by the annotator's name.
        drawn: Every box; its annotators are places in `versions`.
        answers: Of each box.
    """

    clip: Clip
    versions: list[AnswerVersion]
    drawn: DrawnBoxes
    answers: list[Answers]

    @property
    def annotators(self) -> list[str]:
        return [version.task.annotator.name for version in self.versions]


def complete_versions() -> dict[int, str]:
    """For each clip whose tasks all have answers, the keys of the newest, joined by commas."""
    tasks = AnnotationTask.objects.counting().with_latest_version().order_by()
    newest: dict[int, list[int | None]] = {}
    fields = ("clip_id", "latest_version_id")
    for clip, version in tasks.values_list(*fields):  # type: ignore[misc]  # annotated
        newest.setdefault(clip, []).append(version)
    return {
        clip: ",".join(map(str, sorted(version for version in versions if version is not None)))
        for clip, versions in newest.items()
        if None not in versions
    }


def plan(model: type[ClipWork]) -> int:
    """Create the missing rows of `model`, one for each clip's newest set of versions."""
    there = set(model.objects.order_by().values_list("clip_id", "versions"))
    missing = [
        model(clip_id=clip, versions=versions)
        for clip, versions in sorted(complete_versions().items())
        if (clip, versions) not in there
    ]
    model.objects.bulk_create(missing, ignore_conflicts=True)  # another planner may run as well
    return len(missing)


def read_clip_answers(row: AgreementReport | Consensus) -> ClipAnswers:
    """The answers that a row names. Raises AnswersDeletedError if some were deleted."""
    clip = Clip.objects.select_related("video__dataset").get(pk=row.clip_id)
    keys = [int(key) for key in row.versions.split(",") if key]
    versions = list(
        AnswerVersion.objects.filter(pk__in=keys, task__clip=clip)
        .select_related("task__annotator")
        .order_by("task__annotator__name")
    )
    if len(versions) != len(keys) or not keys:
        raise AnswersDeletedError(
            f"{clip}: of the {len(keys)} answers to compare, {len(keys) - len(versions)} were "
            "deleted; import them again to start a new comparison"
        )
    places = {version.pk: place for place, version in enumerate(versions)}
    rows = list(
        Annotation.objects.filter(version__in=versions)
        .order_by("version__task__annotator__name", "second", "track")
        .values_list(
            "version_id", "second", "track", "person_id", "x1", "y1", "x2", "y2", "answers"
        )
    )
    drawn = DrawnBoxes(
        seconds=np.array([row[1] for row in rows], dtype=np.int64),
        annotators=np.array([places[row[0]] for row in rows], dtype=np.int64),
        tracks=np.array([row[2] for row in rows], dtype=np.int64),
        person_ids=np.array([row[3] or 0 for row in rows], dtype=np.int64),
        boxes=np.array([row[4:8] for row in rows], dtype=np.float64).reshape(-1, 4),
    )
    return ClipAnswers(clip, versions, drawn, [row[8] for row in rows])


def group_specs_of(datasets: Iterable[Dataset]) -> dict[int, list[ActionGroupSpec]]:
    """The action groups of each dataset in order, by the key of the dataset."""
    wanted = list(datasets)
    groups_of: dict[int, list[ActionGroupSpec]] = {dataset.pk: [] for dataset in wanted}
    groups = ActionGroup.objects.filter(dataset__in=wanted).prefetch_related("actions")
    for group in groups:
        groups_of[group.dataset_id].append(group.spec())
    return groups_of
