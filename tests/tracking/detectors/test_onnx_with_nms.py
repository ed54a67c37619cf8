"""Models of constant output stand for exports with non-maximum suppression inside."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tracking.detectors.registry import open_detector

IMAGE = np.full((90, 160, 3), 200, np.uint8)


def save(path, shape, outputs, *, kind=TensorProto.FLOAT, names=None):
    """A model of a batch of one that gives `outputs`; the mean of what it gets is `mean`."""
    nodes, infos, constants = [], [], []
    for name, values in outputs.items():
        constants.append(numpy_helper.from_array(values, f"{name}_value"))
        nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
        of_kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        infos.append(helper.make_tensor_value_info(name, of_kind, values.shape))
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("image", kind, shape)], infos, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, str(path))
    return path


def people(path, *images):
    return open_detector("onnx", weights=str(path), threshold=0.3).detect(images or [IMAGE])


def f32(*values):
    return np.array([values], dtype=np.float32)


def test_bytes_with_channels_last_and_normalised_boxes(tmp_path):
    path = save(
        tmp_path / "tf.onnx", [1, None, None, 3],
        {
            "detection_boxes": f32([0.1, 0.5, 0.6, 0.75], [0, 0, 1, 1], [0, 0, 0.5, 0.5]),
            "detection_scores": f32(0.9, 0.8, 0.7),
            "detection_classes": f32(1, 3, 1),
            "num_detections": np.array([2], dtype=np.float32),
        },
        kind=TensorProto.UINT8,
    )  # fmt: skip
    (found,) = people(path)
    assert found.boxes.round(3).tolist() == [[80, 9, 120, 54]]
    assert found.scores == pytest.approx([0.9])


def test_pixels_of_the_input_are_scaled_to_the_image(tmp_path):
    path = save(
        tmp_path / "trt.onnx", [1, 3, 64, 64],
        {
            "num_dets": np.array([[1]], dtype=np.int32),
            "det_boxes": f32([8, 4, 16, 24], [0, 0, 64, 64]),
            "det_scores": f32(0.9, 0.9),
            "det_classes": np.array([[0, 0]], dtype=np.int32),
        },
    )  # fmt: skip
    (found,) = people(path)
    assert found.boxes.tolist() == [[20, 10, 40, 60]]  # 160 pixels in 64


def test_one_table_of_six_columns(tmp_path):
    table = f32([8, 4, 16, 24, 0.9, 0], [8, 4, 16, 24, 0.8, 2], [1, 1, 2, 2, 0.1, 0])
    (found,) = people(save(tmp_path / "v10.onnx", [1, 3, 64, 64], {"output0": table}))
    assert found.scores == pytest.approx([0.9])


def test_the_names_in_a_file_say_which_class_is_a_person(tmp_path):
    table = f32([8, 4, 16, 24, 0.9, 0], [8, 4, 16, 24, 0.8, 2])
    path = save(
        tmp_path / "own.onnx", [1, 3, 64, 64], {"output0": table},
        names="{0: 'car', 1: 'dog', 2: 'person'}",
    )  # fmt: skip
    (found,) = people(path)
    assert found.scores == pytest.approx([0.8])


def test_boxes_with_scores_and_labels(tmp_path):
    outputs = {
        "dets": f32([8, 4, 16, 24, 0.9], [0, 0, 9, 9, 0.8]),
        "labels": np.array([[0, 5]], dtype=np.int64),
    }
    (found,) = people(save(tmp_path / "mm.onnx", [1, 3, 64, 64], outputs))
    assert found.boxes.tolist() == [[20, 10, 40, 60]]


def test_the_image_reaches_the_model_in_its_own_form(tmp_path):
    """A model whose score is the mean of its input, of bytes, tells what it was given."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "unit"], ["score"]),
        helper.make_node("Reshape", ["score", "shape"], ["cell"]),
        helper.make_node("Concat", ["box", "cell", "class"], ["output0"], axis=2),
    ]
    constants = {
        "unit": np.array(1 / 255, np.float32), "shape": np.array([1, 1, 1], np.int64),
        "box": np.array([[[0, 0, 9, 9]]], np.float32), "class": np.zeros((1, 1, 1), np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "mean",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 90, 160, 3])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 1, 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "mean.onnx"))
    (found,) = people(tmp_path / "mean.onnx")
    assert found.scores == pytest.approx([200 / 255], abs=1e-6)


def test_images_of_several_sizes_go_through_one_by_one_where_sides_are_open(tmp_path):
    path = save(
        tmp_path / "open.onnx", [1, None, None, 3],
        {
            "detection_boxes": f32([0, 0, 0.5, 0.5]), "detection_scores": f32(0.9),
            "detection_classes": f32(1),
        },
        kind=TensorProto.UINT8,
    )  # fmt: skip
    found = people(path, IMAGE, IMAGE[:40, :60])
    assert [one.boxes[0].tolist() for one in found] == [[0, 0, 80, 45], [0, 0, 30, 20]]
