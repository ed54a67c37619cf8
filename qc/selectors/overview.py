"""The overview of one dataset: the stages of its road, what runs, what failed and happened."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from django.db.models import Count, Max, Q, Sum
from django.template.defaultfilters import filesizeformat

from annotation.models import AnnotationTask, CvatJob, Pull
from avaproject.base.work import Stage, StagedQuerySet
from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Dataset, Upload, Video
from qc.models import (
    AgreementReport,
    AgreementSummary,
    Consensus,
    Release,
    Review,
    Score,
    ThirdOpinion,
)
from qc.selectors.gold import flagged_count
from qc.selectors.consensus.adjudication_queue import question_count
from qc.selectors.clip_and_task_states import judged, pending_tasks
from tracking.models import Bundle, BundleImport, Linking, TrackingRun

ROWS_SHOWN = 8
EVENTS_READ = 40
EVENTS_SHOWN = 7


class Kind(NamedTuple):
    """One sort of background work of a dataset; {} in a phrase is the name of a row."""

    key: str
    room: str  # whose retry page takes it
    doing: str
    done: str
    many_done: str  # after a number
    icon: str
    rows: StagedQuerySet
    name: str  # lookup

    @property
    def retry_page(self) -> str:
        return f"{self.room}:retry"


def kinds(dataset: Dataset) -> list[Kind]:
    """All background work of `dataset`, in the order of the road."""
    of_clips = {"clip__video__dataset": dataset}
    return [
        Kind("upload", "datasets", "Unpacking {}", "{} unpacked", "uploads unpacked",
             "file-archive", Upload.objects.filter(dataset=dataset), "original_name"),
        Kind("import", "tracking", "Taking over {}", "{} taken over", "bundles taken over",
             "package", BundleImport.objects.filter(upload__dataset=dataset),
             "upload__original_name"),
        Kind("video", "datasets", "Standardising {}", "{} standardised", "videos standardised",
             "film", Video.objects.filter(dataset=dataset), "name"),
        Kind("clip", "datasets", "Cutting {}", "{} cut", "clips cut",
             "scissors", Clip.objects.of(dataset), "name"),
        Kind("run", "tracking", "Tracking {}", "{} tracked", "clips tracked",
             "scan-search", TrackingRun.objects.of(dataset), "clip__name"),
        Kind("linking", "tracking", "Naming the persons of {}", "Persons of {} named",
             "videos with persons named", "users",
             Linking.objects.filter(video__dataset=dataset), "video__name"),
        Kind("bundle", "tracking", "Making bundle {}", "Bundle {} made", "bundles made",
             "package", Bundle.objects.filter(dataset=dataset), "pk"),
        Kind("task", "annotation", "Writing the package of {}", "Package of {} written",
             "packages written", "package-check", AnnotationTask.objects.of(dataset),
             "clip__name"),
        Kind("pull", "annotation", "Reading answers for {}", "Answers for {} read",
             "answer files read", "file-check",
             Pull.objects.filter(task__clip__video__dataset=dataset), "task__clip__name"),
        Kind("report", "qc", "Comparing the annotators of {}", "Annotators of {} compared",
             "clips compared", "git-compare", AgreementReport.objects.filter(**of_clips),
             "clip__name"),
        Kind("summary", "qc", "Putting the agreement together {}", "Agreement put together {}",
             "times the agreement was put together", "git-compare",
             AgreementSummary.objects.filter(dataset=dataset), "period"),
        Kind("score", "qc", "Measuring {}", "{} measured", "answers measured", "user-check",
             Score.objects.filter(pull__task__clip__video__dataset=dataset),
             "pull__task__clip__name"),
        Kind("consensus", "qc", "Settling {}", "{} settled", "clips settled",
             "scale", Consensus.objects.filter(**of_clips), "clip__name"),
        Kind("opinion", "qc", "Asking a third about {}", "A third asked about {}",
             "third opinions asked for", "users", ThirdOpinion.objects.filter(**of_clips),
             "clip__name"),
        Kind("release", "qc", "Making release {}", "Release {} made", "releases made",
             "database", Release.objects.filter(dataset=dataset), "number"),
    ]  # fmt: skip


@dataclass
class StageCard:
    """One stage of the road as the strip shows it."""

    title: str
    icon: str
    page: str  # URL name, called with the dataset's name
    value: int
    of: int
    tone: str
    sentence: str
    percent: float = field(init=False)

    def __post_init__(self) -> None:
        self.percent = 100 * self.value / self.of if self.of else 0.0


@dataclass
class Work:
    """A row of background work that runs or has failed."""

    kind: Kind
    pk: int
    name: str
    since: datetime | None
    percent: float
    error: str

    @property
    def sentence(self) -> str:
        return self.kind.doing.format(self.name)


@dataclass
class FailedKind:
    """All failures of one kind; the first few are shown."""

    kind: Kind
    count: int
    shown: list[Work]


class Event(NamedTuple):
    """Something that happened, or several of the same kind in a row."""

    moment: datetime
    icon: str
    tone: str
    sentence: str


class Facts(NamedTuple):
    """What the line under the title tells."""

    videos: int
    seconds: float
    actions: int


@dataclass
class Overview:
    stages: list[StageCard]
    running: list[Work]
    waiting: int
    failures: list[FailedKind]
    events: list[Event]
    facts: Facts


def overview(dataset: Dataset) -> Overview:
    """All that the overview shows; about forty small queries, whatever the dataset's size."""
    all_kinds = kinds(dataset)
    counts = {kind.key: kind.rows.counts() for kind in all_kinds}
    return Overview(
        stages=stage_cards(dataset, counts),
        running=[work for kind in all_kinds if counts[kind.key][Stage.RUNNING]
                 for work in _work(kind, Stage.RUNNING)],
        waiting=sum(count[Stage.WAITING] for count in counts.values()),
        failures=[FailedKind(kind, counts[kind.key][Stage.FAILED], _work(kind, Stage.FAILED))
                  for kind in all_kinds if counts[kind.key][Stage.FAILED]],
        events=events(dataset, all_kinds),
        facts=facts(dataset),
    )  # fmt: skip


