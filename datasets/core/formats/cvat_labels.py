"""CVAT labels: a dataset's action groups as their attributes, and answers out of them.

There is one for each class that a dataset follows, "person" unless it names others, and all
have the same attributes.

A group of which one action is chosen is a select named like the group; a group of many is as
many selects as actions may be chosen of it ("doing", "doing 2", "doing 3"). The default of each
is `as before`: the answer before it holds, at the person's first CVAT keyframe there is none.
So a CVAT keyframe that carries only defaults changes nothing. `unknown` and `none` are answers.
`person_id` is a text that stays the same over a track, since CVAT's own track ids change.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from datasets.core.action_groups import (
    AS_BEFORE,
    NONE,
    UNKNOWN,
    UNSET,
    ActionGroupSpec,
    Answers,
    counts_as_vote,
)
from datasets.core.untrusted import UntrustedDataError

PERSON = "person"
PERSON_ID = "person_id"
MAX_NAME_LENGTH = 64  # characters of an attribute's name in CVAT
MAX_VALUES_LENGTH = 4096  # characters of a select's values in CVAT, joined by line ends
COLOUR = "#3b82f6"
MORE_COLOURS = ("#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#84cc16")

InputType = Literal["text", "select", "checkbox", "radio", "number"]


class LabelsError(UntrustedDataError):
    """The vocabulary does not fit into CVAT, or an answer is not one of the vocabulary's."""


class Attribute(NamedTuple):
    """One attribute of a CVAT label."""

    name: str
    input_type: InputType
    mutable: bool
    values: tuple[str, ...]
    default: str


def select_names(group: ActionGroupSpec) -> tuple[str, ...]:
    """Names of the selects of a group: one for each action that may be chosen at once.

    >>> select_names(ActionGroupSpec("doing", "many", False, ("wave", "carry", "read"), 2))
    ('doing', 'doing 2')
    """
    most = group.select_count or min(group.max_per_person, len(group.actions))
    count = 1 if group.choice == "one" else most
    return (group.name, *(f"{group.name} {number}" for number in range(2, count + 1)))


def checkbox_names(group: ActionGroupSpec) -> dict[str, str]:
    """The actions by the checkboxes that labels had for them before 0.2: "doing: wave".

    >>> checkbox_names(ActionGroupSpec("doing", "many", False, ("wave",)))
    {'doing: wave': 'wave'}
    """
    if group.choice == "one":
        return {}
    return {f"{group.name}: {action}": action for action in group.actions}


def attributes_of(groups: Sequence[ActionGroupSpec]) -> tuple[Attribute, ...]:
    """All attributes of a person, `person_id` first, then the groups in their order.

    Raises LabelsError for what CVAT would refuse: names over 64 characters or given twice.

    >>> posture = ActionGroupSpec("posture", "one", True, ("sit",))
    >>> doing = ActionGroupSpec("doing", "many", False, ("wave", "carry"))
    >>> [attribute.name for attribute in attributes_of([posture, doing])]
    ['person_id', 'posture', 'doing', 'doing 2']
    >>> attributes_of([posture])[1].values
    ('as before', 'unknown', 'sit')
    """
    attributes = [Attribute(PERSON_ID, "text", False, ("",), "")]
    for group in groups:
        attributes += _attributes_of_group(group)
    names = [attribute.name for attribute in attributes]
    for attribute in attributes:
        _check_fits_cvat(attribute, taken=names.count(attribute.name))
    return tuple(attributes)


