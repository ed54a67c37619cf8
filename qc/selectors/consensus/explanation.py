"""Explanation of a consensus: each annotator's answer, the rule, the reviewer's decision."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.utils.translation import gettext as _

from datasets.models import Clip
from qc.models import Adjudication, ConsensusBox, ConsensusLabel
from qc.selectors.clips import KeyframeConsensus
from qc.selectors.consensus.adjudication_queue import BOX, PERSON, ItemKey
from qc.selectors.display_names import answer_text, decided_text
from tracking.core.tracks_file import PERSON as PERSON_CLASS
from tracking.person_classes import ClassWords, class_words

Decisions = dict[tuple[int, int, str], Adjudication]  # second, person, group or BOX or ""


class GivenAnswer(NamedTuple):
    annotator: str
    answer: str


@dataclass
class LabelExplanation:
    """The consensus on one group; `given` is empty if all annotators answered the same."""

    group: str
    answer: str
    rule: str
    key: ItemKey
    given: list[GivenAnswer]
    decision: Adjudication | None

    @property
    def is_open(self) -> bool:
        return self.rule == ConsensusLabel.Rule.OPEN


@dataclass
class BoxExplanation:
    """A person at a keyframe: who drew it, the consensus, the decisions."""

    box: ConsensusBox
    key: ItemKey
    labels: list[LabelExplanation]
    decision: Adjudication | None  # on whether there is a person
    box_decision: Adjudication | None
    label: str = PERSON_CLASS  # what it is

    @property
    def words(self) -> ClassWords:
        return class_words(self.label)

    @property
    def decided(self) -> str:
        """What was decided on whether it is one; empty if nothing was."""
        if self.decision is None:
            return ""
        return decided_text(self.label, bool(self.decision.is_person))

    @property
    def drawn(self) -> str:
        """Whose boxes the consensus box was computed from.

        >>> BoxExplanation(ConsensusBox(drawn_by=["a", "b"]), None, [], None, None).drawn
        'mean of a and b'
        """
        names = self.box.drawn_by
        if not names:
            return _("drawn by no annotator")
        if len(names) == 1:
            return _("drawn by %(name)s") % {"name": names[0]}
        sentence = _("median of %(names)s and %(last)s")
        if len(names) == 2:
            sentence = _("mean of %(names)s and %(last)s")
        return sentence % {"names": ", ".join(names[:-1]), "last": names[-1]}


@dataclass
class KeyframeExplanation:
    """One keyframe."""

    second: int
    boxes: list[BoxExplanation]


def explain_consensus(
    clip: Clip, consensus: list[KeyframeConsensus], classes: Mapping[int, str]
) -> list[KeyframeExplanation]:
    """The consensus of `clip` with explanations; one additional query.

    Args:
        classes: What those are who are no persons, by number.
    """
    if not consensus:
        return []
    by_item: Decisions = {}
    decisions = Adjudication.objects.in_force().filter(clip=clip).select_related("decided_by")
    for one in decisions.order_by("pk"):
        about = BOX if one.box else one.group
        by_item[one.second, one.person_id, about] = one
    return [
        KeyframeExplanation(
            keyframe.second,
            [
                replace(
                    _box(clip, box, by_item), label=classes.get(box.person_id, PERSON_CLASS)
                )
                for box in keyframe.boxes
            ],
        )
        for keyframe in consensus
    ]


def _box(clip: Clip, box: ConsensusBox, decisions: Decisions) -> BoxExplanation:
    place = (box.second, box.person_id)
    return BoxExplanation(
        box,
        ItemKey(clip.name, box.person_id, PERSON, box.second),
        [_label(clip, box, label, decisions) for label in box.labels.all()],
        decisions.get((*place, "")),
        decisions.get((*place, BOX)),
    )


def _label(
    clip: Clip, box: ConsensusBox, label: ConsensusLabel, decisions: Decisions
) -> LabelExplanation:
    is_plain = label.rule in (ConsensusLabel.Rule.UNANIMOUS, ConsensusLabel.Rule.SINGLE)
    return LabelExplanation(
        label.group,
        answer_text(label.actions),
        label.rule,
        ItemKey(clip.name, box.person_id, label.group, box.second),
        []
        if is_plain
        else [GivenAnswer(who, answer_text(one)) for who, one in label.votes.items()],
        decisions.get((box.second, box.person_id, label.group)),
    )
