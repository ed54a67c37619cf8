"""The overview of a dataset: pipeline stages, running and failed work, recent activity."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Self

from django.db.models import Count, Max, Min, Q, Sum
from django.template.defaultfilters import filesizeformat

from annotation.models import AnnotationTask, AnswerVersion, CvatJob
from avaproject.base.work import Stage, StagedQuerySet
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import BundleImport, Clip, Dataset, Upload, Video
from qc.models import (
    AgreementReport,
    AgreementSummary,
    Consensus,
    Release,
    Review,
    Score,
    ThirdOpinion,
)
from qc.selectors.agreement.gold import flagged_count
from qc.selectors.clip_and_task_states import pending_tasks, with_verdict
from qc.selectors.consensus.adjudication_queue import open_item_count
from tracking.models import Bundle, IdentityRun, TrackImport, TrackingRun

ROWS_SHOWN = 8
EVENTS_READ = 40
EVENTS_SHOWN = 7


class WorkKind(NamedTuple):
    """One kind of background work of a dataset; {} in a phrase is the name of a row."""

    key: str
    app: str  # the one with the retry page
    doing: str
    done: str
    many_done: str  # after a number
    icon: str
    rows: StagedQuerySet
    name: str  # lookup

    @property
    def retry_page(self) -> str:
        return f"{self.app}:retry"


def work_kinds(dataset: Dataset) -> list[WorkKind]:
    """All background work of `dataset`, in pipeline order."""
    of_clips = {"clip__video__dataset": dataset}
    return [
        WorkKind("upload", "datasets", "Unpacking {}", "{} unpacked", "uploads unpacked",
            "file-archive", Upload.objects.filter(dataset=dataset), "original_name"),
        WorkKind("import", "datasets", "Importing clips of {}", "Clips of {} imported",
             "bundles imported", "package",
             BundleImport.objects.filter(upload__dataset=dataset), "upload__original_name"),
        WorkKind("video", "datasets", "Standardising {}", "{} standardised",
            "videos standardised", "film", Video.objects.filter(dataset=dataset), "name"),
        WorkKind("clip", "datasets", "Cutting {}", "{} cut", "clips cut", "scissors",
            Clip.objects.of(dataset), "name"),
        WorkKind("track-import", "tracking", "Importing tracks of {}", "Tracks of {} imported",
             "bundles with tracks imported", "package",
             TrackImport.objects.filter(bundle_import__upload__dataset=dataset),
             "bundle_import__upload__original_name"),
        WorkKind("run", "tracking", "Tracking {}", "{} tracked", "clips tracked",
            "scan-search", TrackingRun.objects.of(dataset), "clip__name"),
        WorkKind("identities", "tracking", "Identifying people in {}",
            "People in {} identified", "videos with people identified", "users",
            IdentityRun.objects.filter(video__dataset=dataset), "video__name"),
        WorkKind("bundle", "tracking", "Creating bundle {}", "Bundle {} created",
            "bundles created", "package", Bundle.objects.filter(dataset=dataset), "pk"),
        WorkKind("task", "annotation", "Creating the CVAT package of {}",
            "CVAT package of {} created", "CVAT packages created", "package-check",
            AnnotationTask.objects.of(dataset), "clip__name"),
        WorkKind("version", "annotation", "Importing answers for {}",
            "Answers for {} imported", "answer files imported", "file-check",
            AnswerVersion.objects.filter(
                task__clip__video__dataset=dataset).without_history(),
            "task__clip__name"),
        WorkKind("report", "qc", "Comparing annotators of {}", "Annotators of {} compared",
            "clips compared", "git-compare", AgreementReport.objects.filter(**of_clips),
            "clip__name"),
        WorkKind("summary", "qc", "Updating agreement {}", "Agreement updated {}",
            "agreement updates", "git-compare",
            AgreementSummary.objects.filter(dataset=dataset), "period"),
        WorkKind("score", "qc", "Scoring {}", "{} scored", "answers scored", "user-check",
            Score.objects.filter(version__task__clip__video__dataset=dataset),
            "version__task__clip__name"),
        WorkKind("consensus", "qc", "Building consensus of {}", "Consensus of {} built",
            "consensuses built", "scale", Consensus.objects.filter(**of_clips), "clip__name"),
        WorkKind("opinion", "qc", "Requesting a third opinion on {}",
            "Third opinion on {} requested", "third opinions requested", "users",
            ThirdOpinion.objects.filter(**of_clips), "clip__name"),
        WorkKind("release", "qc", "Creating release {}", "Release {} created",
            "releases created", "database", Release.objects.filter(dataset=dataset),
            "number"),
    ]  # fmt: skip


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
        more = f" and {self.count - 1:,} more" if self.count > 1 else ""
        return f"{self.kind.doing.format(self.name)}{more} failed"


class Activity(NamedTuple):
    """An entry of the activity list: one event, or several of the same kind in a row."""

    moment: datetime
    icon: str
    tone: str
    sentence: str
    many: str  # after a number, when it happened several times in a row


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
    all_kinds = work_kinds(dataset)
    counts = {kind.key: kind.rows.counts() for kind in all_kinds}
    sees_names = "see_names" in may
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


def _running(kind: WorkKind) -> list[WorkItem]:
    rows = kind.rows.filter(stage=Stage.RUNNING).order_by("pk")
    values = rows.values_list("pk", kind.name, "started_at", "progress")
    return [
        WorkItem(kind, pk, str(name), since, 100 * progress)
        for pk, name, since, progress in values[:ROWS_SHOWN]
    ]


def _failures(kind: WorkKind, count: int) -> list[FailedWork]:
    """One entry for each of the first causes, and one for the rest of `count` failures."""
    causes = kind.rows.filter(stage=Stage.FAILED).values("error").order_by()
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
        failures.append(FailedWork(kind, "by other causes", rest, 0, "others"))
    return failures


def _summary(dataset: Dataset) -> DatasetSummary:
    videos = dataset.videos.aggregate(count=Count("pk"), frames=Sum("frame_count"))
    seconds = (videos["frames"] or 0) / FRAME_RATE
    return DatasetSummary(videos["count"], seconds, dataset.actions.count())


Counts = dict[str, dict[str, int]]


def stage_cards(dataset: Dataset, counts: Counts) -> list[StageCard]:
    """The seven stages of the pipeline, from upload to release."""
    uploaded = filesizeformat(dataset.uploads.aggregate(size=Sum("size"))["size"] or 0)
    length = f"{dataset.clip_seconds} s each"
    return [
        _stage_card("Uploads", "upload", "datasets:videos", counts["upload"], uploaded),
        _stage_card("Videos", "film", "datasets:videos", counts["video"], "H.264 · 30 fps"),
        _stage_card("Clips", "clapperboard", "qc:clips", counts["clip"], length),
        _tracking_card(dataset, counts),
        *_annotation_cards(dataset),
        _release_card(dataset, counts["release"]),
    ]


def _state_of(counts: dict[str, int], otherwise: str) -> str:
    """The counts of work that is not done; `otherwise` if all is done."""
    stages = (Stage.FAILED, Stage.RUNNING, Stage.WAITING)
    return " · ".join(f"{counts[one]} {one}" for one in stages if counts[one]) or otherwise


def _tone(counts: dict[str, int]) -> str:
    if counts[Stage.FAILED]:
        return "bad"
    return "ok" if counts[Stage.DONE] == sum(counts.values()) else "info"


def _stage_card(
    title: str, icon: str, page: str, counts: dict[str, int], otherwise: str
) -> StageCard:
    total = sum(counts.values())
    sentence = _state_of(counts, otherwise if total else "nothing yet")
    return StageCard(title, icon, page, counts[Stage.DONE], total, _tone(counts), sentence)


def _tracking_card(dataset: Dataset, counts: Counts) -> StageCard:
    clips = Clip.objects.of(dataset)
    tracked = clips.filter(tracking_runs__stage=Stage.DONE).distinct().count()
    persons = IdentityRun.objects.filter(video__dataset=dataset).done()
    found = persons.aggregate(count=Sum("person_count"))["count"]
    sentence = f"{found} persons" if found is not None else "nothing yet"
    return StageCard(
        "Tracking", "scan-search", "qc:clips", tracked, clips.count(),
        _tone(counts["run"]), _state_of(counts["run"], sentence),
    )  # fmt: skip


def _annotation_cards(dataset: Dataset) -> Iterator[StageCard]:
    """The stages of annotation and review, done by people."""
    tasks = with_verdict(AnnotationTask.objects.of(dataset).counting()).aggregate(
        total=Count("pk"),
        answered=Count("pk", filter=Q(latest_version_id__isnull=False)),
        approved=Count("pk", filter=Q(verdict=Review.Verdict.APPROVED)),
        rejected=Count("pk", filter=Q(verdict=Review.Verdict.REJECTED)),
    )
    total, answered = tasks["total"], tasks["answered"]
    left = total - answered
    yield StageCard(
        "Annotation", "tags", "qc:tasks", answered, total, "ok" if not left else "violet",
        (f"{left} assigned" if left else "all answered") if total else "no tasks yet",
    )  # fmt: skip
    pending = answered - tasks["approved"] - tasks["rejected"]
    parts = [
        f"{pending} to review" if pending else "",
        f"{tasks['rejected']} rejected" if tasks["rejected"] else "",
    ]
    sentence = " · ".join(part for part in parts if part)
    yield StageCard(
        "Review", "check-check", "qc:review", tasks["approved"], answered,
        "warn" if pending else "ok",
        sentence or ("all approved" if answered else "nothing yet"),
    )  # fmt: skip


def _release_card(dataset: Dataset, counts: dict[str, int]) -> StageCard:
    newest = Release.objects.filter(dataset=dataset).done().aggregate(number=Max("number"))
    sentence = f"latest: release {newest['number']}" if newest["number"] else "none yet"
    return StageCard(
        "Release", "database", "qc:releases", counts[Stage.DONE], sum(counts.values()),
        "bad" if counts[Stage.FAILED] else "brand", _state_of(counts, sentence),
    )  # fmt: skip


def recent_activity(
    dataset: Dataset, all_kinds: Iterable[WorkKind], *, with_names: bool
) -> list[Activity]:
    """Recent events, newest first; equal events in a row are merged into one entry."""
    found = [one for kind in all_kinds for one in _finished_work(kind)]
    if with_names:
        found += _reviewed(dataset)
    found.sort(key=lambda one: one.moment, reverse=True)
    rows = [list(group) for _, group in groupby(found, key=lambda one: one.many)]
    return [_merged(row) for row in rows[:EVENTS_SHOWN]]


def _finished_work(kind: WorkKind) -> list[Activity]:
    rows = kind.rows.exclude(finished_at=None).filter(stage__in=(Stage.DONE, Stage.FAILED))
    values = rows.order_by("-finished_at").values_list("finished_at", "stage", kind.name)
    tone = "ok" if kind.key == "release" else "info"
    return [
        Activity(moment, "circle-alert", "bad", f"{kind.doing.format(name)} failed",
                 f"failures: {kind.doing.format('…')}")
        if stage == Stage.FAILED
        else Activity(moment, kind.icon, tone, kind.done.format(name), kind.many_done)
        for moment, stage, name in values[:EVENTS_READ]
    ]  # fmt: skip


def _reviewed(dataset: Dataset) -> list[Activity]:
    reviews = Review.objects.filter(task__clip__video__dataset=dataset).order_by("-pk")
    values = reviews.values_list(
        "reviewed_at", "verdict", "task__clip__name", "task__annotator__name"
    )
    looks = {"approved": ("user-check", "ok"), "rejected": ("rotate-ccw", "violet")}
    return [
        Activity(moment, *looks[verdict], f"{clip} by {annotator} {verdict}",
                 f"tasks {verdict}")
        for moment, verdict, clip, annotator in values[:EVENTS_READ]
    ]  # fmt: skip


def _merged(row: list[Activity]) -> Activity:
    if len(row) == 1:
        return row[0]
    count = f"{len(row)}+" if len(row) >= EVENTS_READ else str(len(row))
    return row[0]._replace(sentence=f"{count} {row[0].many}")


def sidebar_counts(dataset: Dataset) -> dict[str, int]:
    """The counts next to the links of the sidebar."""
    return {
        "videos": dataset.videos.count(),
        "clips": Clip.objects.of(dataset).count(),
        "tasks": AnnotationTask.objects.of(dataset).count(),
        "cvat": CvatJob.objects.sent().filter(project__dataset=dataset).count(),
        "pending": pending_tasks(dataset).count(),
        "adjudication": open_item_count(dataset),
        "flagged": flagged_count(dataset),
        "releases": Release.objects.filter(dataset=dataset).count(),
    }
