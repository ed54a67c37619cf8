"""Action groups and answers: the questions of a dataset, without the database.

Answers are `{group: action, "unset" or "unknown"}` for a group of which one action is chosen,
and `{group: [action, ...]}` in the group's order where many may be chosen. `unset` means that
nobody looked, `unknown` that somebody looked and cannot tell.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from numbers import Real
from typing import Any, NamedTuple

UNSET = "unset"
UNKNOWN = "unknown"

Answers = dict[str, Any]


class ActionGroupSpec(NamedTuple):
    """A group of actions without the database: a question about every person."""

    name: str
    choice: str  # "one" or "many"
    required: bool
    actions: tuple[str, ...]
    max_per_person: int = 3  # of a choice of many


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

    Only a choice of one can be unset: of many, none is an answer too.

    >>> unset_groups({"posture": "unset"}, [ActionGroupSpec("posture", "one", True, ("sit",))])
    ['posture']
    """
    return [
        group.name
        for group in groups
        if group.required and group.choice == "one" and answers.get(group.name, UNSET) == UNSET
    ]
