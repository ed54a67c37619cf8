"""Files of other tools, of the shape that these tools write, become documents."""

import json
import pickle

import numpy as np
import pytest

from datasets.core.formats.external.ava_rows import read_ava
from datasets.core.formats.external.boris import (
    is_boris_table,
    read_boris,
    read_boris_table,
)
from datasets.core.formats.external.coco import read_coco
from datasets.core.formats.external.cvat import read_cvat_json, read_cvat_xml
from datasets.core.formats.external.document import ImportFileError, TimeUnit
from datasets.core.formats.external.elan import read_elan
from datasets.core.formats.external.label_studio import read_label_studio
from datasets.core.formats.external.mot import read_mot
from datasets.core.formats.external.release_formats import read_activitynet, read_fiftyone
from datasets.core.formats.external.tubes import read_tubes
from datasets.core.formats.external.via import read_via


def said(box):
    return [str(label) for label in box.labels]


def only(document):
    (video,) = document.videos
    return video


VIA = {
    "project": {"pname": "one"}, "config": {},
    "attribute": {
        "1": {"aname": "action", "type": 2, "options": {"0": "stand", "1": "wave"}},
        "2": {"aname": "person_id", "type": 1, "options": {}},
    },
    "file": {
        "1": {"fid": "1", "fname": "shop_000061.jpg", "type": 2},
        "2": {"fid": "2", "fname": "shop.mp4", "type": 4},
    },
    "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
    "metadata": {
        "a": {"vid": "1", "z": [], "xy": [2, 10, 20, 30, 40], "av": {"1": "0,1", "2": "7"}},
        "b": {"vid": "2", "z": [1.5, 4.0], "xy": [], "av": {"1": "1"}},
        "c": {"vid": "2", "z": [2.0], "xy": [1, 5, 5], "av": {}},
    },
}  # fmt: skip


def test_via_has_boxes_of_images_and_segments_of_videos():
    document = read_via(json.dumps(VIA).encode())
    images, video = document.videos
    assert (images.name, images.unit) == ("shop", TimeUnit.IMAGE)
    (track,) = images.tracks
    assert (track.key, track.boxes[0].at, track.boxes[0].box) == ("7", 61, (10, 20, 40, 60))
    assert said(track.boxes[0]) == ["action: stand", "action: wave"]
    (interval,) = video.intervals
    assert (video.name, interval.start, interval.stop, str(interval.label)) == (
        "shop.mp4", 1.5, 4.0, "action: wave",
    )  # fmt: skip
    assert document.left_out == ("points, which have no box (1)",)


COCO = {
    "images": [
        {"id": 1, "file_name": "frames/shop/img_00031.jpg", "width": 640, "height": 360},
        {"id": 2, "file_name": "frames/shop/img_00061.jpg", "width": 640, "height": 360},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40],
         "attributes": {"track_id": 4, "pose": "sit", "waves": True, "occluded": False}},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [10, 20, 30, 40]},
        {"id": 3, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 1},
        {"id": 4, "image_id": 9, "category_id": 1, "bbox": [1, 1, 5, 5]},
    ],
}  # fmt: skip


def test_coco_has_boxes_with_identities_and_attributes():
    video = only(read_coco(json.dumps(COCO).encode()))
    assert (video.name, video.unit, video.width) == ("shop", TimeUnit.IMAGE, 640)
    tracks = {track.key: track.boxes for track in video.tracks}
    assert said(tracks["4"][0]) == ["person", "pose: sit", "waves: yes"]
    assert (tracks["4"][0].at, tracks["4"][0].box) == (31, (10, 20, 40, 60))
    assert said(tracks[""][0]) == ["car"]
    assert len(read_coco(json.dumps(COCO).encode()).left_out) == 2


def test_a_side_that_is_no_number_is_named_with_its_annotation():
    broken = COCO | {
        "annotations": [COCO["annotations"][0] | {"id": 71, "bbox": [1, "?", 3, 4]}]
    }
    with pytest.raises(ImportFileError, match="side of the box of annotation 71 is no number"):
        read_coco(json.dumps(broken).encode())


def test_youtube_vis_has_a_box_for_each_frame_of_a_video():
    raw = {
        "videos": [{"id": 1, "file_names": ["shop/00000.jpg", "shop/00005.jpg"],
                    "width": 64, "height": 36, "length": 3}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 5, "video_id": 1, "category_id": 1,
                         "bboxes": [[1, 2, 3, 4], None, [2, 2, 3, 4]]}],
    }  # fmt: skip
    video = only(read_coco(json.dumps(raw).encode()))
    assert (video.name, video.frame_count) == ("shop", 3)
    assert [box.at for box in video.tracks[0].boxes] == [0, 2]


