import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.make import make_dataset
from tracking.detectors.appearance_models import open_appearance
from tracking.detectors.registry import DetectorError
from tracking.services.tracking_configs import config_key_of

IMAGE = np.zeros((100, 100, 3), np.uint8)
IMAGE[:, :50] = (255, 0, 0)
BOXES = np.array([[0.0, 0, 40, 90], [55, 0, 95, 90], [5, 0, 45, 90]])


def model(path, *, batch="batch", output=2, length=3):
    """A model whose vector is the mean of each colour."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["vector"], axes=[2, 3][:output], keepdims=0)
    ]
    shape = [batch, length] if output == 2 else [batch, 3, 128]
    graph = helper.make_graph(
        nodes, "mean",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 256, 128])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, str(path))
    return path


@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_a_model_gives_one_vector_of_length_1_for_each_person(tmp_path, batch):
    features = open_appearance(str(model(tmp_path / "osnet.onnx", batch=batch)))
    found = features.describe(IMAGE, BOXES)
    assert found.shape == (3, 1, 3)
    assert np.linalg.norm(found, axis=2) == pytest.approx(1)
    assert found[0] @ found[2].T > 0.999 > found[0] @ found[1].T
    assert features.describe(IMAGE, BOXES[:0]).shape[0] == 0
    assert (features.about["weights"], len(features.about["sha256"])) == ("osnet.onnx", 64)


def test_without_anybody_the_length_of_a_vector_is_known(tmp_path):
    found = open_appearance(str(model(tmp_path / "open.onnx", length="length")))
    assert found.describe(IMAGE, BOXES[:0]).shape == (0, 1, 3)


def test_a_model_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DetectorError, match="no re-identification model"):
        open_appearance(str(model(tmp_path / "other.onnx", output=1)))
    with pytest.raises(DetectorError, match="is missing"):
        open_appearance("nowhere.onnx")


def test_the_histogram_needs_no_file_and_nothing_is_nothing():
    features = open_appearance("histogram")
    assert features.describe(IMAGE, BOXES).shape == (3, 4, 40)
    assert open_appearance("") is None


@pytest.mark.django_db
def test_looks_are_part_of_the_configuration():
    dataset = make_dataset("shop")
    keys = set()
    for dataset.appearance in ("histogram", "", "osnet.onnx"):
        keys.add(config_key_of(dataset))
    assert len(keys) == 3
