"""Reads for the pages of datasets, uploads and videos, in a fixed number of queries."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import (
    Count,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.roles import Act
from datasets.models import Clip, Dataset, Member, Transfer, Upload, Video

POSTERS_PER_CARD = 4
VIDEOS_FOR_SPEED = 20
MIN_SHARE_FOR_SPEED = 0.02


def permitted_datasets(user: User | AnonymousUser, *acts: Act) -> QuerySet[Dataset]:
    """Datasets in which `user` may do all of `acts`, each with `may`; default: may see."""
    own = Member.objects.filter(dataset=OuterRef("pk"), user=user.pk or 0)
    role = Value(Member.Role.OWNER) if user.is_superuser else Subquery(own.values("role")[:1])
    return Dataset.objects.permitting(user, *acts).annotate(role=role)


def only_annotates(user: User | AnonymousUser) -> bool:
    """Whether `user` is an annotator and nothing else: they see their own tasks alone."""
    if user.is_superuser or user.is_staff:
        return False
    roles = set(Member.objects.filter(user=user.pk or 0).values_list("role", flat=True))
    return roles == {Member.Role.ANNOTATOR}


def permitted_clips(user: User | AnonymousUser, dataset: str, *acts: Act) -> QuerySet[Clip]:
    """The clips of the dataset named `dataset`; none of a dataset where `user` may not."""
    return Clip.objects.permitting(user, *acts).filter(video__dataset__name=dataset)


def dataset_cards(user: User | AnonymousUser) -> list[dict[str, Any]]:
    """One card per dataset: counts, progress of its videos, posters."""
    datasets = list(permitted_datasets(user))
    videos = _by_dataset(
        Video.objects.filter(dataset__in=datasets).values("dataset").annotate(
            count=Count("pk"),
            ready=Count("pk", filter=Q(stage=Stage.DONE)),
            failed=Count("pk", filter=Q(stage=Stage.FAILED)),
            frames=Coalesce(Sum("frame_count"), 0),
        )
    )  # fmt: skip
    clips = _by_dataset(
        Clip.objects.filter(video__dataset__in=datasets)
        .values(dataset=F("video__dataset"))
        .annotate(count=Count("pk"))
    )
    posters = _posters(datasets)
    return [
        {
            "dataset": dataset,
            "videos": videos.get(dataset.pk, {}).get("count", 0),
            "ready": videos.get(dataset.pk, {}).get("ready", 0),
            "failed": videos.get(dataset.pk, {}).get("failed", 0),
            "seconds": videos.get(dataset.pk, {}).get("frames", 0) / FRAME_RATE,
            "clips": clips.get(dataset.pk, {}).get("count", 0),
            "posters": posters.get(dataset.pk, []),
        }
        for dataset in datasets
    ]


def _by_dataset(rows: Any) -> dict[int, dict[str, Any]]:
    return {row["dataset"]: row for row in rows.order_by()}


def _posters(datasets: list[Dataset]) -> dict[int, list[str]]:
    """Names of the first clips with a poster, by dataset."""
    place = Window(RowNumber(), partition_by=F("video__dataset"), order_by=F("pk").asc())
    rows = (
        Clip.objects.filter(video__dataset__in=datasets)
        .exclude(poster="")
        .annotate(place=place)
        .filter(place__lte=POSTERS_PER_CARD)
        .order_by("pk")
        .values_list("video__dataset", "name")
    )
    found: dict[int, list[str]] = {}
    for dataset, name in rows:
        found.setdefault(dataset, []).append(name)
    return found


def videos_of(dataset: Dataset) -> QuerySet[Video]:
    """The videos of `dataset` by name, with `clip_count` and `clips_done`."""
    return dataset.videos.annotate(
        clip_count=_count_of(Clip.objects.all()), clips_done=_count_of(Clip.objects.done())
    ).order_by("dataset", "name")


def _count_of(clips: QuerySet[Clip]) -> Coalesce:
    """How many of `clips` a video has; counted for the videos of a page only."""
    own = clips.filter(video=OuterRef("pk")).order_by().values("video")
    return Coalesce(Subquery(own.annotate(count=Count("pk")).values("count")), 0)


def settings_of(dataset: Dataset | None) -> dict[str, Any]:
    """Initial settings of a new dataset that re-cuts the videos of `dataset`."""
    if dataset is None:
        return {}
    values = {name: getattr(dataset, name) for name in dataset.SETTINGS}
    return values | {"videos_of": dataset.name}


class VideoState(NamedTuple):
    """The state of a video; `share` done is 0 to 1, or None if nothing is running."""

    sentence: str
    share: float | None = None
    seconds_left: float | None = None


def states_of(videos: Iterable[Video]) -> list[VideoState]:
    """The state of each of `videos` (from `videos_of`), in a few queries.

    The time left of a waiting video is estimated from the speed of the latest ones.
    """
    speed, queue = _seconds_per_byte(), _queue()
    return [_state(video, speed, queue) for video in videos]


def _state(video: Any, speed: float | None, queue: "_Queue") -> VideoState:
    if video.stage == Stage.RUNNING:
        return VideoState("Converting", video.progress, _left(video))
    if video.stage == Stage.WAITING:
        count, size = queue.before(video.pk)
        left = speed and (size / queue.workers + video.size) * speed
        return VideoState(
            f"Waiting, {count} ahead" if count else "Next in line", None, left or None
        )
    if video.stage == Stage.DONE and video.clips_done < video.clip_count:
        sentence = f"{video.clips_done} of {video.clip_count} clips cut"
        return VideoState(sentence, video.clips_done / video.clip_count)
    return VideoState("")


def _left(video: Video) -> float | None:
    """Seconds until a running video is done, by its own speed."""
    if not video.started_at or video.progress < MIN_SHARE_FOR_SPEED:
        return None
    elapsed = (timezone.now() - video.started_at).total_seconds()
    return elapsed * (1 - video.progress) / video.progress


def _seconds_per_byte() -> float | None:
    """Processing seconds per byte of raw video, of the latest videos."""
    done = Video.objects.done().filter(started_at__isnull=False, size__gt=0)
    last = list(done.order_by("-finished_at")[:VIDEOS_FOR_SPEED])
    seconds = sum(_seconds_of_work(video) for video in last)
    return seconds / sum(video.size for video in last) if last else None


def _seconds_of_work(video: Video) -> float:
    if not video.started_at or not video.finished_at:
        return 0.0
    return (video.finished_at - video.started_at).total_seconds()


class _Queue(NamedTuple):
    """Videos of all datasets in processing order: (key, bytes left)."""

    rows: list[tuple[int, float]]
    workers: int

    def before(self, pk: int) -> tuple[int, float]:
        sizes = [size for key, size in self.rows if key < pk]
        return len(sizes), sum(sizes)


def _queue() -> _Queue:
    rows = Video.objects.open().order_by("pk")
    found = list(rows.values_list("pk", "size", "progress", "stage"))
    running = sum(stage == Stage.RUNNING for *_, stage in found)
    return _Queue([(pk, size * (1 - share)) for pk, size, share, _ in found], max(running, 1))


def uploads_of(dataset: Dataset) -> QuerySet[Upload]:
    """The uploads of `dataset` with `video_count`, newest first."""
    return dataset.uploads.annotate(video_count=Count("videos")).order_by("-pk")


def transfers_of(dataset: Dataset, user: User | AnonymousUser) -> QuerySet[Transfer]:
    """The unfinished uploads of `user`, the latest first."""
    return dataset.transfers.filter(user_id=user.pk or 0, upload=None)


def first_posters(videos: Iterable[Video]) -> dict[int, str]:
    """The name of the first clip with a poster of each video, by the key of the video."""
    clips = Clip.objects.filter(video__in=[video.pk for video in videos]).exclude(poster="")
    first: dict[int, str] = {}
    for video, name in clips.order_by("start_frame").values_list("video", "name"):
        first.setdefault(video, name)
    return first


def probe_facts(video: Video) -> list[tuple[str, str]]:
    """Properties of the raw file as (label, text)."""
    facts = {"file": f"{video.original_name}"}
    facts |= {name.replace("_", " "): _text(value) for name, value in video.probe.items()}
    return [(name, value) for name, value in facts.items() if value]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    return "" if value is None else str(value)
