import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import attributes_of
from datasets.core.formats.cvat_xml import CvatXmlError, dump, load

GROUPS = (
    ActionGroupSpec("posture", "one", True, ("stand", "walk")),
    ActionGroupSpec("doing", "many", False, ("wave", 'say "a & b" <loud>')),
)
META = """<meta><task><name>a</name><size>{size}</size><mode>interpolation</mode>
<start_frame>{start}</start_frame><stop_frame>449</stop_frame>
<frame_filter>{step}</frame_filter><labels></labels></task></meta>"""

texts = st.sampled_from(["", "walk", "a & b", "<c>", '"d"', "it's", "]]>", "é"])
pixels = st.integers(-50_000, 200_000).map(lambda hundredths: hundredths / 100)
shapes = st.builds(
    Shape,
    frame=st.integers(0, 74),
    box=st.tuples(pixels, pixels, pixels, pixels).map(
        lambda sides: (*map(min, sides[:2], sides[2:]), *map(max, sides[:2], sides[2:]))
    ),
    outside=st.booleans(),
    keyframe=st.booleans(),
    attributes=st.fixed_dictionaries({"posture": texts, 'a "b" & <c>': texts}),
)
tracks = st.lists(shapes, unique_by=lambda shape: shape.frame, max_size=5).map(
    lambda found: XmlTrack(tuple(sorted(found)))
)


def xml(body: str, *, meta: str = "") -> bytes:
    return f"<annotations><version>1.1</version>{meta}{body}</annotations>".encode()


def box(frame: int, *, more: str = "", inside: str = "") -> str:
    return (
        f'<box frame="{frame}" xtl="1" ytl="2" xbr="30" ybr="40" z_order="0" {more}>'
        f"{inside}</box>"
    )


def track(*boxes: str, label: str = "person") -> str:
    return f'<track id="0" label="{label}" source="file">{"".join(boxes)}</track>'


def attribute(name: str, value: str) -> str:
    return f'<attribute name="{name}">{value}</attribute>'


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(tracks, max_size=2))
def test_what_is_written_is_read_back(found):
    document = Document("clip <a>", 75, 640, 360, attributes_of(GROUPS), tuple(found))
    assert load(dump(document)) == document


def test_the_same_document_gives_the_same_bytes():
    document = Document("a-c0000", 75, 640, 360, attributes_of(GROUPS))
    assert dump(document) == dump(replace(document))


def test_a_written_file_carries_the_labels_a_person_needs_in_cvat():
    text = dump(Document("a-c0000", 75, 640, 360, attributes_of(GROUPS))).decode()
    assert "<values>as before\nunknown\nstand\nwalk</values>" in text
    assert "<name>doing 2</name>" in text
    assert "<mutable>False</mutable>" in text  # person_id
    assert "<original_size>" in text


def test_attributes_that_are_left_out_come_from_the_box_before():
    first = attribute("posture", "walk") + attribute("doing", "none")
    body = track(box(0, inside=first), box(5, inside=attribute("doing", "wave")), box(9))
    (read,) = load(xml(body)).tracks
    assert [shape.attributes["posture"] for shape in read.shapes] == ["walk"] * 3
    assert [shape.attributes["doing"] for shape in read.shapes] == [
        "none",
        "wave",
        "wave",
    ]


def test_interpolated_boxes_say_that_they_are_no_cvat_keyframes():
    (read,) = load(xml(track(box(0, more='keyframe="1"'), box(1, more='keyframe="0"')))).tracks
    assert [shape.keyframe for shape in read.shapes] == [True, False]


def test_frames_of_a_task_made_with_a_step_become_task_frames():
    meta = META.format(size=75, start=0, step="step=6")
    (read,) = load(xml(track(box(30), box(444)), meta=meta)).tracks
    assert [shape.frame for shape in read.shapes] == [5, 74]


