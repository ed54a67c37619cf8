"""What waits for a reviewer: answers to approve, and questions that annotators left open."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from annotation.models import Pull
from datasets.models import Dataset
from qc.models import AgreementReport
from qc.selectors.agreement import TONE_OF_SEVERITY, Figure, lowest_alpha
from qc.selectors.states import pending_tasks

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
