"""Who does well on the gold clips, with the evidence, and how far boxes lead people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db.models import Count, Max

from annotation.models import AnnotationTask
from datasets.core.clipping import FRAME_RATE
from datasets.models import Dataset
from qc.core.quality.anchoring import Kept, Lead, Meter, Work, anchoring
from qc.core.quality.gold import BAR, Drift, Marks, Rate, drift, marks
from qc.models import Score
from qc.selectors.agreement import COVERAGE, coverage_cells
from qc.selectors.player_scene import look_at
from qc.selectors.tables import Column, Table, figure_of

MISTAKES_SHOWN = 30
KEEP_COUNT = 24 * 3600  # seconds
CHART_WIDTH, CHART_HEIGHT, MARGIN = 1000, 80, 8
WEAK_SHOWN = 5
STANDINGS = {
    "under": ("Under the bar", "bad"),
    "unsure": ("May be under", "warn"),
    "few": ("Too little to say", "grey"),
    "above": ("Above the bar", "ok"),
}
LABEL_COLUMNS = (
    Column("Group", "group"),
    Column("Blind against with boxes", "figure", "lower than among those with boxes: led"),
    Column("Both with boxes", "figure"),
    Column("Both blind", "figure"),
    Column("AC1", "figure", "Gwet's AC1 of blind against with boxes"),
    Column("Same answer", "rate", "of blind against with boxes"),
    *COVERAGE,
)
WORST_FIRST = list(STANDINGS)


class Evidence(NamedTuple):
    """One wrong answer, and where to look at it."""

    clip: str
    second: int
    person: str
    group: str
    missed: str  # known and not said
    wrong: str  # said and not right
    url: str  # of the player on the person


class ActionLine(NamedTuple):
    """One action of one annotator."""

    name: str
    rate: Rate
    hit: int
    missed: int
    wrong: int

    @property
    def tone(self) -> str:
        return STANDINGS[self.rate.standing][1]


class CheckPoint(NamedTuple):
    """One gold clip answered; `x` and `y` are places in the chart's view box."""

    clip: str
    when: datetime
    right: int
    asked: int
    x: float
    y: float

    @property
    def share(self) -> float:
        return self.right / self.asked


@dataclass
class GoldRow:
    """How one annotator does on the gold clips."""

    annotator: str
    clips: int
    marks: Marks
    actions: list[ActionLine]  # lowest first
    mistakes: list[Evidence]
    mistake_count: int
    checks: list[CheckPoint]  # in the order in which the answers came
    drift: Drift | None

    @property
    def line(self) -> str:
        """The points of the chart, joined."""
        return " ".join(f"{check.x:g},{check.y:g}" for check in self.checks)

    @property
    def bar_y(self) -> float:
        return _height(BAR)

    @property
    def standing(self) -> str:
        """The worse of right answers and persons found."""
        both = (self.marks.answers.standing, self.marks.found.standing)
        return min(both, key=WORST_FIRST.index)

    @property
    def badge(self) -> tuple[str, str]:
        return STANDINGS[self.standing]

    @property
    def weak(self) -> list[ActionLine]:
        """The actions for which the annotator is under the bar with certainty."""
        return [line for line in self.actions if line.rate.standing == "under"]

    @property
    def weakest(self) -> list[ActionLine]:
        return self.weak[:WEAK_SHOWN]

    @property
    def weak_left(self) -> int:
        return len(self.weak) - len(self.weakest)

    @property
    def is_flagged(self) -> bool:
        falls = self.drift is not None and self.drift.is_falling
        return self.standing == "under" or bool(self.weak) or falls


class LeadLine(NamedTuple):
    """One line of the anchoring meter."""

    title: str
    note: str
    lead: Lead


@dataclass
class GoldPage:
    bar: float
    rows: list[GoldRow]
    given: int
    answered: int
    gold: int
    meter: Meter
    leads: list[LeadLine]
    labels: Table

    @property
    def flagged(self) -> list[GoldRow]:
        return [row for row in self.rows if row.is_flagged]


def gold_page(dataset: Dataset, labels: Sequence[Mapping[str, Any]]) -> GoldPage:
    """All of the page but its looks; `labels` is what a summary says of anchoring."""
    tasks = AnnotationTask.objects.of(dataset)
    checks = tasks.filter(purpose=AnnotationTask.Purpose.CHECK, withdrawn_at=None)
    meter = anchoring(_work(dataset))
    return GoldPage(
        bar=BAR,
        rows=gold_rows(dataset),
        given=checks.count(),
        answered=checks.filter(pulls__stage="done").distinct().count(),
        gold=tasks.filter(purpose=AnnotationTask.Purpose.KEY).count(),
        meter=meter,
        leads=_leads(meter),
        labels=_labels(labels),
    )


def gold_rows(dataset: Dataset) -> list[GoldRow]:
    """The annotators who answered gold clips, worst first."""
    scores: dict[str, list[Score]] = defaultdict(list)
    for score in _current(dataset, is_gold=True):
        scores[score.pull.task.annotator.name].append(score)
    rows = [_row(name, given) for name, given in scores.items()]
    return sorted(rows, key=_place)


