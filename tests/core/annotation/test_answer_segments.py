"""Work on the label page: segments of answers, boxes, and what is unset."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.core.answer_segments import counting_operations, fold
from annotation.core.box_paths import BoxPath, PathShape
from annotation.core.label_state import LabelState, Lane, answers_at, progress, unset
from tests.core.annotation.label_logs import CASES, TASK, random_log, start, text_of_cases

FILE = json.loads(CASES.read_text())


def work(*operations: dict[str, Any]) -> LabelState:
    """The state after operations on the three given persons; ids are given here."""
    log = [{"id": str(number), **one} for number, one in enumerate(operations)]
    return fold(TASK, LabelState.from_json(start()), log)


def answers_of(state: LabelState, person: str, group: str) -> list[Any]:
    """What counts at each keyframe of the clip."""
    lane = state.persons[person]
    return [answers_at(TASK, state, lane, second)[group] for second in TASK.keyframes]


def set_(person: str, second: int, **answers: Any) -> dict[str, Any]:
    return {"kind": "set", "person": person, "second": second, "answers": answers}


def kept(person: str, first: int, last: int, **more: Any) -> dict[str, Any]:
    return {"kind": "keep", "person": person, "first": first, "last": last, **more}


def box(person: str, frame: int, kind: str = "box", x: float = 10.0) -> dict[str, Any]:
    return {"kind": kind, "person": person, "frame": frame, "box": [x, 10, x + 20, 60]}


def test_an_answer_counts_where_it_was_set_and_where_it_was_kept():
    state = work(set_("1", 1, posture="walk"), kept("1", 1, 3))
    assert answers_of(state, "1", "posture") == ["walk"] * 3 + ["unset"] * 5


def test_a_change_inside_kept_ground_holds_until_the_next_answer_set():
    state = work(
        set_("1", 1, posture="walk"), kept("1", 1, 8), set_("1", 6, posture="sit"),
        set_("1", 4, posture="stand"),
    )  # fmt: skip
    assert answers_of(state, "1", "posture") == ["walk"] * 3 + ["stand"] * 2 + ["sit"] * 3


def test_what_is_cleared_is_unset_until_the_next_answer():
    state = work(
        set_("1", 1, posture="walk", doing=[]), set_("1", 5, posture="sit"), kept("1", 1, 8),
        {"kind": "clear", "person": "1", "second": 3, "groups": ["posture"]},
    )  # fmt: skip
    expected = ["walk"] * 2 + ["unset"] * 2 + ["sit"] * 4
    assert answers_of(state, "1", "posture") == expected
    assert answers_of(state, "1", "doing") == [[]] * 8


def test_a_group_asked_once_holds_for_the_person_or_the_clip():
    state = work(set_("1", 4, dress="coat", light="day"))
    assert answers_of(state, "1", "dress") == ["coat"] * 8
    assert answers_of(state, "2", "dress") == ["unset"] * 8
    assert answers_of(state, "2", "light") == ["day"] * 8


@pytest.mark.parametrize(
    "answer", ["fly", ["walk"], None, "unset"], ids=["unknown action", "list", "null", "unset"]
)
def test_an_answer_that_the_vocabulary_refuses_changes_nothing(answer):
    state = work(set_("1", 1, posture="walk"), set_("1", 1, posture=answer))
    assert answers_of(state, "1", "posture")[0] == "walk"


def test_more_actions_than_allowed_change_nothing():
    state = work(set_("1", 1, doing=["wave"]), set_("1", 1, doing=["wave", "carry", "read"]))
    assert answers_of(state, "1", "doing")[0] == ["wave"]


def test_everything_that_is_unset_is_listed_in_the_order_of_work():
    state = work(
        {"kind": "delete", "person": "2"}, set_("1", 1, posture="walk", doing=[], dress="coat"),
        kept("1", 1, 7), set_("3", 1, posture="sit"),
    )  # fmt: skip
    assert [(one.person, one.second, one.group) for one in unset(TASK, state)] == [
        ("1", 8, "posture"),
        ("3", 1, ""),
        *(("3", second, "posture") for second in (2, 3, 4)),
        ("3", None, "dress"),
        ("", None, "light"),
    ]
    assert progress(TASK, state) == (7, 12)


def test_a_clip_without_people_asks_nothing():
    state = work(*({"kind": "delete", "person": person} for person in "123"))
    assert unset(TASK, state) == []


def test_a_person_drawn_at_two_keyframes_is_there_between_them_and_no_longer():
    state = work(box("d-1", 60, "add"), box("d-1", 120, x=70.0))
    path = state.persons["d-1"].path
    assert path.box_at(54) is None
    assert path.box_at(90) == (40.0, 10.0, 60.0, 60.0)
    assert path.box_at(125) == (70.0, 10, 90.0, 60)
    assert path.box_at(126) is None


def test_a_box_drawn_in_a_hole_holds_until_the_track_goes_on():
    state = work(box("2", 120))
    path = state.persons["2"].path
    assert path.box_at(114) is None
    assert path.box_at(120) == (10.0, 10, 30.0, 60)
    assert path.box_at(144) is not None


def test_outside_ends_where_a_box_is_drawn_or_where_it_is_taken_back():
    away = {"kind": "outside", "person": "1", "frame": 60}
    assert work(away).persons["1"].path.hidden == [(60, 275)]
    assert work(away, box("1", 180)).persons["1"].path.hidden == [(60, 180)]
    back = {"kind": "inside", "person": "1", "frame": 90, "until": 120}
    assert work(away, back).persons["1"].path.hidden == [(60, 90), (120, 275)]


def test_merged_persons_have_the_boxes_and_answers_of_both():
    state = work(
        set_("3", 1, posture="walk"), kept("3", 1, 4), set_("2", 6, posture="sit"),
        kept("2", 5, 7), {"kind": "merge", "person": "3", "other": "2"},
    )  # fmt: skip
    expected = ["walk"] * 4 + ["unset"] + ["sit"] * 2 + ["unset"]
    assert answers_of(state, "3", "posture") == expected
    assert state.persons["2"].gone == "merged"
    before = work().persons
    for frame in range(0, TASK.frame_count, TASK.step):
        box_of_one = before["3"].path.box_at(frame) or before["2"].path.box_at(frame)
        assert state.persons["3"].path.box_at(frame) == (
            None if box_of_one is None else pytest.approx(box_of_one)
        )


def test_a_split_person_is_two_each_with_the_answers_of_its_keyframes():
    split = {"kind": "split", "person": "1", "frame": 120, "created": "d-9"}
    state = work(
        set_("1", 1, posture="walk"), kept("1", 1, 8), split, set_("d-9", 6, posture="sit")
    )
    first, second = state.persons["1"], state.persons["d-9"]
    assert [first.path.box_at(frame) is None for frame in (119, 120)] == [False, True]
    assert [second.path.box_at(frame) is None for frame in (119, 120)] == [True, False]
    assert second.number is None
    assert answers_of(state, "d-9", "posture")[3:] == ["walk"] * 2 + ["sit"] * 3


def test_a_person_and_a_vehicle_are_never_merged():
    vehicle = {**box("d-1", 0, "add"), "label": "vehicle"}
    log = [vehicle, kept("2", 5, 7), {"kind": "merge", "person": "3", "other": "d-1"}]
    numbered = [{"id": str(number), **one} for number, one in enumerate(log)]
    task = TASK._replace(labels=("person", "vehicle"))
    state = fold(task, LabelState.from_json(start()), numbered)
    assert (state.persons["d-1"].label, state.persons["d-1"].gone) == ("vehicle", "")
    assert state == fold(task, LabelState.from_json(start()), numbered[:-1])


def test_undo_goes_back_over_a_merge_and_redo_forward():
    log = [
        set_("1", 1, posture="walk"), {"kind": "merge", "person": "3", "other": "2"},
        {"kind": "undo", "target": "1"},
    ]  # fmt: skip
    assert work(*log) == work(log[0])
    assert work(*log, {"kind": "redo", "target": "1"}) == work(*log[:2])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 40))
def test_a_lost_and_repeated_tail_of_the_log_changes_nothing(seed, cut):
    log = random_log(seed, 40)
    begin = LabelState.from_json(start())
    assert fold(TASK, begin, [*log, *log[cut:]]) == fold(TASK, begin, log)
    assert begin == LabelState.from_json(start())


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_state_is_the_same_after_it_was_stored(seed):
    state = fold(TASK, LabelState.from_json(start()), random_log(seed, 60))
    assert LabelState.from_json(json.loads(json.dumps(state.to_json()))) == state


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_undoing_everything_leads_back_to_the_beginning(seed):
    log = random_log(seed, 40)
    undone = [
        {"id": f"undo-{n}", "kind": "undo", "target": one["id"]} for n, one in enumerate(log)
    ]
    assert counting_operations([*log, *undone]) == []


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_limits_are_kept_whatever_is_asked(seed):
    state = fold(TASK, LabelState.from_json(start()), random_log(seed, 60))
    for lane in state.persons.values():
        frames = [shape.frame for shape in lane.path.shapes]
        assert frames == sorted(set(frames))
        for second in TASK.keyframes:
            assert (
                len(answers_at(TASK, state, lane, second)["doing"]) <= 7
            )  # "unknown", "unset"
            doing = answers_at(TASK, state, lane, second)["doing"]
            assert isinstance(doing, str) or len(doing) <= 2


def test_the_committed_cases_are_those_of_the_fold():
    assert CASES.read_text() == text_of_cases()
    assert {one["kind"] for case in FILE["cases"] for one in case["log"]} >= {"merge", "redo"}


def test_a_person_without_shapes_is_nowhere():
    lane = Lane(4, BoxPath([], []))
    assert lane.path.box_at(0) is None
    lane.path.draw(6, (0.0, 0.0, 5.0, 5.0), step=6, frame_count=12)
    assert lane.path.shapes == [PathShape(6, (0.0, 0.0, 5.0, 5.0), "inside", True)]
