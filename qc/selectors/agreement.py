"""How far annotators agree, as pages and tables show it: the dataset, and its clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Min, Q
from django.urls import reverse

from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.models import AgreementReport, AgreementSummary, Review
from qc.selectors.plots import Bars, Grid, bars, heat_map
from qc.selectors.tables import Column, Figure, Table, figure, figure_of
from qc.selectors.display_names import group_words

ACTIONS_SHOWN = 16
CLIPS_SHOWN = 12
TONE_OF_SEVERITY = {"blocks": ("bad", "circle-alert"), "warns": ("warn", "triangle-alert")}
BOXES = (
    ("Boxes matched, F1", "f1"),
    ("Mean IoU of matched boxes", "mean_iou"),
    ("Pairs with IoU ≥ 0.5", "share_50"),
    ("Pairs with IoU ≥ 0.75", "share_75"),
)
ALPHA = Column("Alpha", "figure", "Krippendorff's alpha")
TOUCHED = Column("Alpha where changed", "figure", "units changed from the pre-annotation")
AC1 = Column("AC1", "figure", "Gwet's AC1 with its 95 % interval")
COVERAGE = (
    Column("Rated by two", "count", "units with two answers or more"),
    Column("Units", "count"),
    Column("Answered", "share", "of the questions about persons that were drawn"),
)
FLIPS = Column("Flips", "share", "keyframes at which a label changes")
GROUP_COLUMNS = (
    Column("Group", "group"),
    ALPHA,
    TOUCHED,
    Column("Kappa", "figure", "Cohen's kappa, mean over pairs"),
    AC1,
    Column("Same answer", "rate", "raw agreement"),
    Column("Stretches", "rate", "mean IoU in time of stretches of an action"),
    FLIPS,
    *COVERAGE,
    Column("Where changed", "count", "of those rated by two"),
)


@dataclass
class Newest:
    """The newest figures of a dataset or period, and whether newer ones are on their way."""

    summary: AgreementSummary | None
    is_coming: bool

    @property
    def figures(self) -> dict[str, Any]:
        return self.summary.figures if self.summary else {}


def newest_summary(dataset: Dataset, period: str = "") -> Newest:
    rows = AgreementSummary.objects.filter(dataset=dataset, period=period)
    on_the_way = Q(stage__in=(Stage.WAITING, Stage.RUNNING))
    reports = AgreementReport.objects.of(dataset).filter(on_the_way)
    return Newest(
        rows.done().order_by("-pk").first(),
        rows.filter(on_the_way).exists() or (not period and reports.exists()),
    )


@dataclass
class AgreementPage:
    """All that the page of a dataset shows."""

    clips: int
    compared: int
    boxes: list[tuple[str, Figure]]
    groups: Table
    actions: Table
    chart: Bars
    actions_left_out: int
    pairs: Table
    map: Grid
    people: Table
    lowest: Table
    findings: Table
    blocking: int
    warning: int
    verdicts: dict[str, list[str]] = field(default_factory=dict)


def agreement_page(dataset: Dataset, figures: Mapping[str, Any]) -> AgreementPage:
    """What a summary holds, ready to be shown."""
    found = figures["findings"]
    actions = actions_table(dataset, figures)
    defined = [
        (cells[0].value, cells[2].value.value)
        for cells in actions.rows
        if cells[2].value.value is not None
    ]
    return AgreementPage(
        clips=figures["clips"],
        compared=figures["clips_compared"],
        boxes=box_cards(figures["boxes"]),
        groups=groups_table(dataset, figures),
        actions=actions,
        chart=bars(defined[:ACTIONS_SHOWN]),
        actions_left_out=len(actions.rows) - len(defined[:ACTIONS_SHOWN]),
        pairs=pairs_table(dataset, figures),
        map=heat_map({(one["a"], one["b"]): figure(one["alpha"]) for one in figures["pairs"]}),
        people=people_table(dataset, figures),
        lowest=clips_table(dataset, figures),
        findings=findings_table(figures),
        blocking=found["blocks"],
        warning=found["warns"],
        verdicts=_verdicts(figures["groups"]),
    )


def _verdicts(groups: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names of the groups by how far their alpha can be relied on."""
    found: dict[str, list[str]] = {"ok": [], "warn": [], "bad": [], "mut": []}
    for group in groups:
        found[figure(group["alpha"]).tone].append(group_words(group["name"]))
    return found


def box_cards(boxes: Mapping[str, Any]) -> list[tuple[str, Figure]]:
    return [(title, figure_of(boxes, key)) for title, key in BOXES]


def groups_table(
    dataset: Dataset, figures: Mapping[str, Any], *, title: str = "", of_pair: bool = False
) -> Table:
    """Every figure of every group, the worst alpha first; flips are of one, not of a pair."""
    columns = [one for one in GROUP_COLUMNS if one != FLIPS or not of_pair]
    table = Table("groups", title or "Labels by group", columns)
    for group in figures["groups"]:
        touched = group["touched"]
        table.add(
            (group["name"], reverse("qc:agreement-group", args=[dataset.name, group["name"]])),
            figure_of(group, "alpha"),
            figure_of(touched, "alpha"),
            figure_of(group, "kappa"),
            figure_of(group, "ac1"),
            figure_of(group, "percent"),
            figure_of(group, "segments"),
            *([] if of_pair else [group["flips"]["value"]]),
            *coverage_cells(group),
            touched["rated_by_two"],
        )
    return table.worst_first(1)


def coverage_cells(figures: Mapping[str, Any]) -> list[Any]:
    """The cells of COVERAGE: what the figures beside them rest on."""
    return [figures["rated_by_two"], figures["units"], figures["answered"]]


