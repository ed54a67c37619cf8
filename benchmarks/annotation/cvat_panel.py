"""Attributes on CVAT's panel, and the time to answer, for three ways to ask a group of many.

    ./ava bench cvat_panel

- checkboxes: one for each action, as CVAT's labels are usually made. Nobody can say "none".
- slots: as many selects as actions may be chosen at once; each: as before, none, the actions.
- yes/no: a select for each action (as before, yes, no), and one that says "none" to them all.

Keystroke-level model (Card, Moran, Newell): M = 1.35 s a mental act, one for each answer;
P = 1.1 s a point with the mouse; B = 0.1 s a click. A checkbox is a point and a click; a select
is two, one to open it and one to choose. Looking at the clip is the same for all and left out,
and so is scrolling, which only longer panels need.

The person: each group is answered in the first frame, one group of many with an action and the
others with "none"; later one action is replaced by another, one is added, and one ends.
Checkboxes hold only to the next CVAT keyframe, on real tracks every second: what is ticked has
to be ticked again at each of the 13 keyframes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_labels import attributes_of, select_names
from datasets.core.vocabulary import parse_yaml

MENTAL, POINT, CLICK = 1.35, 1.1, 0.1  # seconds
KEYFRAMES = 13  # of a clip of 15 s
VOCABULARIES = Path(__file__).resolve().parents[2] / "datasets" / "vocabularies"


class Cost(NamedTuple):
    """What one person costs: answers given, clicks, and attributes shown with them."""

    attributes: int
    answers: int
    clicks: int

    @property
    def seconds(self) -> float:
        return self.answers * MENTAL + self.clicks * (POINT + CLICK)


def main() -> None:
    print("vocabulary  way         attributes  clicks  seconds a person and clip")
    for path in sorted(VOCABULARIES.glob("*.yaml")):
        groups = [
            ActionGroupSpec(
                one.name, one.choice, one.required, tuple(each.name for each in one.actions),
                one.max_per_person, one.scope,
            )
            for one in parse_yaml(path.read_text())
        ]  # fmt: skip
        for way, cost in ways(groups).items():
            print(
                f"{path.stem:<11} {way:<11} {cost.attributes:>10}  {cost.clicks:>6}  "
                f"{cost.seconds:>7.0f}"
            )


def ways(groups: Sequence[ActionGroupSpec]) -> dict[str, Cost]:
    """The cost of each way for a person.

    >>> cost = ways([ActionGroupSpec("doing", "many", False, ("wave", "carry", "read"), 2)])
    >>> [(way, one.attributes, one.clicks) for way, one in cost.items()]
    [('checkboxes', 3, 18), ('slots', 2, 8), ('yes/no', 4, 10)]
    """
    many = [group for group in groups if group.choice == "many"]
    once = sum(group.choice == "one" for group in groups)
    actions = sum(len(group.actions) for group in many)
    slots = len(attributes_of(groups)) - 1  # without person_id
    assert slots == once + sum(len(select_names(group)) for group in many)
    first = once + len(many)  # answers in the first frame
    return {
        # One select a group and keyframe of its own; the ticked action at each keyframe, and
        # once more each where one more is done: at 5 of them.
        "checkboxes": Cost(
            once + actions, (once + 1) * KEYFRAMES, 2 * once * KEYFRAMES + KEYFRAMES + 5
        ),
        # Replaced and added and ended: a select each.
        "slots": Cost(slots, first + 3, 2 * (first + 3)),
        # Replaced: one action off and another on.
        "yes/no": Cost(once + actions + len(many), first + 3, 2 * (first + 4)),
    }


if __name__ == "__main__":
    main()
