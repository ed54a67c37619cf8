"""Files about a dataset that follows persons and vehicles: a box is of its class, or of any."""

import pytest

from annotation.core.importing.clip_places import ClipIndex
from annotation.core.importing.conversion import FollowedClasses, ImportChoices, convert
from annotation.core.importing.label_mapping import (
    MappingError,
    checked_mapping,
    meanings,
    suggested_mapping,
)
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
from tests.core.annotation.importing.test_conversion import FAR, GIVEN, LEFT, RIGHT, rows

CLASSES = {"person": ("pedestrian",), "vehicle": ("car", "truck")}
FOLLOWED = FollowedClasses(tuple(CLASSES), {"shop-c0000": {2: "vehicle"}})
PERSON, CAR, DOG = (ImportedLabel("", text) for text in ("person", "car", "dog"))
WALK = ImportedLabel("pose", "walk")


def track(key, box, *labels, at=(2, 3)):
    return ImportedTrack(key, tuple(ImportedBox(second, box, labels) for second in at))


def loose(*tracks):
    boxes = sorted((box for one in tracks for box in one.boxes), key=lambda box: box.at)
    return ImportedTrack("", tuple(boxes))


def document(*tracks, intervals=(), **facts):
    video = ImportedVideo("shop-c0000", TimeUnit.SECOND, 640, 360, tracks=tracks,
                          intervals=intervals)  # fmt: skip
    return ImportedDocument((video,), **facts)


def outcome(*tracks, intervals=(), subjects=None, its_classes=FOLLOWED, mapping=None, **facts):
    found = document(*tracks, intervals=intervals, **facts)
    words = {name: CLASSES.get(name, ()) for name in its_classes.names}
    suggested = suggested_mapping(found, GROUPS, {}, words)
    choices = ImportChoices(mapping=suggested | (mapping or {}), subjects=subjects or {})
    return convert(found, ClipIndex(places()), GIVEN, GROUPS, choices, its_classes)


def shown(found):
    """Number and class of each track; no number: drawn."""
    tracks = found.clips["shop-c0000"].document.tracks
    return sorted((one.shapes[0].attributes["person_id"], one.label) for one in tracks)


@pytest.mark.parametrize("with_keys", [True, False], ids=["tracks", "boxes"])
def test_a_box_is_of_somebody_of_its_class(with_keys):
    tracks = [track("a", LEFT, PERSON), track("b", RIGHT, CAR)]
    found = outcome(*(tracks if with_keys else [loose(*tracks)]))
    assert shown(found) == [("1", "person"), ("2", "vehicle")]
    assert (found.notes, found.class_counts) == ([], {"person": 1, "vehicle": 1})
    assert found.clips["shop-c0000"].document.labels == ("person", "vehicle")


@pytest.mark.parametrize("with_keys", [True, False], ids=["tracks", "boxes"])
def test_a_box_of_another_class_than_was_tracked_there_is_drawn_and_said(with_keys):
    tracks = [track("a", LEFT, CAR), track("b", RIGHT, PERSON)]
    found = outcome(*(tracks if with_keys else [loose(*tracks)]))
    assert shown(found) == [("", "person"), ("", "vehicle")]
    assert sorted(found.notes) == [
        "a track of the class person lies where the class vehicle was tracked; it counts as "
        "drawn",
        "a track of the class vehicle lies where the class person was tracked; it counts as "
        "drawn",
    ]


def test_a_person_in_a_vehicle_is_not_the_vehicle():
    both = [track("a", RIGHT, PERSON), track("b", RIGHT, CAR)]
    assert shown(outcome(*both)) == [("", "person"), ("2", "vehicle")]
    boxes = outcome(loose(*both))
    assert shown(boxes) == [("", "person"), ("2", "vehicle")]


@pytest.mark.parametrize("with_keys", [True, False], ids=["tracks", "boxes"])
def test_a_box_without_a_class_is_of_anybody_and_drawn_of_the_first_class(with_keys):
    tracks = [track("a", LEFT, WALK), track("b", RIGHT, WALK), track("c", FAR, WALK)]
    found = outcome(*(tracks if with_keys else [loose(*tracks)]))
    assert shown(found) == [("", "person"), ("1", "person"), ("2", "vehicle")]
    assert {row[2]["posture"] for row in rows(found)} == {"walk"}
    only = FollowedClasses(("vehicle", "person"), FOLLOWED.by_clip)
    assert shown(outcome(*tracks, its_classes=only))[0] == ("", "vehicle")