def _work(kind: Kind, stage: Stage) -> list[Work]:
    rows = kind.rows.filter(stage=stage).order_by("pk")
    values = rows.values_list("pk", kind.name, "started_at", "progress", "error")
    return [
        Work(kind, pk, str(name), since, 100 * progress, error)
        for pk, name, since, progress, error in values[:ROWS_SHOWN]
    ]


def facts(dataset: Dataset) -> Facts:
    videos = dataset.videos.aggregate(count=Count("pk"), frames=Sum("frame_count"))
    seconds = (videos["frames"] or 0) / FRAME_RATE
    return Facts(videos["count"], seconds, dataset.actions.count())


Counts = dict[str, dict[str, int]]


def stage_cards(dataset: Dataset, counts: Counts) -> list[StageCard]:
    """The seven stages of the road, from the upload to the release."""
    return [
        _upload_card(dataset, counts["upload"]),
        _plain_card(
            "Standardise", "film", "datasets:videos", counts["video"], "H.264 · 30 fps"
        ),
        _plain_card(
            "Clips",
            "clapperboard",
            "qc:clips",
            counts["clip"],
            f"{dataset.clip_seconds} s each",
        ),
        _tracking_card(dataset, counts),
        *_people_cards(dataset),
        _release_card(dataset, counts["release"]),
    ]


def _total(counts: dict[str, int]) -> int:
    return sum(counts.values())


def _state_of(counts: dict[str, int], otherwise: str) -> str:
    """What is left to do, in words; `otherwise` when nothing is."""
    parts = [
        f"{counts[Stage.FAILED]} failed" if counts[Stage.FAILED] else "",
        f"{counts[Stage.RUNNING]} running" if counts[Stage.RUNNING] else "",
        f"{counts[Stage.WAITING]} queued" if counts[Stage.WAITING] else "",
    ]
    return " · ".join(part for part in parts if part) or otherwise


def _tone(counts: dict[str, int]) -> str:
    if counts[Stage.FAILED]:
        return "bad"
    return "ok" if counts[Stage.DONE] == _total(counts) else "info"


def _plain_card(
    title: str, icon: str, page: str, counts: dict[str, int], otherwise: str
) -> StageCard:
    total = _total(counts)
    sentence = _state_of(counts, otherwise if total else "nothing yet")
    return StageCard(title, icon, page, counts[Stage.DONE], total, _tone(counts), sentence)


def _upload_card(dataset: Dataset, counts: dict[str, int]) -> StageCard:
    total = dataset.uploads.aggregate(size=Sum("size"))["size"]
    return _plain_card(
        "Uploads", "upload", "datasets:videos", counts, filesizeformat(total or 0)
    )


def _tracking_card(dataset: Dataset, counts: Counts) -> StageCard:
    clips = Clip.objects.of(dataset)
    tracked = clips.filter(tracking_runs__stage=Stage.DONE).distinct().count()
    persons = Linking.objects.filter(video__dataset=dataset).done()
    found = persons.aggregate(count=Sum("person_count"))["count"]
    sentence = f"{found} persons" if found is not None else "nothing yet"
    return StageCard(
        "Detect & track", "scan-search", "qc:clips", tracked, clips.count(),
        _tone(counts["run"]), _state_of(counts["run"], sentence),
    )  # fmt: skip


