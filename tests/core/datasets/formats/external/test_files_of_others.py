"""Reductions of what public files of other tools have, and self-made ones had not."""

import json

import pytest

from datasets.core.formats.external.ava_rows import is_ava_csv, read_ava
from datasets.core.formats.external.boris import read_boris, read_boris_table
from datasets.core.formats.external.coco import read_coco
from datasets.core.formats.external.document import ImportFileError
from datasets.core.formats.external.label_studio import read_label_studio
from datasets.core.formats.external.mot import is_mot, read_mot
from datasets.core.formats.external.via import is_via, read_via


def stretches(document):
    return [
        (video.name, one.start, one.stop)
        for video in document.videos
        for one in video.intervals
    ]


def boris(events, **about):
    observation = {"type": "MEDIA", "file": {"1": ["/a/one.mp4", "/a/two.mp4"], "2": []}}
    content = {
        "behaviors_conf": {
            "0": {"code": "walk", "type": "State event"},
            "1": {"code": "wave", "type": "Point event"},
        },
        "observations": {"first": observation | {"events": events} | about},
    }
    return read_boris(json.dumps(content).encode())


LENGTHS = {"length": {"/a/one.mp4": 10.0, "/a/two.mp4": 20.0}}
EVENTS = [[8, "", "walk", "", ""], [12, "", "walk", "", ""], [15, "", "wave", "", ""]]


def test_media_files_of_boris_follow_one_another():
    found = stretches(boris(EVENTS, media_info=LENGTHS))
    assert found == [("one.mp4", 8, 10), ("two.mp4", 0, 2), ("two.mp4", 5, 5)]


def test_a_state_that_ends_with_its_file_is_not_in_the_next():
    events = [[8, "", "walk", "", ""], [10, "", "walk", "", ""], [10, "", "wave", "", ""]]
    found = stretches(boris(events, media_info=LENGTHS))
    assert found == [("one.mp4", 8, 10), ("two.mp4", 0, 0)]


def test_times_of_boris_count_from_the_offset_of_their_observation():
    events = [[103, "", "wave", "", ""], [99, "", "wave", "", ""]]
    document = boris(events, **{"time offset": 100, "file": {"1": ["one.mp4"], "2": ["b.mp4"]}})
    assert stretches(document) == [("one.mp4", 3, 3)]
    assert document.left_out == (
        "media files of first in other players, shown beside (1)",
        "events before the beginning of their media file (1)",
    )


def test_times_may_count_from_when_the_file_was_made():
    about = LENGTHS | {"media_creation_time": {"one.mp4": 1000.0}}
    document = boris(
        [[1003, "", "wave", "", ""]], file={"1": ["one.mp4"]}, media_info=about,
        media_creation_date_as_offset=True,
    )  # fmt: skip
    assert stretches(document) == [("one.mp4", 3, 3)]


def test_a_file_after_one_of_unknown_length_is_named():
    document = boris(EVENTS)
    assert stretches(document) == [("one.mp4", 8, 12), ("one.mp4", 15, 15)]
    assert "whose length the project does not name" in document.left_out[0]


def test_observations_of_images_are_left_out():
    content = {"behaviors_conf": {}, "observations": {
        "images": {"type": "IMAGES", "events": [[None, "", "walk", "", "", 3, "a.jpg"]]},
        "video": {"file": {"1": ["one.mp4"]}, "events": [[1, "", "a", "", ""],
                                                          [2, "", "a", "", ""]]},
    }}  # fmt: skip
    document = read_boris(json.dumps(content).encode())
    assert document.left_out == ("events of images, which are of single images (1)",)


HEAD = "Observation id,{}Subject,Behavior,Behavior type,Start (s),Stop (s),Media file name\n"


@pytest.mark.parametrize("offset", ["0", "100", "NA"])
def test_tables_of_boris_name_the_lengths_and_the_offset(offset):
    head = HEAD.format("Source,Time offset (s),Media duration (s),")
    before = f"first,player #1:/a/one.mp4;/a/two.mp4|player #2:x.mp4,{offset},10.0;20.0|5.0,"
    since = 0 if offset == "NA" else float(offset)
    start, stop = since + 12, since + 14
    row = f"{before},walk,STATE,{start},{stop},/a/two.mp4\n"
    assert stretches(read_boris_table((head + row).encode())) == [("two.mp4", 2, 4)]


def test_older_tables_cannot_place_events_in_later_files():
    rows = "first,,walk,STATE,1,2,one.mp4\nfirst,,walk,STATE,12,14,two.mp4\n"
    document = read_boris_table((HEAD.format("") + rows).encode())
    assert stretches(document) == [("one.mp4", 1, 2)]
    assert "import the project" in document.left_out[0]


def label_studio(*results, media="shop_0002.jpg", **sizes):
    task = {"data": {"image": f"/data/upload/1/{media}"}, "annotations": [
        {"result": [sizes | {"id": f"r{place}"} | one for place, one in enumerate(results)]}
    ]}  # fmt: skip
    return read_label_studio(json.dumps([task]).encode())


