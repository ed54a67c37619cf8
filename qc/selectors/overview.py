"""The overview of a dataset: pipeline stages, running and failed work."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

from django.db.models import Count, Max, Min, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.models import CvatJob
from avaproject.base.work import Stage, exist
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.sizes import size_text
from datasets.models import Dataset
from qc.models import (
    Release,
    Review,
)
from qc.selectors.agreement.gold import flagged_count
from qc.selectors.consensus.adjudication_queue import open_item_count
from qc.selectors.recent_events import Activity, recent_activity
from qc.selectors.statuses import clip_statuses, task_statuses
from qc.selectors.work_kinds import WorkKind, work_kinds
from tracking.models import IdentityRun
from tracking.selectors import doubtful_persons

Counts = dict[str, dict[str, int]]  # of rows by kind of work and stage, without those done

ROWS_SHOWN = 8


class StageCard(NamedTuple):
    """One stage of the pipeline."""

    title: str
    icon: str
    page: str  # URL name, called with the dataset's name
    value: int
    of: int
    tone: str
    sentence: str

    @property
    def percent(self) -> float:
        return 100 * self.value / self.of if self.of else 0.0

    def for_user(self, may: Mapping[str, bool]) -> Self:
        """The card with a link to a page that the user may open."""
        act = {"qc:tasks": "see_names", "qc:review": "review"}.get(self.page, "see")
        return self if act in may else self._replace(page="qc:clips")


@dataclass
class WorkItem:
    """A row of background work that is running."""

    kind: WorkKind
    pk: int
    name: str
    since: datetime | None
    percent: float

    @property
    def sentence(self) -> str:
        return self.kind.doing.format(self.name)


@dataclass
class FailedWork:
    """The failures of one kind that have one cause, or its other failures (pk 0)."""

    kind: WorkKind
    error: str
    count: int
    pk: int  # of the first
    name: str  # of the first

    @property
    def sentence(self) -> str:
        what = {"work": self.kind.doing.format(self.name), "count": f"{self.count - 1:,}"}
        if self.count > 1:
            return _("%(work)s and %(count)s more failed") % what
        return _("%(work)s failed") % what


class DatasetSummary(NamedTuple):
    """Totals in the line under the title."""

    videos: int
    seconds: float
    actions: int


@dataclass
class Overview:
    """All that the overview page shows."""

    stages: list[StageCard]
    running: list[WorkItem]
    waiting: int
    failures: list[FailedWork]
    activity: list[Activity]
    summary: DatasetSummary


def overview(dataset: Dataset, *, may: Mapping[str, bool]) -> Overview:
    """The overview of `dataset`; about forty small queries, whatever its size.

    Args:
        dataset: The dataset.
        may: What the user may do: without `see_names`, failures and reviews are left out.
    """
    sees_names = "see_names" in may
    all_kinds = work_kinds(dataset)
    counts = _unfinished(all_kinds)
    return Overview(
        stages=[card.for_user(may) for card in stage_cards(dataset, counts)],
        running=[work for kind in all_kinds if counts[kind.key][Stage.RUNNING]
                 for work in _running(kind)],
        waiting=sum(count[Stage.WAITING] for count in counts.values()),
        failures=[failed for kind in all_kinds if counts[kind.key][Stage.FAILED] and sees_names
                  for failed in _failures(kind, counts[kind.key][Stage.FAILED])],
        activity=recent_activity(dataset, all_kinds, with_names=sees_names),
        summary=_summary(dataset),
    )  # fmt: skip


def _unfinished(kinds: Iterable[WorkKind]) -> Counts:
    """How many rows of each kind wait, run and have failed.

    One query tells which tables have such rows at all; only these are counted.
    """
    states = {"open": (Stage.WAITING, Stage.RUNNING), "failed": (Stage.FAILED,)}
    wanted = {
        f"{kind.key}-{name}": getattr(kind.rows.model._default_manager.all(), name)()
        for kind in kinds
        for name in states
    }
    there = exist(wanted)
    counts: Counts = {}
    for kind in kinds:
        counts[kind.key] = dict.fromkeys((Stage.WAITING, Stage.RUNNING, Stage.FAILED), 0)
        for name in states:
            if f"{kind.key}-{name}" in there:
                rows = getattr(kind.rows, name)()
                found = rows.order_by().values_list("stage").annotate(Count("pk"))
                counts[kind.key] |= dict(found)
    return counts


def _running(kind: WorkKind) -> list[WorkItem]:
    rows = kind.rows.open().filter(stage=Stage.RUNNING).order_by("pk")
    values = rows.values_list("pk", kind.name, "started_at", "progress")
    return [
        WorkItem(kind, pk, str(name), since, 100 * progress)
        for pk, name, since, progress in values[:ROWS_SHOWN]
    ]


def _failures(kind: WorkKind, count: int) -> list[FailedWork]:
    """One entry for each of the first causes, and one for the rest of `count` failures."""
    causes = kind.rows.failed().values("error").order_by()
    found = list(
        causes.annotate(count=Count("pk"), first=Min("pk")).order_by("first")[:ROWS_SHOWN]
    )
    first = kind.rows.filter(pk__in=[cause["first"] for cause in found])
    names = dict(first.values_list("pk", kind.name))
    failures = [
        FailedWork(kind, one["error"], one["count"], one["first"], str(names[one["first"]]))
        for one in found
        if one["first"] in names  # else done meanwhile
    ]
    rest = count - sum(failed.count for failed in failures)
    if len(found) == ROWS_SHOWN and rest > 0:
        failures.append(FailedWork(kind, _("by other causes"), rest, 0, "others"))
    return failures


def _summary(dataset: Dataset) -> DatasetSummary:
    videos = dataset.videos.aggregate(count=Count("pk"), frames=Sum("frame_count"))
    seconds = (videos["frames"] or 0) / FRAME_RATE
    return DatasetSummary(videos["count"], seconds, dataset.actions.count())


def stage_cards(dataset: Dataset, counts: Counts) -> list[StageCard]:
    """The seven stages of the pipeline, from upload to release."""
    uploads = dataset.uploads.aggregate(count=Count("pk"), size=Sum("size"))
    uploaded = size_text(uploads["size"] or 0)
    length = _("%(clip_seconds)s s each") % {"clip_seconds": dataset.clip_seconds}
    clips = clip_statuses(dataset).aggregate(
        count=Count("pk"), tracked=Count("pk", filter=Q(is_tracked=True))
    )
    videos = dataset.videos.count()
    return [
        _stage_card(_("Uploads"), "upload", "datasets:videos", counts["upload"], uploaded,
                    of=uploads["count"]),
        _stage_card(_("Videos"), "film", "datasets:videos", counts["video"], "H.264 · 30 fps",
                    of=videos),
        _stage_card(_("Clips"), "clapperboard", "qc:clips", counts["clip"], length,
                    of=clips["count"]),
        _tracking_card(dataset, counts, clips),
        *_annotation_cards(dataset),
        _release_card(dataset, counts["release"]),
    ]  # fmt: skip


def _state_of(counts: dict[str, int], otherwise: str) -> str:
    """The counts of work that is not done; `otherwise` if all is done."""
    stages = (Stage.FAILED, Stage.RUNNING, Stage.WAITING)
    return " · ".join(f"{counts[one]} {one}" for one in stages if counts[one]) or otherwise


def _tone(counts: dict[str, int]) -> str:
    if counts[Stage.FAILED]:
        return "bad"
    return "info" if sum(counts.values()) else "ok"


def _stage_card(
    title: str, icon: str, page: str, counts: dict[str, int], otherwise: str, *, of: int
) -> StageCard:
    sentence = _state_of(counts, otherwise if of else _("nothing yet"))
    done = of - sum(counts.values())
    return StageCard(title, icon, page, done, of, _tone(counts), sentence)


def _tracking_card(dataset: Dataset, counts: Counts, clips: dict[str, int]) -> StageCard:
    persons = IdentityRun.objects.filter(video__dataset=dataset).done()
    found = persons.aggregate(count=Sum("person_count"))["count"]
    sentence = _("nothing yet")
    if found is not None:
        sentence = ngettext("%d person", "%d persons", found) % found
    return StageCard(
        _("Tracking"), "scan-search", "qc:clips", clips["tracked"], clips["count"],
        _tone(counts["run"]), _state_of(counts["run"], sentence),
    )  # fmt: skip


def _annotation_cards(dataset: Dataset) -> Iterator[StageCard]:
    """The stages of annotation and review, done by people."""
    tasks = (
        task_statuses(dataset)
        .filter(is_counting=True)
        .aggregate(
            total=Count("pk"),
            answered=Count("version"),
            approved=Count("pk", filter=Q(verdict=Review.Verdict.APPROVED)),
            rejected=Count("pk", filter=Q(verdict=Review.Verdict.REJECTED)),
        )
    )
    total, answered = tasks["total"], tasks["answered"]
    left = total - answered
    yield StageCard(
        _("Annotation"), "tags", "qc:tasks", answered, total, "ok" if not left else "violet",
        _("no tasks yet") if not total
        else _("%(count)d assigned") % {"count": left} if left else _("all answered"),
    )  # fmt: skip
    pending = answered - tasks["approved"] - tasks["rejected"]
    parts = [
        _("%(pending)s to review") % {"pending": pending} if pending else "",
        _("%(rejected)s rejected") % tasks if tasks["rejected"] else "",
    ]
    sentence = " · ".join(part for part in parts if part)
    yield StageCard(
        _("Review"), "check-check", "qc:review", tasks["approved"], answered,
        "warn" if pending else "ok",
        sentence or (_("all approved") if answered else _("nothing yet")),
    )  # fmt: skip


def _release_card(dataset: Dataset, counts: dict[str, int]) -> StageCard:
    found = Release.objects.filter(dataset=dataset).aggregate(
        all=Count("pk"),
        done=Count("pk", filter=Q(stage=Stage.DONE)),
        newest=Max("number", filter=Q(stage=Stage.DONE)),
    )
    sentence = _("latest: release %(newest)s") % found if found["newest"] else _("none yet")
    return StageCard(
        _("Release"), "database", "qc:releases", found["done"], found["all"],
        "bad" if counts[Stage.FAILED] else "brand", _state_of(counts, sentence),
    )  # fmt: skip


def sidebar_counts(dataset: Dataset) -> dict[str, int]:
    """The counts next to the links of the sidebar."""
    clips, tasks = clip_statuses(dataset), task_statuses(dataset)
    return {
        "doubtful": doubtful_persons(dataset)[0],
        "videos": dataset.videos.count(),
        "clips": clips.count(),
        "tasks": tasks.count(),
        "cvat": CvatJob.objects.sent().filter(project__dataset=dataset).count(),
        "pending": tasks.filter(is_pending=True).count(),
        "adjudication": open_item_count(dataset),
        "flagged": flagged_count(dataset),
        "releases": Release.objects.filter(dataset=dataset).count(),
    }
