"""Consensus of a clip, built from its annotators' answers and the reviewers' decisions.

A consensus is computed from answer versions, which never change, and from adjudications; it can
be deleted and built again. The rules are in `qc.core.consensus.clip_consensus`.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.db import transaction

from datasets.core.action_groups import ActionGroupSpec
from datasets.models import Clip
from qc.core.consensus.clip_consensus import (
    BoxConsensus,
    PersonKey,
    ReviewerDecision,
    build_consensus,
    count_differing,
    count_open,
    count_single,
)
from qc.core.consensus.identity import (
    IdentifiedBox,
    MatchedPerson,
    boxes_of_drawn,
    continued_ids,
    identify_persons,
    numbered,
)
from qc.core.consensus.skill_weighting import FittedRates, skill_weighted_votes
from qc.models import (
    Adjudication,
    AgreementSummary,
    Consensus,
    ConsensusAction,
    ConsensusBox,
    ConsensusLabel,
    QualityRules,
)
from qc.services.answer_versions import (
    AnswersDeletedError,
    ClipAnswers,
    group_specs_of,
    plan,
    read_clip_answers,
)
from qc.services.review.quality_rules import vote_rule_of
from tracking.models import Proposal, VideoPerson


def plan_consensuses(since: datetime | None = None) -> int:
    """Create the missing consensus rows, one for each clip whose tasks all have answers.

    Args:
        since: Plan only clips whose tasks or answers have changed since then.
    """
    return plan(Consensus, since)


def build_clip_consensus(consensus_id: int) -> Consensus | None:
    """Build one consensus; None if another worker has it or it is done."""
    consensus: Consensus | None = Consensus.objects.claim(consensus_id)
    if consensus is None:
        return None
    with consensus.working(AnswersDeletedError):
        inputs = _read_inputs(consensus)
        with consensus_lock(consensus.clip):
            consensus.error_rates = error_rates_for(consensus.clip)
            _rebuild(consensus, inputs)
            consensus.finish(error_rates=consensus.error_rates)
    return consensus


def newest_consensus(clip: Clip) -> Consensus | None:
    """The newest finished consensus of `clip`; None if there is none yet."""
    return Consensus.objects.done().filter(clip=clip).order_by("-pk").first()


def error_rates_for(clip: Clip) -> dict[str, Any]:
    """The newest error rates by group, if the dataset of `clip` weights votes by them."""
    dataset = clip.video.dataset
    if vote_rule_of(dataset) != QualityRules.VoteRule.DAWID_SKENE:
        return {}
    summaries = AgreementSummary.objects.filter(dataset=dataset, period="").done()
    rates = summaries.order_by("-pk").values_list("figures__error_rates", flat=True).first()
    return {group: one.get("fits", []) for group, one in (rates or {}).items()}


@contextmanager
def consensus_lock(clip: Clip) -> Iterator[None]:
    """Lock the consensus rows of `clip` against other builds, decisions and changes of rules.

    A decision is thus either used by the consensus that becomes the newest, or made on it.
    """
    with transaction.atomic():
        rows = Consensus.objects.select_for_update().filter(clip=clip).order_by("pk")
        list(rows.values_list("pk"))
        yield


def rebuild_boxes(consensus: Consensus, places: Collection[PersonKey]) -> None:
    """Rebuild the boxes at `places` with the current decisions, inside `consensus_lock`."""
    _rebuild(consensus, _read_inputs(consensus), only=places)


class _Inputs(NamedTuple):
    """The inputs of a consensus besides the decisions."""

    answers: ClipAnswers
    groups: list[ActionGroupSpec]
    persons: list[MatchedPerson]
    proposals: dict[PersonKey, Sequence[float]]


def _read_inputs(consensus: Consensus) -> _Inputs:
    answers = read_clip_answers(consensus)
    clip = answers.clip
    persons = identify_persons(answers.drawn)
    groups = group_specs_of([clip.video.dataset])[clip.video.dataset_id]
    return _Inputs(answers, groups, persons, _proposals(answers))


def _rebuild(
    consensus: Consensus, inputs: _Inputs, *, only: Collection[PersonKey] | None = None
) -> None:
    """Replace the boxes and labels of a consensus, or only those at the places in `only`."""
    answers = inputs.answers
    numbers = _number_drawn(consensus, inputs)
    boxes = build_consensus(
        numbered(inputs.persons, numbers),
        answers.drawn,
        answers.answers,
        annotators=answers.annotators,
        groups=inputs.groups,
        proposals=inputs.proposals,
        decisions=_decisions(answers.clip),
        drawn_ids=set(numbers.values()),
    )
    rates = {
        group: [FittedRates.from_json(one) for one in fits]
        for group, fits in consensus.error_rates.items()
    }
    boxes = skill_weighted_votes(boxes, inputs.groups, rates)
    _write(consensus, boxes, only=only)
    _count_actions(consensus, boxes)
    Consensus.objects.filter(pk=consensus.pk).update(
        open_count=count_open(boxes),
        box_count=count_differing(boxes),
        single_count=count_single(boxes),
    )


def _count_actions(consensus: Consensus, boxes: Sequence[BoxConsensus]) -> None:
    """Write how often the consensus holds each action."""
    counts = Counter(
        (label.group, action)
        for box in boxes
        if box.status == ConsensusBox.Status.AGREED
        for label in box.labels
        if label.rule != ConsensusLabel.Rule.OPEN
        for action in label.actions
    )
    ConsensusAction.objects.filter(consensus=consensus).delete()
    ConsensusAction.objects.bulk_create(
        ConsensusAction(consensus=consensus, group=group, action=action, count=count)
        for (group, action), count in sorted(counts.items())
    )


def _number_drawn(consensus: Consensus, inputs: _Inputs) -> dict[int, int]:
    """The number of each drawn person, inside `consensus_lock`.

    Who was there in the consensus before keeps the number, everybody else is a new row.
    """
    clip = inputs.answers.clip
    boxes = boxes_of_drawn(inputs.persons, inputs.answers.drawn)
    rows = {row.person_id: row for row in VideoPerson.objects.filter(clip=clip)}
    before = [
        IdentifiedBox(int(second), row.person_id, np.array(box), row.label)
        for row in sorted(rows.values(), key=lambda one: one.person_id)
        for second, box in row.boxes.items()
    ]
    labels = {person: _label_of_drawn(inputs, person) for person in boxes}
    numbers = continued_ids(boxes, before, labels)
    new = sorted(boxes.keys() - numbers.keys(), reverse=True)
    for person in new:
        row = VideoPerson.draw(clip, labels[person])
        numbers[person], rows[row.person_id] = row.person_id, row
    if not Consensus.objects.filter(clip=clip, pk__gt=consensus.pk).exists():
        shown = {
            numbers[person]: {str(at): box.tolist() for at, box in places.items()}
            for person, places in boxes.items()
        }
        changed = [row for row in rows.values() if row.boxes != shown.get(row.person_id, {})]
        for row in changed:
            row.boxes = shown.get(row.person_id, {})
        VideoPerson.objects.bulk_update(changed, ["boxes"])
    return numbers


def _label_of_drawn(inputs: _Inputs, person: int) -> str:
    """The class that most boxes of a drawn person have; of equally many the first by name."""
    counts = Counter(
        inputs.answers.labels[row]
        for one in inputs.persons
        if one.person_id == person
        for row in one.rows
    )
    return max(sorted(counts), key=lambda label: counts[label])


def _proposals(answers: ClipAnswers) -> dict[PersonKey, Sequence[float]]:
    runs = {version.task.run_id for version in answers.versions}
    rows = Proposal.objects.filter(run__in=runs).order_by("run", "second", "person_id")
    values = rows.values_list("second", "person_id", "x1", "y1", "x2", "y2")
    return {(second, person): box for second, person, *box in values}


def _decisions(clip: Clip) -> dict[PersonKey, ReviewerDecision]:
    """The newest decision in force on each item, with the names that actions have now."""
    groups = clip.video.dataset.groups.prefetch_related("actions")
    former = {group.name: group.former_names() for group in groups}
    decisions: dict[PersonKey, ReviewerDecision] = {}
    for one in Adjudication.objects.in_force().filter(clip=clip).order_by("pk"):
        place = (one.second, one.person_id)
        there = decisions.get(place, ReviewerDecision(None, {}))
        if one.group:
            names = former.get(one.group, {})
            chosen = list(dict.fromkeys(names.get(name, name) for name in one.actions))
            decisions[place] = there._replace(actions={**there.actions, one.group: chosen})
        elif one.box is not None:
            decisions[place] = there._replace(box=one.box)
        else:
            decisions[place] = there._replace(is_person=one.is_person)
    return decisions


def _write(
    consensus: Consensus, boxes: Sequence[BoxConsensus], *, only: Collection[PersonKey] | None
) -> None:
    replaced = ConsensusBox.objects.filter(consensus=consensus)
    if only is not None:
        boxes = [box for box in boxes if (box.second, box.person_id) in only]
        there = replaced.values_list("pk", "second", "person_id")
        replaced = replaced.filter(pk__in=[pk for pk, *place in there if tuple(place) in only])
    ConsensusLabel.objects.filter(box__in=replaced).delete()
    replaced.delete()
    rows = ConsensusBox.objects.bulk_create(
        ConsensusBox(
            consensus=consensus,
            second=box.second,
            person_id=box.person_id,
            x1=float(box.box[0]),
            y1=float(box.box[1]),
            x2=float(box.box[2]),
            y2=float(box.box[3]),
            drawn_by=box.drawn_by,
            drawn={name: [round(side, 2) for side in one] for name, one in box.drawn.items()},
            min_iou=box.min_iou,
            is_box_decided=box.is_box_decided,
            status=box.status,
        )
        for box in boxes
    )
    ConsensusLabel.objects.bulk_create(
        ConsensusLabel(
            box=row,
            group=label.group,
            actions=label.actions,
            votes=label.votes,
            rule=label.rule,
        )
        for row, box in zip(rows, boxes, strict=True)
        for label in box.labels
    )
