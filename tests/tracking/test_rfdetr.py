"""RF-DETR itself, with a tiny model of random weights: it sees nonsense by the real code."""

import numpy as np
import pytest

from tracking.detectors.registry import DetectorError, open_detector

WARNINGS_OF_RFDETR = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:RFDETRNanoConfig was instantiated"),
    pytest.mark.filterwarnings("ignore:The `RFDETR\\w+` was deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The platform model downloads requires:ImportWarning"),
]
pytestmark = [pytest.mark.slow, *WARNINGS_OF_RFDETR]

TINY = {
    "resolution": 64, "num_classes": 1, "num_queries": 10, "num_select": 10, "group_detr": 1,
    "hidden_dim": 64, "dec_layers": 1, "sa_nheads": 4, "ca_nheads": 4, "dec_n_points": 1,
    "out_feature_indexes": [1], "num_windows": 1,
}  # fmt: skip
LAYERS_RUN = 2
IMAGES = [
    np.random.default_rng(seed).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    for seed in range(5)
]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint of random weights, 9 MB; layers that never run are stored as nothing."""
    torch = pytest.importorskip("torch")
    from rfdetr import RFDETRNano

    def stored(name, values):
        layer = name.partition("encoder.layer.")[2].partition(".")[0]
        if layer and int(layer) >= LAYERS_RUN:
            return torch.zeros((), dtype=torch.float16).expand(values.shape)
        return values.half().clone() if values.is_floating_point() else values.clone()

    torch.manual_seed(0)
    model = RFDETRNano(pretrain_weights=None, device="cpu", **TINY)
    weights = model.model.model.state_dict()
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(
        {
            "model": {name: stored(name, values) for name, values in weights.items()},
            "model_name": "RFDETRNano",
            "args": {"class_names": ["person"], "num_classes": 1},
            "model_config": model.model_config.model_dump(mode="json"),
        },
        path,
    )
    return path


def test_a_checkpoint_of_ones_own_is_opened_and_sees_persons(checkpoint):
    detector = open_detector("rfdetr-file", weights=str(checkpoint), threshold=0.001)
    found = detector.detect(IMAGES)
    assert len(found) == 5
    assert sum(len(one.boxes) for one in found) > 0
    for one in found:
        assert one.boxes.dtype == np.float64
        assert one.boxes.shape == (len(one.scores), 4)
        assert ((one.boxes >= 0) & (one.boxes <= [160, 90, 160, 90])).all()
    assert detector.about["weights"] == "tiny.pth"
    assert detector.about["device"] == "cpu"
    assert len(detector.about["sha256"]) == 64


def test_batches_do_not_change_what_is_found(checkpoint, settings):
    settings.DETECTOR_BATCH = 2
    twos = open_detector("rfdetr-file", weights=str(checkpoint), threshold=0.001)
    settings.DETECTOR_BATCH = 5
    fives = open_detector("rfdetr-file", weights=str(checkpoint), threshold=0.001)
    for a, b in zip(twos.detect(IMAGES), fives.detect(IMAGES), strict=True):
        assert np.sort(a.scores) == pytest.approx(np.sort(b.scores), abs=1e-4)


class ModelOfSmallMemory:
    """Stands for a model whose device holds images of at most `capacity` at once."""

    class_names = ("person",)

    def __init__(self, capacity):
        self.capacity, self.batches = capacity, []

    def inference(self, **options):
        self.prepared = options

    def predict(self, images, **options):
        import supervision
        import torch

        if len(images) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(images))
        boxes = np.array([[float(len(self.batches)), 0, 9, 9]])
        one = supervision.Detections(
            xyxy=boxes, confidence=np.array([0.5]), data={"class_name": np.array(["person"])}
        )
        return [one for _ in images]


def of_small_memory(capacity, *, device="cuda"):
    from tracking.detectors.rfdetr import RfdetrDetector

    model = ModelOfSmallMemory(capacity)
    about = {"name": "rfdetr-medium", "device": device}
    return model, RfdetrDetector(model, threshold=0.1, batch_size=8, about=about)


def test_a_batch_that_is_too_large_is_halved_for_good():
    model, detector = of_small_memory(3, device="cpu")
    assert len(detector.detect([IMAGES[0]] * 5)) == 5
    assert model.batches == [2, 2, 1]
    assert detector.batch_size == 2


def test_on_cuda_every_batch_is_full_and_of_full_precision():
    model, detector = of_small_memory(4)
    assert len(detector.detect([IMAGES[0]] * 5)) == 5
    assert model.batches == [4, 4]
    assert str(model.prepared["dtype"]) == "torch.float32"
    assert (model.prepared["batch_size"], model.prepared["compile"]) == (4, True)


def test_a_memory_too_small_for_one_image_is_reported():
    _, detector = of_small_memory(0)
    with pytest.raises(DetectorError, match=r"does not hold one image.*smaller detector"):
        detector.detect(IMAGES)


def test_only_what_is_asked_for_is_kept_whatever_its_number():
    import supervision

    from tracking.detectors.rfdetr import _people

    seen = supervision.Detections(
        xyxy=np.array([[0.0, 0, 9, 9], [1, 1, 5, 5]]),
        confidence=np.array([0.9, 0.8]),
        data={"class_name": np.array(["bicycle", "person"], dtype=object)},
    )
    assert _people(seen, {"person": 0}).boxes.tolist() == [[1, 1, 5, 5]]
    assert _people(seen, {"person": 0, "bicycle": 1}).classes.tolist() == [1, 0]
    assert _people(supervision.Detections.empty(), {"person": 0}).boxes.shape == (0, 4)


def sentence_of(name, **weights):
    with pytest.raises(DetectorError) as caught:
        open_detector(name, **({"weights": "", "threshold": 0.1} | weights))
    return str(caught.value)


def test_vendor_weights_that_cannot_be_fetched_are_named_with_their_place(
    settings, tmp_path, monkeypatch
):
    import requests

    def offline(*args, **options):
        raise requests.exceptions.ConnectionError("no route to storage.googleapis.com")

    settings.WEIGHTS_DIR = tmp_path
    monkeypatch.setattr(requests, "get", offline)
    sentence = sentence_of("rfdetr-medium")
    assert sentence.startswith("No network: https://storage.googleapis.com/rfdetr/")
    assert f"name it rf-detr-medium.pth and put it into {tmp_path}" in sentence
    assert "AVA_WEIGHTS_DIR" in sentence
    assert "no route" in sentence


def test_a_missing_checkpoint_is_named(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    assert str(tmp_path / "own.pth") in sentence_of("rfdetr-file", weights="own.pth")


@pytest.mark.parametrize("content", [b"", b"abc", b"not a checkpoint at all"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "own.pth"
    path.write_bytes(content)
    sentence = sentence_of("rfdetr-file", weights=str(path))
    assert str(path) in sentence
    assert "AVA_WEIGHTS_DIR" in sentence


def test_a_checkpoint_of_another_model_is_named(checkpoint):
    sentence = sentence_of("rfdetr-nano", weights=str(checkpoint))
    assert "size mismatch" in sentence
    assert str(checkpoint) in sentence


def test_a_missing_device_is_reported(checkpoint, settings):
    settings.DEVICE = "cuda"
    assert "AVA_DEVICE is cuda" in sentence_of("rfdetr-file", weights=str(checkpoint))


def test_a_trained_checkpoint_finds_the_people_of_its_street(shared):
    from datasets.core.media.standard_video import read_frames

    weights = str(shared / "data/weights/tiny_person.pth")
    ((_, rgb),) = read_frames(shared / "data/videos/street_2.mp4", count=1)
    (found,) = open_detector("rfdetr-file", weights=weights, threshold=0.2).detect([rgb])
    assert len(found.boxes) >= 1
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
