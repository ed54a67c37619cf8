import numpy as np
import pytest
import torch

from demo.management.commands.demo import TINY_PERSON
from tests.tracking.test_rfdetr import WARNINGS_OF_RFDETR
from tracking.detectors.registry import open_detector

pytestmark = [
    pytest.mark.slow,
    *WARNINGS_OF_RFDETR,
    pytest.mark.filterwarnings("ignore:You'd better set d_model:UserWarning"),
]


def test_training_goes_on_from_a_checkpoint_of_another_size_and_fewer_layers(
    tmp_path, monkeypatch
):
    from benchmarks.demo_detector import train

    image = np.full((160, 160, 3), 90, np.uint8)
    box = np.array([[0.2, 0.2, 0.4, 0.8]], np.float32)
    some = [train.TrainingSample(image, box, np.ones(1, np.float32))]
    monkeypatch.setattr(train, "_training_samples", lambda scenes, size: some)
    monkeypatch.setattr(train, "evaluate_checkpoint", lambda path: None)
    monkeypatch.setattr(train, "BATCH", 1)
    start, out = tmp_path / "first.pth", tmp_path / "new" / "person.pth"
    content = torch.load(TINY_PERSON, weights_only=True)
    content["model"] = {
        name: one for name, one in content["model"].items() if ".decoder.layers.1." not in name
    }
    torch.save(content, start)
    train.train(seconds=0.1, out=out, start=start, size=160)
    detector = open_detector("rfdetr-file", weights=str(out), threshold=0.1)
    (found,) = detector.detect([np.zeros((90, 160, 3), np.uint8)])
    assert found.boxes.shape == (len(found.scores), 4)
