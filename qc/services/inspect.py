"""The rules, asked of every version of a task's answers."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from annotation.models import Annotation, Pull
from qc.core.rules import Finding, Rule, Said, Task, check, read_rules
from qc.services.versions import questions_of
from tracking.models import Proposal

RULES = Path(__file__).resolve().parent.parent / "rules.yaml"


@cache
def house_rules() -> tuple[Rule, ...]:
    """The rules of `qc/rules.yaml`."""
    return read_rules(RULES.read_text())


def findings_of(
    pulls: Iterable[Pull], *, switched_off: Collection[str] = ()
) -> dict[int, list[Finding]]:
    """What the rules find in each version, by its key."""
    keys = [pull.pk for pull in pulls]
    versions = Pull.objects.filter(pk__in=keys).select_related("task__clip__video__dataset")
    said = _said(keys)
    proposals = _proposals({pull.task.run_id for pull in versions})
    questions = questions_of({pull.task.clip.video.dataset for pull in versions})
    return {
        pull.pk: check(
            Task(
                said=said[pull.pk],
                questions=questions[pull.task.clip.video.dataset_id],
                width=pull.task.clip.video.width or 0,
                height=pull.task.clip.video.height or 0,
                proposals=proposals[pull.task.run_id],
            ),
            house_rules(),
            switched_off=switched_off,
        )
        for pull in versions
    }


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
