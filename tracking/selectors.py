"""Reads for the page Tracking: configurations, runs, imports and bundles of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db.models import Count, Q, Sum
from django.urls import reverse

from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import BundleImport, Clip, Dataset
from tracking.core.tracks_file import Track, TracksFile, TracksFileError, load
from tracking.models import Bundle, Experiment, IdentityRun, TrackImport, TrackingRun

RUNS_SHOWN = 20


@dataclass
class ConfigRow:
    """One tracking configuration of a dataset, and its progress."""

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
    is_choice: bool = True  # whether it can be put in use

    @property
    def percent(self) -> float:
        return 100 * self.done / self.clips if self.clips else 0.0


@dataclass
class RunRow:
    """A run that is waiting or running."""

    run: TrackingRun

    @property
    def frames_done(self) -> int:
        return round(self.run.progress * self.run.clip.frame_count)

    @property
    def percent(self) -> float:
        return 100 * self.run.progress


class TrackRow(NamedTuple):
    """A track in a list; `number` is the person's id, once persons are identified."""

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
            f"The tracks of {run.clip} are missing in the storage ({run.tracks.name}): "
            "restore the file, or delete the run so that the clip is tracked again."
        ) from error
    except (OSError, TracksFileError) as error:
        raise TracksFileError(
            f"The tracks of {run.clip} cannot be read ({run.tracks.name}: {error})."
        ) from error


def track_rows(run: TrackingRun, tracks: Iterable[Track]) -> list[TrackRow]:
    """The tracks of `run` by number."""
    ids = dict(run.persons.values_list("track_id", "person_id"))
    rows = []
    for track in tracks:
        number = ids.get(track.track_id, track.track_id)
        rows.append(
            TrackRow(
                track.track_id, number, f"{'P' if track.track_id in ids else 'T'}{number}",
                int(track.frames[0]), float(track.frames[0]) / FRAME_RATE,
                float(track.frames[-1] + 1) / FRAME_RATE, track.mean_score,
                int(np.isnan(track.scores).sum()),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: row.number)


def config_row(
    dataset: Dataset,
    experiment: Experiment | None,
    config_key: str,
    *,
    is_active: bool,
    title: str,
) -> ConfigRow:
    """The progress of `dataset` with `config_key`, in three queries."""
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
    identified = IdentityRun.objects.done().filter(
        video__dataset=dataset, config_key=config_key
    )
    clips = Clip.objects.of(dataset).filter(video__frame_rate=FRAME_RATE)
    return ConfigRow(
        title, experiment, is_active, config_key, clips.count(),
        runs["done"], runs["failed"], runs["open"], runs["tracks"] or 0,
        identified.aggregate(count=Sum("person_count"))["count"],
    )  # fmt: skip


def other_rows(dataset: Dataset, config_key: str) -> list[ConfigRow]:
    """The configurations of imported tracks, and earlier settings of the dataset."""
    runs = (
        TrackingRun.objects.of(dataset)
        .done()
        .filter(experiment=None)
        .exclude(config_key=config_key)
    )
    is_imported = Q(made_by__has_key="bundle")
    found = runs.values("config_key").annotate(
        count=Count("pk"), imported=Count("pk", filter=is_imported), tracks=Sum("track_count")
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
            "Imported" if row["imported"] else "Earlier settings", None, False,
            row["config_key"], row["count"], row["count"], 0, 0, row["tracks"] or 0,
            persons.get(row["config_key"]), is_choice=False,
        )
        for row in found.order_by("config_key")
    ]  # fmt: skip


@dataclass
class ImportRow:
    """The import of one bundle: first its videos and clips, then its tracks."""

    clips: BundleImport
    tracks: TrackImport | None

    @property
    def step(self) -> BundleImport | TrackImport:
        """The step it has come to."""
        return self.tracks or self.clips

    @property
    def is_open(self) -> bool:
        is_between = self.tracks is None and self.clips.stage == Stage.DONE
        return is_between or self.step.stage in (Stage.WAITING, Stage.RUNNING)

    @property
    def retry(self) -> str:
        """The address that retries a failed step."""
        app, kind = ("tracking", "track-import") if self.tracks else ("datasets", "import")
        return reverse(f"{app}:retry", args=[self.clips.upload.dataset.name, kind])


def imports_of(dataset: Dataset) -> list[ImportRow]:
    """The bundles that were uploaded to `dataset`, newest first."""
    found = BundleImport.objects.filter(upload__dataset=dataset).select_related(
        "upload__dataset"
    )
    tracks = TrackImport.objects.filter(bundle_import__in=found)
    of = {one.bundle_import_id: one for one in tracks}
    return [ImportRow(one, of.get(one.pk)) for one in found.order_by("-pk")]


def is_importing(dataset: Dataset) -> bool:
    """Whether an upload may be a bundle, or is one that waits for its import."""
    waiting = Q(stage__in=(Stage.WAITING, Stage.RUNNING))
    return dataset.uploads.filter(
        waiting | Q(is_bundle=True, stage=Stage.DONE, bundle_import=None)
    ).exists()


def clip_count(dataset: Dataset) -> int:
    return Clip.objects.of(dataset).count()


def clips_without_video(dataset: Dataset) -> int:
    """How many clips can never be tracked here."""
    return Clip.objects.of(dataset).exclude(video__frame_rate=FRAME_RATE).count()


def open_runs(dataset: Dataset) -> list[RunRow]:
    """Running runs and the next that wait, in that order."""
    runs = TrackingRun.objects.of(dataset).filter(stage__in=(Stage.RUNNING, Stage.WAITING))
    return [
        RunRow(run) for run in runs.select_related("clip").order_by("stage", "pk")[:RUNS_SHOWN]
    ]


def bundles_of(dataset: Dataset) -> list[Bundle]:
    """The bundles of `dataset`, newest first."""
    return list(Bundle.objects.filter(dataset=dataset).order_by("-pk"))
