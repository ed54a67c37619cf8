"""Tables of the agreement of a dataset, by group, action, pair, annotator and clip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Min, Q
from django.urls import reverse

from annotation.selectors.times_in_cvat import cvat_times
from datasets.models import Dataset
from qc.core.agreement.coefficients import ALPHA, COEFFICIENTS, KAPPA, CoefficientSpec
from qc.core.agreement.explanations import EXPLANATIONS, FigureExplanation
from qc.core.agreement.figures import BoxFigures, Figure, GroupFigures, LabelFigures
from qc.core.agreement.labels_over_time import WITHIN
from qc.core.agreement.summary_figures import (
    LOWEST_CLIPS,
    DatasetFigures,
    FindingCounts,
    SummaryFigures,
)
from qc.models import Review
from qc.selectors.agreement.charts import Bars, Curve, Grid, bars, curve, heat_map
from qc.selectors.agreement.explained import BEYOND_CHANCE, box_figures_of, explanations
from qc.selectors.agreement.table_parts import Column, Table, tone_of
from qc.selectors.display_names import group_title

ACTIONS_SHOWN = 16
TONE_OF_SEVERITY = {"blocks": ("bad", "circle-alert"), "warns": ("warn", "triangle-alert")}
BOXES = (
    ("Boxes matched, F1", "f1"),
    ("Mean IoU of matched boxes", "mean_iou"),
    ("Pairs with IoU ≥ 0.5", "share_50"),
    ("Pairs with IoU ≥ 0.75", "share_75"),
)
EDITED = Column("Alpha, edited units only", "figure", "units edited after the pre-annotation")
COVERAGE = (
    Column("Rated by 2+", "count", "units with two answers or more"),
    Column("Units", "count", "persons at keyframes"),
    Column("Answered", "share", "of the answers asked for persons that were drawn"),
)
FLICKER = Column("Flicker", "share", "keyframes at which a label changes")
# Fleiss' kappa is of some units only, so it has no column: the page of a group shows it.
IN_TABLES = tuple(one for one in COEFFICIENTS if one.computed_from != "complete")
OF_RATINGS = tuple(one for one in COEFFICIENTS if one.computed_from == "ratings")


@dataclass
class AgreementPage:
    """All that the page of a dataset shows."""

    clips: int
    compared: int
    boxes: list[tuple[str, Figure]]
    all_boxes: Table
    by_iou: Curve | None  # None for summaries of version 0.2 and before
    groups: Table
    over_time: Table
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
    explanations: list[tuple[FigureExplanation, str]] = field(default_factory=list)


def agreement_page(dataset: Dataset, figures: SummaryFigures) -> AgreementPage:
    """A summary, ready to be shown."""
    of_all = figures.dataset
    actions = actions_table(dataset, of_all.groups)
    defined = [
        (cells[0].value, cells[2].value.value)
        for cells in actions.rows
        if cells[2].value.value is not None
    ]
    return AgreementPage(
        clips=of_all.clips,
        compared=of_all.clips_compared,
        boxes=box_cards(of_all.boxes),
        all_boxes=boxes_table(of_all),
        by_iou=curve(of_all.box_chance.by_iou) if of_all.box_chance else None,
        groups=groups_table(dataset, of_all.groups),
        over_time=over_time_table(dataset, of_all.groups),
        actions=actions,
        chart=bars(defined[:ACTIONS_SHOWN]),
        actions_left_out=len(actions.rows) - len(defined[:ACTIONS_SHOWN]),
        pairs=pairs_table(dataset, figures),
        map=heat_map({(one.a, one.b): one.alpha for one in figures.pairs}),
        people=annotators_table(dataset, figures),
        lowest=clips_table(dataset, figures),
        findings=findings_table(of_all.findings),
        blocking=of_all.findings.blocks,
        warning=of_all.findings.warns,
        verdicts=_reliability(of_all.groups),
        explanations=explanations(box_figures_of(of_all)),
    )


def _reliability(groups: Sequence[GroupFigures]) -> dict[str, list[str]]:
    """Names of the groups by how far their alpha can be relied on."""
    found: dict[str, list[str]] = {"ok": [], "warn": [], "bad": [], "mut": []}
    for group in groups:
        found[tone_of(group.alpha.value)].append(group_title(group.name))
    return found


def box_cards(boxes: BoxFigures) -> list[tuple[str, Figure]]:
    return [(title, getattr(boxes, name)) for title, name in BOXES]


def boxes_table(figures: DatasetFigures) -> Table:
    """Every figure of boxes, then F1 by the IoU that is asked for."""
    table = Table("boxes", "Boxes beyond chance and by tolerance",
                  (Column("Figure"), Column("Value", "rate")),
                  sub="chance is keyframes of different clips")  # fmt: skip
    for title, name in BOXES:
        table.add(title, getattr(figures.boxes, name))
    if figures.box_chance:
        for name in BEYOND_CHANCE:
            table.add(EXPLANATIONS[name].title, getattr(figures.box_chance, name))
        for iou, figure in figures.box_chance.by_iou.items():
            table.add(f"F1 at IoU {iou}", figure)
    return table


def over_time_table(dataset: Dataset, groups: Sequence[GroupFigures]) -> Table:
    """Agreement over time of every group, the worst segment alpha first."""
    columns = (
        Column("Group", "group"),
        Column("Segment alpha", "figure", "temporal IoU of segments beyond chance"),
        Column("Segment IoU", "rate", "mean temporal IoU of the segments of an action"),
        *(Column(f"Within {n} s", "figure", "agreement on an action beyond chance")
          for n in WITHIN),
        FLICKER,
    )  # fmt: skip
    table = Table("over-time", "Labels over time", columns,
                  sub="beyond chance: persons of different clips")  # fmt: skip
    for group in groups:
        if group.segment_alpha:
            table.add(
                group_link(dataset, group.name), group.segment_alpha, group.segment_iou,
                *group.by_seconds.values(), group.flicker.value if group.flicker else None,
            )  # fmt: skip
    return table.worst_first(1)


def coefficient_column(spec: CoefficientSpec) -> Column:
    return Column(spec.column, "figure" if spec.is_chance_corrected else "rate", spec.help)


def label_columns(specs: Sequence[CoefficientSpec] = OF_RATINGS) -> list[Column]:
    """The columns of `label_cells`: alpha, that of edited units, the other coefficients."""
    return [
        coefficient_column(ALPHA),
        EDITED,
        *(coefficient_column(one) for one in specs if one is not ALPHA),
    ]


def label_cells(
    figures: GroupFigures | Any, specs: Sequence[CoefficientSpec] = OF_RATINGS
) -> list[Figure]:
    return [
        figures.alpha,
        figures.edited.alpha,
        *(figures.coefficients[one.name] for one in specs if one is not ALPHA),
    ]


def coverage_cells(figures: LabelFigures) -> list[Any]:
    """The cells of COVERAGE: what the figures beside them rest on."""
    return [figures.rated_by_two, figures.units, figures.answered]


def group_link(dataset: Dataset, group: str) -> tuple[str, str]:
    return group, reverse("qc:agreement-group", args=[dataset.name, group])


def annotator_link(dataset: Dataset, name: str) -> tuple[str, str]:
    return name, reverse("qc:agreement-annotator", args=[dataset.name, name])


def clip_links(dataset: Dataset) -> Callable[[str], str]:
    """The address of a clip's page, by its name; for thousands of them."""
    before = reverse("qc:agreement-clip", args=[dataset.name, "c"]).removesuffix("c/")
    return lambda clip: f"{before}{clip}/"


