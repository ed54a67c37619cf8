from operator import attrgetter
from pathlib import Path

import pytest

from datasets.core.vocabulary import VocabularyError, parse_pbtxt, parse_yaml

SHIPPED = Path(__file__).resolve().parents[3] / "datasets" / "vocabularies"
GROUP = """
groups:
  - name: {name}
    choice: {choice}
    required: true
    label_type: {label_type}
    actions: {actions}
"""
GOOD = {
    "name": "posture",
    "choice": "one",
    "label_type": "PERSON_MOVEMENT",
    "actions": "{1: stand, 2: sit}",
}


def shipped(name):
    return parse_yaml((SHIPPED / f"{name}.yaml").read_text())


def test_ava_has_its_eighty_actions_in_the_official_bands():
    groups = shipped("ava-v2.2")
    bands = [(min(group.actions)[0], max(group.actions)[0]) for group in groups]
    assert [group.label_type for group in groups] == [
        "PERSON_MOVEMENT",
        "OBJECT_MANIPULATION",
        "PERSON_INTERACTION",
    ]
    assert bands == [(1, 14), (15, 63), (64, 80)]
    assert [(group.choice, group.required, group.max_per_person) for group in groups] == [
        ("one", True, 1),
        ("many", False, 3),
        ("many", False, 3),
    ]


@pytest.mark.parametrize(
    ("action_id", "name"),
    [
        (1, "bend/bow (at the waist)"),
        (12, "stand"),
        (17, "carry/hold (an object)"),
        (57, "text on/look at a cellphone"),
        (61, "watch (e.g., TV)"),
        (64, "fight/hit (a person)"),
        (79, "talk to (e.g., self, a person, a group)"),
        (80, "watch (a person)"),
    ],
)
def test_ava_names_are_the_official_ones(action_id, name):
    actions = {a.action_id: a.name for group in shipped("ava-v2.2") for a in group.actions}
    assert actions[action_id] == name


def test_street_has_its_eight_groups_and_one_movement():
    groups = shipped("street")
    assert [group.name for group in groups] == [
        "walking_behavior",
        "phone_usage",
        "social_interaction",
        "carrying_items",
        "street_behavior",
        "posture_gesture",
        "clothing_style",
        "time_context",
    ]
    assert [group.name for group in groups if group.required] == ["walking_behavior"]
    assert [g.name for g in groups if g.label_type == "PERSON_MOVEMENT"] == ["walking_behavior"]


def test_a_pbtxt_gives_a_group_for_each_label_type():
    entry = 'label {{\n  name: "{1}"\n  label_id: {0}\n  label_type: {2}\n}}\n'
    text = "".join(
        entry.format(action.action_id, action.name, group.label_type)
        for group in shipped("ava-v2.2")
        for action in group.actions
    )
    by_id = attrgetter("action_id")
    expected = [
        group._replace(actions=tuple(sorted(group.actions, key=by_id)))
        for group in shipped("ava-v2.2")
    ]
    assert parse_pbtxt(text) == tuple(expected)


def test_clothing_is_asked_once_a_person_and_the_time_once_a_clip():
    scopes = {group.name: group.scope for group in shipped("street")}
    assert (scopes.pop("clothing_style"), scopes.pop("time_context")) == ("person", "clip")
    assert set(scopes.values()) == {"keyframe"}


def test_a_pbtxt_without_label_types_is_refused_with_the_way_out():
    with pytest.raises(VocabularyError, match="AVA list with label types"):
        parse_pbtxt('item {\n  name: "stand"\n  id: 1\n}\n')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"actions": "{1: stand, 3: sit}"}, "without gaps", id="gap"),
        pytest.param({"actions": "{2: stand, 3: sit}"}, "without gaps", id="not from 1"),
        pytest.param({"actions": "{1: stand, 2: stand}"}, "twice", id="name twice"),
        pytest.param({"actions": "{1: unset}"}, "reserved for missing answers", id="reserved"),
        pytest.param({"actions": "{1: as before}"}, "reserved", id="what holds"),
        pytest.param({"actions": "{1: None}"}, "reserved", id="none"),
        pytest.param({"actions": "{1: stand}\n    scope: video"}, "scope", id="scope"),
        pytest.param({"actions": "{1: 'say \"hi\"'}"}, "double quotes", id="quote"),
        pytest.param({"actions": "{1: gehört}"}, "ASCII", id="not ASCII"),
        pytest.param({"actions": "{1: yes}"}, "a number and a text", id="YAML's yes"),
        pytest.param({"actions": "[stand]"}, "no actions", id="a list"),
        pytest.param({"choice": "some"}, "choice", id="choice"),
        pytest.param({"label_type": "MOVE"}, "label_type", id="label type"),
        pytest.param({"name": "how, why"}, "letters, digits", id="group name"),
    ],
)
def test_a_wrong_vocabulary_is_refused_with_a_sentence(change, message):
    with pytest.raises(VocabularyError, match=message):
        parse_yaml(GROUP.format(**(GOOD | change)))


@pytest.mark.parametrize(
    "text", ["", "groups: 3", "[1, 2]", "groups: [3]", "a: [", "groups: []"]
)
def test_what_is_no_vocabulary_is_refused(text):
    with pytest.raises(VocabularyError):
        parse_yaml(text)


def test_more_than_eighty_actions_are_refused():
    actions = "{" + ", ".join(f"{number}: act {number}" for number in range(1, 82)) + "}"
    with pytest.raises(VocabularyError, match="at most 80"):
        parse_yaml(GROUP.format(**(GOOD | {"actions": actions})))
