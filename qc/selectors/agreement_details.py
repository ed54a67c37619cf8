"""Agreement from near: one group, one pair, one annotator, one clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.core.consensus.skill_weighting import FEWEST
from qc.models import AgreementReport
from qc.selectors.agreement import (
    COVERAGE,
    TONE_OF_SEVERITY,
    actions_table,
    box_cards,
    coverage_cells,
    first_pass,
    groups_table,
    pairs_table,
)
from qc.selectors.consensus.decisions import Upheld, upheld
from qc.selectors.plots import ControlChart, Grid, control_chart, heat_map, matrix
from qc.selectors.player_scene import look_at, person_of
from qc.selectors.tables import Column, Figure, Table, figure, figure_of

DIFFERENCES = (Column("One said"), Column("another said"), Column("Times", "count"))
POINTS = (
    Column("Clip", "link"),
    Column("Answers came"),
    Column("Same answer", "share", "of comparisons where somebody changed something"),
    Column("Compared", "count"),
    Column("Minutes at most", "number"),
    Column("Boxes", "count"),
)


@dataclass
class GroupPage:
    name: str
    choice: str
    figures: Mapping[str, Any]
    cards: list[tuple[str, Figure]]
    matrix: Grid | None
    confusion: Table | None
    differences: Table
    actions: Table
    pairs: Table
    map: Grid
    people: Table
    rates: list[Table]
    beside: Table


def group_page(dataset: Dataset, figures: Mapping[str, Any], name: str) -> GroupPage | None:
    """One group of a summary; None if it has no such group."""
    group = next((one for one in figures["groups"] if one["name"] == name), None)
    if group is None:
        return None
    pairs = {
        (one["a"], one["b"]): figure(its["alpha"])
        for one in figures["pairs"]
        for its in one["groups"]
        if its["name"] == name
    }
    rates = figures["error_rates"].get(name, {"estimates": [], "beside": {}})
    return GroupPage(
        name=name,
        choice=group["choice"],
        figures=group,
        cards=_cards(group),
        matrix=matrix(group["confusion"]) if group["confusion"] else None,
        confusion=_confusion(group["confusion"]) if group["confusion"] else None,
        differences=differences_table(group),
        actions=actions_table(dataset, figures, only=name),
        pairs=pairs_table(dataset, figures, group=name),
        map=heat_map(pairs),
        people=_people_of(dataset, figures, name),
        rates=_rates(rates["estimates"]),
        beside=_beside(rates["beside"]),
    )


def _cards(group: Mapping[str, Any]) -> list[tuple[str, Figure]]:
    return [
        ("Krippendorff's alpha", figure_of(group, "alpha")),
        ("Alpha where changed", figure_of(group["touched"], "alpha")),
        ("Gwet's AC1", figure_of(group, "ac1")),
        ("Fleiss' kappa", figure_of(group, "fleiss")),
        ("Cohen's kappa, mean over pairs", figure_of(group, "kappa")),
        ("Same answer", figure_of(group, "percent")),
    ]


def _confusion(confusion: Mapping[str, Any]) -> Table:
    columns = [Column("Answer"), *(Column(one, "count") for one in confusion["values"])]
    table = Table("confusion", "Which answers met", columns)
    for name, counts in zip(confusion["values"], confusion["table"], strict=True):
        table.add(name, *counts)
    return table


def differences_table(group: Mapping[str, Any]) -> Table:
    """What was said against what, the commonest first."""
    table = Table("differences", "Commonest differences", DIFFERENCES)
    for one in group["differences"]:
        table.add(_said(one["a"]), _said(one["b"]), one["count"])
    return table


def _said(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _people_of(dataset: Dataset, figures: Mapping[str, Any], group: str) -> Table:
    columns = (
        Column("Annotator", "link"), Column("Alpha", "figure"), Column("AC1", "figure"),
        Column("Same answer", "rate"), Column("Flips", "share"), *COVERAGE,
    )  # fmt: skip
    table = Table("annotators", "Annotators against the others", columns)
    for one in figures["people"]:
        for its in one["groups"]:
            if its["name"] == group:
                url = reverse("qc:agreement-annotator", args=[dataset.name, one["name"]])
                table.add(
                    (one["name"], url), figure_of(its, "alpha"), figure_of(its, "ac1"),
                    figure_of(its, "percent"), its["flips"]["value"], *coverage_cells(its),
                )  # fmt: skip
    return table.worst_first(1)


def _rates(estimates: list[dict[str, Any]]) -> list[Table]:
    """What each annotator says of what truly is; of many, one table for all actions."""
    if len(estimates) == 1 and not estimates[0]["action"]:
        return [_matrix_of(who, estimates[0]) for who in estimates[0]["confusion"]]
    columns = (
        Column("Action"), Column("Annotator"),
        Column("Named when true", "share"), Column("Named when not", "share"),
        Column("Answers", "count"),
    )  # fmt: skip
    table = Table("error-rates", "Error rates by action", columns)
    for one in estimates:
        for who, rows in one["confusion"].items():
            table.add(one["action"], who, rows[1][1], rows[0][1], one["answers"][who])
    return [table]


def _matrix_of(who: str, estimate: Mapping[str, Any]) -> Table:
    """The rates of the classes that occur: of others nothing is known but the doubt."""
    answers, rates = estimate["answers"][who], estimate["confusion"][who]
    known = [n for n, prior in enumerate(estimate["prior"]) if prior * answers >= 1]
    names = [estimate["classes"][n] for n in known]
    left_out = len(rates) - len(known)
    more = [Column("another", "share", "hardly ever true")] if left_out else []
    columns = [Column("Truly"), *(Column(name, "share") for name in names), *more]
    sub = f"{answers:,} answers" + (f", {left_out} left out" if left_out else "")
    table = Table(f"error-rates-{who}", who, columns, sub=sub)
    for n, name in zip(known, names, strict=True):
        said = [rates[n][m] for m in known]
        table.add(name, *said, *([max(1 - sum(said), 0.0)] if left_out else []))
    return table


def _beside(beside: Mapping[str, int]) -> Table:
    title = f"Dawid-Skene beside the majority, where {FEWEST} or more answered"
    table = Table("beside", title, (Column("Units"), Column("How many", "count")))
    words = (
        ("units", "all"), ("alike", "both decide alike"), ("different", "they differ"),
        ("decided", "open for the majority, decided by the error rates"),
        ("open", "open for both"),
    )  # fmt: skip
    for key, said in words:
        table.add(said, beside.get(key, 0))
    return table


@dataclass
class PairPage:
    a: str
    b: str
    boxes: list[tuple[str, Figure]]
    groups: Table


def pair_page(dataset: Dataset, figures: Mapping[str, Any], a: str, b: str) -> PairPage | None:
    """Two annotators of a summary; None if they had no clip in common."""
    first, second = sorted((a, b))
    wanted = (first, second)
    pair = next((one for one in figures["pairs"] if (one["a"], one["b"]) == wanted), None)
    if pair is None:
        return None
    groups = groups_table(dataset, pair, of_pair=True)
    return PairPage(first, second, box_cards(pair["boxes"]), groups)


@dataclass
class AnnotatorPage:
    """An annotator's card."""

    name: str
    alpha: Figure
    ac1: Figure
    percent: Figure
    rated_by_two: int
    answered: float | None
    flips: Figure
    untouched: Figure
    first_pass: float | None
    upheld: Upheld | None  # None if no question was decided that the annotator had answered
    boxes: list[tuple[str, Figure]]
    seconds_a_box: float | None
    usual_seconds_a_box: float | None
    groups: Table
    actions: Table
    differences: Table
    points: Table
    chart: ControlChart


