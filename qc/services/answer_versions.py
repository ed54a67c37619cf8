"""Which answers belong together: the newest version of every task of a clip, read as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from annotation.core.labels import Answers
from annotation.models import Annotation, AnnotationTask, Pull
from datasets.models import ActionGroup, Clip, Dataset
from qc.core.consensus.clip_consensus import Question
from qc.core.consensus.identity import Drawn
from qc.models import AgreementReport, Consensus

Order = TypeVar("Order", AgreementReport, Consensus)


class AnswersGoneError(RuntimeError):
    """A version that was to be compared is no longer there."""


@dataclass(frozen=True)
class ClipAnswers:
    """All that the annotators of a clip say, one version of each.

    Attributes:
        pulls: One of each annotator, by the annotator's name.
        drawn: Every box; its annotators are places in `pulls`.
        answers: Of each box.
    """

    clip: Clip
    pulls: list[Pull]
    drawn: Drawn
    answers: list[Answers]

    @property
    def annotators(self) -> list[str]:
        return [pull.task.annotator.name for pull in self.pulls]


def ready_versions() -> dict[int, str]:
    """Of each clip whose tasks all have answers, the keys of the newest, joined by commas."""
    tasks = AnnotationTask.objects.counting().with_latest_pull().order_by()
    newest: dict[int, list[int | None]] = {}
    fields = ("clip_id", "latest_pull_id")
    for clip, pull in tasks.values_list(*fields):  # type: ignore[misc]  # annotated
        newest.setdefault(clip, []).append(pull)
    return {
        clip: ",".join(map(str, sorted(pull for pull in pulls if pull is not None)))
        for clip, pulls in newest.items()
        if None not in pulls
    }


def plan(model: type[Order]) -> int:
    """Write the missing work orders of `model`, one for each clip's newest set of versions."""
    there = set(model.objects.order_by().values_list("clip_id", "versions"))
    missing = [
        model(clip_id=clip, versions=versions)
        for clip, versions in sorted(ready_versions().items())
        if (clip, versions) not in there
    ]
    model.objects.bulk_create(missing, ignore_conflicts=True)  # somebody else may plan as well
    return len(missing)


def read_clip_answers(row: AgreementReport | Consensus) -> ClipAnswers:
    """The answers that a work order names. Raises AnswersGoneError if some were deleted."""
    clip = Clip.objects.select_related("video__dataset").get(pk=row.clip_id)
    keys = [int(key) for key in row.versions.split(",") if key]
    pulls = list(
        Pull.objects.filter(pk__in=keys, task__clip=clip)
        .select_related("task__annotator")
        .order_by("task__annotator__name")
    )
    if len(pulls) != len(keys) or not keys:
        raise AnswersGoneError(
            f"{clip}: of the {len(keys)} answers to compare, {len(keys) - len(pulls)} were "
            "deleted; import them again, and a new comparison is made by itself"
        )
    places = {pull.pk: place for place, pull in enumerate(pulls)}
    said = list(
        Annotation.objects.filter(pull__in=pulls)
        .order_by("pull__task__annotator__name", "second", "track")
        .values_list(
            "pull_id", "second", "track", "person_id", "x1", "y1", "x2", "y2", "answers"
        )
    )
    drawn = Drawn(
        seconds=np.array([row[1] for row in said], dtype=np.int64),
        annotators=np.array([places[row[0]] for row in said], dtype=np.int64),
        tracks=np.array([row[2] for row in said], dtype=np.int64),
        person_ids=np.array([row[3] or 0 for row in said], dtype=np.int64),
        boxes=np.array([row[4:8] for row in said], dtype=np.float64).reshape(-1, 4),
    )
    return ClipAnswers(clip, pulls, drawn, [row[8] for row in said])


def questions_of(datasets: Iterable[Dataset]) -> dict[int, list[Question]]:
    """The groups of each dataset, in their order, by its key."""
    wanted = list(datasets)
    questions: dict[int, list[Question]] = {dataset.pk: [] for dataset in wanted}
    groups = ActionGroup.objects.filter(dataset__in=wanted).prefetch_related("actions")
    for group in groups:
        questions[group.dataset_id].append(
            Question(
                name=group.name,
                choice=group.choice,
                required=group.required,
                actions=tuple(action.name for action in group.actions.all()),
                max_per_person=group.max_per_person,
            )
        )
    return questions
