"""Warnings before a release is made: low agreement, labels on one vote, empty classes."""

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets.models import Action, Dataset
from datasets.selectors import recording_groups_of
from qc.core.agreement.figures import FAIR
from qc.core.agreement.summary_figures import SummaryFigures
from qc.core.release.splits import torn_sentence
from qc.models import ConsensusAction, Release
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.display_names import group_title
from qc.selectors.statuses import clip_statuses

NAMES_SHOWN = 12


def release_warnings(dataset: Dataset) -> list[str]:
    """Sentences about what a release made now lacks; a few queries, whatever its size."""
    figures = newest_summary(dataset).figures
    low = _low_agreement(figures) if figures else []
    return [
        *low,
        *_on_one_vote(dataset),
        *_empty_classes(dataset),
        *_torn_recordings(dataset),
    ]


def earlier_splits(dataset: Dataset) -> dict[str, str]:
    """The split of every video of earlier releases; a later release wins."""
    split_of: dict[str, str] = {}
    earlier = Release.objects.filter(dataset=dataset).done().order_by("number")
    for its in earlier.values_list("counts__split_of", flat=True):
        split_of |= its or {}
    return split_of


def _torn_recordings(dataset: Dataset) -> list[str]:
    """Recording groups whose videos keep different splits of earlier releases."""
    kept = earlier_splits(dataset)
    if len(set(kept.values())) < 2:
        return []
    members: dict[str, dict[str, str]] = {}
    for name, group in recording_groups_of(dataset).items():
        if name in kept:
            members.setdefault(group, {})[name] = kept[name]
    torn = [each for _, each in sorted(members.items()) if len(set(each.values())) > 1]
    return [torn_sentence(each) for each in torn]


def _low_agreement(figures: SummaryFigures) -> list[str]:
    found = []
    for group in figures.dataset.groups:
        alpha = group.alpha.value
        if alpha is not None and alpha < FAIR:
            found.append(
                _(
                    "Annotators agree little on %(group)s: alpha is %(alpha)s, and below "
                    "%(least)s no conclusion should rest on it."
                )
                % {"group": group_title(group.name), "alpha": f"{alpha:.2f}", "least": FAIR}
            )
    return found


def _on_one_vote(dataset: Dataset) -> list[str]:
    chosen = clip_statuses(dataset).filter(is_releasable=True, single_labels__gt=0).order_by()
    sums = chosen.aggregate(labels=Sum("single_labels"), clips=Count("pk"))
    if not sums["labels"]:
        return []
    clips = ngettext("%(count)s clip", "%(count)s clips", sums["clips"])
    sentence = ngettext(
        "%(count)s label rests on one vote, in %(clips)s.",
        "%(count)s labels rest on one vote, in %(clips)s.",
        sums["labels"],
    )
    clips = clips % {"count": f"{sums['clips']:,}"}
    return [sentence % {"count": f"{sums['labels']:,}", "clips": clips}]


def _empty_classes(dataset: Dataset) -> list[str]:
    released = Q(consensus__statuses__dataset=dataset, consensus__statuses__is_releasable=True)
    rows = ConsensusAction.objects.filter(released).order_by()
    there = set(rows.values_list("group", "action").distinct())
    actions = Action.objects.filter(
        dataset=dataset, merged_into=None, retired_at=None
    ).order_by("action_id")
    empty = [
        name
        for group, name in actions.values_list("group__name", "name")
        if (group, name) not in there
    ]
    if not there or not empty:
        return []
    names = ", ".join(empty[:NAMES_SHOWN])
    if len(empty) > NAMES_SHOWN:
        more = {"names": names, "count": len(empty) - NAMES_SHOWN}
        names = _("%(names)s and %(count)d more") % more
    sentence = ngettext(
        "%(count)d action has no label: %(names)s.",
        "%(count)d actions have no label: %(names)s.",
        len(empty),
    )
    return [sentence % {"count": len(empty), "names": names}]
