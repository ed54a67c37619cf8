"""CVAT label "person": a dataset's action groups as its attributes, and answers out of them.

A group of which one action is chosen is a select named like the group: `unset` first, `unknown`
second, then the actions. A group of which many may be chosen is one checkbox
"<group>: <action>" per action. `person_id` is a text that stays the same over a track, since
CVAT's own track ids change.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from datasets.core.action_groups import UNKNOWN, UNSET, ActionGroupSpec, Answers

PERSON = "person"
PERSON_ID = "person_id"
TRUE = "true"
FALSE = "false"
MAX_NAME_LENGTH = 64  # characters of an attribute's name in CVAT
MAX_VALUES_LENGTH = 4096  # characters of a select's values in CVAT, joined by line ends
COLOUR = "#3b82f6"

InputType = Literal["text", "select", "checkbox", "radio", "number"]


class LabelsError(ValueError):
    """The vocabulary does not fit into CVAT, or an answer is not one of the vocabulary's."""


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

    >>> doing = ActionGroupSpec("doing", "many", False, ("wave", "carry"))
    >>> [attribute.name for attribute in attributes_of([doing])]
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

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",))]
    >>> attributes_from({"posture": "sit"}, 7, groups)
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


def attribute_data(attribute: Attribute, *, number: int | None = None) -> dict[str, Any]:
    """One attribute as `POST projects` and `PATCH label` take it."""
    content = {
        "name": attribute.name,
        "mutable": attribute.mutable,
        "input_type": attribute.input_type,
        "values": list(attribute.values),
        "default_value": attribute.default,
    }
    return content if number is None else {"id": number, **content}


def label_data(attributes: Sequence[Attribute]) -> dict[str, Any]:
    """The label "person" as `POST projects` takes it.

    >>> label_data([])["name"]
    'person'
    """
    return {
        "name": PERSON,
        "color": COLOUR,
        "type": "rectangle",
        "attributes": [attribute_data(one) for one in attributes],
    }


def _attributes_of_group(group: ActionGroupSpec) -> list[Attribute]:
    if group.choice == "one":
        values = (UNSET, UNKNOWN, *group.actions)
        return [Attribute(group.name, "select", True, values, UNSET)]
    return [
        Attribute(checkbox_name(group.name, action), "checkbox", True, (FALSE,), FALSE)
        for action in group.actions
    ]


def _check_fits_cvat(attribute: Attribute, *, taken: int) -> None:
    if len(attribute.name) > MAX_NAME_LENGTH:
        raise LabelsError(
            f'the attribute "{attribute.name}" has {len(attribute.name)} characters, CVAT '
            f"takes {MAX_NAME_LENGTH}: shorten the name of the group or of the action"
        )
    if taken > 1:
        raise LabelsError(
            f'two attributes are called "{attribute.name}": rename a group or an action'
        )
    if len("\n".join(attribute.values)) > MAX_VALUES_LENGTH:
        raise LabelsError(
            f'the actions of "{attribute.name}" have more than {MAX_VALUES_LENGTH} characters '
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
