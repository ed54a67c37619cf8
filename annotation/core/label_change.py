"""What of a changed vocabulary can be sent to a CVAT project that people work in already.

Questions and actions may be added. What was asked stays: CVAT would drop answers without a
word, and a name given to something else would change what was answered before.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from annotation.core.cvat_json import LabelIds
from annotation.core.labels import COLOUR, PERSON, Attribute


class Change(NamedTuple):
    """The difference between what we ask and what CVAT asks.

    Attributes:
        attributes: For `PATCH label`: those to be added or to get more values.
        refused: Sentences; if there is one, nothing is sent.
        notes: Sentences on what was changed in CVAT by hand and does no harm.
    """

    attributes: list[dict[str, Any]]
    refused: list[str]
    warnings: list[str]


def label_change(
    wanted: Sequence[Attribute], ids: LabelIds, label: Mapping[str, Any]
) -> Change:
    """Compare `wanted` with the `label` in CVAT, whose attributes have the numbers of `ids`."""
    there = {one["id"]: one for one in label["attributes"]}
    change = Change([], [], [])
    if label["name"] != PERSON:
        change.warnings.append(
            f'the label "{PERSON}" is called "{label["name"]}" in CVAT now; answers are read '
            "all the same, but call it back for the annotators' sake"
        )
    asked = {attribute.name: attribute for attribute in wanted}
    for name, number in ids.attributes.items():
        if name not in asked:
            change.refused.append(
                f'"{name}" is asked in CVAT and no longer in the vocabulary: answers to it '
                "would be lost. Give it its old name back, or make a new dataset"
            )
        elif number not in there:
            change.refused.append(
                f'"{name}" was deleted in CVAT, and the answers to it with it. Restore CVAT '
                "from its backup, or make a new dataset"
            )
        else:
            _compare(asked[name], there[number], change)
    change.attributes.extend(
        attribute_data(attribute)
        for attribute in wanted
        if attribute.name not in ids.attributes
    )
    return change


def label_ids(label: Mapping[str, Any], wanted: Sequence[Attribute]) -> LabelIds:
    """CVAT's numbers for the `wanted` attributes of `label`, by name.

    >>> label_ids({"id": 1, "attributes": [{"id": 5, "name": "a"}]},
    ...           [Attribute("a", "text", False, ("",), "")])
    LabelIds(label=1, attributes={'a': 5})
    """
    names = {attribute.name for attribute in wanted}
    found = {one["name"]: one["id"] for one in label["attributes"] if one["name"] in names}
    return LabelIds(label["id"], found)


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


def _compare(wanted: Attribute, there: Mapping[str, Any], change: Change) -> None:
    if wanted.input_type != there["input_type"] or wanted.mutable != there["mutable"]:
        change.refused.append(
            f'"{wanted.name}" is a {there["input_type"]} in CVAT and cannot become a '
            f"{wanted.input_type}: change the group back, or make a new dataset"
        )
        return
    if wanted.name != there["name"]:
        change.warnings.append(
            f'"{wanted.name}" is called "{there["name"]}" in CVAT now; answers are read all '
            "the same"
        )
    if wanted.input_type != "select":
        return
    lost = [value for value in there["values"] if value not in wanted.values]
    if lost:
        change.refused.append(
            f"{wanted.name} has {_quoted(lost)} in CVAT and not in the vocabulary: answers "
            "that say so would be lost. Give the action its old name back, or make a new "
            "dataset"
        )
    elif set(wanted.values) - set(there["values"]):
        change.attributes.append(attribute_data(wanted, number=there["id"]))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
