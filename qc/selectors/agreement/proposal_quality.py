"""Proposal quality: the proposals of each tracking configuration against corrected boxes."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Avg, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.utils.translation import gettext as _

from datasets.models import Clip, Dataset
from qc.core.quality.proposal_metrics import (
    F1Difference,
    ProposalMetrics,
    f1_difference,
    keyframe_metrics,
    sum_metrics,
)
from qc.models import Consensus, ConsensusBox
from qc.selectors.clips import run_title
from qc.selectors.statuses import cached, clip_statuses
from tracking.core.boxes import Boxes
from tracking.models import Person, Proposal, TrackingRun

CLIPS_COMPARED = 200

Truth = dict[int, dict[int, Boxes]]  # corrected boxes by clip and second


@dataclass
class ConfigMetrics:
    """One tracking configuration, measured on the clips that all were run on."""

    title: str
    config_key: str
    is_active: bool
    metrics: ProposalMetrics
    seconds: float | None  # of work for a clip
    against: F1Difference | None = None  # the active config; None for itself

    @property
    def recall_percent(self) -> float:
        return 100 * (self.metrics.recall or 0.0)

    @property
    def precision_percent(self) -> float:
        return 100 * (self.metrics.precision or 0.0)


@dataclass
class ProposalPage:
    """All that the page says; `clips` are those compared, of `corrected` that could be."""

    rows: list[ConfigMetrics]
    clips: int
    corrected: int
    verdict: str
    missing: list[str]  # configs without a run of any corrected clip


class _Config(NamedTuple):
    title: str
    config_key: str
    is_active: bool
    runs: dict[int, int]  # run by clip


def proposal_page(dataset: Dataset) -> ProposalPage:
    """Every configuration that `dataset` was tracked with, against its corrected boxes.

    It is kept until a clip changes.
    """
    statuses = clip_statuses(dataset)
    return cached(f"proposals-{dataset.pk}", statuses, lambda: _proposal_page(dataset))


def _proposal_page(dataset: Dataset) -> ProposalPage:
    corrected_clips = set(Consensus.objects.of(dataset).done().values_list("clip", flat=True))
    configs = _configs(dataset)
    corrected = [config for config in configs if corrected_clips & config.runs.keys()]
    runs = [config.runs for config in corrected]
    shared = sorted(corrected_clips.intersection(*runs) if runs else ())
    clips = shared[:: -(-len(shared) // CLIPS_COMPARED) or 1]
    truth = corrected_boxes(Clip.objects.filter(pk__in=clips))
    heights = dict(Clip.objects.filter(pk__in=clips).values_list("pk", "video__height"))
    rows, metrics_of = [], {}
    for config in corrected:
        metrics_of[config.config_key] = _metrics(config.runs, clips, truth, heights)
        rows.append(
            ConfigMetrics(
                config.title,
                config.config_key,
                config.is_active,
                sum_metrics(metrics_of[config.config_key]),
                _seconds_per_clip(config),
            )
        )
    active = next((row for row in rows if row.is_active), None)
    for row in rows:
        if active and row is not active:
            row.against = f1_difference(
                metrics_of[row.config_key], metrics_of[active.config_key]
            )
    missing = [config.title for config in configs if config not in corrected]
    return ProposalPage(rows, len(clips), len(corrected_clips), _verdict(rows, active), missing)


def run_metrics(run: TrackingRun) -> ProposalMetrics | None:
    """One run against the corrected boxes of its clip; None if nobody has corrected any."""
    clip = run.clip
    truth = corrected_boxes(Clip.objects.filter(pk=clip.pk))
    if clip.pk not in truth:
        return None
    heights = {clip.pk: clip.video.height}
    return sum_metrics(_metrics({clip.pk: run.pk}, [clip.pk], truth, heights))


def corrected_boxes(clips: Any) -> Truth:
    """The consensus boxes at those keyframes of `clips` at which no person is disputed."""
    newest: dict[int, Consensus] = {}
    found = Consensus.objects.done().filter(clip__in=clips).select_related("clip__video")
    for consensus in found.order_by("pk"):
        newest[consensus.clip_id] = consensus
    clip_of = {consensus.pk: clip for clip, consensus in newest.items()}
    boxes: dict[int, dict[int, list[tuple[float, ...]]]] = {
        pk: {second: [] for second in one.clip.keyframes()} for pk, one in newest.items()
    }
    fields = ("consensus", "second", "status", "x1", "y1", "x2", "y2")
    disputed = set()
    rows = ConsensusBox.objects.filter(consensus__in=clip_of).order_by()
    for consensus_id, second, status, *box in rows.values_list(*fields):
        at = boxes[clip_of[consensus_id]]
        if status == ConsensusBox.Status.DISPUTED:
            disputed.add((clip_of[consensus_id], second))
        elif status == ConsensusBox.Status.AGREED and second in at:
            at[second].append(tuple(box))
    return {
        clip: {
            second: np.array(some).reshape(-1, 4)
            for second, some in at.items()
            if (clip, second) not in disputed
        }
        for clip, at in boxes.items()
    }


def _configs(dataset: Dataset) -> list[_Config]:
    """The configs with proposals, the active one first."""
    found: dict[str, list[TrackingRun]] = defaultdict(list)
    named = Exists(Person.objects.filter(run=OuterRef("pk")))
    runs = TrackingRun.objects.of(dataset).done().filter(named | Q(track_count=0))
    for run in runs.select_related("experiment").order_by("pk"):
        found[run.config_key].append(run)
    has_active = dataset.experiments.filter(is_active=True).exists()
    configs = [
        _Config(
            run_title(some[-1]), config_key,
            bool(some[-1].experiment and some[-1].experiment.is_active)
            if has_active else some[-1].experiment is None,
            {run.clip_id: run.pk for run in some},
        )
        for config_key, some in found.items()
    ]  # fmt: skip
    return sorted(configs, key=lambda config: not config.is_active)


def _metrics(
    runs: dict[int, int], clips: Collection[int], truth: Truth, heights: dict[int, int | None]
) -> list[ProposalMetrics]:
    """The metrics of each of `clips`, in their order."""
    proposed: dict[int, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    rows = Proposal.objects.filter(run__in=[runs[clip] for clip in clips]).order_by()
    for run, second, *box in rows.values_list("run", "second", "x1", "y1", "x2", "y2"):
        proposed[run][second].append(box)
    return [
        sum_metrics(
            [
                keyframe_metrics(
                    np.array(proposed[runs[clip]][second], dtype=float).reshape(-1, 4),
                    persons,
                    height=heights[clip] or 1,
                )
                for second, persons in truth[clip].items()
            ]
        )
        for clip in clips
    ]


def _seconds_per_clip(config: _Config) -> float | None:
    """Seconds of work for a clip."""
    took = ExpressionWrapper(F("finished_at") - F("started_at"), DurationField())
    runs = TrackingRun.objects.filter(pk__in=config.runs.values(), started_at__isnull=False)
    mean = runs.aggregate(mean=Avg(took))["mean"]
    return mean.total_seconds() if mean is not None else None


def _verdict(rows: Iterable[ConfigMetrics], active: ConfigMetrics | None) -> str:
    """What to choose, in a sentence; empty where there is nothing to choose from."""
    others = [row for row in rows if row.against is not None]
    if active is None or not others:
        return ""
    best = max(others, key=lambda row: row.against.value if row.against else 0.0)
    difference = best.against
    if difference is None or difference.value <= 0:
        return _("Stay with %(active)s: no other configuration finds persons better.") % {
            "active": active.title
        }
    if not difference.is_certain:
        return _(
            "%(best)s has a slightly higher F1 than %(active)s, but the difference may "
            "be chance: annotate more clips before you choose."
        ) % {"best": best.title, "active": active.title}
    low, high = difference.interval or (0.0, 0.0)  # it is certain
    return _(
        "Choose %(best)s: its F1 is %(points).1f points above that of %(active)s (95 %% "
        "interval %(low)s to %(high)s)."
    ) % {
        "best": best.title,
        "points": 100 * difference.value,
        "active": active.title,
        "low": f"{100 * low:+.1f}",
        "high": f"{100 * high:+.1f}",
    }