def annotator_page(
    dataset: Dataset, figures: Mapping[str, Any], name: str
) -> AnnotatorPage | None:
    """One annotator of a summary; None if nobody of that name answered."""
    found = next((one for one in figures["people"] if one["name"] == name), None)
    if found is None:
        return None
    points = found["points"]
    compared = [one for one in points if one["compared"]]
    everyone = [point for one in figures["people"] for point in one["points"]]
    return AnnotatorPage(
        name=name,
        alpha=figure_of(found, "alpha"),
        ac1=figure_of(found, "ac1"),
        percent=figure_of(found, "percent"),
        rated_by_two=found["rated_by_two"],
        answered=found["answered"],
        flips=figure(found["flips"]),
        untouched=figure(found["untouched"]),
        first_pass=first_pass(dataset).get(name),
        upheld=next((one for one in upheld(dataset) if one.annotator == name), None),
        boxes=box_cards(found["boxes"]),
        seconds_a_box=_pace(points),
        usual_seconds_a_box=_pace(everyone),
        groups=groups_table(dataset, found, title=f"{name} against the others"),
        actions=actions_table(dataset, found),
        differences=_all_differences(found),
        points=_points(dataset, points),
        chart=control_chart([(one["clip"], one["same"] / one["compared"]) for one in compared]),
    )


