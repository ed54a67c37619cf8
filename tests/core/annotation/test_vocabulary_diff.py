import copy

import pytest

from annotation.core.vocabulary_diff import label_diff, label_ids
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_labels import attributes_of, label_data

GROUPS = (
    ActionGroupSpec("posture", "one", True, ("stand", "sit")),
    ActionGroupSpec("doing", "many", False, ("wave",)),
)
ATTRIBUTES = attributes_of(GROUPS)


def in_cvat() -> dict:
    """The label as CVAT keeps it: numbered."""
    label = copy.deepcopy(label_data(ATTRIBUTES)) | {"id": 1}
    for number, attribute in enumerate(label["attributes"], start=5):
        attribute["id"] = number
    return label


IDS = label_ids(in_cvat(), ATTRIBUTES)


def change(*groups: ActionGroupSpec, label: dict | None = None):
    return label_diff(attributes_of(groups), IDS, label or in_cvat())


def test_the_same_vocabulary_changes_nothing():
    assert change(*GROUPS) == ([], [], [])


def test_a_new_question_is_added():
    news = change(*GROUPS, ActionGroupSpec("phone", "many", False, ("call",)))
    assert [one["name"] for one in news.attributes] == ["phone"]
    assert "id" not in news.attributes[0]
    assert news.refused == []


def test_a_new_action_of_a_question_is_added_to_its_values():
    more = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"))
    (sent,) = change(more, GROUPS[1]).attributes
    assert sent["id"] == IDS.attributes["posture"]
    assert sent["values"] == ["as before", "unknown", "stand", "walk", "sit"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param((GROUPS[0],), '"doing" is in CVAT but no longer', id="question removed"),
        pytest.param(
            (ActionGroupSpec("posture", "one", True, ("stand",)), GROUPS[1]),
            '"sit"',
            id="action removed",
        ),
        pytest.param(
            (ActionGroupSpec("stance", "one", True, ("stand", "sit")), GROUPS[1]),
            '"posture" is in CVAT but no longer',
            id="renamed",
        ),
        pytest.param(
            (GROUPS[0]._replace(scope="person"), GROUPS[1]),
            '"posture" is asked for every keyframe in CVAT',
            id="another scope",
        ),
    ],
)
def test_what_would_lose_answers_is_refused(groups, message):
    assert any(message in one for one in change(*groups).refused)


def test_an_attribute_of_another_kind_is_refused():
    label = in_cvat()
    label["attributes"][1]["input_type"] = "radio"
    assert "cannot become a select" in change(*GROUPS, label=label).refused[0]


def test_an_attribute_deleted_in_cvat_is_refused():
    label = in_cvat()
    del label["attributes"][1]
    assert "was deleted in CVAT" in change(*GROUPS, label=label).refused[0]


def test_names_changed_in_cvat_give_warnings():
    label = in_cvat() | {"name": "human"}
    label["attributes"][1]["name"] = "stance"
    found = change(*GROUPS, label=label)
    assert (found.attributes, found.refused) == ([], [])
    assert ['"human"' in found.warnings[0], '"stance"' in found.warnings[1]] == [True, True]
