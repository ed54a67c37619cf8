"""Which way of tracking finds people best: its proposals against the boxes settled on."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Avg, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q

from datasets.models import Clip, Dataset
from qc.core.quality.proposal_metrics import Difference, Merit, f1_difference, merit_at, total
from qc.models import Consensus, ConsensusBox
from qc.selectors.clips import title_of
from tracking.core.boxes import Boxes
from tracking.models import Person, Proposal, TrackingRun

CLIPS_COMPARED = 200

Truth = dict[int, dict[int, Boxes]]  # corrected boxes by clip and second


@dataclass
class WayMerit:
    """One way of tracking, measured on the clips that all ways have."""

    title: str
    recipe: str
    is_chosen: bool
    merit: Merit
    seconds: float | None  # of work for a clip
    against: Difference | None = None  # the chosen way; None for itself

    @property
    def recall_percent(self) -> float:
        return 100 * (self.merit.recall or 0.0)

    @property
    def precision_percent(self) -> float:
        return 100 * (self.merit.precision or 0.0)


@dataclass
class ProposalPage:
    """All that the page says; `clips` are those compared, of `corrected` that could be."""

    ways: list[WayMerit]
    clips: int
    corrected: int
    verdict: str
    missing: list[str]  # ways without a run of any corrected clip


class _Way(NamedTuple):
    title: str
    recipe: str
    is_chosen: bool
    runs: dict[int, int]  # run by clip


def proposal_page(dataset: Dataset) -> ProposalPage:
    """Every way in which `dataset` was tracked, held against its corrected boxes."""
    settled = set(Consensus.objects.of(dataset).done().values_list("clip", flat=True))
    ways = _ways(dataset)
    corrected = [way for way in ways if settled & way.runs.keys()]
    shared = sorted(settled.intersection(*(way.runs for way in corrected)) if corrected else ())
    clips = shared[:: -(-len(shared) // CLIPS_COMPARED) or 1]
    truth = corrected_boxes(Clip.objects.filter(pk__in=clips))
    heights = dict(Clip.objects.filter(pk__in=clips).values_list("pk", "video__height"))
    rows, merits = [], {}
    for way in corrected:
        merits[way.recipe] = _merits(way.runs, clips, truth, heights)
        rows.append(
            WayMerit(
                way.title, way.recipe, way.is_chosen, total(merits[way.recipe]), _pace(way)
            )
        )
    chosen = next((row for row in rows if row.is_chosen), None)
    for row in rows:
        if chosen and row is not chosen:
            row.against = f1_difference(merits[row.recipe], merits[chosen.recipe])
    missing = [way.title for way in ways if way not in corrected]
    return ProposalPage(rows, len(clips), len(settled), _verdict(rows, chosen), missing)


def run_merit(run: TrackingRun) -> Merit | None:
    """One run against the corrected boxes of its clip; None if nobody has corrected any."""
    clip = run.clip
    truth = corrected_boxes(Clip.objects.filter(pk=clip.pk))
    if clip.pk not in truth:
        return None
    heights = {clip.pk: clip.video.height}
    return total(_merits({clip.pk: run.pk}, [clip.pk], truth, heights))


def corrected_boxes(clips: Any) -> Truth:
    """The boxes believed at those keyframes of `clips` at which no person is disputed."""
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


def _ways(dataset: Dataset) -> list[_Way]:
    """The ways with proposals, the chosen one first."""
    found: dict[str, list[TrackingRun]] = defaultdict(list)
    named = Exists(Person.objects.filter(run=OuterRef("pk")))
    runs = TrackingRun.objects.of(dataset).done().filter(named | Q(track_count=0))
    for run in runs.select_related("trial").order_by("pk"):
        found[run.recipe].append(run)
    has_trial = dataset.trials.filter(is_chosen=True).exists()
    ways = [
        _Way(
            title_of(some[-1]), recipe,
            bool(some[-1].trial and some[-1].trial.is_chosen)
            if has_trial else some[-1].trial is None,
            {run.clip_id: run.pk for run in some},
        )
        for recipe, some in found.items()
    ]  # fmt: skip
    return sorted(ways, key=lambda way: not way.is_chosen)


def _merits(
    runs: dict[int, int], clips: Collection[int], truth: Truth, heights: dict[int, int | None]
) -> list[Merit]:
    """The merit of each of `clips`, in their order."""
    proposed: dict[int, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    rows = Proposal.objects.filter(run__in=[runs[clip] for clip in clips]).order_by()
    for run, second, *box in rows.values_list("run", "second", "x1", "y1", "x2", "y2"):
        proposed[run][second].append(box)
    return [
        total(
            [
                merit_at(
                    np.array(proposed[runs[clip]][second], dtype=float).reshape(-1, 4),
                    persons,
                    height=heights[clip] or 1,
                )
                for second, persons in truth[clip].items()
            ]
        )
        for clip in clips
    ]


def _pace(way: _Way) -> float | None:
    """Seconds of work for a clip."""
    took = ExpressionWrapper(F("finished_at") - F("started_at"), DurationField())
    runs = TrackingRun.objects.filter(pk__in=way.runs.values(), started_at__isnull=False)
    mean = runs.aggregate(mean=Avg(took))["mean"]
    return mean.total_seconds() if mean is not None else None


def _verdict(rows: Iterable[WayMerit], chosen: WayMerit | None) -> str:
    """What to choose, in a sentence; empty where there is nothing to choose from."""
    others = [row for row in rows if row.against is not None]
    if chosen is None or not others:
        return ""
    best = max(others, key=lambda row: row.against.value if row.against else 0.0)
    difference = best.against
    if difference is None or difference.value <= 0:
        return f"Stay with {chosen.title}: no other way has found people better."
    if not difference.is_certain:
        return (
            f"{best.title} is a little ahead of {chosen.title}, but that may be chance: "
            "annotate more clips before you choose."
        )
    return (
        f"Choose {best.title}: its F1 is {100 * difference.value:.1f} points above that of "
        f"{chosen.title} (95 % of the time {100 * difference.low:+.1f} to "
        f"{100 * difference.high:+.1f})."
    )