def _people_cards(dataset: Dataset) -> Iterator[StageCard]:
    """Annotate and review: the stages that wait for people."""
    tasks = judged(AnnotationTask.objects.of(dataset).counting()).aggregate(
        total=Count("pk"),
        answered=Count("pk", filter=Q(latest_pull_id__isnull=False)),
        approved=Count("pk", filter=Q(verdict=Review.Verdict.APPROVED)),
        rejected=Count("pk", filter=Q(verdict=Review.Verdict.REJECTED)),
    )
    total, answered = tasks["total"], tasks["answered"]
    left = total - answered
    yield StageCard(
        "Annotate", "tags", "qc:tasks", answered, total, "ok" if not left else "violet",
        (f"{left} with annotators" if left else "all answered") if total else "no tasks yet",
    )  # fmt: skip
    pending = answered - tasks["approved"] - tasks["rejected"]
    parts = [
        f"{pending} waiting for you" if pending else "",
        f"{tasks['rejected']} sent back" if tasks["rejected"] else "",
    ]
    sentence = " · ".join(part for part in parts if part)
    yield StageCard(
        "Review", "check-check", "qc:review", tasks["approved"], answered,
        "warn" if pending else "ok",
        sentence or ("all approved" if answered else "nothing yet"),
    )  # fmt: skip


def _release_card(dataset: Dataset, counts: dict[str, int]) -> StageCard:
    newest = Release.objects.filter(dataset=dataset).done().aggregate(number=Max("number"))
    sentence = f"newest: release {newest['number']}" if newest["number"] else "none yet"
    return StageCard(
        "Release", "database", "qc:releases", counts[Stage.DONE], _total(counts),
        "bad" if counts[Stage.FAILED] else "brand", _state_of(counts, sentence),
    )  # fmt: skip


class _Happened(NamedTuple):
    """One row that came to an end."""

    moment: datetime
    icon: str
    tone: str
    sentence: str
    many: str  # after a number, when it happened several times in a row


def events(dataset: Dataset, all_kinds: Iterable[Kind]) -> list[Event]:
    """What happened last, newest first; the same thing several times in a row is one event."""
    found = [one for kind in all_kinds for one in _finished(kind)] + _reviewed(dataset)
    found.sort(key=lambda one: one.moment, reverse=True)
    rows = [list(group) for _, group in groupby(found, key=lambda one: one.many)]
    return [_told(row) for row in rows[:EVENTS_SHOWN]]


def _finished(kind: Kind) -> list[_Happened]:
    rows = kind.rows.exclude(finished_at=None).filter(stage__in=(Stage.DONE, Stage.FAILED))
    values = rows.order_by("-finished_at").values_list("finished_at", "stage", kind.name)
    tone = "ok" if kind.key == "release" else "info"
    return [
        _Happened(moment, "circle-alert", "bad", f"{kind.doing.format(name)} failed",
                  f"failures: {kind.doing.format('…')}")
        if stage == Stage.FAILED
        else _Happened(moment, kind.icon, tone, kind.done.format(name), kind.many_done)
        for moment, stage, name in values[:EVENTS_READ]
    ]  # fmt: skip


def _reviewed(dataset: Dataset) -> list[_Happened]:
    reviews = Review.objects.filter(task__clip__video__dataset=dataset).order_by("-pk")
    values = reviews.values_list(
        "reviewed_at", "verdict", "task__clip__name", "task__annotator__name"
    )
    return [
        _Happened(
            moment, "user-check", "ok", f"{clip} of {annotator} approved", "tasks approved"
        )
        if verdict == Review.Verdict.APPROVED
        else _Happened(
            moment,
            "rotate-ccw",
            "violet",
            f"{clip} sent back to {annotator}",
            "tasks sent back",
        )
        for moment, verdict, clip, annotator in values[:EVENTS_READ]
    ]


def _told(row: list[_Happened]) -> Event:
    first = row[0]
    count = f"{len(row)}+" if len(row) >= EVENTS_READ else str(len(row))
    sentence = first.sentence if len(row) == 1 else f"{count} {first.many}"
    return Event(first.moment, first.icon, first.tone, sentence)


def navigation(dataset: Dataset) -> dict[str, int]:
    """The counts beside the links of the sidebar."""
    return {
        "videos": dataset.videos.count(),
        "clips": Clip.objects.of(dataset).count(),
        "tasks": AnnotationTask.objects.of(dataset).count(),
        "cvat": CvatJob.objects.sent().filter(project__dataset=dataset).count(),
        "pending": pending_tasks(dataset).count(),
        "questions": question_count(dataset),
        "flagged": flagged_count(dataset),
        "releases": Release.objects.filter(dataset=dataset).count(),
    }
