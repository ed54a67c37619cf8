import numpy as np
import pytest

from demo.management.commands.demo import TINY_PERSON
from tracking.detectors.registry import open_detector

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:You'd better set d_model:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:RFDETRNanoConfig was instantiated"),
    pytest.mark.filterwarnings("ignore:The `RFDETR\\w+` was deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The platform model downloads requires:ImportWarning"),
]


def test_training_goes_on_from_a_checkpoint_of_another_size(tmp_path, monkeypatch):
    from benchmarks.demo_detector import train

    image = np.full((160, 160, 3), 90, np.uint8)
    box = np.array([[0.2, 0.2, 0.4, 0.8]], np.float32)
    some = [train.TrainingSample(image, box, np.ones(1, np.float32))]
    monkeypatch.setattr(train, "_training_samples", lambda scenes, size: some)
    monkeypatch.setattr(train, "evaluate_checkpoint", lambda path: None)
    monkeypatch.setattr(train, "BATCH", 1)
    out = tmp_path / "new" / "person.pth"
    train.train(seconds=0.1, out=out, start=TINY_PERSON, size=160)
    detector = open_detector("rfdetr-file", weights=str(out), threshold=0.1)
    (found,) = detector.detect([np.zeros((90, 160, 3), np.uint8)])
    assert found.boxes.shape == (len(found.scores), 4)