def actions_table(dataset: Dataset, figures: Mapping[str, Any], *, only: str = "") -> Table:
    """Every figure of every action, the worst kappa first."""
    columns = (
        Column("Action"), Column("Group", "group"),
        Column("Kappa", "figure", "Cohen's kappa, chosen or not, mean over pairs"),
        ALPHA, AC1, Column("Same answer", "rate"),
        Column("Chosen", "count", "pairs of answers in which either chose it"),
        Column("Share", "share", "of the answers that chose it"),
    )  # fmt: skip
    table = Table("actions", "Labels by action", columns)
    for group in figures["groups"]:
        if only in ("", group["name"]):
            url = reverse("qc:agreement-group", args=[dataset.name, group["name"]])
            for name, one in group["actions"].items():
                table.add(
                    name, (group["name"], url), figure(one, one["interval"]),
                    figure_of(one, "alpha"), figure_of(one, "ac1"), figure_of(one, "percent"),
                    one["chosen"], one["share"],
                )  # fmt: skip
    return table.worst_first(2)


def pairs_table(dataset: Dataset, figures: Mapping[str, Any], *, group: str = "") -> Table:
    """Every pair of annotators, the worst alpha first; of one group, or the mean over all."""
    columns = (
        Column("Pair", "link"), ALPHA, TOUCHED, AC1, Column("Same answer", "rate"),
        Column("Boxes, F1", "rate"), Column("Boxes, IoU", "rate"), *COVERAGE,
    )  # fmt: skip
    table = Table("pairs", "Pairs of annotators", columns)
    for one in figures["pairs"]:
        url = reverse("qc:agreement-pair", args=[dataset.name, one["a"], one["b"]])
        shown = one
        if group:
            shown = next((its for its in one["groups"] if its["name"] == group), None)
            if shown is None:
                continue
        table.add(
            (f"{one['a']}, {one['b']}", url), figure_of(shown, "alpha"),
            figure_of(shown["touched"], "alpha"), figure_of(shown, "ac1"),
            figure_of(shown, "percent"),
            figure_of(one["boxes"], "f1"), figure_of(one["boxes"], "mean_iou"),
            *coverage_cells(shown),
        )  # fmt: skip
    return table.worst_first(1)


def people_table(dataset: Dataset, figures: Mapping[str, Any]) -> Table:
    """Every annotator against all others, the worst alpha first."""
    columns = (
        Column("Annotator", "link"), ALPHA, TOUCHED, AC1, Column("Same answer", "rate"),
        Column("Boxes, F1", "rate"), Column("Flips", "share"),
        Column("Untouched tracks", "share"), Column("Tasks", "count"),
        Column("Approved at first", "share", "of the tasks judged so far"), *COVERAGE,
    )  # fmt: skip
    table = Table("annotators", "Annotators", columns)
    approved = first_pass(dataset)
    for one in figures["people"]:
        table.add(
            (one["name"], reverse("qc:agreement-annotator", args=[dataset.name, one["name"]])),
            figure_of(one, "alpha"), figure_of(one["touched"], "alpha"), figure_of(one, "ac1"),
            figure_of(one, "percent"),
            figure_of(one["boxes"], "f1"), one["flips"]["value"], one["untouched"]["value"],
            len(one["points"]), approved.get(one["name"]), *coverage_cells(one),
        )  # fmt: skip
    return table.worst_first(1)


def first_pass(dataset: Dataset) -> dict[str, float]:
    """Of each annotator, the share of the judged tasks whose first verdict was approval."""
    first = (
        Review.objects.filter(task__clip__video__dataset=dataset)
        .order_by().values("task").annotate(first=Min("pk")).values("first")
    )  # fmt: skip
    rows = (
        Review.objects.filter(pk__in=first)
        .order_by().values("task__annotator__name")
        .annotate(
            judged=Count("pk"),
            approved=Count("pk", filter=Q(verdict=Review.Verdict.APPROVED, pull__version=1)),
        )
    )  # fmt: skip
    return {row["task__annotator__name"]: row["approved"] / row["judged"] for row in rows}


def clips_table(dataset: Dataset, figures: Mapping[str, Any]) -> Table:
    """Every clip, the lowest alpha of its groups first."""
    columns = (
        Column("Clip", "link"), Column("Lowest alpha", "figure"), Column("Group", "group"),
        Column("Boxes, F1", "rate"), Column("Findings", "count"),
    )  # fmt: skip
    table = Table("clips", "Clips", columns, limit=CLIPS_SHOWN)
    for one in figures["listed"]:
        table.add(
            (one["clip"], reverse("qc:agreement-clip", args=[dataset.name, one["clip"]])),
            figure(one["alpha"], one["alpha_interval"]), one["group"], figure_of(one, "f1"),
            one["findings"],
        )  # fmt: skip
    return table.worst_first(1)


def findings_table(figures: Mapping[str, Any]) -> Table:
    table = Table("findings", "Findings by rule", (Column("Rule"), Column("Found", "count")))
    for rule, count in figures["findings"]["rules"].items():
        table.add(rule.replace("-", " "), count)
    return table


def lowest_alpha(groups: Sequence[Mapping[str, Any]]) -> tuple[str, Figure | None]:
    """The group agreed on least, and its alpha; None if alpha is defined for no group."""
    defined = [
        (group["alpha"]["value"], group["name"], group)
        for group in groups
        if group["alpha"]["value"] is not None
    ]
    if not defined:
        return "", None
    _, name, group = min(defined, key=lambda one: one[:2])
    return name, figure_of(group, "alpha")
