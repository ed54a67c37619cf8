import json

import pytest

from datasets.core.formats.cvat_json import LabelIds, document_from
from datasets.core.formats.cvat_shapes import ShapeError, box_around, frames_text, xml_points
from datasets.core.formats.cvat_xml import CvatXmlError, load
from datasets.core.naming import frame_name

NAMES = [frame_name("hall-c0000", frame) for frame in range(3)]


def xml(body):
    return f"<annotations><version>1.1</version>{body}</annotations>".encode()


def image(number, name, *, size="64", left=10):
    box = f'<box label="person" xtl="{left}" ytl="1" xbr="{left + 20}" ybr="30"/>'
    return f'<image id="{number}" name="{name}" width="{size}" height="36">{box}</image>'


def in_track(shape):
    return xml(f'<track id="2" label="person">{shape}</track>')


@pytest.mark.parametrize(
    ("kind", "attributes", "box"),
    [
        pytest.param("polygon", {"points": "5,9;1,2;3.5,4"}, (1, 2, 5, 9), id="a polygon"),
        pytest.param("polyline", {"points": "5,9;1,2"}, (1, 2, 5, 9), id="a polyline"),
        pytest.param("points", {"points": "5,9;1,2"}, (1, 2, 5, 9), id="a set of points"),
        pytest.param(
            "ellipse",
            {"cx": "10", "cy": "20", "rx": "4", "ry": "6"},
            (6, 14, 14, 26),
            id="an ellipse",
        ),
        pytest.param(
            "mask",
            {"left": "3", "top": "4", "width": "5", "height": "6"},
            (3, 4, 8, 10),
            id="a mask",
        ),
    ],
)
def test_the_box_around_any_shape_is_used_with_a_note(request, kind, attributes, box):
    assert box_around(kind, xml_points(kind, attributes))[0] == box
    text = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    read = load(in_track(f'<{kind} frame="7" {text}/>'))
    assert read.tracks[0].shapes[0].box == box
    (note,) = read.notes
    drawn = request.node.callspec.id
    assert note == f"Track 2, frame 7: {drawn} was drawn here, the box around it is used."


def test_the_same_mask_in_json_has_the_same_box():
    """CVAT's JSON ends a mask with its sides, the last column and row included."""
    shape = {"type": "mask", "frame": 0, "points": [2, 30, 3, 4, 7, 9], "attributes": []}
    data = json.loads(json.dumps({"shapes": [shape | {"label_id": 1}]}))
    read = document_from(data, LabelIds(1, {}), task_name="a", frame_count=5)
    assert read.tracks[0].shapes[0].box == (3, 4, 8, 10)
    assert "a mask was drawn here" in read.notes[0]


def test_corners_in_the_wrong_order_are_swapped_with_a_note():
    shapes = "".join(
        f'<box frame="{frame}" xtl="80" ytl="150" xbr="40" ybr="40"/>' for frame in range(5)
    )
    read = load(in_track(shapes))
    assert {shape.box for shape in read.tracks[0].shapes} == {(40, 40, 80, 150)}
    assert read.notes[0].startswith("Track 2, frames 0, 1, 2 and 2 more: the corners")
    assert frames_text([4]) == "frame 4"


@pytest.mark.parametrize(
    ("kind", "points"), [("skeleton", [1, 2]), ("polygon", []), ("rectangle", [1, 2, 3])]
)
def test_a_shape_without_a_box_is_refused(kind, points):
    with pytest.raises(ShapeError):
        box_around(kind, points)


def test_images_in_another_order_are_matched_by_name():
    swapped = image(0, f"frames/{NAMES[2]}", left=30) + image(1, NAMES[0]) + image(2, NAMES[1])
    tracks = load(xml(swapped), frame_names=NAMES).tracks
    found = {track.shapes[0].frame: track.shapes[0].box[0] for track in tracks}
    assert found == {0: 10, 1: 10, 2: 30}


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        pytest.param(
            image(0, "yard-c0000_frame_0000.jpg"), "called yard-c0000_frame_0000", id="clip"
        ),
        pytest.param(image(0, NAMES[0]) * 2, "two images called", id="twice"),
        pytest.param(
            image(0, NAMES[0]) + image(1, NAMES[1], size="128"), "128x36 pixels", id="size"
        ),
    ],
)
def test_images_of_something_else_are_refused(images, sentence):
    with pytest.raises(CvatXmlError, match=sentence):
        load(xml(images), frame_names=NAMES)


def test_the_size_of_the_images_is_that_of_the_document():
    read = load(xml(image(0, NAMES[0]) + image(1, NAMES[1])))
    assert (read.width, read.height) == (64, 36)