def _pace(points: list[dict[str, Any]]) -> float | None:
    """Seconds a box, at most, over the tasks whose time is known."""
    timed = [one for one in points if one["seconds"] is not None and one["boxes"]]
    boxes = sum(one["boxes"] for one in timed)
    return sum(one["seconds"] for one in timed) / boxes if boxes else None


def _all_differences(found: Mapping[str, Any]) -> Table:
    columns = (Column("Group", "group"), *DIFFERENCES)
    table = Table("differences", "Commonest differences with the others", columns)
    rows = [(one, group["name"]) for group in found["groups"] for one in group["differences"]]
    rows.sort(key=lambda row: (-row[0]["count"], row[1]))
    for one, group in rows:
        table.add(group, _said(one["a"]), _said(one["b"]), one["count"])
    return table


def _points(dataset: Dataset, points: list[dict[str, Any]]) -> Table:
    table = Table("clips", "Clip by clip", POINTS)
    for one in points:
        share = one["same"] / one["compared"] if one["compared"] else None
        minutes = None if one["seconds"] is None else round(one["seconds"] / 60, 1)
        table.add(
            (one["clip"], reverse("qc:agreement-clip", args=[dataset.name, one["clip"]])),
            f"{datetime.fromisoformat(one['at']):%Y-%m-%d %H:%M}",
            share, one["compared"], minutes, one["boxes"],
        )  # fmt: skip
    return table


@dataclass
class FindingRow:
    """A finding, and where the player opens on it."""

    tone: str
    icon: str
    annotator: str
    person_id: int | None
    sentence: str
    places: list[tuple[int, str]]  # frame, address
    more: int


@dataclass
class ClipAgreement:
    clip: Clip
    annotators: list[str]
    boxes: list[tuple[str, Figure]]
    groups: Table
    actions: Table
    kappas: Table
    findings: list[FindingRow]
    report: AgreementReport


PLACES_SHOWN = 6


def clip_agreement(dataset: Dataset, clip: Clip) -> ClipAgreement | None:
    """The newest report of a clip; None if there is none."""
    report = AgreementReport.objects.done().filter(clip=clip).order_by("-pk").first()
    if report is None:
        return None
    figures = report.figures
    return ClipAgreement(
        clip=clip,
        annotators=figures["annotators"],
        boxes=box_cards(figures["boxes"]),
        groups=groups_table(dataset, figures),
        actions=actions_table(dataset, figures),
        kappas=_kappas(dataset, figures),
        findings=[_finding(dataset, clip, one) for one in figures["findings"]],
        report=report,
    )


def _kappas(dataset: Dataset, figures: Mapping[str, Any]) -> Table:
    """Cohen's kappa of each pair and group of one clip."""
    columns = (Column("Pair"), Column("Group", "group"), Column("Kappa", "figure"))
    table = Table("pairs", "Pairs of annotators", columns)
    for group in figures["groups"]:
        for one in group["kappa_pairs"]:
            kappa = figure(one, one["interval"])
            table.add(f"{one['a']}, {one['b']}", group["name"], kappa)
    return table.worst_first(2)


def _finding(dataset: Dataset, clip: Clip, finding: Mapping[str, Any]) -> FindingRow:
    frames = finding.get("frames") or [second * FRAME_RATE for second in finding["seconds"]]
    return FindingRow(
        *TONE_OF_SEVERITY[finding["severity"]],
        annotator=finding["annotator"],
        person_id=finding["person_id"],
        sentence=finding["sentence"],
        places=[
            (frame, look_at(dataset.name, clip.name, frame=frame, person=person_of(finding)))
            for frame in frames[:PLACES_SHOWN]
        ],
        more=max(len(frames) - PLACES_SHOWN, 0),
    )
