"""Stage 8 beside agreement: answers on gold clips against the known ones, blind work and other
against the machine's boxes, as they come in.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef

from annotation.models import Annotation, AnnotationTask, Pull
from qc.core.quality.anchoring import kept_boxes
from qc.core.quality.gold import Shown, score
from qc.models import Score
from qc.services.answer_versions import questions_of
from tracking.models import Proposal

KEY = AnnotationTask.Purpose.KEY


def plan_scores() -> int:
    """Order a score of the newest answers to every task that can be measured."""
    wanted = {*_on_gold(), *_on_mixed_clips()}
    there = set(
        Score.objects.filter(pull__in={pull for pull, _ in wanted}).values_list("pull", "key")
    )
    missing = [Score(pull_id=pull, key_id=key) for pull, key in _ordered(wanted - there)]
    Score.objects.bulk_create(missing, ignore_conflicts=True)  # somebody else may plan as well
    return len(missing)


def _ordered(wanted: set[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    return sorted(wanted, key=lambda one: (one[0], one[1] or 0))


def measure(score_id: int) -> Score | None:
    """Measure one version; None if somebody else has it or it is done."""
    row: Score | None = Score.objects.claim(score_id)
    if row is None:
        return None
    with row.working():
        pull = Pull.objects.select_related("task__clip__video__dataset").get(pk=row.pull_id)
        row.finish(figures=_against_machine(pull) if row.key_id is None else _on_key(row, pull))
    return row


def _on_gold() -> set[tuple[int, int | None]]:
    """The newest answers of everybody to a gold clip, with the newest known ones."""
    keys = AnnotationTask.objects.filter(purpose=KEY)
    known = dict(_newest(keys))
    others = AnnotationTask.objects.exclude(purpose=KEY).filter(clip__in=known)
    return {(pull, known[clip]) for clip, pull in _newest(others)}


def _on_mixed_clips() -> set[tuple[int, int | None]]:
    """The newest answers to clips that some have done blind and others not."""
    tasks = AnnotationTask.objects.filter(clip=OuterRef("clip"), pulls__stage="done")
    mixed = AnnotationTask.objects.filter(
        Exists(tasks.filter(is_blind=True)), Exists(tasks.filter(is_blind=False))
    )
    return {(pull, None) for _, pull in _newest(mixed)}


def _newest(tasks: Any) -> Iterable[tuple[int, int]]:
    """Clip and newest answers of each of `tasks` that has some."""
    answered = tasks.with_latest_pull().filter(latest_pull_id__isnull=False).order_by()
    return answered.values_list("clip_id", "latest_pull_id")  # type: ignore[no-any-return]


def _on_key(row: Score, pull: Pull) -> dict[str, Any]:
    questions = questions_of([pull.task.clip.video.dataset])[pull.task.clip.video.dataset_id]
    return score(_shown(row.key_id or 0), _shown(pull.pk), questions)


def _shown(pull: int) -> list[Shown]:
    rows = Annotation.objects.filter(pull=pull).values_list(
        "second", "person_id", "track", "x1", "y1", "x2", "y2", "answers"
    )
    return [
        Shown(
            second,
            f"P{person}" if person else f"drawn {track}",
            (box[0], box[1], box[2], box[3]),
            box[4],
        )
        for second, person, track, *box in rows
    ]


def _against_machine(pull: Pull) -> dict[str, Any]:
    drawn = Annotation.objects.filter(pull=pull)
    proposed = Proposal.objects.filter(run=pull.task.run_id)
    return kept_boxes(_boxes(proposed), _boxes(drawn))._asdict()


def _boxes(rows: Any) -> dict[int, list[tuple[float, ...]]]:
    boxes: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    for second, *box in rows.values_list("second", "x1", "y1", "x2", "y2"):
        boxes[second].append(tuple(box))
    return boxes
