import json
import os
from itertools import islice, pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tracking.core.boxes import pairwise_iou
from tracking.detectors import onnx_runtimes
from tracking.detectors.onnx import load as load_onnx
from tracking.detectors.registry import ClipFrames, DetectorError, open_detector, weights_path

IMAGE = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)


def save_model(path, inputs, outputs, nodes, constants):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def constant_output(batch, output, values):
    """Nodes that give `values` for each image of the batch, whatever the image shows."""
    return [
        helper.make_node("ReduceMean", [batch], [f"{output}_mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", [f"{output}_mean", "nought"], [f"{output}_0"]),
        helper.make_node("Reshape", [f"{output}_0", "shape"], [f"{output}_flat"]),
        helper.make_node("Add", [f"{output}_flat", values], [output]),
    ]


CONSTANTS = {
    "nought": np.zeros(1, dtype=np.float32),
    "shape": np.array([-1, 1, 1], dtype=np.int64),
}


def rfdetr_export(path, centres, logits, *, batch="batch"):
    """A model with the inputs and outputs of an RF-DETR export that always sees the same."""
    return save_model(
        path,
        {"input": [batch, 3, 32, 32]},
        {"dets": [batch, *centres.shape], "labels": [batch, *logits.shape]},
        constant_output("input", "dets", "centres")
        + constant_output("input", "labels", "logits"),
        CONSTANTS | {"centres": centres[None], "logits": logits[None]},
    )


def yolox(path, cells, *, batch=1):
    """A model with the input and output of a YOLOX of 64 x 96 pixels."""
    return save_model(
        path,
        {"images": [batch, 3, 64, 96]},
        {"output": [batch, *cells.shape]},
        constant_output("images", "output", "cells"),
        CONSTANTS | {"cells": cells[None]},
    )


def logits_of(queries, classes, *scores):
    """Logits with the given `(query, class, score)`; everything else is improbable."""
    logits = np.full((queries, classes), -20.0, dtype=np.float32)
    for query, number, score in scores:
        logits[query, number] = np.log(score / (1 - score))
    return logits


def cells_of(*people):
    """YOLOX cells: `(cell, x, y, log width, log height, score)`; 126 cells of 85 numbers."""
    cells = np.zeros((12 * 8 + 6 * 4 + 3 * 2, 85), dtype=np.float32)
    for cell, x, y, width, height, score in people:
        cells[cell, :6] = [x, y, width, height, score, 1.0]
    return cells


CENTRES = np.array(
    [[0.5, 0.5, 0.2, 0.4], [0.25, 0.5, 0.1, 0.2], [0.9, 0.5, 0.4, 0.2]], dtype=np.float32
)


def test_an_rfdetr_export_trained_on_coco_has_person_as_1(tmp_path):
    logits = logits_of(3, 91, (0, 1, 0.9), (1, 3, 0.8), (2, 1, 0.3))
    path = rfdetr_export(tmp_path / "coco.onnx", CENTRES, logits)
    (found,) = open_detector("onnx", weights=str(path), threshold=0.2).detect([IMAGE])
    assert found.scores == pytest.approx([0.9, 0.3], abs=1e-5)
    assert found.boxes[0] == pytest.approx([64, 27, 96, 63], abs=1e-3)
    assert found.boxes[1] == pytest.approx([112, 36, 160, 54], abs=1e-3)


def test_a_fine_tuned_export_has_person_as_0(tmp_path):
    logits = logits_of(3, 2, (1, 0, 0.7), (2, 1, 0.9))
    path = rfdetr_export(tmp_path / "own.onnx", CENTRES, logits)
    (found,) = open_detector("onnx", weights=str(path), threshold=0.2).detect([IMAGE])
    assert found.scores == pytest.approx([0.7], abs=1e-5)
    assert found.boxes[0] == pytest.approx([32, 36, 48, 54], abs=1e-3)


@pytest.mark.parametrize("batch", ["batch", 2, 1])
def test_any_number_of_images_fits_any_batch(tmp_path, settings, batch):
    settings.DETECTOR_BATCH = 2
    path = rfdetr_export(
        tmp_path / "own.onnx", CENTRES, logits_of(3, 2, (1, 0, 0.7)), batch=batch
    )
    detector = open_detector("onnx", weights=str(path), threshold=0.2)
    small = IMAGE[:45, :80]
    found = detector.detect([IMAGE, small, IMAGE, small, IMAGE])
    assert [one.boxes[0, 0].round(3) for one in found] == [32, 16, 32, 16, 32]
    assert detector.detect([]) == []


def test_a_yolox_model_is_decoded_and_freed_of_doubles(tmp_path):
    # The image of 160 x 90 is scaled by 0.6 into 96 x 54. Cell 13 is column 1, row 1 of 8 px.
    wide, tall = np.log(12 / 8), np.log(24 / 8)
    cells = cells_of(
        (13, 2.0, 2.0, wide, tall, 0.9), (14, 1.1, 2.0, wide, tall, 0.6), (80, 0, 0, 0, 0, 0.1)
    )
    path = yolox(tmp_path / "yolox.onnx", cells)
    detector = open_detector("onnx", weights=str(path), threshold=0.3)
    (found,) = detector.detect([IMAGE])
    assert found.scores == pytest.approx([0.9])
    assert found.boxes[0] == pytest.approx([30, 20, 50, 60], abs=1e-3)


def test_a_yolox_person_is_one_whose_best_class_is_person(tmp_path):
    cells = cells_of((13, 2.0, 2.0, 1.0, 1.0, 0.9))
    cells[13, 7] = 2.0
    path = yolox(tmp_path / "car.onnx", cells)
    (found,) = open_detector("onnx", weights=str(path), threshold=0.3).detect([IMAGE])
    assert found.boxes.shape == (0, 4)


def test_about_says_which_weights_were_used_and_on_what(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_runtimes, "find_spec", lambda name: None)
    path = yolox(tmp_path / "yolox.onnx", cells_of())
    about = open_detector("onnx", weights=str(path), threshold=0.3).about
    assert about["weights"] == "yolox.onnx"
    assert len(about["sha256"]) == 64
    assert about["onnxruntime"] == onnxruntime.__version__
    assert about["device"] == "CPUExecutionProvider"


def test_where_openvino_is_installed_it_computes_and_finds_the_same(tmp_path, monkeypatch):
    openvino = pytest.importorskip("openvino", reason="the package openvino is not installed")
    path = rfdetr_export(tmp_path / "a.onnx", CENTRES, logits_of(3, 2, (1, 0, 0.7)))
    detector = open_detector("onnx", weights=str(path), threshold=0.2)
    assert detector.about["device"] == "OpenVINO CPU"
    assert openvino.__version__.startswith(detector.about["openvino"])
    assert_same_people(path, [IMAGE, IMAGE[:45]], monkeypatch, threshold=0.2)


def test_openvino_finds_the_same_people_in_a_street(shared, monkeypatch):
    pytest.importorskip("openvino", reason="the package openvino is not installed")
    from datasets.core.media.standard_video import read_frames

    video = shared / "data/videos/street_1.mp4"
    images = [rgb for _, rgb in islice(read_frames(video), 0, 90, 30)]
    path = shared / "data/weights/yolox_nano_384x640.onnx"
    assert assert_same_people(path, images, monkeypatch, threshold=0.3) > 20


def assert_same_people(path, images, monkeypatch, *, threshold):
    """Both runtimes see the same; returns how many people."""
    theirs = load_onnx("onnx", path, threshold).detect(images)
    monkeypatch.setattr(onnx_runtimes, "find_spec", lambda name: None)
    ours = load_onnx("onnx", path, threshold).detect(images)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)
    return sum(len(one.boxes) for one in ours)


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 1280), (720, 2), (2160, 3840)], ids=["dot", "line", "post", "huge"]
)
def test_images_of_any_size_are_accepted(tmp_path, size):
    image = np.full((*size, 3), 90, dtype=np.uint8)
    models = [
        rfdetr_export(tmp_path / "a.onnx", CENTRES, logits_of(3, 2, (1, 0, 0.7))),
        yolox(tmp_path / "b.onnx", cells_of((13, 2.0, 2.0, 1.0, 1.0, 0.9))),
    ]
    for path in models:
        (found,) = open_detector("onnx", weights=str(path), threshold=0.2).detect([image])
        assert np.isfinite(found.boxes).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [*size[::-1], *size[::-1]]).all()


