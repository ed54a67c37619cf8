"""Answers of the label page as the document of a CVAT task, and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.core.answer_segments import fold
from annotation.core.cvat_tracks import interpolate_at_keyframes
from annotation.core.label_document import LabelFileError, document_of, dump, load, state_of
from annotation.core.label_state import LabelState, answers_at, keyframes_of
from datasets.core.action_groups import UNSET, answered_once, asked_once
from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_labels import PERSON_ID, answers_from
from tests.core.annotation.label_logs import TASK, random_log, start

FPS = TASK.frame_rate // TASK.step
PERSONS = (1, 2, 3)


def state_after(seed: int) -> LabelState:
    return fold(TASK, LabelState.from_json(start()), random_log(seed, 60))


def document(state: LabelState) -> Document:
    return document_of(state, TASK, name="a--b", width=640, height=360)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_document_says_every_box_and_answer_at_every_keyframe(seed):
    state = state_after(seed)
    tracks = document(state).tracks
    assert len(tracks) == len(state.persons)
    for lane, track in zip(state.persons.values(), tracks, strict=True):
        there = [] if lane.gone else keyframes_of(TASK, lane)
        found = interpolate_at_keyframes(track, TASK.keyframes, annotation_fps=FPS)
        assert [one.second for one in found] == there
        for one in found:
            assert one.box == pytest.approx(lane.path.box_at(one.second * TASK.frame_rate))
            expected = answers_at(TASK, state, lane, one.second)
            assert answers_from(one.attributes, TASK.groups) == expected


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_person_given_out_is_mentioned(seed):
    said = {
        shape.attributes[PERSON_ID]
        for track in document(state_after(seed)).tracks
        for shape in track.shapes
    }
    assert said - {""} == set(map(str, PERSONS))


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_document_read_back_says_the_same_answers(seed):
    state = state_after(seed)
    again = state_of(document(state), TASK, PERSONS)
    drawn = [key for key, lane in state.persons.items() if lane.number is None]
    places = {key: f"d-{list(state.persons).index(key)}" for key in drawn}
    once = asked_once(
        [(key, {**lane.once, **state.clip}) for key, lane in state.persons.items()], TASK.groups
    )
    for key, lane in state.persons.items():
        if lane.gone or not keyframes_of(TASK, lane):
            continue
        other = again.persons[places.get(key, key)]
        for second in keyframes_of(TASK, lane):
            counted = answers_at(TASK, state, lane, second)
            expected = answered_once(key, counted, once)
            found = answers_at(TASK, again, other, second)
            if all(counted[name] == UNSET for name in ("posture", "doing")):
                continue  # nobody is known to have looked there
            assert {**expected, "light": ""} == {**found, "light": ""}


def test_a_person_who_is_gone_has_one_box_outside():
    delete = {"id": "1", "kind": "delete", "person": "2"}
    state = fold(TASK, LabelState.from_json(start()), [delete])
    shapes = document(state).tracks[1].shapes
    assert [(one.frame, one.outside, one.attributes) for one in shapes] == [
        (0, True, {PERSON_ID: "2"})
    ]


def test_a_file_is_read_back_and_the_same_state_gives_the_same_bytes():
    state = state_after(11)
    assert load(dump(state, TASK)) == state
    assert dump(state, TASK) == dump(state_after(11), TASK)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": "x"}', b'{"format": "ava-studio-label/1"}']
)
def test_other_bytes_are_refused(content):
    with pytest.raises(LabelFileError):
        load(content)