def boxes(document):
    return [
        tuple(round(side, 3) for side in one.box)
        for video in document.videos for track in video.tracks for one in track.boxes
    ]  # fmt: skip


def rectangle(**value):
    sides = {"x": 10, "y": 20, "width": 30, "height": 5, "rectanglelabels": ["person"]}
    return {"type": "rectanglelabels", "value": sides | value}


def test_points_of_label_studio_have_no_box():
    point = {"x": 10, "y": 20, "width": 0.5, "keypointlabels": ["nose"]}
    document = label_studio(rectangle(), {"type": "keypointlabels", "value": point})
    assert boxes(document) == [(0.1, 0.2, 0.4, 0.25)]
    assert document.left_out == ("regions of the kind keypointlabels (1)",)


def test_a_turned_box_of_label_studio_is_the_box_around_it():
    turned = rectangle(rotation=90)
    document = label_studio(turned, original_width=1000, original_height=500)
    # 300 to the right and 25 down, about (100, 100): 25 to the left and 300 down.
    assert boxes(document) == [(0.075, 0.2, 0.1, 0.8)]
    assert label_studio(rectangle(rotation=360)).left_out == ()


def test_a_turned_box_in_a_frame_without_a_size_is_left_out():
    document = label_studio(rectangle(), rectangle(rotation=45))
    assert len(boxes(document)) == 1
    assert "boxes that are turned" in document.left_out[0]


def test_polygons_and_ellipses_of_label_studio_become_the_box_around_them():
    polygon = {"points": [[10, 5], [30, 20], [5, 40]], "polygonlabels": ["person"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["person"]}
    document = label_studio(
        {"type": "polygonlabels", "value": polygon}, {"type": "ellipselabels", "value": ellipse}
    )
    assert boxes(document) == [(0.05, 0.05, 0.3, 0.4), (0.4, 0.3, 0.6, 0.7)]
    assert {str(label) for label in document.labels()} == {"person"}


def test_images_that_are_numbers_alone_are_of_a_video_called_like_the_file():
    task = {"data": {"image": "/data/61.jpg"}, "annotations": [{"result": [rectangle()]}]}
    (video,) = read_label_studio(json.dumps(task).encode(), name="street").videos
    assert (video.name, video.tracks[0].boxes[0].at) == ("street", 61)
    content = {
        "images": [{"id": 1, "file_name": "000061.jpg", "width": 64, "height": 36}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (video,) = read_coco(json.dumps(content).encode(), name="street").videos
    assert (video.name, video.tracks[0].boxes[0].at) == ("street", 61)


def test_a_project_of_via_2_says_what_to_export():
    content = {"_via_settings": {}, "_via_img_metadata": {}, "_via_attributes": {}}
    assert is_via(content)
    with pytest.raises(ImportFileError, match="COCO format"):
        read_via(json.dumps(content).encode())


MOT = b"1,3,11,21,30,40,1\n31,3,12,21,30,40,1\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + MOT.replace(b"\n", b"\r\n"), id="byte order mark"),
        pytest.param(MOT.replace(b",", b";"), id="semicolons"),
        pytest.param(MOT.replace(b",", b"\t"), id="tabs"),
        pytest.param(MOT.replace(b",", b" "), id="blanks"),
        pytest.param(MOT.replace(b",1\n", b",1,,,\n"), id="empty cells at the end"),
        pytest.param(b"frame,id,left,top,width,height,conf\n" + MOT, id="header"),
        pytest.param(MOT.replace(b"31,3", b"3.1e1,3.0"), id="floats"),
        pytest.param(MOT.replace(b"31,3", b"30,3").replace(b"1,3", b"0,3", 1), id="from 0"),
    ],
)
def test_mot_of_other_programs_is_read_alike(content):
    assert is_mot(content)
    assert read_mot({"shop.txt": content}) == read_mot({"shop.txt": MOT})


@pytest.mark.parametrize(
    "content",
    [b"0 0.2 0.5 0.1 0.4\n", b"0 0.2 0.5 0.1 0.4 0.9\n", b"", b"a\n", b"1.5,1,1,1,5,5"],
)
def test_yolo_and_other_numbers_are_not_taken_for_mot(content):
    assert not is_mot(content)


@pytest.mark.parametrize("sign", [";", "\t"])
def test_ava_rows_of_other_programs_are_read_alike(sign):
    table = 'shop,0902,0.1,0.1,0.5,0.9,3,1\nshop,0903,0.1,0.1,0.5,0.9,"7",1\n'
    content = ("\ufeff" + table.replace(",", sign).replace("shop", '"shop"')).encode()
    assert is_ava_csv(content)
    assert read_ava({"a.csv": content}) == read_ava({"a.csv": table.encode()})