def test_hundreds_of_people_are_all_reported(tmp_path):
    random = np.random.default_rng(0)
    centres = np.concatenate([random.uniform(0.1, 0.9, (300, 2)), np.full((300, 2), 0.05)], 1)
    logits = logits_of(300, 91, *[(query, 1, 0.9) for query in range(300)])
    path = rfdetr_export(tmp_path / "crowd.onnx", centres.astype(np.float32), logits)
    (found,) = open_detector("onnx", weights=str(path), threshold=0.5).detect([IMAGE])
    assert len(found.boxes) == 300


def test_a_model_that_is_neither_is_refused_with_what_it_is(tmp_path):
    path = save_model(
        tmp_path / "other.onnx",
        {"x": [1, 3, 8, 8]},
        {"y": [1, 3, 8, 8]},
        [helper.make_node("Relu", ["x"], ["y"])],
        {},
    )
    with pytest.raises(DetectorError, match=r"other\.onnx is neither an RF-DETR export"):
        open_detector("onnx", weights=str(path), threshold=0.3)


def test_a_damaged_model_is_refused_with_its_name(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(DetectorError, match=r"broken\.onnx is not an ONNX model"):
        open_detector("onnx", weights=str(path), threshold=0.3)


def test_real_yolox_weights_find_the_people_in_a_street(shared):
    from datasets.core.media.standard_video import read_frames

    ((_, rgb),) = read_frames(shared / "data/videos/street_2.mp4", count=1)
    weights = str(shared / "data/weights/yolox_nano_384x640.onnx")
    (found,) = open_detector("onnx", weights=weights, threshold=0.3).detect([rgb])
    assert 3 <= len(found.boxes) <= 15
    assert (pairwise_iou(found.boxes, found.boxes) > 0.45).sum() == len(found.boxes)
    assert (found.boxes[:, 2:] <= [rgb.shape[1], rgb.shape[0]]).all()
    assert all(a >= b for a, b in pairwise(found.scores))


def test_a_name_alone_is_looked_up_in_the_weights_folder(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path / "weights"
    assert weights_path("own.pth") == tmp_path / "weights" / "own.pth"
    assert weights_path("/elsewhere/own.pth").as_posix() == "/elsewhere/own.pth"
    assert weights_path("") is None


def test_missing_weights_are_named_with_the_way_out(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    with pytest.raises(DetectorError, match=r"own\.onnx are missing.*AVA_WEIGHTS_DIR"):
        open_detector("onnx", weights="own.onnx", threshold=0.3)
    with pytest.raises(DetectorError, match=r"are missing.*AVA_WEIGHTS_DIR"):
        open_detector("onnx", weights="w" * 400, threshold=0.3)
    with pytest.raises(DetectorError, match=r"onnx needs a file.*AVA_WEIGHTS_DIR"):
        open_detector("onnx", weights="", threshold=0.3)


def test_an_unknown_detector_is_answered_with_the_known_ones():
    with pytest.raises(DetectorError, match="rfdetr-medium"):
        open_detector("hog", weights="", threshold=0.3)


def test_a_detector_is_opened_once_and_again_when_its_file_has_changed(tmp_path):
    path = yolox(tmp_path / "yolox.onnx", cells_of())
    first = open_detector("onnx", weights=str(path), threshold=0.3)
    assert open_detector("onnx", weights=str(path), threshold=0.3) is first
    yolox(path, cells_of((13, 2.0, 2.0, 1.0, 1.0, 0.9)))
    again = open_detector("onnx", weights=str(path), threshold=0.3)
    assert len(again.detect([IMAGE])[0].boxes) == 1


def test_a_dataset_may_follow_vehicles_and_animals(tmp_path):
    cells = cells_of((13, 2.0, 2.0, 1.0, 1.0, 0.9), (40, 2.0, 2.0, 1.0, 1.0, 0.8))
    cells[40, 5], cells[40, 5 + 2] = 0.0, 1.0  # a car
    path = yolox(tmp_path / "yolox.onnx", cells)

    def found(*classes):
        detector = open_detector("onnx", weights=str(path), threshold=0.3, classes=classes)
        (one,) = detector.detect([IMAGE])
        return list(zip(one.scores.round(3).tolist(), one.classes.tolist(), strict=True))

    assert found("person") == [(0.9, 0)]
    assert found("vehicle", "person") == [(0.9, 1), (0.8, 0)]
    assert found("car") == [(0.8, 0)]
    assert found("animal") == []


def test_a_class_that_the_model_does_not_know_is_named(tmp_path):
    logits = logits_of(3, 2, (1, 0, 0.7))
    path = rfdetr_export(tmp_path / "own.onnx", CENTRES, logits)
    with pytest.raises(DetectorError, match="knows no class vehicle, only person"):
        open_detector("onnx", weights=str(path), threshold=0.2, classes=["vehicle"])


def imported(
    folder, *, clip="shop-c0001", video="shop", file_name="shop.mp4", start_frame=450,
    frame_count=450, threshold=0.1,
):  # fmt: skip
    detector = open_detector("imported", weights=str(folder), threshold=threshold)
    return detector.of_clip(
        ClipFrames(clip, video, file_name, start_frame, frame_count, 0, (640, 360))
    )


def test_a_mot_file_of_a_clip_counts_its_frames_from_1(tmp_path):
    (tmp_path / "shop-c0001.txt").write_text(
        "1,-1,10,20,30,40,0.9,-1,-1,-1\n\n3,-1,1,2,3,4,0.05\n"
    )
    frames = imported(tmp_path)
    assert len(frames) == 450
    assert frames[0].boxes.tolist() == [[10, 20, 40, 60]]
    assert frames[0].scores.tolist() == [0.9]
    assert sum(len(frame.boxes) for frame in frames) == 1


def test_a_file_of_the_whole_video_is_cut_to_the_clip(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/det.txt").write_text(
        "450,-1,1,1,5,5,0.9\n451,-1,2,2,5,5,0.8\n900,-1,3,3,5,5,0.7\n901,-1,4,4,5,5,0.9\n"
    )
    frames = imported(tmp_path)
    assert [(n, f.boxes[0, 0]) for n, f in enumerate(frames) if len(f.boxes)] == [
        (0, 2),
        (449, 3),
    ]


def test_a_json_file_counts_its_frames_from_0(tmp_path):
    content = {
        "format": "ava-studio-detections/1",
        "frames": {"2": [[1, 2, 3, 4, 0.5], [5, 5, 5, 9, 0.9]], "0": [[0, 0, 9, 9, 0.4]]},
    }
    (tmp_path / "shop-c0001.json").write_text(json.dumps(content))
    frames = imported(tmp_path)
    assert frames[0].scores.tolist() == [0.4]
    assert frames[2].boxes.tolist() == [[1, 2, 3, 4]]


def test_a_file_may_have_the_name_of_the_video_file(tmp_path):
    (tmp_path / "Shop, 2nd Floor.txt").write_text("451,1,10,0,5,9,0.9\n")
    named = {"video": "shop-2nd-floor", "file_name": "west/Shop, 2nd Floor.mp4"}
    assert len(imported(tmp_path, **named)[0].boxes) == 1
    # Of two files of one name in a zip, it can't be known whose it is.
    with pytest.raises(DetectorError, match=r"or shop-2nd-floor-2\.json\.$"):
        imported(tmp_path, **named | {"video": "shop-2nd-floor-2"})
    (tmp_path / "det.txt").write_text("1,1,10,0,5,9,0.9\n")
    (inner := tmp_path / "inner").mkdir()
    with pytest.raises(DetectorError, match="has no detections"):  # outside of its folder
        imported(inner, video="video", file_name="...mp4")


def test_a_clip_without_a_file_is_named_with_the_files_expected(tmp_path):
    with pytest.raises(DetectorError, match=r"shop-c0001\.txt or shop-c0001\.json.*shop\.txt"):
        imported(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("shop-c0001.txt", "one,two\n", "not a file of detections"),
        ("shop-c0001.txt", "1,-1,1,1,5\n", "not a file of detections"),
        ("shop-c0001.txt", "1,-1,1,1,5,5,37.5\n", "scores outside 0 to 1"),
        ("shop-c0001.txt", "1,-1,1,1,5,5,nan\n", "not finite"),
        ("shop-c0001.txt", "nan,-1,1,1,5,5,0.5\n", "not finite"),
        ("shop-c0001.txt", "1,-1,1,inf,5,5,0.5\n", "not finite"),
        ("shop-c0001.txt", "1.5,-1,1,1,5,5,0.5\n", "no whole numbers"),
        ("shop-c0001.json", "{", "not a file of detections"),
        ("shop-c0001.json", '{"format": "coco"}', "its format is 'coco'"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    with pytest.raises(DetectorError, match=sentence):
        imported(tmp_path)


def test_a_file_that_was_written_again_is_read_again_and_hashed_again(tmp_path):
    file = tmp_path / "shop.txt"
    file.write_text("451,-1,2,2,5,5,0.8\n")
    first = open_detector("imported", weights=str(tmp_path), threshold=0.1)
    assert len(imported(tmp_path)[0].boxes) == 1
    file.write_text("452,-1,2,2,5,5,0.8\n")
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1_000_000))
    assert len(imported(tmp_path)[1].boxes) == 1
    again = open_detector("imported", weights=str(tmp_path), threshold=0.1)
    assert again.about["sha256"] != first.about["sha256"]


def test_an_empty_file_means_no_people(tmp_path):
    (tmp_path / "shop-c0001.txt").write_text("")
    assert sum(len(frame.boxes) for frame in imported(tmp_path)) == 0


def test_the_imported_weights_must_be_a_folder(tmp_path):
    (tmp_path / "det.txt").write_text("")
    with pytest.raises(DetectorError, match="not a folder"):
        open_detector("imported", weights=str(tmp_path / "det.txt"), threshold=0.3)
