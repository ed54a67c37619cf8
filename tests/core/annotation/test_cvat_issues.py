import pytest

from annotation.core.cvat_issues import parse_issues

SECONDS = [2, 3, 4, 5, 10]


@pytest.mark.parametrize(
    ("reason", "seconds"),
    [
        pytest.param("Second 3: she sits.", [3], id="one"),
        pytest.param("In seconds 3, 5 and 10 she sits", [3, 5, 10], id="list"),
        pytest.param("sec 4 is wrong, so is 10 s", [4, 10], id="short"),
        pytest.param("At 5s he waves", [5], id="5s"),
        pytest.param("Second 7: no keyframe there.", [2], id="not a keyframe"),
        pytest.param("Boxes are too large", [2], id="none named"),
        pytest.param("Person 3 sits in second 4", [4], id="a person's number is no second"),
    ],
)
def test_each_second_named_gets_an_issue(reason, seconds):
    assert [one.second for one in parse_issues(reason, SECONDS)] == seconds


def test_each_sentence_goes_to_its_own_second_and_the_rest_to_the_first_keyframe():
    found = parse_issues(
        "Second 3: she sits.\nMind the edges. Person 8, second 5: wave!", SECONDS
    )
    assert found == [
        (2, None, "Mind the edges."),
        (3, None, "Second 3: she sits."),
        (5, 8, "Person 8, second 5: wave!"),
    ]


def test_what_is_no_person_is_found_as_pages_call_it():
    reason = "Second 3, P4 vehicle: too large. Second 4: P5 Vehicles. Second 5, person 4: no."
    labels = ["person", "vehicle"]
    assert [one.person_id for one in parse_issues(reason, SECONDS, labels)] == [4, None, 4]
    assert [one.person_id for one in parse_issues(reason, SECONDS, ["person"])] == [
        None, None, 4,
    ]  # fmt: skip


def test_a_clip_without_keyframes_gets_no_issue():
    assert parse_issues("anything", []) == []
