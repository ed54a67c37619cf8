"""Reads for the pages of this room: a page's rows in a fixed number of queries."""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Window
from django.db.models.functions import Coalesce, RowNumber

from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Dataset, Transfer, Upload, Video
from datasets.stages import Stage

POSTERS_ON_A_CARD = 4


def visible_datasets(user: User | AnonymousUser) -> QuerySet[Dataset]:
    """The datasets `user` may see, each with `can_run`: whether `user` may change it."""
    own = Dataset.objects.run_by(user).filter(pk=OuterRef("pk"))
    return Dataset.objects.visible_to(user).annotate(can_run=Exists(own))


def visible_clips(user: User | AnonymousUser, dataset: str) -> QuerySet[Clip]:
    """The clips of the dataset named `dataset`; none of a dataset `user` may not see."""
    return Clip.objects.visible_to(user).filter(video__dataset__name=dataset)


def dataset_cards(user: User | AnonymousUser) -> list[dict[str, Any]]:
    """One card a dataset: what it holds, how far its videos are, pictures of it."""
    datasets = list(visible_datasets(user))
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
        .filter(place__lte=POSTERS_ON_A_CARD)
        .order_by("pk")
        .values_list("video__dataset", "name")
    )
    found: dict[int, list[str]] = {}
    for dataset, name in rows:
        found.setdefault(dataset, []).append(name)
    return found


def videos_of(dataset: Dataset) -> QuerySet[Video]:
    """Its videos with `clip_count`, in the order of their names."""
    return dataset.videos.annotate(clip_count=Count("clips")).order_by("name")


def uploads_of(dataset: Dataset) -> QuerySet[Upload]:
    """Its uploads with `video_count`, newest first."""
    return dataset.uploads.annotate(video_count=Count("videos")).order_by("-pk")


def transfers_of(dataset: Dataset, user: User | AnonymousUser) -> QuerySet[Transfer]:
    """The zips that `user` has begun to send and not finished, the latest first."""
    return dataset.transfers.filter(user_id=user.pk or 0, upload=None)


def probe_facts(video: Video) -> list[tuple[str, str]]:
    """What the raw file is, as labelled text, whatever the probe knew."""
    facts = {"file": f"{video.original_name}"}
    facts |= {name.replace("_", " "): _text(value) for name, value in video.probe.items()}
    return [(name, value) for name, value in facts.items() if value]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return "" if value is None else str(value)
