"""Gold clips: scores and mistakes of the annotators, and the anchoring bias of boxes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from annotation.models import AnnotationTask
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Dataset
from qc.core.agreement.coefficients import KAPPA
from qc.core.agreement.summary_figures import GroupAnchoring
from qc.core.quality.anchoring import (
    AnchoringBias,
    BiasFigure,
    KeptBoxes,
    VersionBoxes,
    anchoring_bias,
)
from qc.core.quality.gold import (
    THRESHOLD,
    GoldDrift,
    GoldRate,
    GoldScore,
    VersionScore,
    gold_drift,
    gold_score,
)
from qc.models import Score
from qc.selectors.agreement.agreement_tables import (
    COVERAGE,
    OF_RATINGS,
    coefficient_column,
    coverage_cells,
)
from qc.selectors.agreement.table_parts import Column, Table
from qc.selectors.player_scene import player_url
from qc.selectors.statuses import cached, clip_statuses
from tracking.core.tracks_file import with_class

MISTAKES_SHOWN = 30
CHART_WIDTH, CHART_HEIGHT, MARGIN = 1000, 80, 8
WEAK_SHOWN = 5
VERDICTS = {
    "below": ("Below the threshold", "bad"),
    "uncertain": ("May be below", "warn"),
    "too few": ("Too few answers", "grey"),
    "above": ("Above the threshold", "ok"),
}
LABEL_COLUMNS = (
    Column("Group", "group"),
    Column(
        "Blind against with boxes",
        "figure",
        "lower than among those with boxes: anchoring bias",
    ),
    Column("Both with boxes", "figure"),
    Column("Both blind", "figure"),
    *map(coefficient_column, OF_RATINGS),
    *COVERAGE,
)
WORST_FIRST = list(VERDICTS)


class MistakeRow(NamedTuple):
    """One wrong answer, and where to look at it."""

    clip: str
    second: int
    person: str
    group: str
    missed: str  # known and not answered
    wrong: str  # answered and not right
    url: str  # of the player on the person


class ActionLine(NamedTuple):
    """One action of one annotator."""

    name: str
    rate: GoldRate
    right: int
    missed: int
    wrong: int

    @property
    def tone(self) -> str:
        return VERDICTS[self.rate.verdict][1]


class CheckPoint(NamedTuple):
    """One gold clip answered; `x` and `y` are places in the chart's view box."""

    clip: str
    when: datetime
    right: int
    expected: int
    x: float
    y: float

    @property
    def share(self) -> float:
        return self.right / self.expected


@dataclass
class GoldRow:
    """One annotator on the gold clips."""

    annotator: str
    clips: int
    score: GoldScore
    actions: list[ActionLine]  # lowest first
    mistakes: list[MistakeRow]
    mistake_count: int
    checks: list[CheckPoint]  # in the order in which the answers came
    drift: GoldDrift | None

    @property
    def line(self) -> str:
        """The points of the chart, joined."""
        return " ".join(f"{check.x:g},{check.y:g}" for check in self.checks)

    @property
    def threshold_y(self) -> float:
        return _height(THRESHOLD)

    @property
    def verdict(self) -> str:
        """The worse of right answers and persons found."""
        both = (self.score.answers.verdict, self.score.found.verdict)
        return min(both, key=WORST_FIRST.index)

    @property
    def badge(self) -> tuple[str, str]:
        return VERDICTS[self.verdict]

    @property
    def weak(self) -> list[ActionLine]:
        """The actions for which the annotator is certainly below the threshold."""
        return [line for line in self.actions if line.rate.verdict == "below"]

    @property
    def weakest(self) -> list[ActionLine]:
        return self.weak[:WEAK_SHOWN]

    @property
    def weak_left(self) -> int:
        return len(self.weak) - len(self.weakest)

    @property
    def is_flagged(self) -> bool:
        falls = self.drift is not None and self.drift.is_falling
        return self.verdict == "below" or bool(self.weak) or falls


@dataclass
class GoldPage:
    threshold: float
    rows: list[GoldRow]
    assigned: int
    answered: int
    gold: int
    bias: AnchoringBias
    lines: list[tuple[str, str, BiasFigure]]  # title, note, figure
    labels: Table

    @property
    def flagged(self) -> list[GoldRow]:
        return [row for row in self.rows if row.is_flagged]


def gold_page(dataset: Dataset, labels: Sequence[GroupAnchoring]) -> GoldPage:
    """All that the page shows; `labels` are the anchoring figures of a summary."""
    tasks = AnnotationTask.objects.of(dataset)
    checks = tasks.filter(purpose=AnnotationTask.Purpose.CHECK, unassigned_at=None)
    measured = clip_statuses(dataset).filter(is_measured=True)
    bias = cached(f"anchoring-{dataset.pk}", measured, lambda: anchoring_bias(_work(dataset)))
    return GoldPage(
        threshold=THRESHOLD,
        rows=gold_rows(dataset),
        assigned=checks.count(),
        answered=checks.filter(versions__stage="done").distinct().count(),
        gold=tasks.filter(purpose=AnnotationTask.Purpose.GOLD).count(),
        bias=bias,
        lines=_bias_lines(bias),
        labels=_labels(labels),
    )


def gold_rows(dataset: Dataset) -> list[GoldRow]:
    """The annotators who answered gold clips, worst first; kept until a gold clip changes."""
    measured = clip_statuses(dataset).filter(is_measured=True)
    return cached(f"gold-{dataset.pk}", measured, lambda: _gold_rows(dataset))


