"""Scores of answer versions: against known answers of gold clips, or the tracker's boxes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import F

from annotation.models import Annotation, AnnotationTask, AnswerVersion
from avaproject.base.work import Stage
from qc.core.quality.anchoring import KeptBoxes, count_kept
from qc.core.quality.gold import VersionScore, score_version
from qc.models import Score
from qc.services.agreement.quality_checks import annotated_boxes
from qc.services.answer_versions import changed_clips, group_specs_of
from tracking.models import Proposal

KEY = AnnotationTask.Purpose.GOLD


def plan_scores(since: datetime | None = None) -> int:
    """Order a score of the newest answers to every task that can be measured.

    Args:
        since: Plan only clips whose tasks or answers have changed since then.
    """
    clips = changed_clips(since)
    if clips is not None and not clips:
        return 0
    tasks = AnnotationTask.objects.all()
    if clips is not None:
        tasks = tasks.filter(clip__in=clips)
    wanted = {*_gold_versions(tasks), *_mixed_versions(tasks)}
    versions = {version for version, _ in wanted}
    # Read again, after actions were renamed or merged:
    its = Score.objects.filter(version__in=versions, version__claim_token__gt=1)
    its.filter(started_at__lt=F("version__finished_at")).delete()
    there = set(
        Score.objects.filter(version__in={version for version, _ in wanted}).values_list(
            "version", "key"
        )
    )
    missing = [
        Score(version_id=version, key_id=key) for version, key in _ordered(wanted - there)
    ]
    Score.objects.bulk_create(missing, ignore_conflicts=True)  # somebody else may plan as well
    return len(missing)


def _ordered(wanted: set[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    return sorted(wanted, key=lambda one: (one[0], one[1] or 0))


def measure_answers(score_id: int) -> Score | None:
    """Measure one version; None if somebody else has it or it is done."""
    row: Score | None = Score.objects.claim(score_id)
    if row is None:
        return None
    with row.working():
        versions = AnswerVersion.objects.select_related("task__clip__video__dataset")
        version = versions.get(pk=row.version_id)
        if row.key_id is None:
            row.finish(figures=_kept_boxes(version)._asdict())
        else:
            row.finish(figures=_score(version, row.key_id).to_json())
    return row


def _gold_versions(tasks: Any) -> set[tuple[int, int | None]]:
    """The newest answers of everybody to a gold clip, with the newest known ones."""
    known = dict(_newest(tasks.filter(purpose=KEY)))
    others = AnnotationTask.objects.exclude(purpose=KEY).filter(clip__in=known)
    return {(version, known[clip]) for clip, version in _newest(others)}


def _mixed_versions(tasks: Any) -> set[tuple[int, int | None]]:
    """The newest answers to clips that some have done blind and others not."""
    answered = AnnotationTask.objects.filter(versions__stage=Stage.DONE)
    blind = set(tasks.filter(is_blind=True).order_by().values_list("clip", flat=True))
    if not blind:
        return set()
    both = answered.filter(clip__in=blind).order_by().values_list("clip", "is_blind")
    kinds: dict[int, set[bool]] = defaultdict(set)
    for clip, is_blind in both.distinct():
        kinds[clip].add(is_blind)
    mixed = [clip for clip, found in kinds.items() if len(found) > 1]
    of_mixed = AnnotationTask.objects.filter(clip__in=mixed)
    return {(version, None) for _, version in _newest(of_mixed)}


def _newest(tasks: Any) -> Iterable[tuple[int, int]]:
    """Clip and newest answers of each of `tasks` that has some."""
    answered = tasks.with_latest_version().filter(latest_version_id__isnull=False).order_by()
    return answered.values_list("clip_id", "latest_version_id")  # type: ignore[no-any-return]


def _score(version: AnswerVersion, key: int) -> VersionScore:
    """A version against the known answers of its clip."""
    dataset = version.task.clip.video.dataset
    boxes = annotated_boxes([key, version.pk])
    return score_version(boxes[key], boxes[version.pk], group_specs_of([dataset])[dataset.pk])


def _kept_boxes(version: AnswerVersion) -> KeptBoxes:
    """A version against the tracker's boxes."""
    drawn = Annotation.objects.filter(version=version)
    proposed = Proposal.objects.filter(run=version.task.run_id)
    return count_kept(_boxes(proposed), _boxes(drawn))


def _boxes(rows: Any) -> dict[int, list[tuple[float, ...]]]:
    boxes: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    for second, *box in rows.values_list("second", "x1", "y1", "x2", "y2"):
        boxes[second].append(tuple(box))
    return boxes
