"""What waits for a reviewer: answers to approve, and questions that annotators left open."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from annotation.models import AnnotationTask, Pull
from datasets.models import ActionGroup, Dataset
from datasets.stages import Stage
from qc.models import AgreementReport, ConsensusBox, ConsensusLabel
from qc.selectors.agreement import TONE_OF_SEVERITY, lowest_alpha
from qc.selectors.states import newest_consensuses, pending_tasks
from qc.selectors.tables import Figure

MARGIN = 0.35  # of the box's longer side, around the person shown
SMALLEST_CROP = 64.0  # pixels
SECONDS_SHOWN = 5


class FindingLine(NamedTuple):
    tone: str
    icon: str
    sentence: str


@dataclass
class PendingTask:
    """A task with answers that nobody has judged, and what speaks for and against it."""

    task: Any
    pull: Pull
    group: str  # the one agreed on least
    figure: Figure | None
    no_figure: str  # why there is none
    findings: list[FindingLine]


def pending(dataset: Dataset) -> Any:
    """Tasks that wait for a verdict, oldest answers first."""
    tasks = pending_tasks(dataset).select_related("clip", "annotator")
    return tasks.order_by("latest_pull_id")


def pending_rows(tasks: list[Any]) -> list[PendingTask]:
    """`tasks` with their answers and the newest report on their clip; two queries."""
    pulls = Pull.objects.in_bulk([task.latest_pull_id for task in tasks])
    reports = AgreementReport.objects.done().filter(clip__in={task.clip_id for task in tasks})
    newest = {
        clip: (groups, findings)
        for clip, groups, findings in reports.order_by("pk").values_list(
            "clip", "figures__groups", "figures__findings"
        )
    }
    return [_pending_row(task, pulls[task.latest_pull_id], newest) for task in tasks]


def _pending_row(task: Any, pull: Pull, reports: dict[int, Any]) -> PendingTask:
    if task.clip_id not in reports:
        return PendingTask(task, pull, "", None, "not compared yet", [])
    groups, findings = reports[task.clip_id]
    group, lowest = lowest_alpha(groups)
    reason = next((one["alpha"]["reason"] for one in groups), "no groups")
    lines = [
        FindingLine(*TONE_OF_SEVERITY[one["severity"]], _where(one))
        for one in findings
        if one["pull"] == pull.pk
    ]
    return PendingTask(task, pull, group, lowest, f"not defined: {reason}", sorted(lines))


def _where(finding: dict[str, Any]) -> str:
    """The sentence of a finding, and the seconds to look at."""
    seconds = finding["seconds"]
    if not seconds:
        return str(finding["sentence"])
    shown = ", ".join(map(str, seconds[:SECONDS_SHOWN]))
    more = " and more" if len(seconds) > SECONDS_SHOWN else ""
    return f"{finding['sentence']} (second {shown}{more})"


class Vote(NamedTuple):
    annotator: str
    answer: str


@dataclass
class Question:
    """One thing that a reviewer must say; `group` is None for "is this a person?"."""

    box: ConsensusBox
    group: ActionGroup | None
    votes: list[Vote]
    choices: list[str]

    @property
    def clip(self) -> Any:
        return self.box.consensus.clip

    @property
    def key(self) -> str:
        group = self.group.name if self.group else "person"
        return f"{self.clip.name}-{self.box.second}-{self.box.person_id}-{group}"

    @property
    def is_many(self) -> bool:
        return self.group is not None and self.group.choice == ActionGroup.Choice.MANY

    @property
    def crop(self) -> str:
        """The view box of a square around the person, in pixels of the standard video."""
        box, video = self.box, self.clip.video
        side = max(box.x2 - box.x1, box.y2 - box.y1) * (1 + 2 * MARGIN)
        side = max(side, SMALLEST_CROP)
        left = _inside((box.x1 + box.x2 - side) / 2, side, video.width or 0)
        top = _inside((box.y1 + box.y2 - side) / 2, side, video.height or 0)
        return f"{left:.1f} {top:.1f} {side:.1f} {side:.1f}"

    @property
    def width(self) -> float:
        return self.box.x2 - self.box.x1

    @property
    def height(self) -> float:
        return self.box.y2 - self.box.y1


def _inside(start: float, length: float, room: int) -> float:
    """Move a stretch so that it lies in 0 to `room`, or round its middle if it is longer.

    >>> _inside(-20, 50, 100), _inside(80, 50, 100), _inside(0, 200, 100)
    (0.0, 50, -50.0)
    """
    if length > room:
        return (room - length) / 2
    return min(max(start, 0.0), room - length)


OpenKey = tuple[str, int, int, str, int]  # clip, second, person, group or "", key of the row


def open_keys(dataset: Dataset) -> list[OpenKey]:
    """Every open question of the newest consensus of each clip, in the order of the footage."""
    consensuses = newest_consensuses(dataset).filter(open_count__gt=0)
    boxes = ConsensusBox.objects.filter(
        consensus__in=consensuses, status=ConsensusBox.Status.DISPUTED
    )
    labels = ConsensusLabel.objects.filter(
        box__consensus__in=consensuses,
        box__status=ConsensusBox.Status.AGREED,
        rule=ConsensusLabel.Rule.OPEN,
    )
    keys = [
        (clip, second, person, "", pk)
        for clip, second, person, pk in boxes.values_list(
            "consensus__clip__name", "second", "person_id", "pk"
        )
    ] + list(
        labels.values_list(
            "box__consensus__clip__name", "box__second", "box__person_id", "group", "pk"
        )
    )
    return sorted(keys)


def questions(dataset: Dataset, keys: list[OpenKey]) -> list[Question]:
    """The questions named by `keys`, with who answered what; a fixed number of queries."""
    groups = {group.name: group for group in dataset.groups.prefetch_related("actions")}
    boxes = ConsensusBox.objects.select_related("consensus__clip__video").in_bulk(
        [key[4] for key in keys if not key[3]]
    )
    labels = ConsensusLabel.objects.select_related("box__consensus__clip__video").in_bulk(
        [key[4] for key in keys if key[3]]
    )
    names = _annotators({box.consensus.clip_id for box in boxes.values()})
    found = []
    for _, _, _, group, pk in keys:
        if group and group in groups:
            found.append(_label_question(labels[pk], groups[group]))
        elif not group:
            found.append(_box_question(boxes[pk], names))
    return found


def _annotators(clips: set[int]) -> dict[int, list[str]]:
    """Names of those who answered, by clip."""
    tasks = AnnotationTask.objects.filter(clip__in=clips, pulls__stage=Stage.DONE).distinct()
    found: dict[int, list[str]] = {}
    for clip, name in tasks.order_by("annotator__name").values_list("clip", "annotator__name"):
        found.setdefault(clip, []).append(name)
    return found


def _box_question(box: ConsensusBox, names: dict[int, list[str]]) -> Question:
    everybody = names.get(box.consensus.clip_id, list(box.drawn_by))
    votes = [Vote(name, "drawn" if name in box.drawn_by else "not drawn") for name in everybody]
    return Question(box, None, votes, [])


def _label_question(label: ConsensusLabel, group: ActionGroup) -> Question:
    votes = [Vote(name, _said(answer)) for name, answer in sorted(label.votes.items())]
    choices = [action.name for action in group.actions.all()]
    if group.choice == ActionGroup.Choice.ONE:
        choices.append("unknown")
    return Question(label.box, group, votes, choices)


def _said(answer: Any) -> str:
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "none"
    return "no answer" if answer is None else str(answer)