def test_frames_of_a_task_that_starts_later_count_from_its_start():
    meta = META.format(size=30, start=60, step="step=15")
    (read,) = load(xml(track(box(60), box(75)), meta=meta)).tracks
    assert [shape.frame for shape in read.shapes] == [0, 1]


def test_the_end_of_a_single_shape_in_the_last_frame_lies_behind_the_task_and_is_dropped():
    meta = META.format(size=75, start=0, step="")
    (read,) = load(xml(track(box(74), box(75, more='outside="1"')), meta=meta)).tracks
    assert [shape.frame for shape in read.shapes] == [74]


def test_shapes_come_in_the_order_of_frames_and_the_later_of_two_at_one_frame_wins():
    twice = '<box frame="3" xtl="0" ytl="0" xbr="9" ybr="9"/>'
    (read,) = load(xml(track(box(7), box(3), twice))).tracks
    assert [(shape.frame, shape.box[2]) for shape in read.shapes] == [(3, 9.0), (7, 30.0)]


def test_a_turned_box_becomes_the_upright_box_around_it():
    turned = '<box frame="0" xtl="0" ytl="10" xbr="40" ybr="30" rotation="90"/>'
    (read,) = load(xml(track(turned))).tracks
    assert read.shapes[0].box == pytest.approx((10, 0, 30, 40))


def test_the_size_of_the_frame_is_found_beside_the_task_too():
    size = "<original_size><width>640</width><height>360</height></original_size>"
    read = load(xml("", meta=f"<meta><job><size>75</size></job>{size}</meta>"))
    assert (read.frame_count, read.width, read.height) == (75, 640, 360)


def test_a_file_without_meta_says_nothing_about_its_task():
    assert load(xml("")) == Document("", 0, 0, 0)


def test_tracks_keep_their_label_so_that_strangers_can_be_named():
    assert load(xml(track(box(0), label="car"))).tracks[0].label == "car"


def image(number: int, *boxes: str) -> str:
    return f'<image id="{number}" name="a.jpg" width="64" height="36">{"".join(boxes)}</image>'


def person_box(person_id: str, posture: str) -> str:
    said = attribute("person_id", person_id) + attribute("posture", posture)
    inside = box(0, more='label="person"', inside=said)
    return inside.replace('frame="0" ', "")


def test_an_export_for_images_gives_a_track_to_each_person_id():
    meta = META.format(size=75, start=0, step="")
    images = [
        image(0, person_box("7", "sit"), person_box("8", "walk")),
        image(1, person_box("7", "walk")),
        image(5, person_box("7", "stand")),
    ]
    seven, eight = load(xml("".join(images), meta=meta)).tracks
    assert [(one.frame, one.outside, one.attributes["posture"]) for one in seven.shapes] == [
        (0, False, "sit"),
        (1, False, "walk"),
        (2, True, "walk"),
        (5, False, "stand"),
        (6, True, "stand"),
    ]
    assert [(one.frame, one.outside) for one in eight.shapes] == [(0, False), (1, True)]


def test_boxes_without_a_person_in_an_export_for_images_are_people_of_one_frame():
    meta = META.format(size=2, start=0, step="")
    drawn = image(1, person_box("", "sit"), person_box(" ", "walk"))
    tracks = load(xml(drawn, meta=meta)).tracks
    assert [[one.frame for one in track.shapes] for track in tracks] == [[1], [1]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "not XML", id="empty"),
        pytest.param(b"PK\x03\x04", "not XML", id="a zip"),
        pytest.param(b'<?xml version="1.0" encoding="klingon"?><a/>', "not XML", id="encoding"),
        pytest.param(xml(track(box(0)))[:-20], "not XML", id="cut off"),
        pytest.param(b"<html/>", "not a CVAT file", id="another format"),
        pytest.param(
            xml(f'<image id="x">{box(0)}</image>'), "not a whole number", id="image number"
        ),
        pytest.param(xml("", meta="<meta><project/></meta>"), "whole project", id="project"),
        pytest.param(b"<annotations><version>2.0</version></annotations>", "2.0", id="version"),
        pytest.param(xml(track(box(0, more='outside="maybe"'))), "not 0 or 1", id="flag"),
        pytest.param(xml(track('<box frame="x"/>')), "not a whole number", id="frame"),
        pytest.param(xml(track('<box frame="-1"/>')), "less than 0", id="frame below 0"),
        pytest.param(
            xml(track(box(7)), meta=META.format(size=75, start=0, step="step=6")),
            "not at a frame of the task",
            id="frame between the steps",
        ),
        pytest.param(
            xml(track(box(75)), meta=META.format(size=75, start=0, step="")),
            "only 75 frames",
            id="frame behind the end",
        ),
        pytest.param(b"<annotations>" + b"<a>" * 100, "deep", id="depth"),
    ],
)
def test_an_unusable_file_is_refused_with_a_message(content, sentence):
    with pytest.raises(CvatXmlError, match=sentence):
        load(content)


