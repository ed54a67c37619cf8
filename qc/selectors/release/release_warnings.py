"""Warnings before a release is made: low agreement, labels on one vote, empty classes."""

from django.db.models import Count, Q, Sum

from datasets.models import Action, Dataset
from qc.core.agreement.figures import FAIR
from qc.core.agreement.summary_figures import SummaryFigures
from qc.models import ConsensusAction
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.display_names import group_title
from qc.selectors.statuses import clip_statuses

NAMES_SHOWN = 12


def release_warnings(dataset: Dataset) -> list[str]:
    """Sentences about what a release made now lacks; a few queries, whatever its size."""
    figures = newest_summary(dataset).figures
    low = _low_agreement(figures) if figures else []
    return [*low, *_on_one_vote(dataset), *_empty_classes(dataset)]


def _low_agreement(figures: SummaryFigures) -> list[str]:
    found = []
    for group in figures.dataset.groups:
        alpha = group.alpha.value
        if alpha is not None and alpha < FAIR:
            found.append(
                f"Annotators agree little on {group_title(group.name)}: alpha is {alpha:.2f}, "
                f"and below {FAIR} no conclusion should rest on it."
            )
    return found


def _on_one_vote(dataset: Dataset) -> list[str]:
    chosen = clip_statuses(dataset).filter(is_releasable=True, single_labels__gt=0).order_by()
    sums = chosen.aggregate(labels=Sum("single_labels"), clips=Count("pk"))
    if not sums["labels"]:
        return []
    labels = "1 label rests" if sums["labels"] == 1 else f"{sums['labels']:,} labels rest"
    clips = "1 clip" if sums["clips"] == 1 else f"{sums['clips']:,} clips"
    return [f"{labels} on one vote, in {clips}."]


def _empty_classes(dataset: Dataset) -> list[str]:
    released = Q(consensus__statuses__dataset=dataset, consensus__statuses__is_releasable=True)
    rows = ConsensusAction.objects.filter(released).order_by()
    there = set(rows.values_list("group", "action").distinct())
    actions = Action.objects.filter(dataset=dataset).order_by("action_id")
    empty = [
        name
        for group, name in actions.values_list("group__name", "name")
        if (group, name) not in there
    ]
    if not there or not empty:
        return []
    more = f" and {len(empty) - NAMES_SHOWN} more" if len(empty) > NAMES_SHOWN else ""
    names = ", ".join(empty[:NAMES_SHOWN]) + more
    if len(empty) == 1:
        return [f"1 action has no label: {names}."]
    return [f"{len(empty)} actions have no label: {names}."]
