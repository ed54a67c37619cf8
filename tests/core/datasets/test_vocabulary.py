from operator import attrgetter
from pathlib import Path

import pytest

from datasets.core.vocabulary import (
    VocabularyAction,
    VocabularyError,
    ascii_names,
    parse_yaml,
    warnings_of,
)
from datasets.core.vocabulary_lists import (
    parse_action_list,
    parse_cvat_labels,
    parse_vocabulary,
)

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
    assert parse_vocabulary(text) == tuple(expected)


def test_clothing_is_asked_once_a_person_and_the_time_once_a_clip():
    scopes = {group.name: group.scope for group in shipped("street")}
    assert (scopes.pop("clothing_style"), scopes.pop("time_context")) == ("person", "clip")
    assert set(scopes.values()) == {"keyframe"}


def ids_of(vocabulary):
    return {one.action_id: one.name for group in vocabulary for one in group.actions}


def test_a_list_without_label_types_is_one_group_of_many():
    (group,) = parse_vocabulary('item {\n  name: "fly"\n  id: 7\n}\n')
    assert (group.name, group.choice, group.actions) == ("action", "many", ((7, "fly"),))


def test_a_subset_of_ava_keeps_its_ids_and_gets_its_types():
    entry = 'item {{\n  name: "{}"\n  id: {}\n}}\n'
    text = entry.format("stand", 12) + entry.format("watch (a person)", 80)
    groups = parse_vocabulary(text, ava=shipped("ava-v2.2"))
    assert [(one.name, one.actions) for one in groups] == [
        ("person_movement", ((12, "stand"),)),
        ("person_interaction", ((80, "watch (a person)"),)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# ours\nitem {  # first\n  name: 'walk' # on foot\n  id: 3\n}\n"
        '// more\nitem: { id: 9, display_name: "sit" };',
        "# ours\n\n3: walk  # on foot\n// none\n9: sit\n",
        "3 walk\n9 sit\n",
        '// ours\n[{"name": "person", "attributes": [\n# asked\n'
        '{"name": "pose", "input_type": "radio", "values": ["as before", "walk", "sit"]}]}]',
    ],
)
def test_every_form_takes_comments_anywhere(text):
    names = list(ids_of(parse_vocabulary(text)).values())
    assert names == ["walk", "sit"]
    if "person" not in text:
        assert list(ids_of(parse_vocabulary(text))) == [3, 9]


def test_lines_of_a_label_map_without_ids_are_numbered():
    assert parse_action_list("walk\nsit down\n") == [(1, "walk", ""), (2, "sit down", "")]


def test_names_alone_are_a_vocabulary_too():
    text = "# label map\nbrush hair\nround-off, 0.5 turn on\n\nclimb stairs\n"
    assert ids_of(parse_vocabulary(text)) == {
        1: "brush hair", 2: "round-off, 0.5 turn on", 3: "climb stairs",
    }  # fmt: skip
    for text in ("hello", "- walk\n- sit", "name: walk\nid: sit"):
        with pytest.raises(VocabularyError, match="list 'groups'"):
            parse_vocabulary(text)


def test_a_list_that_begins_with_0_says_what_to_do():
    with pytest.raises(VocabularyError, match="id 0 is not 1 to 32767: number actions from 1"):
        parse_vocabulary("0: push up\n1: sit\n")


@pytest.mark.parametrize("text", ["1: walk\n2: Walk\n", "walk\nsit\nWALK\n"])
def test_two_names_that_differ_only_in_case_are_refused(text):
    with pytest.raises(VocabularyError, match="differs from 'walk' only in case"):
        parse_vocabulary(text)


def test_a_name_to_show_counts_before_that_of_another_list():
    text = 'item { name: "/m/01g317" id: 1 display_name: "person" }'
    assert parse_action_list(text) == [(1, "person", "")]


@pytest.mark.parametrize("text", ['{"action": ["run"]}', '[{"id": 3}]', '[{"name": null}]'])
def test_json_without_names_is_not_that_of_cvat(text):
    with pytest.raises(VocabularyError, match="labels with their names"):
        parse_vocabulary(text)


def test_cvat_labels_are_groups_of_their_attributes_or_actions_themselves():
    text = """[{"name": "person", "attributes": [
        {"name": "person_id", "input_type": "text", "values": [""]},
        {"name": "doing", "input_type": "select", "values": ["as before", "none", "wave"]},
        {"name": "doing 2", "input_type": "select", "values": ["as before", "none", "wave"]},
        {"name": "hat", "input_type": "checkbox", "values": ["false"]}]}]"""
    groups = parse_cvat_labels(text)
    assert [(one.name, one.choice, [a.name for a in one.actions]) for one in groups] == [
        ("doing", "many", ["wave", "hat"])
    ]
    (group,) = parse_cvat_labels('[{"name": "walk"}, {"name": "run"}]')
    assert (group.choice, [one.name for one in group.actions]) == ("many", ["walk", "run"])


def test_ids_have_gaps_and_go_up_to_32767():
    text = GROUP.format(**(GOOD | {"actions": "{3: stand, 32767: sit}"}))
    assert list(ids_of(parse_yaml(text))) == [3, 32767]
    (warning,) = warnings_of(parse_yaml(text))
    assert "SlowFast stops at action ids above 80" in warning


def test_names_of_any_script_get_one_in_ascii():
    actions = [(1, "gehört"), (2, "gehort"), (3, "歩く"), (4, "sit")]
    names = ascii_names([VocabularyAction(*one) for one in actions])
    assert names == {1: "action 1", 2: "gehort", 3: "action 3", 4: "sit"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"actions": "{0: stand, 3: sit}"}, "id 0 is not 1 to", id="zero"),
        pytest.param({"actions": "{1: stand, 32768: sit}"}, "32768 is not", id="too high"),
        pytest.param({"actions": "{1: stand, 2: stand}"}, "twice", id="name twice"),
        pytest.param({"actions": "{1: unset}"}, "reserved for missing answers", id="reserved"),
        pytest.param({"actions": "{1: as before}"}, "reserved", id="what holds"),
        pytest.param({"actions": "{1: None}"}, "reserved", id="none"),
        pytest.param({"actions": "{1: stand}\n    scope: video"}, "scope", id="scope"),
        pytest.param({"actions": "{1: 'say \"hi\"'}"}, "double quotes", id="quote"),
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


def test_more_than_a_thousand_actions_are_refused():
    actions = "{" + ", ".join(f"{number}: act {number}" for number in range(1, 1002)) + "}"
    with pytest.raises(VocabularyError, match="at most 1000"):
        parse_yaml(GROUP.format(**(GOOD | {"actions": actions})))
