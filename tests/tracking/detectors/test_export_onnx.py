from itertools import islice

import pytest
from django.core.management import CommandError, call_command

from datasets.core.media.standard_video import read_frames
from tests.tracking.test_rfdetr import pytestmark as quiet
from tracking.core.boxes import pairwise_iou
from tracking.detectors.registry import open_detector

pytestmark = [
    *quiet,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:Warning"),
]


def test_an_exported_model_finds_the_same_people(shared, tmp_path):
    weights, out = shared / "data/weights/tiny_person.pth", tmp_path / "new" / "tiny.onnx"
    call_command("export_onnx", detector="rfdetr-file", weights=str(weights), out=out)
    video = shared / "data/videos/street_1.mp4"
    images = [rgb for _, rgb in islice(read_frames(video), 0, 90, 30)]
    theirs = open_detector("rfdetr-file", weights=str(weights), threshold=0.2).detect(images)
    ours = open_detector("onnx", weights=str(out), threshold=0.2).detect(images)
    assert sum(len(one.boxes) for one in theirs) >= 3
    for a, b in zip(ours, theirs, strict=True):
        assert len(a.boxes) == len(b.boxes)
        assert sorted(a.scores) == pytest.approx(sorted(b.scores), abs=1e-4)
        assert (pairwise_iou(a.boxes, b.boxes).max(axis=1) > 0.995).all()


def test_an_export_without_its_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="needs --weights"):
        call_command("export_onnx", detector="rfdetr-file", out=tmp_path / "a.onnx")
    with pytest.raises(CommandError, match="There is no file"):
        call_command(
            "export_onnx", detector="rfdetr-file", weights="/nowhere.pth",
            out=tmp_path / "a.onnx",
        )  # fmt: skip
    (tmp_path / "b.pth").write_bytes(b"nothing")
    with pytest.raises(CommandError, match="cannot be loaded"):
        call_command(
            "export_onnx", detector="rfdetr-file", weights=str(tmp_path / "b.pth"),
            out=tmp_path / "a.onnx",
        )  # fmt: skip
