"""Label diff: what of a changed vocabulary can be sent to an existing CVAT project.

Questions and actions may be added. Existing ones stay: CVAT would silently drop their answers,
and a reused name would change the meaning of existing answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.formats.cvat_json import LabelIds
from datasets.core.formats.cvat_labels import PERSON, Attribute, attribute_data


class LabelDiff(NamedTuple):
    """The difference between the dataset's vocabulary and the label in CVAT.

    Attributes:
        attributes: For `PATCH label`: attributes to add, or with more values.
        refused: Error messages; if there is one, nothing is sent.
        warnings: Messages on harmless changes made by hand in CVAT.
    """

    attributes: list[dict[str, Any]]
    refused: list[str]
    warnings: list[str]


def label_diff(
    wanted: Sequence[Attribute], ids: LabelIds, label: Mapping[str, Any]
) -> LabelDiff:
    """Compare `wanted` with the `label` in CVAT, whose attributes have the numbers of `ids`."""
    there = {one["id"]: one for one in label["attributes"]}
    change = LabelDiff([], [], [])
    if label["name"] != PERSON:
        change.warnings.append(
            f'the label "{PERSON}" was renamed "{label["name"]}" in CVAT. Answers are still '
            "read, but rename it back to avoid confusion"
        )
    asked = {attribute.name: attribute for attribute in wanted}
    for name, number in ids.attributes.items():
        if name not in asked:
            change.refused.append(
                f'"{name}" is in CVAT but no longer in the vocabulary: its answers would be '
                "lost. Restore its name, or create a new dataset"
            )
        elif number not in there:
            change.refused.append(
                f'"{name}" was deleted in CVAT, and its answers with it. Restore CVAT from a '
                "backup, or create a new dataset"
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
    LabelIds(label=1, attributes={'a': 5}, others=mappingproxy({}))
    """
    names = {attribute.name for attribute in wanted}
    found = {one["name"]: one["id"] for one in label["attributes"] if one["name"] in names}
    return LabelIds(label["id"], found)


def _compare(wanted: Attribute, there: Mapping[str, Any], change: LabelDiff) -> None:
    if wanted.mutable != there["mutable"]:
        asked = "for every keyframe" if there["mutable"] else "once a person"
        change.refused.append(
            f'"{wanted.name}" is asked {asked} in CVAT, which cannot be changed: change the '
            "scope of the group back, or create a new dataset"
        )
        return
    if wanted.input_type != there["input_type"]:
        change.refused.append(
            f'"{wanted.name}" is a {there["input_type"]} in CVAT and cannot become a '
            f"{wanted.input_type}: change the group back, or create a new dataset"
        )
        return
    if wanted.name != there["name"]:
        change.warnings.append(
            f'"{wanted.name}" was renamed "{there["name"]}" in CVAT. Answers are still read'
        )
    if wanted.input_type != "select":
        return
    lost = [value for value in there["values"] if value not in wanted.values]
    if lost:
        change.refused.append(
            f"{wanted.name} has {_quoted(lost)} in CVAT but not in the vocabulary: these "
            "answers would be lost. Restore the action's name, or create a new dataset"
        )
    elif set(wanted.values) - set(there["values"]):
        change.attributes.append(attribute_data(wanted, number=there["id"]))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
