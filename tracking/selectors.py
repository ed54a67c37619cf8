"""Reads for the page Tracking: configurations, runs, imports and bundles of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db.models import Count, F, Max, Min, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from avaproject.base.storage import StorageError, local_path
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import BundleImport, Clip, Dataset, Video
from tracking.core.doubts import DOUBTFUL
from tracking.core.features import likeness
from tracking.core.image_grid import best_over_time
from tracking.core.returning import PersonSpan
from tracking.core.tracks_file import Track, TracksFile, TracksFileError, load, with_class
from tracking.models import (
    Bundle,
    Experiment,
    IdentityRun,
    Person,
    Proposal,
    TrackImport,
    TrackingRun,
    VideoPerson,
)

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


def detector_problem(dataset: Dataset) -> str:
    """Why no clip of `dataset` can be tracked, in one sentence; empty if some can.

    Its file is missing in the weights folder of this machine, or all runs so far have failed.
    """
    folder = Path(settings.WEIGHTS_DIR)
    if dataset.weights and folder.is_dir() and not (folder / dataset.weights).exists():
        return _("The detector's file %(weights)s is missing.") % {"weights": dataset.weights}
    runs = TrackingRun.objects.filter(clip__video__dataset=dataset)
    if runs.failed().exists() and not runs.exclude(stage=Stage.FAILED).exists():
        return _("The detector can't be used here; see Failures.")
    return ""


def tracks_of(run: TrackingRun) -> TracksFile:
    """The tracks of a run.

    Raises TracksFileError with the way out if they cannot be read, StorageError if not now.
    """
    try:
        with local_path(run.tracks.name or "") as path:
            return load(path.read_bytes())
    except FileNotFoundError as error:
        raise TracksFileError(
            _(
                "The tracks of %(clip)s are missing in the storage (%(name)s): restore the "
                "file, or delete the run so that the clip is tracked again."
            )
            % {"clip": run.clip, "name": run.tracks.name}
        ) from error
    except StorageError:
        raise
    except (OSError, TracksFileError) as error:
        raise TracksFileError(
            _("The tracks of %(clip)s cannot be read (%(name)s: %(error)s).")
            % {"clip": run.clip, "name": run.tracks.name, "error": error}
        ) from error


def track_rows(run: TrackingRun, tracks: Iterable[Track]) -> list[TrackRow]:
    """The tracks of `run` by number."""
    ids = dict(run.persons.values_list("track_id", "person_id"))
    rows = []
    for track in tracks:
        number = ids.get(track.track_id, track.track_id)
        rows.append(
            TrackRow(
                track.track_id, number,
                with_class(f"{'P' if track.track_id in ids else 'T'}{number}", track.label),
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
            _("Imported") if row["imported"] else _("Earlier settings"), None, False,
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


class PersonCrop(NamedTuple):
    """A person at one keyframe, as a contact sheet shows it."""

    clip: Clip
    name: str  # of the clip
    frame: int  # of the clip
    box: tuple[float, float, float, float]
    score: float
    caption: str  # the time in the video


def runs_in_use(video: Video) -> list[TrackingRun]:
    """The run of each clip of `video` that counts, by clip."""
    runs = TrackingRun.objects.done().filter(clip__video=video).in_use()
    first: dict[int, TrackingRun] = {}
    for run in runs.select_related("clip__video__dataset"):
        first.setdefault(run.clip_id, run)
    return sorted(first.values(), key=lambda run: run.clip.index)


def persons_of(video: Video, runs: Iterable[TrackingRun]) -> list[VideoPerson]:
    """The tracked persons of `video`: those to be checked first, most doubtful first."""
    numbers = Person.objects.filter(run__in=list(runs)).values("person_id")
    found = VideoPerson.objects.filter(video=video, person_id__in=numbers)
    return list(
        found.order_by(
            F("checked_at").asc(nulls_first=True), F("doubt").desc(nulls_last=True), "person_id"
        )
    )


def doubtful_persons(dataset: Dataset) -> tuple[int, int]:
    """How many persons should be looked at, and in how many videos."""
    found = VideoPerson.objects.filter(
        video__dataset=dataset, checked_at=None, doubt__gte=DOUBTFUL
    ).aggregate(persons=Count("pk"), videos=Count("video", distinct=True))
    return found["persons"], found["videos"]


def crops_of(
    runs: Iterable[TrackingRun], numbers: Iterable[int], *, count: int
) -> dict[int, list[PersonCrop]]:
    """The best crops of each person over time, at keyframes, in order; two ends always."""
    clips = {run.pk: run.clip for run in runs}
    rows = Proposal.objects.filter(run__in=list(clips), person_id__in=list(numbers))
    found: dict[int, list[PersonCrop]] = {}
    for one in rows.order_by("run__clip__index", "second"):
        clip = clips[one.run_id]
        start = clip.start_frame / FRAME_RATE
        found.setdefault(one.person_id, []).append(
            PersonCrop(
                clip, clip.name, one.second * FRAME_RATE, (one.x1, one.y1, one.x2, one.y2),
                one.score, _time(start + one.second),
            )
        )  # fmt: skip
    return {
        number: [
            crops[place] for place in best_over_time([c.score for c in crops], count=count)
        ]
        for number, crops in found.items()
    }


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def spans_of(runs: Iterable[TrackingRun]) -> dict[int, PersonSpan]:
    """When each person is seen, by number."""
    starts = {run.pk: run.clip.start_frame // FRAME_RATE for run in runs}
    rows = Proposal.objects.filter(run__in=list(starts)).order_by()
    found: dict[int, PersonSpan] = {}
    for run, number, first, last in rows.values_list("run", "person_id").annotate(
        Min("second"), Max("second")
    ):
        first, last = first + starts[run], last + starts[run]
        known = found.get(number, PersonSpan(number, first, last))
        found[number] = PersonSpan(number, min(known.first, first), max(known.last, last))
    return found


def most_alike(person: VideoPerson, *, count: int) -> list[VideoPerson]:
    """Persons of other videos of its dataset who look most like `person`, best first.

    Each has `alike`, 0 to 1. None for a person without a look.
    """
    others = VideoPerson.objects.filter(
        video__dataset=person.video.dataset_id,
        look_parts=person.look_parts,
        look__isnull=False,
        label=person.label,
    ).exclude(video=person.video_id)
    if not person.look:
        return []
    rows = [one for one in others if one.look and len(one.look) == len(person.look)]
    if not rows:
        return []
    own, *looks = (
        np.frombuffer(one.look or b"", np.float16)
        .reshape(one.look_parts, -1)
        .astype(np.float32)
        for one in (person, *rows)
    )
    alike = np.nan_to_num(likeness(own[None], np.stack(looks)), nan=0.0)
    best = np.argsort(-alike, kind="stable")[:count].tolist()
    keys = {rows[place].pk: float(alike[place]) for place in best}
    found = list(VideoPerson.objects.filter(pk__in=keys).select_related("video"))
    for one in found:
        one.alike = keys[one.pk]  # type: ignore[attr-defined]
    return sorted(found, key=lambda one: -keys[one.pk])
