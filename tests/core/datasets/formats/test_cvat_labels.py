import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.core.action_groups import (
    ActionGroupSpec,
    answered_once,
    asked_once,
    unset_groups,
)
from datasets.core.formats.cvat_labels import (
    LabelsError,
    answers_from,
    attributes_from,
    attributes_of,
    changed_values,
    held_values,
    label_data,
    select_names,
)

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"))
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"))
GROUPS = (POSTURE, DOING)

answers = st.fixed_dictionaries(
    {
        "posture": st.sampled_from(("unset", "unknown", *POSTURE.actions)),
        "doing": st.sampled_from(("unset", "unknown"))
        | st.sets(st.sampled_from(DOING.actions)).map(
            lambda chosen: [action for action in DOING.actions if action in chosen]
        ),
    }
)


@settings(deadline=None)
@given(answers, st.none() | st.integers(1, 10**6))
def test_answers_survive_the_way_through_cvat(given_answers, person_id):
    attributes = attributes_from(given_answers, person_id, GROUPS)
    assert answers_from(attributes, GROUPS) == given_answers
    assert attributes["person_id"] == ("" if person_id is None else str(person_id))


def test_every_attribute_that_is_written_was_declared_with_its_values():
    declared = {one.name: one for one in attributes_of(GROUPS)}
    written = attributes_from({"posture": "sit", "doing": ["wave"]}, 7, GROUPS)
    assert set(written) == set(declared)
    assert all(
        written[name] in declared[name].values for name in written if name != "person_id"
    )


def test_every_select_begins_with_as_before_which_is_its_default():
    _, posture, doing, second = attributes_of(GROUPS)
    assert posture.values == ("as before", "unknown", "stand", "walk", "sit")
    assert doing.values == ("as before", "none", "unknown", "wave", "carry")
    assert second.values == ("as before", "none", "wave", "carry")
    for one in (posture, doing, second):
        assert (one.default, one.input_type, one.mutable) == ("as before", "select", True)


def test_a_group_of_many_has_as_many_selects_as_actions_at_once():
    assert select_names(DOING) == ("doing", "doing 2")  # three at once, but two actions
    assert select_names(DOING._replace(max_per_person=1)) == ("doing",)
    assert select_names(POSTURE._replace(max_per_person=3)) == ("posture",)


@pytest.mark.parametrize("scope", ["person", "clip"])
def test_what_is_asked_once_is_an_attribute_of_the_whole_track(scope):
    attributes = attributes_of([POSTURE._replace(scope=scope), DOING._replace(scope=scope)])
    assert [one.mutable for one in attributes] == [False] * 4


def test_one_answered_select_answers_its_group():
    assert answers_from({"doing 2": "wave"}, GROUPS)["doing"] == ["wave"]
    assert answers_from({"doing 2": "none"}, GROUPS)["doing"] == []
    assert answers_from({"doing": "wave", "doing 2": "wave"}, GROUPS)["doing"] == ["wave"]
    assert answers_from({"doing": "unknown", "doing 2": "wave"}, GROUPS)["doing"] == "unknown"


def test_more_actions_than_selects_are_refused():
    with pytest.raises(LabelsError, match="doing has 2 actions, but 1 may be chosen at once"):
        attributes_from({"doing": ["wave", "carry"]}, 7, [DOING._replace(max_per_person=1)])


values = st.sampled_from(("sit", "walk", "unknown"))


@given(st.lists(st.dictionaries(st.sampled_from("ab"), values), max_size=8))
def test_changes_said_once_hold_as_they_were_meant(said):
    held: list[dict[str, str]] = []
    for one in said:
        held.append(held_values(held[-1] if held else {}, one.items()))
    read: list[dict[str, str]] = []
    shown: dict[str, str] = {}  # as CVAT fills in what is left out
    for change in changed_values(held):
        shown |= change
        read.append(held_values(read[-1] if read else {}, shown.items()))
    assert read == held


@given(st.lists(values, min_size=2, max_size=8), st.data())
def test_a_change_in_cvat_at_one_keyframe_holds_up_to_the_next_answer(said, data):
    """CVAT's client stores a change at the keyframe of that frame alone."""
    shown, shapes = "as before", []
    for change in changed_values([{"a": value} for value in said]):
        shapes.append(shown := change.get("a", shown))
    at = data.draw(st.integers(0, len(said) - 1))
    shapes[at] = "run"
    read: list[dict[str, str]] = []
    for value in shapes:
        read.append(held_values(read[-1] if read else {}, [("a", value)]))
    following = next((n for n in range(at + 1, len(said)) if said[n] != said[n - 1]), len(said))
    meant = [*said[:at], *["run"] * (following - at), *said[following:]]
    assert [one["a"] for one in read] == meant


def test_answers_asked_once_hold_for_the_person_or_the_clip():
    groups = [POSTURE._replace(scope="person"), DOING._replace(scope="clip")]
    once = asked_once(
        [(1, {"posture": "sit", "doing": "unset"}), (2, {"doing": []}), (2, {})], groups
    )
    assert once == {("posture", 1): "sit", ("doing", None): []}
    assert answered_once(1, {"posture": "unset"}, once) == {"posture": "sit", "doing": []}
    assert answered_once(2, {"posture": "unset"}, once) == {"posture": "unset", "doing": []}


def test_two_answers_to_what_is_asked_once_are_not_decided_silently():
    groups = [POSTURE._replace(scope="clip")]
    given_answers = [(1, {"posture": "sit"}), (2, {"posture": "walk"})]
    assert asked_once(given_answers, groups) == {}


def test_the_person_id_stays_the_same_over_a_track():
    person_id = attributes_of(GROUPS)[0]
    assert (person_id.name, person_id.mutable, person_id.input_type) == (
        "person_id",
        False,
        "text",
    )


def test_cvats_label_editor_finds_values_in_every_attribute():
    label = label_data(attributes_of(GROUPS))
    assert label["type"] == "rectangle"
    assert all(attribute["values"] for attribute in label["attributes"])
    assert all(
        attribute["default_value"] in attribute["values"] for attribute in label["attributes"]
    )


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        pytest.param([ActionGroupSpec("g" * 65, "many", False, ("a",))], "64", id="long name"),
        pytest.param([POSTURE, POSTURE], "two attributes", id="one name twice"),
        pytest.param(
            [ActionGroupSpec("person_id", "one", False, ())], "two attributes", id="ours"
        ),
        pytest.param(
            [ActionGroupSpec("g", "one", False, tuple(str(n) * 60 for n in range(90)))],
            "4096",
            id="too much to choose from",
        ),
    ],
)
def test_what_cvat_would_refuse_is_refused_before(groups, sentence):
    with pytest.raises(LabelsError, match=sentence):
        attributes_of(groups)


@pytest.mark.parametrize(
    "attributes",
    [{"posture": "fly"}, {"posture": ""}, {"doing": "perhaps"}, {"doing 2": "unknown"}],
)
def test_an_answer_of_another_vocabulary_is_refused(attributes):
    with pytest.raises(LabelsError, match="is not an answer"):
        answers_from(attributes, GROUPS)


def test_only_unset_is_unfinished():
    assert unset_groups({"posture": "unset", "doing": []}, GROUPS) == ["posture"]
    assert unset_groups({"posture": "unknown", "doing": []}, GROUPS) == []
    assert unset_groups({}, [DOING._replace(required=True)]) == ["doing"]
    assert unset_groups({"doing": []}, [DOING._replace(required=True)]) == []