def flagged_count(dataset: Dataset) -> int:
    """How many annotators are under the bar, kept until there is a new score or gold clip."""
    state = Score.objects.filter(pull__task__clip__video__dataset=dataset).aggregate(
        count=Count("pk"), newest=Max("finished_at")
    )
    if not state["count"]:
        return 0
    keys = AnnotationTask.objects.of(dataset).filter(purpose=AnnotationTask.Purpose.KEY)
    gold = keys.aggregate(count=Count("pk"), total=Max("pk"))
    key = (
        f"gold-{dataset.pk}-{state['count']}-{state['newest']}-{gold['count']}-{gold['total']}"
    )
    key = key.replace(" ", "-")
    count: int | None = cache.get(key)
    if count is None:
        count = sum(row.is_flagged for row in gold_rows(dataset))
        cache.set(key, count, KEEP_COUNT)
    return count


def _current(dataset: Dataset, *, is_gold: bool) -> list[Score]:
    """The score of the newest answers to each task, against the newest known ones."""
    scores = (
        Score.objects.done()
        .filter(pull__task__clip__video__dataset=dataset, key__isnull=not is_gold)
        .select_related("pull__task__annotator", "pull__task__clip__video__dataset")
    )
    if is_gold:
        scores = scores.filter(key__task__purpose=AnnotationTask.Purpose.KEY)
        scores = scores.exclude(pull__task__purpose=AnnotationTask.Purpose.KEY)
    newest = {
        score.pull.task_id: score
        for score in scores.order_by("pull__version", "key__version", "pk")
    }
    return list(newest.values())


def _row(name: str, scores: list[Score]) -> GoldRow:
    scores = sorted(scores, key=lambda score: (score.pull.created_at, score.pk))
    found = marks(score.figures for score in scores)
    lines = [
        ActionLine(action, rate, *found.counts[action])
        for action, rate in found.actions.items()
    ]
    mistakes = [
        Evidence(
            score.pull.task.clip.name,
            second,
            person,
            group,
            missed=", ".join(sorted({*known} - {*said})),
            wrong=", ".join(sorted({*said} - {*known})),
            url=_url(score, second, person),
        )
        for score in sorted(scores, key=lambda one: one.pull.task.clip.name)
        for second, person, group, known, said in score.figures["mistakes"]
    ]
    return GoldRow(
        annotator=name,
        clips=len(scores),
        marks=found,
        actions=sorted(lines, key=lambda line: (line.rate.share.value or 0.0, line.name)),
        mistakes=mistakes[:MISTAKES_SHOWN],
        mistake_count=len(mistakes),
        checks=_checks(scores),
        drift=drift([score.figures for score in scores]),
    )


def _url(score: Score, second: int, person: str) -> str:
    """The player on a person, who is called as `services.measure` does."""
    clip = score.pull.task.clip
    number, _, track = person.removeprefix("P").partition(" ")
    meant = f"{score.key_id}.{track}" if track else number
    return look_at(clip.video.dataset.name, clip.name, frame=second * FRAME_RATE, person=meant)


def _checks(scores: list[Score]) -> list[CheckPoint]:
    answered = []
    for score in scores:
        people = score.figures["people"]
        right, asked = (sum(one[name] for one in people) for name in ("right", "asked"))
        if asked:
            answered.append((score.pull, right, asked))
    step = (CHART_WIDTH - 2 * MARGIN) / max(len(answered) - 1, 1)
    return [
        CheckPoint(
            pull.task.clip.name, pull.created_at, right, asked,
            x=round(MARGIN + place * step, 1), y=_height(right / asked),
        )
        for place, (pull, right, asked) in enumerate(answered)
    ]  # fmt: skip


def _height(share: float) -> float:
    return round(MARGIN + (1 - share) * (CHART_HEIGHT - 2 * MARGIN), 1)


def _place(row: GoldRow) -> tuple[bool, int, float, str]:
    value = row.marks.answers.share.value
    standing = WORST_FIRST.index(row.standing)
    return not row.is_flagged, standing, 1.0 if value is None else value, row.annotator


def _work(dataset: Dataset) -> list[Work]:
    return [
        Work(
            score.pull.task.clip_id,
            score.pull.task.is_blind,
            Kept(*(score.figures[name] for name in Kept._fields)),
        )
        for score in _current(dataset, is_gold=False)
    ]


def _labels(groups: Sequence[Mapping[str, Any]]) -> Table:
    """Kappa of blind answers against the others, and of each kind among itself."""
    table = Table("anchoring-labels", "Anchoring of labels", LABEL_COLUMNS,
                  sub="Cohen's kappa on the clips that had both")  # fmt: skip
    for group in groups:
        kinds = [group[kind] for kind in ("mixed", "seen", "blind")]
        if any(one["rated_by_two"] for one in kinds):
            mixed = kinds[0]
            table.add(
                group["name"], *(figure_of(one, "kappa") for one in kinds),
                figure_of(mixed, "ac1"), figure_of(mixed, "percent"), *coverage_cells(mixed),
            )  # fmt: skip
    return table.worst_first(1)


def _leads(meter: Meter) -> list[LeadLine]:
    return [
        LeadLine(
            "Boxes of the machine that people have too",
            "more with boxes than blind: wrong ones are kept",
            meter.kept,
        ),
        LeadLine(
            "Boxes of people that the machine has not",
            "fewer with boxes than blind: missed persons stay missed",
            meter.added,
        ),
        LeadLine(
            "IoU with the boxes of the machine",
            "higher with boxes than blind: they are not moved where they should be",
            meter.iou,
        ),
        LeadLine(
            "Boxes left as the machine drew them",
            "of those both have, IoU 0.95 or more",
            meter.as_given,
        ),
    ]
