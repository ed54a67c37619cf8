import copy

import pytest

from annotation.core.cvat_tracks import interpolate_at_keyframes
from datasets.core.formats.cvat_document import Shape, XmlTrack
from datasets.core.formats.cvat_json import (
    CvatJsonError,
    LabelIds,
    document_from,
    fingerprint,
    labelled_data,
)
from datasets.core.formats.cvat_labels import Attribute

IDS = LabelIds(4, {"person_id": 10, "posture": 11, "doing": 12})
ATTRIBUTES = [Attribute("person_id", "text", False, ("",), "")]
SAID = {"person_id": "7", "posture": "sit", "doing": "none"}


def shape(frame: int, *, left: float = 10.0, outside: bool = False, **said: str) -> Shape:
    box = (left, 20.0, left + 30, 80.0)
    return Shape(frame, box, outside, True, SAID | said)


def read(data, *, frame_count: int = 75):
    return document_from(data, IDS, task_name="a", frame_count=frame_count)


def stored(frame: int, *values: tuple[int, object], **more: object) -> dict:
    return {
        "type": "rectangle", "frame": frame, "points": [1.0, 2.0, 30.0, 40.0],
        "attributes": [{"spec_id": spec, "value": value} for spec, value in values],
    } | more  # fmt: skip


def test_what_is_sent_is_read_back():
    tracks = (
        XmlTrack((shape(0), shape(10, left=20.0), shape(30, outside=True))),
        XmlTrack((shape(5, posture="walk"),)),
    )
    assert read(labelled_data(tracks, IDS, ATTRIBUTES)).tracks == tracks


def test_the_person_goes_to_the_track_and_the_rest_to_the_shapes():
    track = labelled_data([XmlTrack((shape(3),))], IDS, ATTRIBUTES)["tracks"][0]
    assert (track["frame"], track["label_id"], track["source"]) == (3, 4, "auto")
    assert track["attributes"] == [{"spec_id": 10, "value": "7"}]
    assert [one["spec_id"] for one in track["shapes"][0]["attributes"]] == [11, 12]


def test_only_what_changes_is_sent():
    shapes = [
        shape(0),
        shape(5),
        shape(10),
        shape(15, posture="walk"),
        shape(20, posture="walk"),
    ]
    (track,) = labelled_data([XmlTrack(tuple(shapes))], IDS, ATTRIBUTES)["tracks"]
    sent = [
        {one["spec_id"]: one["value"] for one in row["attributes"]} for row in track["shapes"]
    ]
    assert sent == [
        {11: "sit", 12: "none"},
        {11: "as before", 12: "as before"},
        {},
        {11: "walk"},
        {11: "as before"},
    ]


def test_an_answer_holds_over_cvat_keyframes_at_their_default():
    said = ["as before", "sit", "as before", "as before", "walk", "as before"]
    shapes = [stored(5 * second, (11, value)) for second, value in enumerate(said)]
    (track,) = read({"tracks": [{"label_id": 4, "shapes": shapes}]}).tracks
    found = interpolate_at_keyframes(track, range(6), annotation_fps=5)
    assert [one.attributes.get("posture") for one in found] == [
        None, "sit", "sit", "sit", "walk", "walk",
    ]  # fmt: skip


def test_an_answer_holds_over_a_split_of_its_track():
    person = [{"spec_id": 10, "value": "7"}]
    first = {"label_id": 4, "attributes": person,
             "shapes": [stored(0, (11, "sit")), stored(10, (11, "as before"))]}  # fmt: skip
    second = {"label_id": 4, "attributes": person, "shapes": [stored(20, (11, "as before"))]}
    other = {"label_id": 4, "shapes": [stored(20, (11, "as before"))]}
    tracks = read({"tracks": [second, first, other]}).tracks
    assert [one.shapes[-1].attributes.get("posture") for one in tracks] == ["sit", "sit", None]


def test_a_track_without_boxes_is_not_sent():
    assert labelled_data([XmlTrack(())], IDS, ATTRIBUTES)["tracks"] == []


def test_attributes_hold_until_they_change():
    data = {
        "label_id": 4,
        "frame": 0,
        "attributes": [{"spec_id": 10, "value": "7"}],
        "shapes": [stored(0, (11, "sit")), stored(20), stored(40, (11, "walk"))],
    }
    (track,) = read({"tracks": [data]}).tracks
    found = interpolate_at_keyframes(track, [0, 5, 8, 9], annotation_fps=5)
    assert [one.attributes["posture"] for one in found] == ["sit", "sit", "walk", "walk"]
    assert {one.attributes["person_id"] for one in found} == {"7"}


def test_shapes_out_of_order_are_put_in_order():
    data = {"label_id": 4, "shapes": [stored(20), stored(0)]}
    assert [one.frame for one in read({"tracks": [data]}).tracks[0].shapes] == [0, 20]


def test_a_single_shape_is_gone_in_the_next_frame():
    data = stored(10, (10, "7")) | {"label_id": 4}
    (track,) = read({"shapes": [data]}).tracks
    assert [(one.frame, one.outside) for one in track.shapes] == [(10, False), (11, True)]
    (last,) = read({"shapes": [data | {"frame": 74}]}).tracks
    assert [one.frame for one in last.shapes] == [74]


def test_an_attribute_added_in_cvat_by_hand_is_left_out():
    data = {"label_id": 4, "shapes": [stored(0, (99, "x"), (11, "sit"))]}
    assert read({"tracks": [data]}).tracks[0].shapes[0].attributes == {"posture": "sit"}


