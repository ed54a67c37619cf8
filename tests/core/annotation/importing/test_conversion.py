"""Files become answers: persons by IoU, actions by the mapping, and what is left out."""

import pytest

from annotation.core.importing.clip_places import ClipIndex
from annotation.core.importing.conversion import ImportChoices, convert
from annotation.core.importing.label_mapping import (
    MappingError,
    answers_of,
    checked_mapping,
    suggested_mapping,
)
from datasets.core.formats.cvat_labels import PERSON_ID, answers_from
from datasets.core.formats.external.document import (
    ImportedBox,
    ImportedDocument,
    ImportedInterval,
    ImportedLabel,
    ImportedTrack,
    ImportedVideo,
    TimeUnit,
)
from tests.core.annotation.importing.places import GROUPS, places

LEFT, RIGHT = (64.0, 72.0, 192.0, 324.0), (384.0, 72.0, 512.0, 324.0)
FAR = (550.0, 0.0, 600.0, 90.0)
GIVEN = {"shop-c0000": {(k, person): box for k in range(2, 15)
                        for person, box in ((1, LEFT), (2, RIGHT))}}  # fmt: skip
MAPPING = {"person": "person", "car": "left out", "pose: walking": "posture: walk",
           "pose: standing": "posture: stand", "waves: yes": "doing: wave"}  # fmt: skip
PERSON, CAR = ImportedLabel("", "person"), ImportedLabel("", "car")
WALKS, STANDS = ImportedLabel("pose", "walking"), ImportedLabel("pose", "standing")
WAVES = ImportedLabel("waves", "yes")


def boxes(*at, box=LEFT, labels=(PERSON, WALKS)):
    return tuple(ImportedBox(second, box, labels) for second in at)


def outcome(*tracks, intervals=(), is_complete=False, subjects=None, mapping=MAPPING):
    video = ImportedVideo("shop-c0000", TimeUnit.SECOND, 640, 360, tracks=tracks,
                          intervals=intervals)  # fmt: skip
    document = ImportedDocument((video,), is_complete=is_complete)
    choices = ImportChoices(mapping=mapping, subjects=subjects or {})
    return convert(document, ClipIndex(places()), GIVEN, GROUPS, choices)


