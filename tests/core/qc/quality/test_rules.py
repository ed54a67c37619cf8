import dataclasses
from pathlib import Path

import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.quality.checked_answers import AnnotatedBox, CheckedAnswers
from qc.core.quality.rules import (
    QualityRulesError,
    check_answers,
    read_rules,
)

RULES = read_rules((Path(__file__).parents[4] / "qc" / "rules.yaml").read_text())
POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry", "phone"), 2)
BOX = (100.0, 100.0, 150.0, 250.0)


def said(
    second=2, *, track=0, person=7, box=BOX, posture="walk", doing="unset", label="person"
):
    answers = {"posture": posture, "doing": doing}
    return AnnotatedBox(second, track, person, box, answers, label)


def found(*rows, switched_off=(), **about):
    task = CheckedAnswers(list(rows), [POSTURE, DOING], 640, 360, **about)
    return check_answers(task, RULES, switched_off=switched_off)


def names(*rows, **about):
    return [finding.rule for finding in found(*rows, **about)]


def test_a_person_that_was_given_out_and_is_missing_blocks():
    proposals = {(2, 8): (0, 0, 9, 9), (3, 8): (0, 0, 9, 9), (2, 7): (0, 0, 20, 40)}
    [one] = found(said(), proposals=proposals, missing_persons=[8])
    assert (one.rule, one.severity, one.seconds) == ("missing-person", "blocks", (2, 3))
    assert one.sentence.startswith("Person 8 was given out and is missing")


def test_good_answers_have_no_findings():
    assert found(said(2), said(3), said(2, track=1, person=8, box=(300, 100, 350, 250))) == []


def test_no_answers_have_no_findings():
    assert found() == []


def test_an_unset_required_group_blocks_and_names_its_keyframes():
    [finding] = found(said(2, posture="unset"), said(3), said(4, posture="unset"))
    assert (finding.rule, finding.severity) == ("required-group-unset", "blocks")
    assert (finding.seconds, finding.track, finding.person_id) == ((2, 4), 0, 7)
    assert finding.sentence == "posture is not answered."


def test_a_group_that_is_not_there_is_unset():
    assert names(AnnotatedBox(2, 0, 7, BOX, {})) == ["required-group-unset"]


def test_unknown_is_an_answer():
    assert found(said(2, posture="unknown")) == []


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (said(posture=["walk", "sit"]), "two-of-an-exclusive-group"),
        (said(doing=["wave", "carry", "phone"]), "too-many-actions"),
        (said(box=(-5.0, 100, 150, 250)), "box-outside-the-frame"),
        (said(box=(600.0, 100, 660, 250)), "box-outside-the-frame"),
        (said(box=(100.0, 100, 107.9, 250)), "box-too-small"),
        (said(box=(100.0, 100, 150, 107)), "box-too-small"),
    ],
)
def test_what_is_wrong_with_one_box(row, rule):
    assert names(row) == [rule]


def test_a_box_may_touch_the_edge_and_measure_eight_pixels():
    assert names(said(box=(-0.5, 0, 640.5, 360)), said(3, box=(632.0, 352, 640, 360))) == []


def test_one_person_has_one_box_in_a_keyframe():
    rows = [said(2), said(2, track=3, box=(400.0, 100, 450, 250))]
    [finding] = found(*rows)
    assert finding.rule == "one-person-twice"
    assert finding.sentence == "Person 7 has 2 boxes in one keyframe."


def test_two_persons_in_one_place():
    other = said(2, track=1, person=None, box=(100.0, 101, 150, 250))
    assert names(said(2), other) == ["two-persons-in-one-place"]
    assert names(said(2), said(3, track=1, person=8)) == []


def test_flicker_is_there_and_back_within_three_seconds():
    rows = [said(2), said(3, posture="sit"), said(4)]
    [finding] = found(*rows)
    assert finding.seconds == (2, 3, 4)
    assert finding.sentence == "posture changes from walk to sit and back within 3 seconds."
    assert names(said(2), said(3, posture="sit"), said(4, posture="sit"), said(5)) == []
    assert names(said(2), said(4, posture="sit"), said(6)) == []
    assert names(said(2), said(3, track=1, posture="sit", person=8), said(4)) == []


def test_flicker_in_a_group_of_many():
    [finding] = found(said(2, doing=["wave"]), said(3, doing=[]), said(4, doing=["wave"]))
    assert finding.sentence == "doing changes from wave to none and back within 3 seconds."


def test_a_person_of_one_frame_is_a_finding_also_between_keyframes():
    [finding] = found(lone_frames={3: 4.4})
    assert (finding.rule, finding.seconds) == ("one-frame-person", (4,))
    assert "at 4.4 s" in finding.sentence


FAR, THERE = (300.0, 100.0, 350.0, 250.0), (305.0, 100.0, 355.0, 250.0)
VEHICLE = {"person": 8, "label": "vehicle"}


