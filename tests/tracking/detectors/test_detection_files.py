import json

import pytest

from tracking.detectors import registry
from tracking.detectors.detection_files import read_detections
from tracking.detectors.registry import ClipFrames, DetectorError, open_detector

CLIP = ClipFrames("shop-c0000", "shop", "shop.mp4", 0, 5, 5, (40, 20))


def rows_of(path, content, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    rows = read_detections(path, **options).rows
    return [
        (int(f), box[0], round(s, 3))
        for f, box, s in zip(rows.frames, rows.boxes, rows.scores, strict=True)
    ]


def test_a_score_of_minus_one_or_none_counts_as_certain(tmp_path):
    text = "1,-1,10,20,30,40,-1,-1,-1,-1\n2 4 11 20 30 40\n3,-1,12,20,30,40,0.5\n"
    assert rows_of(tmp_path / "det.txt", text) == [(0, 10, 1), (1, 11, 1), (2, 12, 0.5)]


def test_ground_truth_gives_its_people_and_nothing_that_is_ignored(tmp_path):
    text = (
        "1,1,10,0,5,9,1,1,1.0\n1,2,20,0,5,9,0,1,1.0\n1,3,30,0,5,9,1,3,1.0\n"
        "2,1,11,0,5,9,1,7,0.2\n"
    )
    path = tmp_path / "shop" / "gt" / "gt.txt"
    assert rows_of(path, text) == [(0, 10, 1), (1, 11, 1)]
    assert read_detections(path).rows.ids.tolist() == [1, 1]
    assert rows_of(path, text, classes=["car"]) == [(0, 30, 1)]
    folder = open_detector("imported", weights=str(tmp_path), threshold=0.3)
    frames = folder.of_clip(CLIP)
    assert [len(one.boxes) for one in frames] == [1, 1, 0, 0, 0]


def test_detections_of_another_class_are_left_out(tmp_path):
    text = "1,-1,10,0,5,9,0.9,1\n1,-1,20,0,5,9,0.9,3\n"
    assert rows_of(tmp_path / "det.txt", text) == [(0, 10, 0.9)]


def test_a_list_of_coco_results_has_the_frame_as_its_image(tmp_path):
    content = [
        {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 7, "category_id": 1, "bbox": [5, 2, 3, 4], "score": -1},
    ]
    path = tmp_path / "shop.json"
    assert rows_of(path, content) == [(0, 1, 0.5), (7, 5, 1)]
    assert read_detections(path).rows.boxes[0].tolist() == [1, 2, 4, 6]


def test_a_coco_data_set_names_its_classes_and_frames(tmp_path):
    content = {
        "images": [
            {"id": 30, "file_name": "shop/img_000101.jpg"},
            {"id": 31, "file_name": "shop/img_000100.jpg"},
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 5, "name": "person"}],
        "annotations": [
            {"image_id": 30, "category_id": 5, "bbox": [1, 0, 3, 4], "track_id": 8},
            {"image_id": 31, "category_id": 1, "bbox": [2, 0, 3, 4]},
        ],
    }
    path = tmp_path / "shop.json"
    assert rows_of(path, content) == [(1, 1, 1)]
    assert read_detections(path).rows.ids.tolist() == [8]
    assert rows_of(path, content, classes=["car"]) == [(0, 2, 1)]


def test_each_row_knows_which_of_the_followed_it_is(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("1,1,10,0,5,9,1,1\n1,2,20,0,5,9,1,3\n1,3,30,0,5,9,1,9\n2,4,40,0,5,9,1,4\n")
    rows = read_detections(path, classes=["person", "vehicle"]).rows
    assert rows.classes.tolist() == [0, 1, 1]
    assert rows.boxes[:, 0].tolist() == [10, 20, 40]


def test_an_image_of_coco_without_a_number_is_named(tmp_path):
    content = {"images": [{"id": 1, "file_name": "start.jpg"}], "annotations": []}
    with pytest.raises(ValueError, match=r"'start\.jpg' has no frame number"):
        rows_of(tmp_path / "shop.json", content)


def test_a_load_that_failed_is_not_tried_again_at_once(tmp_path, monkeypatch):
    path, opened, clock = tmp_path / "broken.onnx", [], [1000.0]
    path.write_bytes(b"nothing")

    def fail(name, path, threshold, classes):
        opened.append(path)
        raise DetectorError("broken.onnx is damaged")

    monkeypatch.setattr("tracking.detectors.onnx.load", fail)
    monkeypatch.setattr(registry.time, "monotonic", lambda: clock[0])

    def open_it():
        with pytest.raises(DetectorError, match="is damaged"):
            open_detector("onnx", weights=str(path), threshold=0.3)
        return len(opened)

    assert [open_it(), open_it()] == [1, 1]
    clock[0] += registry.REMEMBERED_SECONDS
    assert open_it() == 2
    path.write_bytes(b"another")
    import os

    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    assert open_it() == 3