def held_values(before: Mapping[str, str], values: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values that hold at a CVAT keyframe: its own, or those `before` it.

    >>> held_values({"posture": "sit"}, [("posture", "as before"), ("doing", "wave")])
    {'posture': 'sit', 'doing': 'wave'}
    """
    return {**before, **{name: value for name, value in values if value != AS_BEFORE}}


def changed_values(
    held: Iterable[Mapping[str, str]], *, immutable: Collection[str] = ()
) -> Iterator[dict[str, str]]:
    """What each CVAT keyframe of a track must say so that its values hold as in `held`.

    A value is said where it changes and `as before` at the next CVAT keyframe, because CVAT
    fills in what is left out there with the value of the keyframe before it: an annotator's
    change must not end at a value that is repeated later. Nothing else is said.

    >>> list(changed_values([{"posture": "sit"}] * 3))
    [{'posture': 'sit'}, {'posture': 'as before'}, {}]
    """
    before: Mapping[str, str] = {}
    shown: dict[str, str] = {}
    for values in held:
        here = {
            name: value if before.get(name) != value else AS_BEFORE
            for name, value in values.items()
            if name not in immutable
        }
        yield {
            name: value for name, value in here.items() if value != shown.get(name, AS_BEFORE)
        }
        before, shown = values, shown | here


def answers_from(attributes: Mapping[str, str], groups: Sequence[ActionGroupSpec]) -> Answers:
    """The answers to every group; one without a value is unset.

    Of a group of many, one select that is answered answers the group. Raises LabelsError for a
    value that is not one of the group's.

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",)),
    ...           ActionGroupSpec("doing", "many", False, ("wave", "carry"))]
    >>> answers_from({"posture": "sit", "doing 2": "carry"}, groups)
    {'posture': 'sit', 'doing': ['carry']}
    >>> answers_from({"doing": "none"}, groups)
    {'posture': 'unset', 'doing': []}
    """
    return {group.name: _answer(attributes, group) for group in groups}


def foreign_values(
    attributes: Mapping[str, str], groups: Sequence[ActionGroupSpec]
) -> dict[str, str]:
    """The attributes whose value is none of their group's, as after a renaming in CVAT.

    >>> posture = ActionGroupSpec("posture", "one", True, ("sit",))
    >>> foreign_values({"posture": "seated", "person_id": "7"}, [posture])
    {'posture': 'seated'}
    """
    return {
        name: attributes[name]
        for group in groups
        for name in select_names(group)
        if counts_as_vote(attributes.get(name))
        and attributes[name] not in (*_special_values(name, group), *group.actions)
    }


def attributes_from(
    answers: Mapping[str, Any], person_id: int | None, groups: Sequence[ActionGroupSpec]
) -> dict[str, str]:
    """The attributes that say `answers`; nothing of a group that is unset.

    Raises LabelsError if more actions of a group are chosen than it has selects.

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",)),
    ...           ActionGroupSpec("doing", "many", False, ("wave", "carry"))]
    >>> attributes_from({"posture": "sit", "doing": ["carry"]}, 7, groups)
    {'person_id': '7', 'posture': 'sit', 'doing': 'carry', 'doing 2': 'none'}
    """
    attributes = {PERSON_ID: "" if person_id is None else str(person_id)}
    for group in groups:
        answer = answers.get(group.name)
        if counts_as_vote(answer):
            attributes |= _selected(answer, group)
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


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each label; that of persons is always the same.

    >>> colours_of(["vehicle", "person"])
    {'vehicle': '#f59e0b', 'person': '#3b82f6'}
    """
    others = [name for name in names if name != PERSON]
    more = {name: MORE_COLOURS[at % len(MORE_COLOURS)] for at, name in enumerate(others)}
    return {name: more.get(name, COLOUR) for name in names}


def label_data(
    attributes: Sequence[Attribute], name: str = PERSON, colour: str = COLOUR
) -> dict[str, Any]:
    """A label as `POST projects` takes it.

    >>> label_data([])["name"]
    'person'
    """
    return {
        "name": name,
        "color": colour,
        "type": "rectangle",
        "attributes": [attribute_data(one) for one in attributes],
    }


def labels_data(attributes: Sequence[Attribute], names: Sequence[str]) -> list[dict[str, Any]]:
    """The labels `names`, all with these attributes, as `POST projects` takes them."""
    colours = colours_of(names)
    return [label_data(attributes, name, colours[name]) for name in names]


def _attributes_of_group(group: ActionGroupSpec) -> Iterator[Attribute]:
    for name in select_names(group):
        values = (AS_BEFORE, *_special_values(name, group), *group.actions)
        yield Attribute(name, "select", group.scope == "keyframe", values, AS_BEFORE)


def _special_values(name: str, group: ActionGroupSpec) -> tuple[str, ...]:
    """`unknown` is one answer for the group: only its first select offers it."""
    unknown = (UNKNOWN,) if name == group.name else ()
    return unknown if group.choice == "one" else (NONE, *unknown)


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


def _answer(attributes: Mapping[str, str], group: ActionGroupSpec) -> str | list[str]:
    """The answer to one group; `unknown` in its first select counts for all of it."""
    chosen = []
    for name in select_names(group):
        value = attributes.get(name)
        if value is None or not counts_as_vote(value):
            continue
        if value not in (*_special_values(name, group), *group.actions):
            raise LabelsError(
                f'"{value}" is not an answer to {name}; these are: {", ".join(group.actions)}'
            )
        chosen.append(value)
    # A checkbox that is not ticked is no answer: nobody may have looked.
    boxes = checkbox_names(group)
    chosen += [action for name, action in boxes.items() if attributes.get(name) == "true"]
    if not chosen:
        return UNSET
    if group.choice == "one" or UNKNOWN in chosen:
        return chosen[0]
    return [action for action in group.actions if action in chosen]


def _selected(answer: Any, group: ActionGroupSpec) -> dict[str, str]:
    chosen = [answer] if isinstance(answer, str) else list(answer)
    names = select_names(group)
    if len(chosen) > len(names):
        raise LabelsError(
            f"{group.name} has {len(chosen)} actions, but {len(names)} may be chosen at once"
        )
    return dict(zip(names, [*chosen, *[NONE] * (len(names) - len(chosen))], strict=True))