def _gold_rows(dataset: Dataset) -> list[GoldRow]:
    scores: dict[str, list[Score]] = defaultdict(list)
    for score in _current(dataset, is_gold=True):
        scores[score.version.author.name].append(score)
    rows = [_row(name, given) for name, given in scores.items()]
    return sorted(rows, key=_place)


def flagged_count(dataset: Dataset) -> int:
    """How many annotators are flagged."""
    measured = clip_statuses(dataset).filter(is_measured=True)
    return cached(
        f"flagged-{dataset.pk}",
        measured,
        lambda: sum(row.is_flagged for row in gold_rows(dataset)),
    )


def _current(dataset: Dataset, *, is_gold: bool) -> list[Score]:
    """The score of the newest answers to each task, against the newest known ones."""
    scores = (
        Score.objects.done()
        .filter(version__task__clip__video__dataset=dataset, key__isnull=not is_gold)
        .select_related("version__author", "version__task__clip__video__dataset")
    )
    if is_gold:
        scores = scores.filter(key__task__purpose=AnnotationTask.Purpose.GOLD)
        scores = scores.exclude(version__task__purpose=AnnotationTask.Purpose.GOLD)
    newest = {
        score.version.task_id: score
        for score in scores.order_by("version__number", "key__number", "pk")
    }
    return list(newest.values())


def _row(name: str, scores: list[Score]) -> GoldRow:
    scores = sorted(scores, key=lambda score: (score.version.created_at, score.pk))
    versions = [VersionScore.from_json(score.figures) for score in scores]
    found = gold_score(versions)
    lines = [
        ActionLine(action, rate, *found.counts[action])
        for action, rate in found.actions.items()
    ]
    by_clip = sorted(
        zip(scores, versions, strict=True), key=lambda one: one[0].version.task.clip.name
    )
    mistakes = [
        MistakeRow(
            score.version.task.clip.name,
            one.second,
            with_class(one.person, one.label),
            one.group,
            missed=", ".join(sorted({*one.known} - {*one.answered})),
            wrong=", ".join(sorted({*one.answered} - {*one.known})),
            url=_url(score, one.second, one.person),
        )
        for score, version in by_clip
        for one in version.mistakes
    ]
    return GoldRow(
        annotator=name,
        clips=len(scores),
        score=found,
        actions=sorted(lines, key=lambda line: (line.rate.share.value or 0.0, line.name)),
        mistakes=mistakes[:MISTAKES_SHOWN],
        mistake_count=len(mistakes),
        checks=_checks(scores, versions),
        drift=gold_drift(versions),
    )


def _url(score: Score, second: int, person: str) -> str:
    """The player on a person, who is called as `services.measure` does."""
    clip = score.version.task.clip
    number, _, track = person.removeprefix("P").partition(" ")
    meant = f"{score.key_id}.{track}" if track else number
    return player_url(
        clip.video.dataset.name, clip.name, frame=second * FRAME_RATE, person=meant
    )


def _checks(scores: Sequence[Score], versions: Sequence[VersionScore]) -> list[CheckPoint]:
    answered = [
        (score.version, version.right, version.expected)
        for score, version in zip(scores, versions, strict=True)
        if version.expected
    ]
    step = (CHART_WIDTH - 2 * MARGIN) / max(len(answered) - 1, 1)
    return [
        CheckPoint(
            version.task.clip.name, version.created_at, right, expected,
            x=round(MARGIN + place * step, 1), y=_height(right / expected),
        )
        for place, (version, right, expected) in enumerate(answered)
    ]  # fmt: skip


def _height(share: float) -> float:
    return round(MARGIN + (1 - share) * (CHART_HEIGHT - 2 * MARGIN), 1)


def _place(row: GoldRow) -> tuple[bool, int, float, str]:
    value = row.score.answers.share.value
    verdict = WORST_FIRST.index(row.verdict)
    return not row.is_flagged, verdict, 1.0 if value is None else value, row.annotator


def _work(dataset: Dataset) -> list[VersionBoxes]:
    return [
        VersionBoxes(
            score.version.task.clip_id,
            score.version.task.is_blind,
            KeptBoxes(*(score.figures[name] for name in KeptBoxes._fields)),
        )
        for score in _current(dataset, is_gold=False)
    ]


def _labels(groups: Sequence[GroupAnchoring]) -> Table:
    """Kappa of blind answers against the others, and of each kind among itself."""
    table = Table("anchoring-labels", "Anchoring of labels", LABEL_COLUMNS,
                  sub="Cohen's kappa on the clips that had both")  # fmt: skip
    for group in groups:
        kinds = (group.mixed, group.seen, group.blind)
        if any(one.rated_by_two for one in kinds):
            table.add(
                group.name, *(one.coefficients[KAPPA.name] for one in kinds),
                *(group.mixed.coefficients[spec.name] for spec in OF_RATINGS),
                *coverage_cells(group.mixed),
            )  # fmt: skip
    return table.worst_first(1)


def _bias_lines(bias: AnchoringBias) -> list[tuple[str, str, BiasFigure]]:
    return [
        ("Proposals that annotators kept",
         "more with boxes than blind: wrong ones are kept", bias.kept),
        ("Boxes that annotators added",
         "fewer with boxes than blind: missed persons stay missed", bias.added),
        ("IoU of the kept boxes with the proposals",
         "higher with boxes than blind: boxes are not adjusted where they should be", bias.iou),
        ("Unchanged boxes", "of the kept ones, IoU 0.95 or more", bias.unchanged),
    ]  # fmt: skip
