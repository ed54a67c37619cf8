"""Answers to the persons of gold clips beside the known ones, to measure calibration."""

from collections import defaultdict
from typing import Any

from annotation.models import AnnotationTask, AnswerVersion
from datasets.models import Dataset
from qc.core.annotator_keys import annotator_key
from qc.core.box_matching import match_boxes
from qc.services.agreement.quality_checks import annotated_boxes

GoldUnit = tuple[dict[str, Any], Any]  # answers by annotator, and the known one


def gold_units(dataset: Dataset) -> dict[str, list[GoldUnit]]:
    """By group, every known person at a keyframe with the answers of those who drew it.

    The newest answers to each task of a gold clip count, gold checks too.
    """
    tasks: Any = AnnotationTask.objects.of(dataset).with_latest_version()
    tasks = tasks.filter(latest_version_id__isnull=False)
    known = dict(
        tasks.filter(purpose=AnnotationTask.Purpose.GOLD).values_list(
            "clip_id", "latest_version_id"
        )
    )
    others: dict[int, list[tuple[str, int]]] = defaultdict(list)
    rows = tasks.filter(clip__in=known).exclude(purpose=AnnotationTask.Purpose.GOLD)
    versions = AnswerVersion.objects.filter(
        pk__in=[version for _, version in rows.values_list("clip_id", "latest_version_id")]
    )
    for pk, clip, author in versions.order_by("pk").values_list("pk", "task__clip", "author"):
        others[clip].append((annotator_key(author), pk))
    units: dict[str, list[GoldUnit]] = defaultdict(list)
    for clip, gold in known.items():
        for group, found in _units_of_clip(gold, others[clip]).items():
            units[group] += found
    return units


def _units_of_clip(gold: int, others: list[tuple[str, int]]) -> dict[str, list[GoldUnit]]:
    boxes = annotated_boxes([gold, *(version for _, version in others)])
    at: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for version in boxes:
        for box in boxes[version]:
            at[version, box.second].append(box)
    units: dict[str, list[GoldUnit]] = defaultdict(list)
    for second in sorted({box.second for box in boxes[gold]}):
        right = at[gold, second]
        given: list[dict[str, Any]] = [{} for _ in right]
        for who, version in others:
            theirs = at[version, second]
            pairs = match_boxes([one.box for one in right], [one.box for one in theirs]).pairs
            for place, other in pairs:
                given[place][who] = theirs[other].answers
        for one, answers in zip(right, given, strict=True):
            for group, known in one.answers.items():
                units[group].append(
                    ({who: said.get(group) for who, said in answers.items()}, known)
                )
    return units
