"""Label diff: what of a changed vocabulary can be sent to an existing CVAT project.

Questions and actions may be added. Existing ones stay: CVAT would silently drop their answers,
and a reused name would change the meaning of existing answers.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.formats.cvat_json import LabelIds
from datasets.core.formats.cvat_labels import PERSON, Attribute, attribute_data
from datasets.core.translation import gettext as _


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
    wanted: Sequence[Attribute],
    ids: LabelIds,
    label: Mapping[str, Any],
    *,
    former: Collection[str] = (),
) -> LabelDiff:
    """Compare `wanted` with the `label` in CVAT, whose attributes have the numbers of `ids`.

    Args:
        former: Former names of actions: CVAT keeps them, as answers there have them.
    """
    there = {one["id"]: one for one in label["attributes"]}
    change = LabelDiff([], [], [])
    if label["name"] != ids.name:
        change.warnings.append(
            _(
                'the label "%(person)s" was renamed "%(label)s" in CVAT. Answers are still '
                "read, but rename it back to avoid confusion"
            )
            % {"person": ids.name, "label": label["name"]}
        )
    asked = {attribute.name: attribute for attribute in wanted}
    for name, number in ids.attributes.items():
        if name not in asked:
            change.refused.append(
                _(
                    '"%(name)s" is in CVAT but no longer in the vocabulary: its answers '
                    "would be lost. Restore its name, or create a new dataset"
                )
                % {"name": name}
            )
        elif number not in there:
            change.refused.append(
                _(
                    '"%(name)s" was deleted in CVAT, and its answers with it. Restore CVAT '
                    "from a backup, or create a new dataset"
                )
                % {"name": name}
            )
        else:
            _compare(asked[name], there[number], change, former)
    change.attributes.extend(
        attribute_data(attribute)
        for attribute in wanted
        if attribute.name not in ids.attributes
    )
    return change


def label_ids(
    label: Mapping[str, Any], wanted: Sequence[Attribute], name: str = PERSON
) -> LabelIds:
    """CVAT's numbers for the `wanted` attributes of `label`, which stands for `name`.

    >>> label_ids({"id": 1, "attributes": [{"id": 5, "name": "a"}]},
    ...           [Attribute("a", "text", False, ("",), "")])[:2]
    (1, {'a': 5})
    """
    names = {attribute.name for attribute in wanted}
    found = {one["name"]: one["id"] for one in label["attributes"] if one["name"] in names}
    return LabelIds(label["id"], found, name=name)


def _compare(
    wanted: Attribute, there: Mapping[str, Any], change: LabelDiff, former: Collection[str]
) -> None:
    if wanted.mutable != there["mutable"]:
        asked = _("for every keyframe") if there["mutable"] else _("once a person")
        change.refused.append(
            _(
                '"%(wanted)s" is asked %(asked)s in CVAT, which cannot be changed: change '
                "the scope of the group back, or create a new dataset"
            )
            % {"wanted": wanted.name, "asked": asked}
        )
        return
    if wanted.input_type != there["input_type"]:
        change.refused.append(
            _(
                '"%(wanted)s" is a %(there)s in CVAT and cannot become a %(input_type)s: '
                "change the group back, or create a new dataset"
            )
            % {
                "wanted": wanted.name,
                "there": there["input_type"],
                "input_type": wanted.input_type,
            }
        )
        return
    if wanted.name != there["name"]:
        change.warnings.append(
            _('"%(wanted)s" was renamed "%(there)s" in CVAT. Answers are still read')
            % {"wanted": wanted.name, "there": there["name"]}
        )
    if wanted.input_type != "select":
        return
    kept = [one for one in there["values"] if one in former and one not in wanted.values]
    wanted = wanted._replace(values=(*wanted.values, *kept))
    lost = [value for value in there["values"] if value not in wanted.values]
    if lost:
        change.refused.append(
            _(
                "%(wanted)s has %(quoted)s in CVAT but not in the vocabulary: these "
                "answers would be lost. Add it to the vocabulary, or restore the name that the "
                "action had"
            )
            % {"wanted": wanted.name, "quoted": _quoted(lost)}
        )
    elif set(wanted.values) - set(there["values"]):
        change.attributes.append(attribute_data(wanted, number=there["id"]))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
