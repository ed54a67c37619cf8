"""Cost meter: person-hours per AVA hour, so far and forecast, by annotator and by tool.

An AVA hour is one hour of annotated video. The label page measures working time; with CVAT and
packages only the time between two submissions is known: the most that it can have been.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet, Sum

from annotation.models import AnnotationTask, Annotator, AnswerDraft, AnswerVersion
from annotation.selectors.pace import expected_pace, measured_pace
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.statuses import cached, clip_statuses

SECONDS = 3600


class CostRow(NamedTuple):
    """What one annotator's answers with one tool took."""

    annotator: str
    tool: str
    tasks: int
    keyframes: int  # persons at keyframes
    hours: float
    is_bound: bool  # the most that it can have been, not measured

    @property
    def pace(self) -> float | None:
        """Seconds for a person at a keyframe."""
        return self.hours * SECONDS / self.keyframes if self.keyframes else None


@dataclass
class CostMeter:
    """The cost of a dataset; figures that need a measured time are None before there is one."""

    rows: list[CostRow]
    tools: list[CostRow]  # summed over annotators
    hours: float
    video_hours: float  # annotated, each clip once
    pace: float
    is_measured: bool  # or the pace of the plan
    hours_left: float  # of the tasks assigned and not answered
    forecast: float | None  # person-hours per AVA hour, of all assigned tasks at this pace

    @property
    def video_seconds(self) -> float:
        return self.video_hours * SECONDS

    @property
    def per_hour(self) -> float | None:
        """Person-hours per AVA hour so far."""
        return self.hours / self.video_hours if self.video_hours and self.hours else None


def label_page_rows(dataset: Dataset) -> list[CostRow]:
    """What was measured on the label page, by annotator; one query."""
    drafts = AnswerDraft.objects.filter(
        task__clip__video__dataset=dataset, version__isnull=False,
        task__annotator__is_simulated=False,
    )  # fmt: skip
    rows = drafts.values("task__annotator__name").annotate(
        tasks=Count("task", distinct=True), keyframes=Sum("total"), time=Sum("active_ms")
    )
    return [
        CostRow(
            row["task__annotator__name"], Annotator.Tool.LABEL_PAGE.value, row["tasks"],
            row["keyframes"], row["time"] / 1000 / SECONDS, is_bound=False,
        )
        for row in rows.order_by("task__annotator__name")
    ]  # fmt: skip


def cost_meter(dataset: Dataset) -> CostMeter:
    """The cost of `dataset`, by annotator and by tool; kept until clips or figures change."""
    summary = newest_summary(dataset).summary
    name = f"cost-{dataset.pk} {summary and summary.modified_at}"
    return cached(name, clip_statuses(dataset), lambda: _cost_meter(dataset))


def _cost_meter(dataset: Dataset) -> CostMeter:
    rows = [*label_page_rows(dataset), *_bounded_rows(dataset)]
    rows.sort(key=lambda row: (row.annotator, row.tool))
    pace = expected_pace(dataset)
    tasks = AnnotationTask.objects.of(dataset).counting()
    answered = tasks.filter(versions__isnull=False, annotator__is_simulated=False).values(
        "clip"
    )
    opened = tasks.filter(versions__isnull=True, unassigned_at=None)
    all_hours = _hours_of(tasks, pace)
    all_video = _video_hours(tasks.values("clip"))
    return CostMeter(
        rows=rows,
        tools=_by_tool(rows),
        hours=sum(row.hours for row in rows),
        video_hours=_video_hours(answered),
        pace=pace,
        is_measured=measured_pace(dataset) is not None,
        hours_left=_hours_of(opened, pace),
        forecast=all_hours / all_video if all_video else None,
    )


def _hours_of(tasks: QuerySet[AnnotationTask], pace: float) -> float:
    """Hours that `tasks` take at `pace`, by the persons of their pre-annotation."""
    found = AnnotationTask.objects.filter(pk__in=tasks.order_by().values("pk"))
    count = found.aggregate(count=Count("run__proposals"))["count"]
    return float(count) * pace / SECONDS


def _video_hours(clips: Any) -> float:
    frames = Clip.objects.filter(pk__in=clips).aggregate(sum=Sum("frame_count"))["sum"]
    return (frames or 0) / FRAME_RATE / SECONDS


def _bounded_rows(dataset: Dataset) -> list[CostRow]:
    """CVAT and packages: the time between submissions, of the newest agreement figures."""
    figures = newest_summary(dataset).complete()
    if figures is None:
        return []
    first = AnswerVersion.objects.filter(task__clip__video__dataset=dataset, number=1)
    tools = {
        (name, clip): _tool(source)
        for name, clip, source in first.values_list(
            "task__annotator__name", "task__clip__name", "source"
        )
    }
    found: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for annotator in figures.annotators:
        for one in annotator.clips:
            tool = tools.get((annotator.name, one.clip), "")
            if tool and tool != Annotator.Tool.LABEL_PAGE and one.seconds is not None:
                found[annotator.name, tool].append((one.seconds, one.boxes))
    return [
        CostRow(
            name, tool, len(times), sum(count for _, count in times),
            sum(seconds for seconds, _ in times) / SECONDS, is_bound=True,
        )
        for (name, tool), times in found.items()
    ]  # fmt: skip


def _tool(source: str) -> str:
    is_file = source == AnswerVersion.Source.FILE
    return Annotator.Tool.PACKAGE.value if is_file else source


def _by_tool(rows: list[CostRow]) -> list[CostRow]:
    found: dict[str, CostRow] = {}
    for row in rows:
        before = found.get(row.tool, CostRow("", row.tool, 0, 0, 0.0, row.is_bound))
        found[row.tool] = before._replace(
            tasks=before.tasks + row.tasks,
            keyframes=before.keyframes + row.keyframes,
            hours=before.hours + row.hours,
        )
    return sorted(found.values(), key=lambda row: row.tool)
