"""Action groups and answers: the questions of a dataset, without the database.

Answers are `{group: action}` where one action is chosen, and `{group: [action, ...]}`
in the group's order where many may be chosen; an empty list says that none applies. Either may
be `unset`, which means that nobody looked, or `unknown`: somebody looked and cannot tell.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import isnan
from numbers import Real
from typing import Any, NamedTuple

UNSET = "unset"
UNKNOWN = "unknown"
NONE = "none"
AS_BEFORE = "as before"
RESERVED = (UNSET, UNKNOWN, NONE, AS_BEFORE)  # no names of actions
SCOPES = ("keyframe", "person", "clip")

Answers = dict[str, Any]


class ActionGroupSpec(NamedTuple):
    """A group of actions without the database: a question about every person.

    `scope` says how often it is asked: at every keyframe, once a person, or once a clip.
    `select_count` is how many selects a group of many has in CVAT if actions were merged; 0: as
    many as may be chosen at once.
    """

    name: str
    choice: str  # "one" or "many"
    required: bool
    actions: tuple[str, ...]
    max_per_person: int = 3  # of a choice of many
    scope: str = "keyframe"
    select_count: int = 0


def counts_as_vote(vote: Any) -> bool:
    """Whether something was answered at all.

    >>> [counts_as_vote(vote) for vote in ("walk", "unknown", "unset", None, set())]
    [True, True, False, False, True]
    """
    if vote is None or (isinstance(vote, str) and vote == UNSET):
        return False
    return not (isinstance(vote, Real) and isnan(vote))


def unset_groups(answers: Mapping[str, Any], groups: Sequence[ActionGroupSpec]) -> list[str]:
    """Names of the required groups that `answers` leaves unset: unfinished work.

    >>> unset_groups({"posture": "unset"}, [ActionGroupSpec("posture", "one", True, ("sit",))])
    ['posture']
    """
    return [
        group.name
        for group in groups
        if group.required and not counts_as_vote(answers.get(group.name))
    ]


def asked_once(
    given: Iterable[tuple[Hashable, Answers]], groups: Sequence[ActionGroupSpec]
) -> dict[tuple[str, Hashable], Any]:
    """The answers that hold for a whole person or clip, by group and person.

    For a group of scope clip the person is None. A group that was answered in different ways
    is left out: nothing is picked silently.

    Args:
        given: Persons and what was answered of them, several times or once.
        groups: The questions; those of scope keyframe are ignored.

    >>> dress = ActionGroupSpec("dress", "one", False, ("coat",), 1, "person")
    >>> asked_once([(7, {"dress": "unset"}), (7, {"dress": "coat"})], [dress])
    {('dress', 7): 'coat'}
    """
    found: dict[tuple[str, Hashable], list[Any]] = defaultdict(list)
    for person, answers in given:
        for group in groups:
            answer = answers.get(group.name)
            if group.scope == "keyframe" or not counts_as_vote(answer):
                continue
            several = found[group.name, person if group.scope == "person" else None]
            if answer not in several:
                several.append(answer)
    return {key: several[0] for key, several in found.items() if len(several) == 1}


def answered_once(
    person: Hashable, answers: Answers, once: Mapping[tuple[str, Hashable], Any]
) -> Answers:
    """`answers` of a person, those left unset filled in from `once` (of `asked_once`).

    >>> answered_once(7, {"dress": "unset"}, {("dress", 7): "coat"})
    {'dress': 'coat'}
    """
    filled = dict(answers)
    for (group, whose), answer in once.items():
        if whose in (None, person) and not counts_as_vote(filled.get(group)):
            filled[group] = answer
    return filled