UNREADABLE = [
    pytest.param('<polygon frame="3"/>', "has no box", id="polygon without points"),
    pytest.param('<box frame="3"/>', "has no box", id="box without sides"),
    pytest.param('<box frame="3" xtl="nan" ytl="0" xbr="1" ybr="1"/>', "finite", id="nan"),
    pytest.param(
        '<skeleton frame="3"><points label="head" points="5,6"/>'
        '<points label="foot" points="9,20"/></skeleton>',
        "is a skeleton",
        id="skeleton",
    ),
]


@pytest.mark.parametrize(("shape", "reason"), UNREADABLE)
def test_a_person_without_a_box_is_left_out_and_named_and_all_others_are_read(shape, reason):
    document = load(xml(track(shape) + track(box(0))))
    assert len(document.tracks) == 1
    (problem,) = document.problems
    assert (problem.frame, reason in problem.text) == (3, True)
    assert problem.box == ((5, 6, 9, 20) if "skeleton" in shape else None)


@pytest.mark.parametrize(("shape", "reason"), UNREADABLE)
def test_another_labels_object_without_a_box_is_only_noted(shape, reason):
    other = f'<track id="5" label="pose">{shape}</track>'
    document = load(xml(other + track(box(0))))
    assert (len(document.tracks), document.problems) == (1, ())
    assert document.notes == (
        "The task, frame 3: an object of the label pose was left out; only person counts.",
    )


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">',
    ],
)
def test_entities_and_dtds_are_never_looked_at(declaration):
    with pytest.raises(CvatXmlError, match="entities"):
        load(f"{declaration}<annotations><version>1.1</version></annotations>".encode())


@pytest.mark.shared
def test_the_file_that_a_real_cvat_took_is_read(shared):
    recording = shared / "data/cvat-recordings/04-import-xml-sparse.json"
    bodies = [e["request"]["body"] for e in json.loads(recording.read_text())["exchanges"]]
    (text,) = [body for body in bodies if isinstance(body, str) and "<track" in body]
    whole = text[: text.rindex("</box>")] + "</box></track></annotations>"
    (read,) = load(whole.encode()).tracks
    assert [shape.frame for shape in read.shapes][:4] == [0, 30, 60, 90]
    assert read.shapes[1].box == (40.0, 27.5, 90.0, 117.5)
    assert read.shapes[0].attributes["person_id"] == "P0"


def test_two_boxes_of_one_person_in_one_image_are_two_tracks():
    images = [image(n, *[person_box("7", "sit")] * count) for n, count in ((0, 2), (1, 1))]
    found = load(xml("".join(images))).tracks
    assert [[one.frame for one in track.shapes if not one.outside] for track in found] == [
        [0, 1], [0]
    ]  # fmt: skip


def test_what_somebody_drew_is_told_from_what_was_given():
    content = xml(track(box(0)).replace('source="file"', 'source="manual"'))
    assert load(content).tracks[0].is_drawn
    assert not load(xml(track(box(0)))).tracks[0].is_drawn
