"""Why the consensus of a clip says what it says: who said what, and which rule decided."""

from dataclasses import dataclass
from typing import NamedTuple

from datasets.models import Clip
from qc.models import Adjudication, ConsensusBox, ConsensusLabel
from qc.selectors.clips import Belief
from qc.selectors.consensus.adjudication_queue import BOX, PERSON, Key, text_of

Standing = dict[tuple[int, int, str], Adjudication]  # second, person, group or BOX or ""


class Said(NamedTuple):
    annotator: str
    answer: str


@dataclass
class ExplainedLabel:
    """The answer to one group. `said` is empty where the rule tells it all."""

    group: str
    answer: str
    rule: str
    key: Key
    said: list[Said]
    decision: Adjudication | None

    @property
    def is_open(self) -> bool:
        return self.rule == ConsensusLabel.Rule.OPEN


@dataclass
class ExplainedBox:
    """A person at a keyframe: who drew it, what is believed, what was decided."""

    box: ConsensusBox
    key: Key
    labels: list[ExplainedLabel]
    decision: Adjudication | None  # on whether there is a person
    box_decision: Adjudication | None

    @property
    def drawn(self) -> str:
        """Whose boxes the box was made of.

        >>> ExplainedBox(ConsensusBox(drawn_by=["a", "b"]), None, [], None, None).drawn
        'mean of a and b'
        """
        names = self.box.drawn_by
        if not names:
            return "drawn by nobody"
        if len(names) == 1:
            return f"drawn by {names[0]}"
        word = "mean" if len(names) == 2 else "median"
        return f"{word} of {', '.join(names[:-1])} and {names[-1]}"


@dataclass
class Explained:
    """One keyframe."""

    second: int
    boxes: list[ExplainedBox]


def explained(clip: Clip, beliefs: list[Belief]) -> list[Explained]:
    """The beliefs of `clip` with their reasons; one query more."""
    if not beliefs:
        return []
    standing: Standing = {}
    decisions = Adjudication.objects.standing().filter(clip=clip).select_related("decided_by")
    for one in decisions.order_by("pk"):
        about = BOX if one.box else one.group
        standing[one.second, one.person_id, about] = one
    return [
        Explained(belief.second, [_box(clip, box, standing) for box in belief.boxes])
        for belief in beliefs
    ]


def _box(clip: Clip, box: ConsensusBox, standing: Standing) -> ExplainedBox:
    place = (box.second, box.person_id)
    return ExplainedBox(
        box,
        Key(clip.name, box.person_id, PERSON, box.second),
        [_label(clip, box, label, standing) for label in box.labels.all()],
        standing.get((*place, "")),
        standing.get((*place, BOX)),
    )


def _label(
    clip: Clip, box: ConsensusBox, label: ConsensusLabel, standing: Standing
) -> ExplainedLabel:
    is_plain = label.rule in (ConsensusLabel.Rule.UNANIMOUS, ConsensusLabel.Rule.SINGLE)
    return ExplainedLabel(
        label.group,
        text_of(label.actions),
        label.rule,
        Key(clip.name, box.person_id, label.group, box.second),
        [] if is_plain else [Said(who, text_of(one)) for who, one in label.votes.items()],
        standing.get((box.second, box.person_id, label.group)),
    )
