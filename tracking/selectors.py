"""Reads for the page of tracking: the ways a dataset is tracked, and what is at work."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db.models import Count, Q, Sum

from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Dataset
from tracking.core.tracks_file import Track, TracksFile, TracksFileError, load
from tracking.models import Bundle, BundleImport, IdentityRun, TrackingRun, Experiment

RUNS_SHOWN = 20


@dataclass
class ConfigRow:
    """One way of tracking a dataset, and how far it is."""

    title: str
    experiment: Experiment | None
    is_active: bool
    config_key: str
    clips: int
    done: int
    failed: int
    open: int
    tracks: int
    persons: int | None
    is_choice: bool = True  # whether clips can be tracked in this way from now on

    @property
    def percent(self) -> float:
        return 100 * self.done / self.clips if self.clips else 0.0


@dataclass
class WorkRow:
    """A run that waits or is at work."""

    run: TrackingRun

    @property
    def frames_done(self) -> int:
        return round(self.run.progress * self.run.clip.frame_count)

    @property
    def percent(self) -> float:
        return 100 * self.run.progress


class TrackRow(NamedTuple):
    """A track as lists show it; `number` is the person's where persons are named."""

    track_id: int
    number: int
    label: str
    first_frame: int
    from_second: float
    to_second: float
    score: float
    filled: int  # frames without a detection


def tracks_of(run: TrackingRun) -> TracksFile:
    """The tracks of a run. Raises TracksFileError with the way out if they cannot be read."""
    try:
        with local_path(run.tracks.name or "") as path:
            return load(path.read_bytes())
    except FileNotFoundError as error:
        raise TracksFileError(
            f"The tracks of {run.clip} are gone from the storage ({run.tracks.name}): bring "
            "the file back, or delete the run so that the clip is tracked again."
        ) from error
    except (OSError, TracksFileError) as error:
        raise TracksFileError(
            f"The tracks of {run.clip} cannot be read ({run.tracks.name}: {error})."
        ) from error


def track_rows(run: TrackingRun, tracks: Iterable[Track]) -> list[TrackRow]:
    """The tracks of `run` by number."""
    names = dict(run.persons.values_list("track_id", "person_id"))
    rows = []
    for track in tracks:
        number = names.get(track.track_id, track.track_id)
        rows.append(
            TrackRow(
                track.track_id, number, f"{'P' if track.track_id in names else 'T'}{number}",
                int(track.frames[0]), float(track.frames[0]) / FRAME_RATE,
                float(track.frames[-1] + 1) / FRAME_RATE, track.mean_score,
                int(np.isnan(track.scores).sum()),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: row.number)


def config_row(
    dataset: Dataset, experiment: Experiment | None, config_key: str, *, is_active: bool, title: str
) -> ConfigRow:
    """How far `dataset` is tracked with `config_key`, in three queries."""
    runs = (
        TrackingRun.objects.of(dataset)
        .filter(config_key=config_key)
        .aggregate(
            done=Count("pk", filter=Q(stage=Stage.DONE)),
            failed=Count("pk", filter=Q(stage=Stage.FAILED)),
            open=Count("pk", filter=Q(stage__in=(Stage.WAITING, Stage.RUNNING))),
            tracks=Sum("track_count"),
        )
    )
    linked = IdentityRun.objects.done().filter(video__dataset=dataset, config_key=config_key)
    clips = Clip.objects.of(dataset).filter(video__picture_rate=FRAME_RATE)
    return ConfigRow(
        title, experiment, is_active, config_key, clips.count(),
        runs["done"], runs["failed"], runs["open"], runs["tracks"] or 0,
        linked.aggregate(count=Sum("person_count"))["count"],
    )  # fmt: skip


def other_rows(dataset: Dataset, config_key: str) -> list[ConfigRow]:
    """The ways of tracks that came in bundles, or were made by settings unlike `config_key`."""
    runs = TrackingRun.objects.of(dataset).done().filter(experiment=None).exclude(config_key=config_key)
    brought = Q(made_by__has_key="bundle")
    found = runs.values("config_key").annotate(
        count=Count("pk"), brought=Count("pk", filter=brought), tracks=Sum("track_count")
    )
    persons = dict(
        IdentityRun.objects.done()
        .filter(video__dataset=dataset, experiment=None)
        .values_list("config_key")
        .annotate(Sum("person_count"))
        .order_by()
    )
    return [
        ConfigRow(
            "Brought in" if row["brought"] else "Earlier settings", None, False, row["config_key"],
            row["count"], row["count"], 0, 0, row["tracks"] or 0, persons.get(row["config_key"]),
            is_choice=False,
        )
        for row in found.order_by("config_key")
    ]  # fmt: skip


def imports_of(dataset: Dataset) -> list[BundleImport]:
    """The bundles that were uploaded to `dataset`, newest first."""
    found = BundleImport.objects.filter(upload__dataset=dataset).select_related("upload")
    return list(found.order_by("-pk"))


def is_arriving(dataset: Dataset) -> bool:
    """Whether an upload may turn out to be a bundle, or is one that waits its turn."""
    waiting = Q(stage__in=(Stage.WAITING, Stage.RUNNING))
    return dataset.uploads.filter(
        waiting | Q(is_bundle=True, stage=Stage.DONE, bundle_import=None)
    ).exists()


def clip_count(dataset: Dataset) -> int:
    return Clip.objects.of(dataset).count()


def clips_without_film(dataset: Dataset) -> int:
    """How many clips can never be tracked here."""
    return Clip.objects.of(dataset).exclude(video__picture_rate=FRAME_RATE).count()


def open_runs(dataset: Dataset) -> list[WorkRow]:
    """Runs at work and the next that wait, in that order."""
    runs = TrackingRun.objects.of(dataset).filter(stage__in=(Stage.RUNNING, Stage.WAITING))
    return [
        WorkRow(run) for run in runs.select_related("clip").order_by("stage", "pk")[:RUNS_SHOWN]
    ]


def bundles_of(dataset: Dataset) -> list[Bundle]:
    """The bundles of `dataset`, newest first."""
    return list(Bundle.objects.filter(dataset=dataset).order_by("-pk"))