def test_boxes_of_two_classes_are_never_one_drawn_track():
    boxes = loose(track("", FAR, PERSON, at=(2,)), track("", FAR, CAR, at=(3,)))
    assert shown(outcome(boxes)) == [("", "person"), ("", "vehicle")]


def test_what_most_boxes_of_a_track_say_is_its_class():
    mixed = track("a", RIGHT, PERSON, at=(2,)).boxes + track("a", RIGHT, CAR, at=(3, 4)).boxes
    assert shown(outcome(ImportedTrack("a", mixed))) == [("2", "vehicle")]


def test_what_is_not_followed_is_left_out_and_may_be_any_class():
    dog = track("a", RIGHT, DOG)
    found = outcome(dog)
    assert found.clips == {}
    assert found.left_out_counts == {"boxes of labels that were left out": 2}
    assert shown(outcome(dog, mapping={"dog": "any class"})) == [("2", "vehicle")]


def test_an_attribute_may_say_the_class():
    kind = {name: ImportedLabel("type", name) for name in ("person", "truck", "dog")}
    tracks = [
        track("a", RIGHT, kind["person"]), track("b", RIGHT, kind["truck"]),
        track("c", LEFT, kind["dog"]), track("d", LEFT, WALK),
    ]  # fmt: skip
    found = outcome(*tracks, is_of_persons=True)
    assert shown(found) == [("", "person"), ("1", "person"), ("2", "vehicle")]
    assert found.left_out_counts == {"boxes of labels that were left out": 2}


def test_persons_are_left_out_where_they_are_not_followed_unless_somebody_says_else():
    vehicles = FollowedClasses(("vehicle",), FOLLOWED.by_clip)
    person = track("a", RIGHT, PERSON)
    assert outcome(person, its_classes=vehicles).clips == {}
    found = outcome(person, its_classes=vehicles, mapping={"person": "person"})
    assert shown(found) == [("2", "vehicle")]  # the first class


def test_whoever_was_tracked_as_what_is_followed_no_more_gets_the_first_class():
    was = FollowedClasses(("person", "animal"), FOLLOWED.by_clip)
    assert shown(outcome(track("b", RIGHT, WALK), its_classes=was)) == [("2", "person")]


def test_intervals_may_be_about_a_class():
    intervals = [
        ImportedInterval("vehicle", 2.0, 3.0, WALK), ImportedInterval("", 3.0, 3.0, WALK),
    ]  # fmt: skip
    subjects = {"vehicle": "vehicle", "": "everybody"}
    found = outcome(intervals=intervals, subjects=subjects)
    walks = {row[:2] for row in rows(found) if row[2]["posture"] == "walk"}
    assert walks == {("2", 2), ("2", 3), ("1", 3)}


def test_classes_are_meanings_where_others_than_persons_are_followed():
    assert meanings(GROUPS)[:2] == ["person", "left out"]
    assert meanings(GROUPS, tuple(CLASSES))[:4] == [
        "person", "vehicle", "any class", "left out",
    ]  # fmt: skip
    mapping = {"a": "vehicle", "b": "person", "c": "any class"}
    assert checked_mapping(mapping, GROUPS, ("vehicle",)) == mapping
    with pytest.raises(MappingError, match="`person`, `vehicle` or `left out`"):
        checked_mapping({"a": "animal"}, GROUPS, tuple(CLASSES))
    with pytest.raises(MappingError, match="`group: action`, `person` or `left out`"):
        checked_mapping({"a": "vehicle"}, GROUPS)


def test_a_class_of_its_own_goes_before_a_word_for_another():
    found = document(track("a", RIGHT, CAR))
    its_classes = {"vehicle": ("car", "truck"), "car": ()}
    assert suggested_mapping(found, GROUPS, {}, its_classes) == {"car": "car"}