def rows(found):
    return [
        (shape.attributes[PERSON_ID], shape.frame // 5, answers_from(shape.attributes, GROUPS))
        for track in found.clips["shop-c0000"].document.tracks
        for shape in track.shapes
        if not shape.outside
    ]


def test_a_track_gets_the_person_it_overlaps_and_its_labels():
    found = outcome(ImportedTrack("a", boxes(2, 3)))
    walks = {"posture": "walk", "doing": "unset"}
    assert rows(found) == [("1", 2, walks), ("1", 3, walks)]
    assert (found.taken, found.boxes, found.left_out_counts) == (2, 2, {})


def test_two_tracks_are_never_the_same_person():
    found = outcome(ImportedTrack("a", boxes(2)), ImportedTrack("b", boxes(2)))
    assert sorted(row[0] for row in rows(found)) == ["", "1"]


def test_somebody_who_is_nobody_s_is_drawn():
    found = outcome(ImportedTrack("a", boxes(2, 3, box=FAR)))
    assert [row[:2] for row in rows(found)] == [("", 2), ("", 3)]
    (clip,) = found.clips.values()
    assert (clip.persons, clip.drawn, clip.keyframes) == (0, 1, 2)
    assert clip.document.tracks[0].source == "manual"


def test_boxes_without_a_key_find_their_persons_keyframe_by_keyframe():
    loose = (*boxes(2, 3), *boxes(2, 3, box=RIGHT), *boxes(4, 5, box=FAR))
    found = outcome(ImportedTrack("", tuple(sorted(loose, key=lambda one: one.at))))
    assert sorted(row[:2] for row in rows(found)) == [
        ("", 4), ("", 5), ("1", 2), ("1", 3), ("2", 2), ("2", 3),
    ]  # fmt: skip
    assert found.clips["shop-c0000"].drawn == 1  # linked from keyframe to keyframe


def test_a_person_is_outside_where_a_keyframe_is_missing():
    found = outcome(ImportedTrack("a", boxes(2, 3, 6)))
    (track,) = found.clips["shop-c0000"].document.tracks
    shapes = [(shape.frame, shape.outside) for shape in track.shapes]
    assert shapes == [(10, False), (15, False), (16, True), (30, False), (31, True)]


def test_boxes_between_keyframes_are_interpolated_only_over_short_gaps():
    near = outcome(ImportedTrack("a", boxes(2.4, 3.2)))
    assert [row[1] for row in rows(near)] == [3]
    far = outcome(ImportedTrack("a", boxes(2.4, 4.6)))
    assert far.clips == {}
    held = outcome(ImportedTrack("a", boxes(2.4, 4.6), is_interpolated=True))
    assert [row[1] for row in rows(held)] == list(range(3, 15))  # the last box stays


def test_a_track_ends_where_it_is_outside():
    gone = ImportedBox(4.0, LEFT, (PERSON,), is_outside=True)
    found = outcome(ImportedTrack("a", (*boxes(2), gone), is_interpolated=True))
    assert [row[1] for row in rows(found)] == [2, 3]


def test_other_objects_are_left_out_and_counted():
    found = outcome(ImportedTrack("a", boxes(2, 3, labels=(CAR,))))
    assert found.clips == {}
    assert found.left_out_counts == {"boxes of labels that were left out": 2}


def test_a_complete_source_answers_none_where_it_says_nothing():
    found = outcome(ImportedTrack("a", boxes(2)), is_complete=True)
    assert rows(found)[0][2] == {"posture": "walk", "doing": []}


def test_two_actions_of_a_group_of_one_are_a_conflict_that_is_noted():
    found = outcome(ImportedTrack("a", boxes(2, 3, labels=(PERSON, WALKS, STANDS))))
    assert {row[2]["posture"] for row in rows(found)} == {"stand"}
    assert found.notes == ["posture takes 1 of stand, walk: the first is kept (2 times)"]


def test_intervals_are_answers_of_a_person_or_of_everybody():
    intervals = (
        ImportedInterval("kim", 2.0, 4.0, WALKS), ImportedInterval("", 3.0, 3.0, WAVES),
        ImportedInterval("nobody", 2.0, 9.0, WALKS),
    )  # fmt: skip
    found = outcome(intervals=intervals, subjects={"kim": "2", "": "everybody"})
    said = {row[:2]: row[2] for row in rows(found)}
    assert said["2", 2] == {"posture": "walk", "doing": "unset"}
    assert said["2", 3] == {"posture": "walk", "doing": ["wave"]}
    assert said["1", 3] == {"posture": "unset", "doing": ["wave"]}
    assert said["1", 2] == {"posture": "unset", "doing": "unset"}
    assert found.left_out_counts == {"intervals of nobody, who is nobody in the clip": 1}


def test_a_clip_without_an_interval_gets_no_answers_unless_that_means_none():
    intervals = (ImportedInterval("", 2.2, 2.8, WALKS),)  # between two keyframes
    found = outcome(intervals=intervals, subjects={"": "everybody"})
    assert found.clips == {}
    assert found.left_out_counts == {"intervals that hold at no keyframe of a clip": 1}
    found = outcome(intervals=intervals, subjects={"": "everybody"}, is_complete=True)
    assert {row[2]["doing"] for row in rows(found) if row[2]["doing"] != []} == set()


def test_intervals_beside_boxes_are_about_the_people_in_these():
    intervals = (ImportedInterval("", 2.0, 3.0, WAVES),)
    track = ImportedTrack("a", boxes(2, 3))
    found = outcome(track, intervals=intervals, subjects={"": "everybody"})
    assert [row[0] for row in rows(found)] == ["1"] * 2
    assert rows(found)[0][2] == {"posture": "walk", "doing": ["wave"]}


def test_videos_that_are_none_of_ours_and_clips_that_are_not_tracked_are_named():
    elsewhere = ImportedVideo("yard", TimeUnit.SECOND, tracks=(ImportedTrack("a", boxes(2)),))
    later = ImportedVideo("shop-c0001", TimeUnit.SECOND, tracks=(ImportedTrack("a", boxes(2)),))
    document = ImportedDocument((elsewhere, later))
    found = convert(
        document, ClipIndex(places()), GIVEN, GROUPS, ImportChoices(mapping=MAPPING)
    )
    assert (found.unplaced, found.untracked, found.clips) == (["yard"], ["shop-c0001"], {})
    assert found.left_out_counts == {"boxes in videos that are not in this dataset": 1}


def test_a_label_means_what_it_is_called_or_the_action_of_its_id():
    labels = [
        ImportedLabel("", "person"), ImportedLabel("", "dog"), ImportedLabel("", "Walk"),
        ImportedLabel("action", "5"), ImportedLabel("action", "Carry (a bag)"),
        ImportedLabel("doing", "none"), ImportedLabel("wave", "yes"),
        ImportedLabel("mood", "good"),
    ]  # fmt: skip
    track = ImportedTrack(
        "a", tuple(ImportedBox(n, LEFT, (one,)) for n, one in enumerate(labels))
    )
    video = ImportedVideo("shop-c0000", TimeUnit.SECOND, tracks=(track,))
    ids = {1: "stand", 2: "walk", 5: "wave", 9: "carry"}
    assert suggested_mapping(ImportedDocument((video,)), GROUPS, ids) == {
        "person": "person", "dog": "left out", "Walk": "posture: walk",
        "action: 5": "doing: wave", "action: Carry (a bag)": "doing: carry",
        "doing: none": "doing: none", "wave: yes": "doing: wave", "mood: good": "left out",
    }  # fmt: skip
    people = ImportedDocument((video,), is_of_persons=True)
    assert suggested_mapping(people, GROUPS, ids)["dog"] == "person"


def test_a_meaning_that_the_vocabulary_does_not_have_is_refused():
    with pytest.raises(MappingError, match="no such action"):
        checked_mapping({"walking": "posture: fly"}, GROUPS)


def test_unknown_and_none_are_answers():
    mapping = {"pose: ?": "posture: unknown", "waves: no": "doing: none"}
    labels = [ImportedLabel("pose", "?"), ImportedLabel("waves", "no")]
    said = answers_of(labels, mapping, GROUPS, is_complete=False)
    assert said.answers == {"posture": "unknown", "doing": []}
