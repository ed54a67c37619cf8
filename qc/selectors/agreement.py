"""The figures of agreement as a page shows them: a number with a tone, or why there is none."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, Max

from datasets.models import Dataset
from qc.models import AgreementReport

GOOD, FAIR = 0.8, 0.667  # Krippendorff (2004): rely on it; draw tentative conclusions only
LOW_CLIPS_SHOWN = 10
ACTIONS_SHOWN = 16
TONE_OF_SEVERITY = {"blocks": ("bad", "circle-alert"), "warns": ("warn", "triangle-alert")}

CHART_WIDTH, LABEL_WIDTH, VALUE_WIDTH, LINE = 296, 104, 36, 24


class Figure(NamedTuple):
    """One coefficient; `value` is None exactly when `reason` says why."""

    value: float | None
    reason: str
    units: int

    @property
    def tone(self) -> str:
        return tone_of(self.value)


def tone_of(value: float | None) -> str:
    """How good a chance-corrected coefficient is."""
    if value is None:
        return "mut"
    return "ok" if value >= GOOD else "warn" if value >= FAIR else "bad"


def figure(raw: dict[str, Any]) -> Figure:
    return Figure(raw["value"], raw["reason"], raw["units"])


@dataclass
class GroupRow:
    """The figures of one group over the dataset."""

    name: str
    choice: str
    alpha: Figure
    touched: Figure
    kappa: Figure
    left_out: int
    ac1: Figure
    interval: tuple[float, float] | None
    percent: Figure
    units: int
    rated_by_two: int
    answered: float | None


class Line(NamedTuple):
    """A bar of a chart, in units of its view box."""

    name: str
    tone: str
    y: int
    text_y: int
    width: float
    value: float


@dataclass
class Chart:
    """Bars from 0 to 1, one a line; what is below 0 has no length."""

    lines: list[Line]

    @property
    def height(self) -> int:
        return len(self.lines) * LINE + 18

    @property
    def axis(self) -> int:
        return len(self.lines) * LINE

    @property
    def ticks(self) -> list[tuple[float, str]]:
        room = CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH
        return [(LABEL_WIDTH + room * at, f"{at:g}") for at in (0, 0.5, 1)]


def chart(values: list[tuple[str, float]]) -> Chart:
    room = CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    return Chart(
        [
            Line(
                name, tone_of(value), place * LINE + 6, place * LINE + 16,
                round(room * max(value, 0.0), 1), value,
            )
            for place, (name, value) in enumerate(values)
        ]
    )  # fmt: skip


@dataclass
class AgreementPage:
    clips: int
    compared: int
    annotators: list[str]
    boxes: list[tuple[str, Figure]]
    pairs: list[tuple[str, str, Figure, Figure]]
    groups: list[GroupRow]
    actions: Chart
    actions_left_out: int
    findings: list[tuple[str, int]]
    blocking: int
    warning: int


def agreement_page(figures: dict[str, Any]) -> AgreementPage:
    """What `dataset_agreement` found, ready to be shown."""
    boxes = figures["boxes"]
    named = (
        ("Boxes matched, F1", "f1"),
        ("Mean IoU of matched boxes", "mean_iou"),
        ("Pairs with IoU ≥ 0.5", "share_50"),
        ("Pairs with IoU ≥ 0.75", "share_75"),
    )
    kappas = [
        (action, kappa["value"])
        for group in figures["groups"]
        for action, kappa in group["actions"].items()
    ]
    defined = sorted((one for one in kappas if one[1] is not None), key=lambda one: one[1])
    return AgreementPage(
        clips=figures["clips"],
        compared=figures["clips_compared"],
        annotators=figures["annotators"],
        boxes=[(title, figure(boxes[key])) for title, key in named],
        pairs=[
            (one["a"], one["b"], figure(one["f1"]), figure(one["mean_iou"]))
            for one in boxes["pairs"]
        ],
        groups=[_group_row(group) for group in figures["groups"]],
        actions=chart(defined[:ACTIONS_SHOWN]),
        actions_left_out=len(kappas) - len(defined[:ACTIONS_SHOWN]),
        findings=[
            (rule.replace("-", " "), n) for rule, n in figures["findings"]["rules"].items()
        ],
        blocking=figures["findings"]["blocks"],
        warning=figures["findings"]["warns"],
    )


def _group_row(group: dict[str, Any]) -> GroupRow:
    interval = group["ac1_interval"]
    return GroupRow(
        name=group["name"],
        choice=group["choice"],
        alpha=figure(group["alpha"]),
        touched=figure(group["touched"]["alpha"]),
        kappa=figure(group["kappa"]),
        left_out=group["kappa"]["left_out"],
        ac1=figure(group["ac1"]),
        interval=None if interval is None else (interval[0], interval[1]),
        percent=figure(group["percent"]),
        units=group["units"],
        rated_by_two=group["rated_by_two"],
        answered=None if group["answered"] is None else 100 * group["answered"],
    )


def state_of_reports(dataset: Dataset) -> str:
    """A text that changes whenever a report of `dataset` is made; the key of what is kept."""
    state = (
        AgreementReport.objects.of(dataset)
        .done()
        .aggregate(count=Count("pk"), newest=Max("finished_at"))
    )
    return (
        f"{dataset.pk}-{state['count']}-{state['newest']:%Y%m%d%H%M%S%f}"
        if state["count"]
        else ""
    )


@dataclass
class ClipFigures:
    """One clip's report in short."""

    clip: str
    lowest: Figure | None
    group: str
    f1: Figure
    findings: int


def lowest_clips(dataset: Dataset) -> list[ClipFigures]:
    """The clips on which annotators agree least, by the lowest alpha of their groups."""
    newest = AgreementReport.objects.of(dataset).done().order_by()
    keys = newest.values("clip").annotate(newest=Max("pk")).values("newest")
    rows = AgreementReport.objects.filter(pk__in=keys).values_list(
        "clip__name", "figures__groups", "figures__boxes__f1", "figures__findings"
    )
    found = []
    for clip, groups, f1, findings in rows:
        name, lowest = lowest_alpha(groups)
        if lowest is not None:
            found.append(ClipFigures(clip, lowest, name, figure(f1), len(findings)))
    found.sort(key=lambda one: (one.lowest.value if one.lowest else None, one.clip))
    return found[:LOW_CLIPS_SHOWN]


def lowest_alpha(groups: list[dict[str, Any]]) -> tuple[str, Figure | None]:
    """The group agreed on least, and its alpha; None if alpha is defined for no group."""
    defined = [
        (group["alpha"]["value"], group["name"], group["alpha"])
        for group in groups
        if group["alpha"]["value"] is not None
    ]
    if not defined:
        return "", None
    _, name, raw = min(defined, key=lambda one: one[:2])
    return name, figure(raw)
