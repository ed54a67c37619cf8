"""The rules, asked of every version of a task's answers, and how much work is in it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from annotation.models import Annotation, Pull
from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.core.quality.annotation_time import Delivered, seconds_spent, usual_seconds
from qc.core.quality.rules import Finding, Rule, Said, Task, check, read_rules, untouched_tracks
from qc.models import HouseRules
from qc.services.answer_versions import questions_of
from tracking.models import Proposal

RULES = Path(__file__).resolve().parent.parent / "rules.yaml"


@dataclass(frozen=True)
class Pace:
    """How long the first answers of a dataset's tasks took, at most, in seconds."""

    by_task: Mapping[int, float]
    usual: float | None  # None of too few


@cache
def house_rules() -> tuple[Rule, ...]:
    """The rules of `qc/rules.yaml`."""
    return read_rules(RULES.read_text())


def findings_of(pulls: Iterable[Pull]) -> dict[int, list[Finding]]:
    """What the rules find in each version, by its key; without those switched off."""
    found = {}
    off: dict[int, Collection[str]] = {}
    for pull, task in inspected(pulls):
        dataset = pull.task.clip.video.dataset_id
        if dataset not in off:
            off[dataset] = switched_off(dataset)
        found[pull.pk] = check(task, house_rules(), switched_off=off[dataset])
    return found


def work_in(pulls: Iterable[Pull]) -> dict[int, dict[str, Any]]:
    """By version: when it came, seconds it took at most, boxes, tracks, untouched tracks."""
    return {
        pull.pk: {
            "at": pull.created_at.isoformat(timespec="seconds"),
            "seconds": None if task.seconds_spent is None else round(task.seconds_spent, 1),
            "boxes": len(task.said),
            "tracks": len({said.track for said in task.said}),
            "untouched": len(untouched_tracks(task)),
        }
        for pull, task in inspected(pulls)
    }


def switched_off(dataset: Dataset | int) -> frozenset[str]:
    """Names of the rules that are not checked in a dataset."""
    names = HouseRules.objects.filter(dataset=dataset).values_list("switched_off", flat=True)
    return frozenset(names.first() or ())


def inspected(pulls: Iterable[Pull]) -> list[tuple[Pull, Task]]:
    """Each version with what it says and what it is judged by; a fixed number of queries."""
    keys = [pull.pk for pull in pulls]
    versions = list(
        Pull.objects.filter(pk__in=keys).select_related("task__clip__video__dataset")
    )
    datasets = {pull.task.clip.video.dataset for pull in versions}
    said = _said(keys)
    proposals = _proposals({pull.task.run_id for pull in versions})
    questions = questions_of(datasets)
    paces = {dataset.pk: pace_of(dataset) for dataset in datasets}
    found = []
    for pull in versions:
        video = pull.task.clip.video
        pace = paces[video.dataset_id]
        is_first = pull.version == 1
        task = Task(
            said=said[pull.pk],
            questions=questions[video.dataset_id],
            width=video.width or 0,
            height=video.height or 0,
            proposals=proposals[pull.task.run_id],
            seconds_spent=pace.by_task.get(pull.task_id) if is_first else None,
            median_seconds=pace.usual,
        )
        found.append((pull, task))
    return found


def pace_of(dataset: Dataset) -> Pace:
    """The time that each task's first answers took; simulated annotators take none."""
    first = Pull.objects.filter(
        task__clip__video__dataset=dataset, version=1, stage=Stage.DONE,
        task__annotator__is_simulated=False,
    )  # fmt: skip
    delivered: dict[int, list[Delivered]] = defaultdict(list)
    for task, who, made, written, came in first.values_list(
        "task_id", "task__annotator_id", "task__created_at", "task__finished_at", "created_at"
    ):
        given = min(written or made, came)  # a package may be written again
        delivered[who].append(Delivered(task, given.timestamp(), came.timestamp()))
    spent: dict[int, float] = {}
    for tasks in delivered.values():
        spent |= seconds_spent(tasks)
    return Pace(spent, usual_seconds(spent))


def _said(pulls: Collection[int]) -> dict[int, list[Said]]:
    said: dict[int, list[Said]] = defaultdict(list)
    rows = Annotation.objects.filter(pull__in=pulls).values_list(
        "pull_id", "second", "track", "person_id", "x1", "y1", "x2", "y2", "answers"
    )
    for pull, second, track, person, x1, y1, x2, y2, answers in rows:
        said[pull].append(Said(second, track, person, (x1, y1, x2, y2), answers))
    return said


def _proposals(
    runs: Collection[int],
) -> dict[int, dict[tuple[int, int], tuple[float, float, float, float]]]:
    boxes: dict[int, dict[tuple[int, int], tuple[float, float, float, float]]]
    boxes = defaultdict(dict)
    rows = Proposal.objects.filter(run__in=runs).values_list(
        "run_id", "second", "person_id", "x1", "y1", "x2", "y2"
    )
    for run, second, person, *box in rows:
        boxes[run][second, person] = (box[0], box[1], box[2], box[3])
    return boxes