def test_mot_has_identities_and_the_rate_of_its_sequence():
    files = {
        "train/shop/gt/gt.txt": b"1,3,10,20,30,40,1,1,0.9\n2,3,12,20,30,40,1,1,1\n"
        b"2,4,0,0,9,9,0,1,1\n1,5,0,0,5,5,1,3,1\n",
        "train/shop/seqinfo.ini": b"[Sequence]\nname=shop\nframeRate=25\nseqLength=2\n"
        b"imWidth=640\nimHeight=360\n",
    }
    document = read_mot(files)
    video = only(document)
    assert (video.name, video.fps, video.width, video.frame_count) == ("shop", 25, 640, 2)
    assert [(one.key, len(one.boxes)) for one in video.tracks] == [("3", 2), ("5", 1)]
    assert [box.at for box in video.tracks[0].boxes] == [0, 1]
    assert {str(one) for one in document.labels()} == {"pedestrian", "car"}
    assert "conf of 0" in document.left_out[0]


def test_a_single_mot_file_is_called_like_the_file():
    assert only(read_mot({"shop.txt": b"1 1 0 0 5 5\n"})).name == "shop"


LABEL_STUDIO = [{
    "id": 1, "data": {"video": "/data/upload/3/a1b2c3d4-shop.mp4"},
    "annotations": [
        {"updated_at": "2024-01-01", "result": [], "was_cancelled": False},
        {"updated_at": "2024-02-01", "result": [
            {"id": "r1", "type": "videorectangle", "from_name": "box", "value": {
                "framesCount": 100, "duration": 4.0, "labels": ["Man"], "sequence": [
                    {"frame": 1, "enabled": True, "x": 10, "y": 20, "width": 30, "height": 40},
                    {"frame": 51, "enabled": False, "x": 20, "y": 20, "width": 30,
                     "height": 40},
                ]}},
            {"id": "r1", "type": "choices", "from_name": "pose", "value": {"choices": ["sit"]}},
            {"id": "r2", "type": "timelinelabels", "from_name": "doing", "value": {
                "ranges": [{"start": 26, "end": 51}], "timelinelabels": ["wave"]}},
        ]},
    ],
}]  # fmt: skip


def test_label_studio_has_keyframes_of_boxes_and_ranges():
    document = read_label_studio(json.dumps(LABEL_STUDIO).encode())
    video = only(document)
    assert (video.name, video.fps, video.width) == ("shop.mp4", 25, 1)
    (track,) = video.tracks
    assert track.is_interpolated
    assert [(one.at, one.is_outside) for one in track.boxes] == [
        (0, False), (50, False), (50.5, True),
    ]  # fmt: skip
    assert track.boxes[0].box == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert said(track.boxes[0]) == ["Man", "pose: sit"]
    (interval,) = video.intervals
    assert (interval.start, interval.stop, str(interval.label)) == (25, 50, "doing: wave")
    assert "newer one" in document.left_out[0]


def test_ranges_in_seconds_stand_apart_from_those_in_frames():
    region = {"id": "r3", "type": "labels", "from_name": "mood",
              "value": {"start": 1.5, "end": 2.0, "labels": ["calm"]}}  # fmt: skip
    (task,) = json.loads(json.dumps(LABEL_STUDIO))
    task["annotations"][1]["result"].append(region)
    frames, seconds = read_label_studio(json.dumps([task]).encode()).videos
    assert (frames.unit, seconds.unit) == (TimeUnit.FRAME, TimeUnit.SECOND)
    assert [(one.start, one.stop) for one in seconds.intervals] == [(1.5, 2.0)]


def test_a_single_task_of_label_studio_names_no_duration_but_times():
    (task,) = json.loads(json.dumps(LABEL_STUDIO))
    value = task["annotations"][1]["result"][0]["value"]
    del value["duration"]
    value["sequence"][1]["time"] = 51 / 24
    video = only(read_label_studio(json.dumps(task).encode()))
    assert (video.fps, video.frame_count) == (24, 100)


