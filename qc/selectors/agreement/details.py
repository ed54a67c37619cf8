"""Agreement in detail: one group, one pair, one annotator, one clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.timezone import localtime

from annotation.selectors.times_in_cvat import CvatTimes, cvat_times
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.core.agreement.coefficients import COEFFICIENTS
from qc.core.agreement.explanations import EXPLANATIONS, FigureExplanation
from qc.core.agreement.figures import (
    ClipFigures,
    ClipFinding,
    Confusion,
    Disagreement,
    Figure,
    GroupFigures,
)
from qc.core.agreement.summary_figures import (
    AnnotatorFigures,
    ClipComparison,
    ClipTotals,
    SummaryFigures,
)
from qc.core.annotator_keys import with_names
from qc.core.consensus.calibration import Calibration
from qc.core.consensus.dawid_skene import TOLERANCE
from qc.core.consensus.skill_weighting import (
    MIN_ANNOTATORS,
    FittedRates,
    GroupErrorRates,
    MajorityComparison,
)
from qc.models import AgreementReport
from qc.selectors.agreement.agreement_tables import (
    COVERAGE,
    EDITED,
    FLICKER,
    OF_RATINGS,
    TONE_OF_SEVERITY,
    actions_table,
    annotator_link,
    box_cards,
    clip_links,
    coefficient_column,
    coverage_cells,
    first_pass,
    groups_table,
    pairs_table,
)
from qc.selectors.agreement.charts import ControlChart, Grid, control_chart, heat_map, matrix
from qc.selectors.agreement.explained import (
    box_figures_of,
    explanations,
    figures_by_name,
    time_figures,
)
from qc.selectors.agreement.table_parts import Column, Table
from qc.selectors.consensus.decisions import ReviewerAgreement
from qc.selectors.display_names import annotator_names
from qc.selectors.player_scene import finding_person, player_url

DISAGREEMENTS = (Column("One answer"), Column("Other answer"), Column("Times", "count"))
CLIPS = (
    Column("Clip", "link"),
    Column("Answered at"),
    Column("Raw agreement", "share", "with the other annotators, edited units only"),
    Column("Compared", "count"),
    Column("Minutes (max.)", "number"),
    Column("Boxes", "count"),
)
PLACES_SHOWN = 6
CLIPS_SHOWN = 80  # the newest, as many as in the control chart


@dataclass
class GroupPage:
    name: str
    choice: str
    figures: GroupFigures
    cards: list[tuple[str, Figure]]
    matrix: Grid | None
    confusion: Table | None
    disagreements: Table
    actions: Table
    pairs: Table
    map: Grid
    people: Table
    rates: list[Table]
    fit: str  # how the error rates were fitted
    calibration: Calibration
    vs_majority: Table | None  # None: no unit has enough answers
    explanations: list[tuple[FigureExplanation, str]]


def group_page(dataset: Dataset, figures: SummaryFigures, name: str) -> GroupPage | None:
    """One group of a summary; None if it has no such group."""
    group = next((one for one in figures.dataset.groups if one.name == name), None)
    if group is None:
        return None
    pairs = {
        (one.a, one.b): its.alpha
        for one in figures.pairs
        for its in one.groups
        if its.name == name
    }
    rates = figures.error_rates.get(name, GroupErrorRates())
    return GroupPage(
        name=name,
        choice=group.choice,
        figures=group,
        cards=_cards(group),
        matrix=matrix(group.confusion) if group.confusion else None,
        confusion=_confusion(group.confusion) if group.confusion else None,
        disagreements=_disagreements([("", group)], "Most frequent disagreements"),
        actions=actions_table(dataset, figures.dataset.groups, only=name),
        pairs=pairs_table(dataset, figures, group=name),
        map=heat_map(pairs),
        people=_annotators_of(dataset, figures, name),
        rates=_error_rates(rates.fits),
        fit=_fit_text(rates.fits),
        calibration=figures.calibration.get(name, Calibration()),
        vs_majority=_vs_majority(rates.vs_majority) if rates.vs_majority.units else None,
        explanations=explanations(figures_by_name(group) | box_figures_of(figures.dataset)),
    )


def _cards(group: GroupFigures) -> list[tuple[str, Figure]]:
    cards = [(spec.label, group.coefficients[spec.name]) for spec in COEFFICIENTS]
    over_time = [
        (EXPLANATIONS[name].title, figure)
        for name, figure in figures_by_name(group).items()
        if name.startswith("segment_")
    ]
    return [cards[0], (EDITED.title, group.edited.alpha), *cards[1:], *over_time]


def _confusion(confusion: Confusion) -> Table:
    columns = [Column("Answer"), *(Column(one, "count") for one in confusion.values)]
    table = Table("confusion", "Answer pairs", columns)
    for name, counts in zip(confusion.values, confusion.table, strict=True):
        table.add(name, *counts)
    return table


def _disagreements(groups: Sequence[tuple[str, GroupFigures]], title: str) -> Table:
    """Different answers to the same units, the most frequent first."""
    is_named = any(name for name, _ in groups)
    columns = (*([Column("Group", "group")] if is_named else []), *DISAGREEMENTS)
    table = Table("disagreements", title, columns)
    rows = [(name, one) for name, group in groups for one in group.disagreements]
    rows.sort(key=lambda row: (-row[1].count, row[0]))
    for name, one in rows:
        table.add(*([name] if is_named else []), *_words(one), one.count)
    return table


def _words(one: Disagreement) -> list[str]:
    return [
        value if isinstance(value, str) else ", ".join(value) or "none"
        for value in (one.a, one.b)
    ]


def _annotators_of(dataset: Dataset, figures: SummaryFigures, group: str) -> Table:
    coefficients = map(coefficient_column, OF_RATINGS)
    columns = (Column("Annotator", "link"), *coefficients, FLICKER, *COVERAGE)
    table = Table("annotators", "Annotators against the others", columns)
    for one in figures.annotators:
        for its in one.groups:
            if its.name == group:
                table.add(
                    annotator_link(dataset, one.name),
                    *(its.coefficients[spec.name] for spec in OF_RATINGS),
                    its.flicker.value if its.flicker else None, *coverage_cells(its),
                )  # fmt: skip
    return table.worst_first(1)


def _fit_text(fits: Sequence[FittedRates]) -> str:
    """How the fit went, for the page."""
    if not fits:
        return ""
    rounds = max(one.n_iter for one in fits)
    failed = [one.action or "all answers" for one in fits if not one.is_converged]
    end = (
        f"not converged after {rounds} rounds: {', '.join(failed)}"
        if failed
        else f"converged after {rounds} round{'' if rounds == 1 else 's'}"
    )
    return (
        f"A label that is held over keyframes counts as one judgement. Fit {end}, tolerance "
        f"{TOLERANCE:g}."
    )


def _error_rates(fits: Sequence[FittedRates]) -> list[Table]:
    """A confusion matrix of each annotator; of a choice of many, one table for all actions."""
    if len(fits) == 1 and not fits[0].action:
        return [_error_matrix(who, fits[0]) for who in fits[0].confusion]
    columns = (
        Column("Action"), Column("Annotator"),
        Column("Chosen when true", "share"), Column("Chosen when false", "share"),
        Column("Answers", "count"),
    )  # fmt: skip
    table = Table("error-rates", "Error rates by action", columns)
    for one in fits:
        for who, rows in one.confusion.items():
            table.add(one.action, who, rows[1][1], rows[0][1], one.answers[who])
    return [table]


def _error_matrix(who: str, fit: FittedRates) -> Table:
    """The rates of the classes that occur: of others nothing is known but the smoothing."""
    answers, rates = fit.answers[who], fit.confusion[who]
    known = [n for n, prior in enumerate(fit.prior) if prior * answers >= 1]
    names = [fit.classes[n] for n in known]
    left_out = len(rates) - len(known)
    more = [Column("others", "share", "classes that are hardly ever true")] if left_out else []
    columns = [Column("True class"), *(Column(name, "share") for name in names), *more]
    sub = f"{answers:,} judgements" + (f", {left_out} classes left out" if left_out else "")
    table = Table(f"error-rates-{who}", who, columns, sub=sub)
    for n, name in zip(known, names, strict=True):
        shares = [rates[n][m] for m in known]
        table.add(name, *shares, *([max(1 - sum(shares), 0.0)] if left_out else []))
    return table


def _vs_majority(counts: MajorityComparison) -> Table:
    title = f"Dawid-Skene and majority, {MIN_ANNOTATORS} or more answers"
    table = Table("vs-majority", title, (Column("Units"), Column("Number", "count")))
    table.add("all", counts.units)
    table.add("both decide the same", counts.same)
    table.add("they differ", counts.different)
    table.add("open for the majority, decided by the error rates", counts.decided)
    table.add("open for both", counts.open)
    return table


@dataclass
class PairPage:
    a: str
    b: str
    boxes: list[tuple[str, Figure]]
    groups: Table
    explanations: list[tuple[FigureExplanation, str]]


def pair_page(dataset: Dataset, figures: SummaryFigures, a: str, b: str) -> PairPage | None:
    """Two annotators of a summary; None if they had no clip in common."""
    first, second = sorted((a, b))
    wanted = {first, second}
    pair = next((one for one in figures.pairs if {one.a, one.b} == wanted), None)
    if pair is None:
        return None
    groups = groups_table(dataset, pair.groups, of_pair=True)
    said = explanations(pair.coefficients | vars(pair.boxes))
    return PairPage(first, second, box_cards(pair.boxes), groups, said)


@dataclass
class AnnotatorPage:
    """One annotator: figures, reviews, time, tables and the control chart."""

    name: str
    figures: AnnotatorFigures
    first_pass: float | None
    boxes: list[tuple[str, Figure]]
    seconds_per_box: float | None
    seconds_per_box_of_all: float | None
    cvat_times: CvatTimes | None  # None without answers from CVAT
    groups: Table
    actions: Table
    disagreements: Table
    clips: Table
    chart: ControlChart
    explanations: list[tuple[FigureExplanation, str]]
    reviewer_agreement: ReviewerAgreement | None = None  # None without a decided answer


def annotator_page(
    dataset: Dataset, figures: SummaryFigures, name: str
) -> AnnotatorPage | None:
    """One annotator of a summary; None if nobody of that name answered."""
    found = next((one for one in figures.annotators if one.name == name), None)
    if found is None:
        return None
    in_cvat = cvat_times(dataset).get(name)
    shares = [(one.clip, one.share) for one in found.clips if one.share is not None]
    return AnnotatorPage(
        name=name,
        figures=found,
        first_pass=first_pass(dataset).get(name),
        boxes=box_cards(found.boxes),
        seconds_per_box=found.totals.seconds_per_box,
        seconds_per_box_of_all=ClipTotals(
            seconds=sum(one.totals.seconds for one in figures.annotators),
            boxes=sum(one.totals.boxes for one in figures.annotators),
        ).seconds_per_box,
        cvat_times=in_cvat,
        groups=groups_table(dataset, found.groups, title=f"{name} against the others"),
        actions=actions_table(dataset, found.groups),
        disagreements=_disagreements(
            [(one.name, one) for one in found.groups],
            "Most frequent disagreements with the others",
        ),
        clips=_clips(dataset, found.clips),
        chart=control_chart(shares),
        explanations=explanations(
            found.coefficients | vars(found.boxes) | time_figures(found, in_cvat)
        ),
    )


def _clips(dataset: Dataset, clips: Sequence[ClipComparison]) -> Table:
    table = Table("clips", "Clips", CLIPS, limit=CLIPS_SHOWN)
    url = clip_links(dataset)
    for one in reversed(clips):
        minutes = None if one.seconds is None else round(one.seconds / 60, 1)
        table.add(
            (one.clip, url(one.clip)),
            f"{localtime(datetime.fromisoformat(one.at)):%Y-%m-%d %H:%M}",
            one.share, one.compared, minutes, one.boxes,
        )  # fmt: skip
    return table


@dataclass
class FindingRow:
    """A finding, and links to the player."""

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
    explanations: list[tuple[FigureExplanation, str]]


def clip_agreement(dataset: Dataset, clip: Clip) -> ClipAgreement | None:
    """The newest report of a clip; None if there is none."""
    report = AgreementReport.objects.done().filter(clip=clip).order_by("-pk").first()
    if report is None:
        return None
    figures = ClipFigures.from_json(with_names(report.figures, annotator_names(dataset)))
    return ClipAgreement(
        clip=clip,
        annotators=figures.annotators,
        boxes=box_cards(figures.boxes),
        groups=groups_table(dataset, figures.groups),
        actions=actions_table(dataset, figures.groups),
        kappas=_kappas(figures.groups),
        findings=[_finding(dataset, clip, one) for one in figures.findings],
        report=report,
        explanations=explanations(vars(figures.boxes)),
    )


def _kappas(groups: Sequence[GroupFigures]) -> Table:
    """Cohen's kappa of each pair and group of one clip."""
    columns = (Column("Pair"), Column("Group", "group"), Column("Kappa", "figure"))
    table = Table("pairs", "Pairs of annotators", columns)
    for group in groups:
        for one in group.kappa_pairs:
            table.add(f"{one.a}, {one.b}", group.name, one.kappa)
    return table.worst_first(2)


def _finding(dataset: Dataset, clip: Clip, finding: ClipFinding) -> FindingRow:
    person = finding_person(finding)
    places = [
        (frame, player_url(dataset.name, clip.name, frame=frame, person=person))
        for frame in (second * FRAME_RATE for second in finding.seconds[:PLACES_SHOWN])
    ]
    return FindingRow(
        *TONE_OF_SEVERITY[finding.severity],
        annotator=finding.annotator,
        person_id=finding.person_id,
        sentence=finding.sentence,
        places=places,
        more=max(len(finding.seconds) - PLACES_SHOWN, 0),
    )
