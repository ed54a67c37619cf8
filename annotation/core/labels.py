"""The questions of a dataset as attributes of CVAT's label "person", and answers out of them.

A group of which one action is chosen is a select named like the group: `unset` first (nobody
looked), `unknown` second (looked, cannot tell), then the actions. A group of which many may be
chosen is one checkbox "<group>: <action>" per action. `person_id` is a text that stays the same
over a track, for CVAT's own track ids change.

Answers are `{group: action, "unset" or "unknown"}` for one choice, `{group: [action, ...]}` in
the group's order for many.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from numbers import Real
from typing import Any, Literal, NamedTuple

PERSON = "person"
PERSON_ID = "person_id"
UNSET = "unset"
UNKNOWN = "unknown"
TRUE = "true"
FALSE = "false"
LONGEST_NAME = 64  # characters of an attribute's name in CVAT
LONGEST_VALUES = 4096  # characters of a select's values in CVAT, joined by line ends
COLOUR = "#3b82f6"

Answers = dict[str, Any]
InputType = Literal["text", "select", "checkbox", "radio", "number"]


class LabelsError(ValueError):
    """The vocabulary does not fit into CVAT, or an answer is not one of the vocabulary's."""


class ActionGroupSpec(NamedTuple):
    """A group of actions without the database: a question about every person."""

    name: str
    choice: str  # "one" or "many"
    required: bool
    actions: tuple[str, ...]
    max_per_person: int = 3  # of a choice of many


class Attribute(NamedTuple):
    """One attribute of a CVAT label."""

    name: str
    input_type: InputType
    mutable: bool
    values: tuple[str, ...]
    default: str


def checkbox_name(group: str, action: str) -> str:
    """Name of the checkbox of one action of a group of many.

    >>> checkbox_name("doing", "wave")
    'doing: wave'
    """
    return f"{group}: {action}"


def attributes_of(groups: Sequence[ActionGroupSpec]) -> tuple[Attribute, ...]:
    """All attributes of a person, `person_id` first, then the groups in their order.

    Raises LabelsError for what CVAT would refuse: names over 64 characters or given twice.

    >>> [a.name for a in attributes_of([ActionGroupSpec("doing", "many", False, ("wave", "carry"))])]
    ['person_id', 'doing: wave', 'doing: carry']
    >>> attributes_of([ActionGroupSpec("posture", "one", True, ("sit",))])[1].values
    ('unset', 'unknown', 'sit')
    """
    attributes = [Attribute(PERSON_ID, "text", False, ("",), "")]
    for group in groups:
        attributes += _attributes_of_group(group)
    names = [attribute.name for attribute in attributes]
    for attribute in attributes:
        _check_fits_cvat(attribute, taken=names.count(attribute.name))
    return tuple(attributes)


def answers_from(attributes: Mapping[str, str], groups: Sequence[ActionGroupSpec]) -> Answers:
    """The answers to every group; an attribute that is not there is unset or unchecked.

    Raises LabelsError for a value that is not one of the group's.

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",)),
    ...           ActionGroupSpec("doing", "many", False, ("wave", "carry"))]
    >>> answers_from({"posture": "sit", "doing: carry": "true"}, groups)
    {'posture': 'sit', 'doing': ['carry']}
    >>> answers_from({}, groups)
    {'posture': 'unset', 'doing': []}
    """
    return {
        group.name: _chosen(attributes, group)
        if group.choice == "one"
        else [action for action in group.actions if _is_checked(attributes, group, action)]
        for group in groups
    }


def attributes_from(
    answers: Mapping[str, Any], person_id: int | None, groups: Sequence[ActionGroupSpec]
) -> dict[str, str]:
    """The attributes that say `answers`; a group without an answer gets its default.

    >>> attributes_from({"posture": "sit"}, 7, [ActionGroupSpec("posture", "one", True, ("sit",))])
    {'person_id': '7', 'posture': 'sit'}
    """
    attributes = {PERSON_ID: "" if person_id is None else str(person_id)}
    for group in groups:
        if group.choice == "one":
            attributes[group.name] = answers.get(group.name, UNSET)
        else:
            chosen = answers.get(group.name, [])
            for action in group.actions:
                name = checkbox_name(group.name, action)
                attributes[name] = TRUE if action in chosen else FALSE
    return attributes


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


def label_constructor(attributes: Sequence[Attribute]) -> list[dict[str, Any]]:
    """What CVAT's raw label editor takes: the one label, a rectangle, with its attributes.

    >>> label_constructor([])[0]["name"]
    'person'
    """
    return [
        {
            "name": PERSON,
            "color": COLOUR,
            "type": "rectangle",
            "attributes": [
                {
                    "name": attribute.name,
                    "mutable": attribute.mutable,
                    "input_type": attribute.input_type,
                    "values": list(attribute.values),
                    "default_value": attribute.default,
                }
                for attribute in attributes
            ],
        }
    ]


def _attributes_of_group(group: ActionGroupSpec) -> list[Attribute]:
    if group.choice == "one":
        values = (UNSET, UNKNOWN, *group.actions)
        return [Attribute(group.name, "select", True, values, UNSET)]
    return [
        Attribute(checkbox_name(group.name, action), "checkbox", True, (FALSE,), FALSE)
        for action in group.actions
    ]


def _check_fits_cvat(attribute: Attribute, *, taken: int) -> None:
    if len(attribute.name) > LONGEST_NAME:
        raise LabelsError(
            f'the attribute "{attribute.name}" has {len(attribute.name)} characters, CVAT '
            f"takes {LONGEST_NAME}: shorten the name of the group or of the action"
        )
    if taken > 1:
        raise LabelsError(
            f'two attributes are called "{attribute.name}": rename a group or an action'
        )
    if len("\n".join(attribute.values)) > LONGEST_VALUES:
        raise LabelsError(
            f'the actions of "{attribute.name}" have more than {LONGEST_VALUES} characters '
            "together, which CVAT does not take: split the group"
        )


def _chosen(attributes: Mapping[str, str], group: ActionGroupSpec) -> str:
    value = attributes.get(group.name, UNSET)
    if value not in (UNSET, UNKNOWN, *group.actions):
        raise LabelsError(
            f'"{value}" is not an answer to {group.name}; these are: {", ".join(group.actions)}'
        )
    return value


def _is_checked(attributes: Mapping[str, str], group: ActionGroupSpec, action: str) -> bool:
    name = checkbox_name(group.name, action)
    value = attributes.get(name, FALSE).lower()
    if value not in (TRUE, FALSE):
        raise LabelsError(f'"{value}" is not an answer to the checkbox {name}: true or false')
    return value == TRUE