def test_label_studio_has_boxes_of_images_in_percent_and_a_flat_form():
    flat = [{"image": "/data/upload/shop_000031.jpg", "id": 1, "annotator": 1, "label": [
        {"x": 50, "y": 0, "width": 50, "height": 100, "rectanglelabels": ["person"],
         "original_width": 640, "original_height": 360}]}]  # fmt: skip
    video = only(read_label_studio(json.dumps(flat).encode()))
    assert (video.name, video.unit) == ("shop", TimeUnit.IMAGE)
    (box,) = video.tracks[0].boxes
    assert (box.at, box.box, said(box)) == (31, (0.5, 0.0, 1.0, 1.0), ["person"])


BORIS = {
    "project_name": "one", "behaviors_conf": {
        "0": {"code": "walk", "type": "State event"},
        "1": {"code": "wave", "type": "Point event"},
    },
    "subjects_conf": {}, "observations": {"first": {
        "file": {"1": ["/media/shop.mp4"]},
        "events": [[1.0, "kim", "walk", "", ""], [2.5, "", "wave", "left", ""],
                   [4.0, "kim", "walk", "", ""], [5.0, "kim", "walk", "", ""]],
    }},
}  # fmt: skip


def test_boris_pairs_the_begin_and_end_of_states():
    document = read_boris(json.dumps(BORIS).encode())
    video = only(document)
    assert video.name == "shop.mp4"
    assert [(one.subject, one.start, one.stop, one.label.value) for one in video.intervals] == [
        ("kim", 1.0, 4.0, "walk"), ("", 2.5, 2.5, "wave (left)"),
    ]  # fmt: skip
    assert "never ended" in document.left_out[0]


@pytest.mark.parametrize(
    "table",
    [
        "Observation id,Media file name,Subject,Behavior,Behavior type,Start (s),Stop (s)\n"
        "one,shop.mp4,kim,walk,STATE,1.0,4.0\n",
        "Observation id\tone\n\nTime\tMedia file path\tSubject\tBehavior\tStatus\n"
        "1.0\t/media/shop.mp4\tkim\twalk\tSTART\n4.0\t/media/shop.mp4\tkim\twalk\tSTOP\n",
    ],
)
def test_tables_of_boris_are_read_alike(table):
    assert is_boris_table(table.encode())
    video = only(read_boris_table(table.encode()))
    (one,) = video.intervals
    assert (video.name, one.subject, one.start, one.stop) == ("shop.mp4", "kim", 1.0, 4.0)


EAF = """<?xml version="1.0"?>
<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/a/Shop%201.mp4"
 TIME_ORIGIN="500"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/></TIME_ORDER>
<TIER TIER_ID="posture" PARTICIPANT="kim"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
 TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>sit</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="note"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a2" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>calm</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>"""


def test_elan_has_tiers_of_participants_and_of_the_whole_frame():
    video = only(read_elan(EAF.encode()))
    assert video.name == "Shop 1.mp4"
    assert [(one.subject, one.start, one.stop, str(one.label)) for one in video.intervals] == [
        ("kim", 1.5, 2.5, "posture: sit"), ("", 1.5, 2.5, "note: calm"),
    ]  # fmt: skip


CVAT = """<annotations><version>1.1</version><meta><task><name>my task</name><size>100</size>
<start_frame>0</start_frame><source>Shop 1.mp4</source></task>
<original_size><width>640</width><height>360</height></original_size></meta>
<track id="0" label="Customer"><box frame="0" keyframe="1" outside="0" xtl="1" ytl="2" xbr="30"
 ybr="40"><attribute name="pose">sit</attribute></box><box frame="50" keyframe="1" outside="1"
 xtl="1" ytl="2" xbr="30" ybr="40"/></track>
<track id="1" label="Customer"><polygon frame="9" keyframe="1" outside="0"
 points="1,5;9,2;4,8"/></track></annotations>"""


def test_cvat_xml_of_a_task_made_elsewhere_is_of_its_video_file():
    video = only(read_cvat_xml(CVAT.encode()))
    assert (video.name, video.width, video.frame_count) == ("Shop 1.mp4", 640, 100)
    first, second = video.tracks
    assert first.is_interpolated
    assert [(one.at, one.is_outside, said(one)) for one in first.boxes] == [
        (0, False, ["Customer", "pose: sit"]), (50, True, ["Customer", "pose: sit"]),
    ]  # fmt: skip
    assert second.boxes[0].box == (1, 2, 9, 8)


