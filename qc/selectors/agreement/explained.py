"""Figures with their explanations: formula, source, weakness, a sentence for a paper."""

from collections.abc import Mapping

from annotation.selectors.times_in_cvat import CvatTimes
from qc.core.agreement.explanations import EXPLANATIONS, INTERVALS, FigureExplanation
from qc.core.agreement.figures import Figure, GroupFigures
from qc.core.agreement.summary_figures import AnnotatorFigures, DatasetFigures

BEYOND_CHANCE = ("alpha_giou", "alpha_centre", "sigma_giou", "sigma_centre")


def explanations(figures: Mapping[str, Figure]) -> list[tuple[FigureExplanation, str]]:
    """Each explanation with its sentence for a paper, and in it the value if it is given."""
    found = [
        (one, one.said(figures[name]) if name in figures else one.sentence.format(value="…"))
        for name, one in EXPLANATIONS.items()
    ]
    return [*found, (INTERVALS, INTERVALS.sentence)]


def figures_by_name(group: GroupFigures) -> dict[str, Figure]:
    """Figures of labels by their names in EXPLANATIONS."""
    over_time = {
        "segment_iou": group.segment_iou,
        "segment_alpha": group.segment_alpha,
        "within": group.by_seconds.get("within 1 s"),
    }
    return group.coefficients | {name: one for name, one in over_time.items() if one}


def box_figures_of(figures: DatasetFigures) -> dict[str, Figure]:
    """Figures of boxes by name."""
    chance = figures.box_chance
    return vars(figures.boxes) | ({one: getattr(chance, one) for one in BEYOND_CHANCE}
                                  if chance else {})  # fmt: skip


def time_figures(figures: AnnotatorFigures, in_cvat: CvatTimes | None) -> dict[str, Figure]:
    """Figures of how long the answers of one annotator took, by name; older ones have none."""
    seconds, cvat = figures.seconds_per_decision, in_cvat and in_cvat.seconds_per_answer
    return {
        name: one
        for name, one in {
            "kept_at_once": figures.kept_at_once,
            "boxes_at_once": figures.boxes_at_once,
            "seconds_per_answer": seconds and Figure(seconds, "", figures.decisions),
            "seconds_in_cvat": in_cvat and cvat and Figure(cvat, "", in_cvat.answers),
        }.items()
        if one
    }