def groups_table(
    dataset: Dataset,
    groups: Sequence[GroupFigures],
    *,
    title: str = "",
    of_pair: bool = False,
) -> Table:
    """Every figure of every group, the worst alpha first; flicker is of one, not of a pair."""
    columns = (
        Column("Group", "group"), *label_columns(IN_TABLES),
        Column("Segment IoU", "rate", "mean temporal IoU of the segments of an action"),
        *([] if of_pair else [FLICKER]), *COVERAGE,
        Column("Edited units", "count", "of those rated by two or more"),
    )  # fmt: skip
    table = Table("groups", title or "Labels by group", columns)
    for group in groups:
        flicker = group.flicker.value if group.flicker else None
        table.add(
            group_link(dataset, group.name), *label_cells(group, IN_TABLES),
            group.segment_iou, *([] if of_pair else [flicker]), *coverage_cells(group),
            group.edited.rated_by_two,
        )  # fmt: skip
    return table.worst_first(1)


def actions_table(dataset: Dataset, groups: Sequence[GroupFigures], *, only: str = "") -> Table:
    """Every figure of every action, the worst kappa first."""
    columns = (
        Column("Action"), Column("Group", "group"),
        Column(KAPPA.column, "figure", "Cohen's kappa, chosen or not, mean over pairs"),
        *map(coefficient_column, OF_RATINGS),
        Column("Chosen", "count", "pairs of answers in which either chose it"),
        Column("Share", "share", "of the answers that chose it"),
    )  # fmt: skip
    table = Table("actions", "Labels by action", columns)
    for group in groups:
        if only in ("", group.name):
            for name, one in group.actions.items():
                table.add(
                    name, group_link(dataset, group.name), one.coefficients[KAPPA.name],
                    *(one.coefficients[spec.name] for spec in OF_RATINGS),
                    one.chosen, one.share,
                )  # fmt: skip
    return table.worst_first(2)