def test_cvat_images_are_placed_by_their_names():
    xml = (
        '<annotations><image id="0" name="shop/img_00031.jpg" width="640" height="360">'
        '<box label="walk" xtl="1" ytl="2" xbr="30" ybr="40"/></image></annotations>'
    )
    video = only(read_cvat_xml(xml.encode()))
    assert (video.name, video.unit) == ("shop", TimeUnit.IMAGE)
    assert [(one.at, said(one)) for one in video.tracks[0].boxes] == [(31, ["walk"])]


def test_a_cvat_backup_names_labels_and_frames():
    shape = {"type": "rectangle", "frame": 1, "points": [1, 2, 30, 40], "outside": False,
             "attributes": [{"name": "pose", "value": "sit"}]}  # fmt: skip
    content = [
        {
            "version": 0,
            "tags": [],
            "shapes": [shape | {"label": "person"}],
            "tracks": [
                {
                    "label": "person",
                    "frame": 0,
                    "attributes": [],
                    "shapes": [shape | {"frame": 0}],
                }
            ],
        }
    ]
    files = {
        "task_0/task.json": json.dumps({"name": "shop", "data": {"start_frame": 10,
                                                                  "frame_filter": "step=5"}}),
        "task_0/annotations.json": json.dumps(content),
    }  # fmt: skip
    video = only(read_cvat_json({path: text.encode() for path, text in files.items()}))
    assert video.name == "shop"
    assert {track.key: track.boxes[0].at for track in video.tracks} == {
        "shop track 0": 10, "": 15,
    }  # fmt: skip
    assert said(video.tracks[0].boxes[0]) == ["person", "pose: sit"]


def test_ava_rows_take_headers_pixels_and_names_and_leave_detections_out():
    table = (
        b"video_id,timestamp,x1,y1,x2,y2,action_id,person_id\n"
        b"shop,0902,0.1,0.1,0.5,0.9,3,1\nshop,0902,0.1,0.1,0.5,0.9,7,1\n"
        b"shop,0903\nshop,0903,0.1,0.1,0.5,0.9,,0.98\nshop,x\nshop,0904,a,b,c,d,1,1\n"
    )
    document = read_ava({"ava_train.csv": table}, names={3: "walk"})
    video = only(document)
    assert (video.unit, video.width) == (TimeUnit.TIMESTAMP, 1)
    (track,) = video.tracks
    assert [(one.at, said(one)) for one in track.boxes] == [
        (902, ["action: walk", "action: 7"]),
    ]  # fmt: skip
    assert document.is_complete
    assert len(document.left_out) == 2
    pixels = read_ava({"a.csv": b"shop,5,10,10,50,90,3,1\n"})
    assert only(pixels).width == 0


def test_proposals_alone_are_boxes_without_people():
    content = pickle.dumps({"shop,0902": np.array([[0.1, 0.1, 0.5, 0.9, 0.8]])}, protocol=3)
    document = read_ava({}, proposals=[content])
    assert (only(document).tracks[0].key, document.is_complete) == ("", False)


def test_tubes_of_one_box_are_one_person_with_several_actions():
    tube = np.array([[1, 1, 2, 30, 40], [2, 1, 2, 30, 40]], dtype=np.float32)
    content = {"labels": ["walk", "wave"], "gttubes": {"shop": {0: [tube], 1: [tube[:1]]}},
               "nframes": {"shop": 9}, "resolution": {"shop": (36, 64)}}  # fmt: skip
    video = only(read_tubes(pickle.dumps(content, protocol=3)))
    assert (video.frame_count, video.width, video.height) == (9, 64, 36)
    assert [said(one) for one in video.tracks[0].boxes] == [
        ["action: walk", "action: wave"], ["action: walk"],
    ]  # fmt: skip


READERS = {
    "via": read_via, "coco": read_coco, "label studio": read_label_studio, "boris": read_boris,
    "elan": read_elan, "cvat": read_cvat_xml, "tubes": read_tubes,
    "activitynet": read_activitynet, "boris table": read_boris_table,
    "mot": lambda content: read_mot({"a.txt": content}),
    "cvat json": lambda content: read_cvat_json({"a.json": content}),
    "fiftyone": lambda content: read_fiftyone({"a.json": content}),
    "ava": lambda content: read_ava({"a.csv": content}),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"{}", b"[]", b'[{"data": 3, "annotations": 4}]', b"<a/>", b"\xff"],
)
def test_anything_else_is_refused_with_a_sentence(name, content):
    with pytest.raises(ImportFileError) as refused:
        READERS[name](content)
    assert str(refused.value)
