"""Reads for the page of tracking: the ways a dataset is tracked, and what is at work."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from datasets.models import Clip, Dataset
from datasets.stages import Stage
from tracking.models import Bundle, Linking, TrackingRun, Trial

RUNS_SHOWN = 20


@dataclass
class WayRow:
    """One way of tracking a dataset, and how far it is."""

    trial: Trial | None
    is_chosen: bool
    recipe: str
    clips: int
    done: int
    failed: int
    open: int
    tracks: int
    persons: int | None

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


def way_row(dataset: Dataset, trial: Trial | None, recipe: str, *, is_chosen: bool) -> WayRow:
    """How far `dataset` is tracked with `recipe`, in three queries."""
    runs = (
        TrackingRun.objects.of(dataset)
        .filter(recipe=recipe)
        .aggregate(
            done=Count("pk", filter=Q(stage=Stage.DONE)),
            failed=Count("pk", filter=Q(stage=Stage.FAILED)),
            open=Count("pk", filter=Q(stage__in=(Stage.WAITING, Stage.RUNNING))),
            tracks=Sum("track_count"),
        )
    )
    linked = Linking.objects.done().filter(video__dataset=dataset, recipe=recipe)
    return WayRow(
        trial, is_chosen, recipe, Clip.objects.of(dataset).count(),
        runs["done"], runs["failed"], runs["open"], runs["tracks"] or 0,
        linked.aggregate(count=Sum("person_count"))["count"],
    )  # fmt: skip


def open_runs(dataset: Dataset) -> list[WorkRow]:
    """Runs at work and the next that wait, in that order."""
    runs = TrackingRun.objects.of(dataset).filter(stage__in=(Stage.RUNNING, Stage.WAITING))
    return [
        WorkRow(run) for run in runs.select_related("clip").order_by("stage", "pk")[:RUNS_SHOWN]
    ]


def bundles_of(dataset: Dataset) -> list[Bundle]:
    """The bundles of `dataset`, newest first."""
    return list(Bundle.objects.filter(dataset=dataset).order_by("-pk"))
