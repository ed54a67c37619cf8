"""Quality rules applied to versions of answers, and how much work is in each version."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from annotation.core.cvat_tracks import task_frame_count
from annotation.models import Annotation, AnswerVersion, StoredBox
from annotation.models.labelling import DraftOperation
from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.core.agreement.figures import AnnotatorWork
from qc.core.quality.acceptance import Acceptance, TimedOperation, acceptance
from qc.core.quality.annotation_time import (
    SubmittedTask,
    batches,
    median_seconds,
    seconds_spent,
)
from qc.core.quality.checked_answers import AnnotatedBox, CheckedAnswers
from qc.core.quality.rules import (
    Finding,
    QualityRule,
    boxes_as_proposed,
    check_answers,
    read_rules,
    unedited_tracks,
)
from qc.models import QualityRules
from qc.selectors.statuses import task_statuses
from qc.services.answer_versions import group_specs_of
from tracking.core.tracks_file import PERSON
from tracking.models import Proposal
from tracking.person_classes import classes_by_video

NEIGHBOURS = 200  # answers of an annotator, before and after
TASKS_FOR_MEDIAN = 500
RULES = Path(__file__).resolve().parents[2] / "rules.yaml"


@dataclass(frozen=True)
class AnnotationTimes:
    """How long the first answers of some tasks took, at most, in seconds.

    The median is of the newest tasks of the dataset; None of too few.
    """

    by_task: Mapping[int, float]
    median: float | None


@cache
def quality_rules() -> tuple[QualityRule, ...]:
    """The rules of `qc/rules.yaml`."""
    return read_rules(RULES.read_text())


def findings_of(versions: Iterable[AnswerVersion]) -> dict[int, list[Finding]]:
    """What the rules find in each version, by its key; without those switched off."""
    found = {}
    off: dict[int, Collection[str]] = {}
    for version, checked in checked_versions(versions):
        dataset = version.task.clip.video.dataset_id
        if dataset not in off:
            off[dataset] = switched_off(dataset)
        found[version.pk] = check_answers(checked, quality_rules(), switched_off=off[dataset])
    return found


def work_of(versions: Iterable[AnswerVersion]) -> dict[int, AnnotatorWork]:
    """What each version took, and what is in it, by its key."""
    checked = checked_versions(versions)
    operations = _timed_operations([version.pk for version, _ in checked])
    return {
        version.pk: AnnotatorWork(
            at=version.created_at.isoformat(timespec="seconds"),
            seconds=None if one.seconds_spent is None else round(one.seconds_spent, 1),
            boxes=len(one.boxes),
            tracks=len({box.track for box in one.boxes}),
            unedited=len(unedited_tracks(one)),
            **_accepted(version, one, operations.get(version.pk, []))._asdict(),
        )
        for version, one in checked
    }


def _accepted(
    version: AnswerVersion, checked: CheckedAnswers, operations: Iterable[TimedOperation]
) -> Acceptance:
    """What was accepted on the label page, and how fast. Blind work has no pre-drawn boxes."""
    left = [] if version.task.is_blind else boxes_as_proposed(checked)
    places = {(box.person_id, box.second) for box in left if box.person_id is not None}
    return acceptance(operations, places)


def _timed_operations(keys: Collection[int]) -> dict[int, list[TimedOperation]]:
    """The answers and acceptances of versions made on the label page, by version."""
    rows = DraftOperation.objects.filter(
        draft__version__in=keys, discarded_at=None, content__kind__in=("set", "keep")
    ).order_by("draft", "number")
    found: dict[int, list[TimedOperation]] = defaultdict(list)
    for version, content, ms in rows.values_list("draft__version", "content", "active_ms"):
        found[version].append(TimedOperation(content, ms))
    return found


def switched_off(dataset: Dataset | int) -> frozenset[str]:
    """Names of the rules that are not checked in a dataset."""
    names = QualityRules.objects.filter(dataset=dataset).values_list("switched_off", flat=True)
    return frozenset(names.first() or ())


def checked_versions(
    versions: Iterable[AnswerVersion],
) -> list[tuple[AnswerVersion, CheckedAnswers]]:
    """Each version with what it is checked by; a fixed number of queries."""
    keys = [version.pk for version in versions]
    versions = list(
        AnswerVersion.objects.filter(pk__in=keys).select_related(
            "task__clip__video__dataset", "task__annotator"
        )
    )
    datasets = {version.task.clip.video.dataset for version in versions}
    boxes, lone = annotated_boxes(keys), _lone_frames(versions)
    classes = classes_by_video({version.task.clip.video_id for version in versions})
    proposals = _proposals({version.task.run_id for version in versions})
    groups = group_specs_of(datasets)
    times = {
        dataset.pk: annotation_times(
            dataset, [one for one in versions if one.task.clip.video.dataset_id == dataset.pk]
        )
        for dataset in datasets
    }
    found = []
    for version in versions:
        video = version.task.clip.video
        its_times = times[video.dataset_id]
        is_first = version.number == 1
        checked = CheckedAnswers(
            boxes=boxes[version.pk],
            groups=groups[video.dataset_id],
            width=video.width or 0,
            height=video.height or 0,
            proposals=proposals[version.task.run_id],
            lone_frames=lone[version.pk],
            missing_persons=() if version.confirmed_by_id else version.missing_persons,
            classes=classes.get(video.pk, {}),
            is_mixed=video.dataset.class_names != [PERSON],
            seconds_spent=its_times.by_task.get(version.task_id) if is_first else None,
            median_seconds=its_times.median,
        )
        found.append((version, checked))
    return found


def annotation_times(
    dataset: Dataset, versions: Iterable[AnswerVersion] = ()
) -> AnnotationTimes:
    """The time that the first answers among `versions` took; simulated annotators take none.

    Only answers around each of them are looked at, and for the median only the newest tasks:
    a report must not cost more in a larger dataset.
    """
    spent: dict[int, float] = {}
    for version in versions:
        if version.number == 1 and not version.task.annotator.is_simulated:
            seconds = _seconds_spent_on(version)
            spent |= {} if seconds is None else {version.task_id: seconds}
    return AnnotationTimes(spent, median_seconds(_newest_times(dataset)))


def _seconds_spent_on(version: AnswerVersion) -> float | None:
    """None if it was submitted together with more answers than NEIGHBOURS."""
    first = AnswerVersion.objects.filter(author=version.author_id, number=1, stage=Stage.DONE)
    until = first.filter(created_at__lte=version.created_at).order_by("-created_at", "-pk")
    later = first.filter(created_at__gt=version.created_at).order_by("created_at", "pk")
    before, after = _submitted(until[:NEIGHBOURS]), _submitted(later[:NEIGHBOURS])
    near = [task for _, task in (*reversed(before), *after)]
    for batch in batches(near):
        if any(task.task == version.task_id for task in batch):
            is_cut = (len(before) == NEIGHBOURS and batch[0] == near[0]) or (
                len(after) == NEIGHBOURS and batch[-1] == near[-1]
            )
            return None if is_cut else seconds_spent(near)[version.task_id]
    return None


def _newest_times(dataset: Dataset) -> dict[int, float]:
    """How long the newest tasks of `dataset` took, where all answers before are known."""
    newest = task_statuses(dataset).exclude(version=None).order_by("-version")
    tasks = list(newest.values_list("pk", flat=True)[:TASKS_FOR_MEDIAN])
    first = AnswerVersion.objects.filter(
        task__in=tasks, number=1, stage=Stage.DONE, task__annotator__is_simulated=False
    )
    submitted: dict[int, list[SubmittedTask]] = defaultdict(list)
    for who, task in _submitted(first.order_by("created_at", "pk")):
        submitted[who].append(task)
    spent: dict[int, float] = {}
    for its in submitted.values():
        times = seconds_spent(its)
        if len(tasks) == TASKS_FOR_MEDIAN:
            times = {one.task: times[one.task] for one in its[len(batches(its)[0]) :]}
        spent |= times
    return spent


def _submitted(first: Any) -> list[tuple[int, SubmittedTask]]:
    """Who submitted each of these first answers, and when."""
    found = []
    for task, who, made, written, submitted_at in first.values_list(
        "task_id", "author_id", "task__created_at", "task__finished_at", "created_at"
    ):
        assigned_at = min(written or made, submitted_at)  # a package may be written again
        times = SubmittedTask(task, assigned_at.timestamp(), submitted_at.timestamp())
        found.append((who, times))
    return found


def annotated_boxes(versions: Collection[int]) -> dict[int, list[AnnotatedBox]]:
    """The boxes of each version, by its key."""
    boxes: dict[int, list[AnnotatedBox]] = defaultdict(list)
    found = AnswerVersion.objects.filter(pk__in=versions)
    videos = dict(found.values_list("pk", "task__clip__video"))
    classes = classes_by_video(set(videos.values()))
    rows = Annotation.objects.filter(version__in=versions).values_list(
        "version_id", "second", "track", "person_id", "label", "x1", "y1", "x2", "y2", "answers"
    )
    for version, second, track, person, drawn, x1, y1, x2, y2, answers in rows:
        label = drawn or classes.get(videos[version], {}).get(person or 0, PERSON)
        box = AnnotatedBox(second, track, person, (x1, y1, x2, y2), answers, label)
        boxes[version].append(box)
    return boxes


def _lone_frames(versions: Iterable[AnswerVersion]) -> dict[int, dict[int, float]]:
    """The tracks of each version that are visible in a single frame, and when."""
    fps = {one.pk: one.task.clip.video.dataset.annotation_fps for one in versions}
    lengths = {
        one.pk: task_frame_count(one.task.clip.frame_count, annotation_fps=fps[one.pk])
        for one in versions
    }
    rows = StoredBox.objects.filter(version__in=fps).order_by("version", "track", "frame")
    found: dict[int, dict[int, float]] = defaultdict(dict)
    by_track = itertools.groupby(
        rows.values_list("version_id", "track", "frame", "outside").iterator(),
        key=lambda row: row[:2],
    )
    for (version, track), boxes in by_track:
        places = [(frame, outside) for _, _, frame, outside in boxes]
        ends = [frame for frame, _ in places[1:]] + [lengths[version]]
        visible = [
            (frame, end - frame)
            for (frame, outside), end in zip(places, ends, strict=True)
            if not outside
        ]
        if sum(length for _, length in visible) == 1:
            found[version][track] = visible[0][0] / fps[version]
    return found


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