def test_a_label_of_another_project_keeps_its_number_so_that_it_can_be_named():
    data = {"label_id": 5, "shapes": [stored(0)]}
    assert read({"tracks": [data]}).tracks[0].label == "label number 5"


def test_a_turned_box_becomes_the_upright_one_around_it():
    data = {"label_id": 4, "shapes": [stored(0, points=[0, 0, 10, 4], rotation=90.0)]}
    assert read({"tracks": [data]}).tracks[0].shapes[0].box == pytest.approx((3, -3, 7, 7))


def test_a_shape_behind_the_end_of_the_task_is_dropped_as_cvat_does():
    data = {"label_id": 4, "shapes": [stored(0), stored(75)]}
    assert [one.frame for one in read({"tracks": [data]}).tracks[0].shapes] == [0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"type": "skeleton"}, "is a skeleton", id="skeleton"),
        pytest.param({"points": [1, 2, 3]}, "has 3 numbers", id="three sides"),
        pytest.param({"points": [1, 2, 3, "nan"]}, "finite", id="not a number"),
    ],
)
@pytest.mark.parametrize("kind", ["track", "shape"])
def test_an_object_that_cannot_be_read_is_left_out_and_named(kind, change, sentence):
    good = {"label_id": 4, "shapes": [stored(5, (10, "7"))]}
    if kind == "track":
        document = read({"tracks": [{"label_id": 4, "shapes": [stored(3) | change]}, good]})
    else:
        document = read({"tracks": [good], "shapes": [{"label_id": 4} | stored(3) | change]})
    assert [track.shapes[0].attributes for track in document.tracks] == [{"person_id": "7"}]
    ((frame, problem, _),) = document.problems
    assert frame == 3
    assert problem.startswith("an object of the label person at frame 3 ")
    assert sentence in problem


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"tracks": [{"label_id": 4}]}, id="no shapes"),
        pytest.param({"tracks": 7}, id="a number"),
    ],
)
def test_what_is_not_of_cvat_is_refused_with_a_sentence(data):
    with pytest.raises(CvatJsonError, match="no annotations of CVAT"):
        read(data)


def answered() -> dict:
    one = {"id": 1, "label_id": 4, "shapes": [stored(0, (11, "sit"), id=5)]}
    other = {"id": 2, "label_id": 4, "shapes": [stored(3, (11, "walk"), id=6)]}
    return {"tracks": [one, other]}


def test_numbers_and_order_of_tracks_do_not_make_another_version():
    again = answered()
    again["tracks"].reverse()
    for number, track in enumerate(again["tracks"]):
        track["id"] = 70 + number
    assert fingerprint(read(again)) == fingerprint(read(answered()))


def test_a_question_added_later_does_not_make_another_version():
    again = copy.deepcopy(answered())
    for track in again["tracks"]:
        track["shapes"][0]["attributes"].append({"spec_id": 12, "value": "as before"})
    assert fingerprint(read(again)) == fingerprint(read(answered()))


@pytest.mark.parametrize(
    "change", [{"points": [1.0, 2.0, 30.0, 41.0]}, {"outside": True}, {"frame": 1}]
)
def test_every_change_that_counts_makes_another_version(change):
    again = answered()
    again["tracks"][0]["shapes"][0] |= change
    assert fingerprint(read(again)) != fingerprint(read(answered()))


def test_another_answer_makes_another_version():
    again = answered()
    again["tracks"][0]["shapes"][0]["attributes"][0]["value"] = "stand"
    assert fingerprint(read(again)) != fingerprint(read(answered()))


def test_a_box_that_turns_between_two_cvat_keyframes_is_turned_on_the_way():
    points = [0.0, 0.0, 40.0, 20.0]
    data = {
        "label_id": 4, "frame": 0,
        "shapes": [
            stored(0, points=points, rotation=350.0),
            stored(2, points=points, rotation=10.0),
            stored(4, points=points, rotation=90.0),
        ],
    }  # fmt: skip
    track = read({"tracks": [data]}).tracks[0]
    assert [one.keyframe for one in track.shapes] == [True, False, True, False, True]
    assert track.shapes[1].box == pytest.approx((0, 0, 40, 20))  # 350, 0, 10 degrees
    half = interpolate_at_keyframes(track, [3], annotation_fps=1)[0].box
    assert half[2] - half[0] == pytest.approx(40 * 0.6427876 + 20 * 0.7660444)  # 50 degrees
    assert track.shapes[4].box == pytest.approx((10, -10, 30, 30))


def test_a_box_outside_the_frame_is_not_rotated():
    data = {"label_id": 4, "shapes": [stored(0, outside=True), stored(5, rotation=9.0)]}
    assert [one.frame for one in read({"tracks": [data]}).tracks[0].shapes] == [0, 5]


def test_what_somebody_drew_stays_drawn_when_it_is_sent_again():
    drawn = XmlTrack((shape(3),), source="manual")
    sent = labelled_data([drawn], IDS, ATTRIBUTES)
    assert sent["tracks"][0]["source"] == "manual"
    assert read(sent).tracks[0].is_drawn


def test_tags_say_nothing_of_people():
    tags = [{"label_id": 4, "frame": 0, "attributes": []}]
    assert read({"tags": tags}).tracks == ()


def test_a_track_without_boxes_is_nobody():
    track = read({"tracks": [{"label_id": 4, "shapes": []}]}).tracks[0]
    assert interpolate_at_keyframes(track, [0, 1], annotation_fps=5) == []