def pairs_table(dataset: Dataset, figures: SummaryFigures, *, group: str = "") -> Table:
    """Every pair of annotators, the worst alpha first; of one group, or the mean over all."""
    columns = (
        Column("Pair", "link"), *label_columns(),
        Column("Boxes, F1", "rate"), Column("Boxes, IoU", "rate"), *COVERAGE,
    )  # fmt: skip
    table = Table("pairs", "Pairs of annotators", columns)
    for pair in figures.pairs:
        shown = [its for its in pair.groups if its.name == group] if group else [pair]
        url = reverse("qc:agreement-pair", args=[dataset.name, pair.a, pair.b])
        for one in shown:
            table.add(
                (f"{pair.a}, {pair.b}", url), *label_cells(one),
                pair.boxes.f1, pair.boxes.mean_iou, *coverage_cells(one),
            )  # fmt: skip
    return table.worst_first(1)


def annotators_table(dataset: Dataset, figures: SummaryFigures) -> Table:
    """Every annotator against all others, the worst alpha first."""
    columns = (
        Column("Annotator", "link"), *label_columns(), Column("Boxes, F1", "rate"), FLICKER,
        Column("Unedited tracks", "share"),
        Column("Kept within 1 s", "share", "of the offered answers kept on the label page",
               if_known=True),
        Column("Boxes within 1 s", "share",
               "of the pre-drawn boxes left as they were on the label page", if_known=True),
        Column("Seconds per answer", "number", "on the label page, pauses cut off",
               if_known=True),
        Column("Seconds per answer, CVAT", "number",
               "as CVAT's events tell, pauses cut off; empty: not told by this CVAT",
               if_known=True),
        Column("Tasks", "count"),
        Column("Approved at first", "share", "of the tasks reviewed so far"), *COVERAGE,
    )  # fmt: skip
    table = Table("annotators", "Annotators", columns)
    approved = first_pass(dataset)
    seconds_in_cvat = {
        name: times.seconds_per_answer for name, times in cvat_times(dataset).items()
    }
    for one in figures.annotators:
        table.add(
            annotator_link(dataset, one.name), *label_cells(one), one.boxes.f1,
            one.flicker.value, one.unedited.value,
            one.kept_at_once.value if one.kept_at_once else None,
            one.boxes_at_once.value if one.boxes_at_once else None,
            one.seconds_per_decision, seconds_in_cvat.get(one.name), one.totals.clips,
            approved.get(one.name), *coverage_cells(one),
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
        .order_by().values("version__author__name")
        .annotate(
            judged=Count("pk"),
            approved=Count("pk", filter=Q(verdict=Review.Verdict.APPROVED, version__number=1)),
        )
    )  # fmt: skip
    return {row["version__author__name"]: row["approved"] / row["judged"] for row in rows}


def clips_table(dataset: Dataset, figures: SummaryFigures) -> Table:
    """The clips of the figures, the lowest alpha of its groups first."""
    columns = (
        Column("Clip", "link"), Column("Lowest alpha", "figure"), Column("Group", "group"),
        Column("Boxes, F1", "rate"), Column("Findings", "count"),
    )  # fmt: skip
    table = Table("clips", "Clips", columns, limit=LOWEST_CLIPS)
    table.left_out = figures.dataset.clips - len(figures.clips)
    url = clip_links(dataset)
    for one in figures.clips:
        table.add(
            (one.clip, url(one.clip)), one.lowest.alpha, one.lowest.group, one.f1, one.findings
        )
    return table.worst_first(1)


def findings_table(findings: FindingCounts) -> Table:
    table = Table("findings", "Findings by rule", (Column("Rule"), Column("Found", "count")))
    for rule, count in findings.rules.items():
        table.add(rule.replace("-", " "), count)
    return table
