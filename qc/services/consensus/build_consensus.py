"""Stage 9: what is believed of a clip, out of what its annotators said and reviewers decided.

A consensus is computed from versions that never change and from adjudications; it can be thrown
away and made again. The rules stand in `qc.core.consensus.clip_consensus`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from django.db import transaction

from datasets.models import Clip
from qc.core.consensus.clip_consensus import (
    Decision,
    Place,
    Question,
    SettledBox,
    open_questions,
    settle,
)
from qc.core.consensus.identity import KnownBox, PersonAt, first_drawn_id, gather_persons
from qc.core.consensus.skill_weighting import weighed
from qc.models import (
    Adjudication,
    AgreementSummary,
    Consensus,
    ConsensusBox,
    ConsensusLabel,
    HouseRules,
)
from qc.services.review.quality_rules import decides_by
from qc.services.answer_versions import (
    AnswersGoneError,
    ClipAnswers,
    plan,
    questions_of,
    read_clip_answers,
)
from tracking.models import Proposal


def plan_consensuses() -> int:
    """Order a consensus of every clip's newest answers, where all its tasks have some."""
    return plan(Consensus)


def settle_clip(consensus_id: int) -> Consensus | None:
    """Compute one consensus; None if somebody else has it or it is done."""
    consensus: Consensus | None = Consensus.objects.claim(consensus_id)
    if consensus is None:
        return None
    with consensus.working(AnswersGoneError):
        known = _known(consensus)
        with settling(consensus.clip):
            consensus.rates = rates_for(consensus.clip)
            _settle(consensus, known)
            consensus.finish(rates=consensus.rates)
    return consensus


def newest_consensus(clip: Clip) -> Consensus | None:
    """The newest finished consensus of `clip`; None if there is none yet."""
    return Consensus.objects.done().filter(clip=clip).order_by("-pk").first()


def rates_for(clip: Clip) -> dict[str, Any]:
    """The newest error rates by group, if the clip's dataset weighs votes by them."""
    dataset = clip.video.dataset
    if decides_by(dataset) != HouseRules.Decides.DAWID_SKENE:
        return {}
    summaries = AgreementSummary.objects.filter(dataset=dataset, period="").done()
    rates = summaries.order_by("-pk").values_list("figures__error_rates", flat=True).first()
    return {group: one["estimates"] for group, one in (rates or {}).items()}


@contextmanager
def settling(clip: Clip) -> Iterator[None]:
    """Nobody finishes a consensus of `clip`, decides on one or changes the rules meanwhile.

    So a decision is either known to a consensus that becomes the newest, or made on it.
    """
    with transaction.atomic():
        rows = Consensus.objects.select_for_update().filter(clip=clip).order_by("pk")
        list(rows.values_list("pk"))
        yield


def settle_again(consensus: Consensus, places: Collection[Place]) -> None:
    """Compute the boxes at `places` anew, as the decisions on them want it now.

    To be called while `settling` the clip.
    """
    _settle(consensus, _known(consensus), only=places)


class _Known(NamedTuple):
    """What a consensus is computed from, but for the decisions."""

    answers: ClipAnswers
    questions: list[Question]
    persons: list[PersonAt]
    proposals: dict[Place, Sequence[float]]


def _known(consensus: Consensus) -> _Known:
    answers = read_clip_answers(consensus)
    clip = answers.clip
    persons = gather_persons(
        answers.drawn,
        first_id=first_drawn_id(clip.index),
        before=_drawn_before(consensus, clip),
    )
    questions = questions_of([clip.video.dataset])[clip.video.dataset_id]
    return _Known(answers, questions, persons, _proposals(answers))


def _settle(
    consensus: Consensus, known: _Known, *, only: Collection[Place] | None = None
) -> None:
    """Replace the boxes and labels of a consensus, or those that were decided on."""
    answers = known.answers
    boxes = settle(
        known.persons,
        answers.drawn,
        answers.answers,
        annotators=answers.annotators,
        questions=known.questions,
        proposals=known.proposals,
        decisions=_decisions(answers.clip),
    )
    boxes = weighed(boxes, known.questions, consensus.rates)
    _write(consensus, boxes, only=only)
    Consensus.objects.filter(pk=consensus.pk).update(open_count=open_questions(boxes))


def _drawn_before(consensus: Consensus, clip: Clip) -> list[KnownBox]:
    """The drawn persons of the consensus before, which decisions may name by their ids."""
    earlier = Consensus.objects.done().filter(clip=clip, pk__lt=consensus.pk)
    newest = earlier.order_by("-pk").first()
    if newest is None:
        return []
    boxes = newest.boxes.filter(person_id__gte=first_drawn_id(clip.index))
    rows = boxes.order_by("second", "person_id")
    return [
        KnownBox(second, person, np.array(box))
        for second, person, *box in rows.values_list(
            "second", "person_id", "x1", "y1", "x2", "y2"
        )
    ]


def _proposals(answers: ClipAnswers) -> dict[Place, Sequence[float]]:
    runs = {pull.task.run_id for pull in answers.pulls}
    rows = Proposal.objects.filter(run__in=runs).order_by("run", "second", "person_id")
    values = rows.values_list("second", "person_id", "x1", "y1", "x2", "y2")
    return {(second, person): box for second, person, *box in values}


def _decisions(clip: Clip) -> dict[Place, Decision]:
    """The newest decision on every question, but for those withdrawn."""
    decisions: dict[Place, Decision] = {}
    for one in Adjudication.objects.standing().filter(clip=clip).order_by("pk"):
        place = (one.second, one.person_id)
        there = decisions.get(place, Decision(None, {}))
        if one.group:
            decisions[place] = there._replace(actions={**there.actions, one.group: one.actions})
        elif one.box is not None:
            decisions[place] = there._replace(box=one.box)
        else:
            decisions[place] = there._replace(is_person=one.is_person)
    return decisions


def _write(
    consensus: Consensus, boxes: Sequence[SettledBox], *, only: Collection[Place] | None
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
            least_iou=box.least_iou,
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
