import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.core.action_groups import ActionGroupSpec, unset_groups
from datasets.core.formats.cvat_labels import (
    LabelsError,
    answers_from,
    attributes_from,
    attributes_of,
    label_data,
)

POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"))
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry"))
GROUPS = (POSTURE, DOING)

answers = st.fixed_dictionaries(
    {
        "posture": st.sampled_from(("unset", "unknown", *POSTURE.actions)),
        "doing": st.sets(st.sampled_from(DOING.actions)).map(
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
    assert written["posture"] in declared["posture"].values


def test_a_choice_of_one_begins_with_unset_and_unknown():
    posture = attributes_of(GROUPS)[1]
    assert posture.values == ("unset", "unknown", "stand", "walk", "sit")
    assert (posture.default, posture.input_type, posture.mutable) == ("unset", "select", True)


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
        pytest.param(
            [ActionGroupSpec("g" * 50, "many", False, ("a" * 20,))], "64", id="long name"
        ),
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
    "attributes", [{"posture": "fly"}, {"posture": ""}, {"doing: wave": "perhaps"}]
)
def test_an_answer_of_another_vocabulary_is_refused(attributes):
    with pytest.raises(LabelsError, match="is not an answer"):
        answers_from(attributes, GROUPS)


def test_only_unset_is_unfinished():
    assert unset_groups({"posture": "unset", "doing": []}, GROUPS) == ["posture"]
    assert unset_groups({"posture": "unknown", "doing": []}, GROUPS) == []
    assert unset_groups({}, [DOING._replace(required=True)]) == []
