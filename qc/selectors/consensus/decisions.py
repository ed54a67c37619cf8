"""Decisions of adjudication, how often each annotator had answered the same, single votes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Avg, Count, Q, Sum
from django.db.models.functions import Least
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets.models import Dataset
from qc.core.annotator_keys import with_names
from qc.core.quality.acceptance import AT_ONCE_MS
from qc.models import Adjudication, ConsensusLabel
from qc.selectors.clip_and_task_states import newest_consensuses
from qc.selectors.consensus.adjudication_queue import BOX, PERSON, ItemKey
from qc.selectors.display_names import annotator_names, answer_text, decided_text, group_title
from qc.selectors.statuses import cached, clip_statuses
from tracking.core.tracks_file import PERSON as PERSON_CLASS
from tracking.core.tracks_file import person_label
from tracking.person_classes import class_words

LONGEST_PAUSE_MS = 60_000  # longer, the reviewer was away


@dataclass
class DecisionRow:
    """One decision, ready for display."""

    decision: Adjudication
    about: str
    answer: str
    can_undo: bool

    @property
    def key(self) -> ItemKey:
        one = self.decision
        group = one.group or (BOX if one.box else PERSON)
        return ItemKey(one.clip.name, one.person_id, group, one.second)

    @property
    def person(self) -> str:
        number = self.decision.person_id
        return person_label(number, {number: self.decision.video_person.label})


def decision_rows(
    decisions: list[Adjudication], *, user: User, may_override: bool
) -> list[DecisionRow]:
    """Rows for `decisions`, as `user` sees them."""
    return [
        DecisionRow(
            one,
            group_title(one.group)
            if one.group
            else _("Box")
            if one.box
            else _question(one.video_person.label),
            _answer(one),
            one.withdrawn_at is None and (may_override or one.decided_by_id == user.pk),
        )
        for one in decisions
    ]


def _answer(one: Adjudication) -> str:
    if one.group:
        return answer_text(one.actions)
    if one.box:
        x1, y1, x2, y2 = (round(side) for side in one.box)
        return _("%(width)d by %(height)d pixels at %(left)d, %(top)d") % {
            "width": x2 - x1, "height": y2 - y1, "left": x1, "top": y1,
        }  # fmt: skip
    return decided_text(one.video_person.label, bool(one.is_person))


def _question(label: str) -> str:
    return _("Is it a person?") if label == PERSON_CLASS else class_words(label).question


class ReviewerAgreement(NamedTuple):
    """How often reviewers decided what one annotator had answered."""

    annotator: str
    same: int
    decided: int  # labels decided that the annotator had answered

    @property
    def percent(self) -> float:
        return 100 * self.same / self.decided


class DecisionTimes(NamedTuple):
    """How long the decisions of one reviewer took, from shown to decided."""

    reviewer: str
    timed: int
    seconds: float  # mean; a decision counts with a minute at most
    at_once: int  # within a second

    @property
    def percent_at_once(self) -> float:
        return 100 * self.at_once / self.timed


def decision_times(dataset: Dataset) -> list[DecisionTimes]:
    """For each reviewer with decisions that were timed, by name."""
    rows = (
        Adjudication.objects.of(dataset)
        .filter(decision_ms__isnull=False)
        .order_by("decided_by__username")
        .values_list("decided_by__username")
        .annotate(
            timed=Count("pk"),
            ms=Avg(Least("decision_ms", LONGEST_PAUSE_MS)),
            at_once=Count("pk", filter=Q(decision_ms__lt=AT_ONCE_MS)),
        )
    )
    return [DecisionTimes(who, timed, ms / 1000, fast) for who, timed, ms, fast in rows]


def reviewer_agreement(dataset: Dataset) -> list[ReviewerAgreement]:
    """For each annotator whose answers were adjudicated, by name; kept until a clip changes."""
    statuses = clip_statuses(dataset)
    return cached(f"reviewers-{dataset.pk}", statuses, lambda: _reviewer_agreement(dataset))


def _reviewer_agreement(dataset: Dataset) -> list[ReviewerAgreement]:
    labels = ConsensusLabel.objects.filter(
        box__consensus__in=newest_consensuses(dataset), rule=ConsensusLabel.Rule.ADJUDICATED
    )
    counts: dict[str, list[int]] = {}
    names = annotator_names(dataset)
    for actions, votes in labels.values_list("actions", "votes").iterator():
        for annotator, vote in with_names(votes, names).items():
            answer = _as_set(vote)
            if answer is not None:
                count = counts.setdefault(annotator, [0, 0])
                count[0] += answer == set(actions)
                count[1] += 1
    return [ReviewerAgreement(name, *count) for name, count in sorted(counts.items())]


def _as_set(vote: Any) -> set[str] | None:
    """The actions of a vote; None if it is no vote. `unknown` has none."""
    if isinstance(vote, list):
        return set(vote)
    if vote in (None, "unset"):
        return None
    return set() if vote == "unknown" else {vote}


class SingleVotes(NamedTuple):
    """Labels of the consensus that rest on one vote, and of those the ones by absence."""

    labels: int
    by_absence: int

    @property
    def sentence(self) -> str:
        """
        >>> SingleVotes(36, 12).sentence
        '36 labels rest on one vote: 24 by plan, 12 because others did not answer.'
        """
        counts = {
            _("by plan"): self.labels - self.by_absence,
            _("because others did not answer"): self.by_absence,
        }
        why = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
        sentence = ngettext(
            "%(count)s label rests on one vote: %(why)s.",
            "%(count)s labels rest on one vote: %(why)s.",
            self.labels,
        )
        return sentence % {"count": f"{self.labels:,}", "why": why}


def single_votes(dataset: Dataset) -> SingleVotes:
    """How many labels of the newest consensuses rest on one vote, and why."""
    sums = clip_statuses(dataset).aggregate(
        labels=Sum("single_labels"),
        by_absence=Sum("single_labels", filter=Q(is_unanswered=True)),
    )
    return SingleVotes(sums["labels"] or 0, sums["by_absence"] or 0)