@pytest.mark.parametrize(
    ("rows", "about", "sentence"),
    [
        pytest.param(
            [said(**VEHICLE), said(track=3, box=(400.0, 100, 450, 250), **VEHICLE)], {},
            "P8 vehicle has 2 boxes in one keyframe.", id="twice",
        ),
        pytest.param(
            [said(**VEHICLE), said(track=1, person=None, label="vehicle")], {},
            "Two boxes overlap (IoU 1.00): is one vehicle drawn twice?", id="one place",
        ),
        pytest.param(
            [said()], {"missing_persons": [8], "classes": {8: "vehicle"}},
            "P8 vehicle was given out and is missing: deleted on purpose, or lost?",
            id="missing",
        ),
        pytest.param(
            [said(track=3, person=None, label="vehicle")], {"lone_frames": {3: 2.0}},
            "Something is drawn in a single frame, at 2 s. In CVAT, draw with Track, not with "
            "Shape.", id="one frame",
        ),
        pytest.param(
            [], {"lone_frames": {3: 2.4}, "is_mixed": True},
            "Something is drawn in a single frame, at 2.4 s. In CVAT, draw with Track, not "
            "with Shape.", id="one frame of no keyframe",
        ),
    ],
)  # fmt: skip
def test_sentences_name_what_is_no_person_by_its_class(rows, about, sentence):
    assert [one.sentence for one in found(*rows, **about)] == [sentence]


def test_nobody_is_drawn_twice_as_two_things():
    assert found(said(), said(track=1, **VEHICLE)) == []


def test_a_part_of_a_split_track_is_on_another_of_its_class():
    parts = [said(2, **VEHICLE), said(3, track=5, box=FAR, **VEHICLE)]
    on = {(3, 9): FAR}
    [finding] = found(*parts, proposals=on, classes={8: "vehicle", 9: "vehicle"})
    assert finding.sentence.startswith("A part of the split track P8 vehicle shows P9 vehicle:")
    assert found(*parts, proposals=on, classes={8: "vehicle"}) == []


def test_a_part_of_a_split_track_that_shows_somebody_else():
    first, second = said(2), said(3, track=1, box=THERE)
    other = said(3, track=2, person=8, box=FAR)
    [finding] = found(first, second, other)
    assert (finding.rule, finding.track) == ("part-on-another-person", 1)
    assert "P7 shows P8" in finding.sentence
    [finding] = found(first, second, proposals={(3, 8): FAR})
    assert finding.rule == "part-on-another-person"
    assert found(first, second, proposals={(3, 7): FAR, (2, 8): FAR}) == []
    assert found(said(2), said(3, box=THERE), other) == []  # it was not split


def test_two_answers_to_what_is_asked_once_block():
    once = [POSTURE._replace(scope="person"), DOING._replace(scope="clip")]
    rows = [
        said(2),
        said(3, posture="sit"),
        said(2, track=1, person=8, box=FAR, doing=["wave"]),
    ]
    [finding] = check_answers(CheckedAnswers(rows, once, 640, 360), RULES)
    assert (finding.rule, finding.severity) == ("asked-once-differs", "blocks")
    assert (
        "posture is asked once a person, but was answered with walk and sit" in finding.sentence
    )


def test_a_track_nobody_touched():
    rows = [said(second, posture="unset") for second in (2, 3)]
    proposals = {(2, 7): BOX, (3, 7): (101.5, 100, 150, 250)}
    assert "unedited-track" in names(*rows, proposals=proposals)
    assert "unedited-track" not in names(*rows, said(4), proposals=proposals)
    moved = said(3, posture="unset", box=(110.0, 100, 160, 250))
    assert "unedited-track" not in names(rows[0], moved, proposals=proposals)
    drawn = said(2, person=None, posture="unset")
    assert "unedited-track" not in names(drawn, proposals=proposals)


def test_too_fast_is_less_than_a_tenth_of_the_median():
    [finding] = found(said(), seconds_spent=50, median_seconds=600)
    assert finding.sentence == "Finished in 50 s; the median of all tasks is 10 min."
    assert found(said(), seconds_spent=60, median_seconds=600) == []
    assert found(said(), seconds_spent=1) == []


def test_a_rule_can_be_switched_off():
    assert found(said(posture="unset"), switched_off=["required-group-unset"]) == []


def test_the_same_answers_in_another_order_give_the_same_findings():
    rows = [
        said(2, posture="unset"),
        said(3),
        said(2, track=1, person=7),
        said(4, box=(0, 0, 5, 5)),
    ]
    assert found(*rows) == found(*rows[::-1])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- {name: no-such, severity: warns, sentence: x}", "there is no rule 'no-such'"),
        ("- {name: too-fast, severity: maybe, sentence: x}", "'maybe' is not blocks or warns"),
        ("- {name: too-fast, severity: warns}", "cannot be read"),
        ("- {name: too-fast, severity: warns, sentence: x, limit: much}", "cannot be read"),
        ("- too-fast", "cannot be read"),
        ("[", "cannot be read"),
    ],
)
def test_a_list_of_rules_that_is_none_is_refused(text, sentence):
    with pytest.raises(QualityRulesError, match=sentence):
        read_rules(text)


def test_a_sentence_that_asks_for_too_much_is_refused():
    rule = dataclasses.replace(RULES[0], sentence="{colour}")
    task = CheckedAnswers([said(posture="unset")], [POSTURE], 640, 360)
    with pytest.raises(QualityRulesError, match="required-group-unset asks for 'colour'"):
        check_answers(task, [rule])
