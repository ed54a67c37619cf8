"""`examples/train/`: what its clips show, that it trains, and that its mAP is ours."""

import importlib
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks.training._faults import FAULTS, with_fault
from datasets.core.formats import ava
from qc.core.release.evaluation import evaluate
from qc.core.release.reader import ReleaseReader
from tests.core.qc.release.tiny_release import LEFT, RIGHT, write_release

EXAMPLE = Path(__file__).resolve().parents[4] / "examples/train"
SMALL = ["--width", "8", "--size", "32", "--frames", "4", "--epochs", "1", "--batch", "2"]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "1")


@pytest.fixture
def example(monkeypatch):
    """The module `dataset` of the example, which is no package."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    names = ("dataset", "model", "train")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


def run(*arguments):
    command = [sys.executable, str(EXAMPLE / "train.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "more"), [("frame", []), ("person", ["--backbone", "flat", "--keep", "--bf16"])]
)
def test_it_trains_and_its_map_is_that_of_the_product(release, tmp_path, view, more):
    run(release, "--out", tmp_path, "--view", view, *SMALL, *more)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    with (tmp_path / "results.csv").open() as lines:
        ours = evaluate(ReleaseReader(release), lines, split="val")
    assert metrics["mAP"] == pytest.approx(ours.mean_ap, abs=1e-9)
    assert (tmp_path / "model.pt").exists()


def test_labels_and_proposals_are_read_by_keyframe(release, example):
    files = example("dataset").Release(release)
    first, second = files.keyframes("train")
    assert (first.key, second.key) == (("shop-c0000", 902), ("shop-c0000", 903))
    assert first.labels.tolist() == [[1.0, 0.0, 1.0]]
    assert first.boxes[0].tolist() == pytest.approx([float(side) for side in LEFT.split(",")])
    proposed = {one.key: one for one in files.keyframes("train_predicted_boxes", 0.5)}
    assert proposed["shop-c0000", 902].scores.tolist() == pytest.approx([0.9])
    empty = {one.key: len(one.boxes) for one in files.keyframes("train_activitynet")}
    assert empty["shop-c0001", 902] == 0


@pytest.mark.parametrize("kind", ["frame", "person"])
def test_boxes_stay_on_what_they_show_when_clips_are_changed(release, example, kind):
    """A bright square is in the frames of the release: at 902 from x 12 to 28, y 8 to 24."""
    dataset = example("dataset")
    box = torch.tensor([[12 / 64, 8 / 36, 28 / 64, 24 / 36]])
    bright = dataset.Keyframe(("shop-c0000", 902), box, torch.zeros(1, 3), torch.ones(1))
    view = Namespace(view=kind, size=72, frames=3, step=1)
    files = dataset.Release(release)
    for seed in range(8):
        torch.manual_seed(seed)
        _, kept, boxes = dataset.KeyframeClips(files, [bright], view)[0]
        clips, [inside] = dataset.shown(kept, boxes, True)
        x1, y1, x2, y2 = inside[0].round().int().tolist()
        frame = clips[0, 0, 1]  # the keyframe itself
        square = frame[max(y1, 0) : y2, max(x1, 0) : x2]
        dark = frame.clone()
        dark[max(y1 - 4, 0) : y2 + 4, max(x1 - 4, 0) : x2 + 4] = frame.min()
        assert square.mean() > dark.max(), seed


def test_clips_are_the_same_without_chance_and_others_with_it(release, example):
    """Batches hold people of several keyframes, and each is changed by itself."""
    dataset = example("dataset")
    files = dataset.Release(release)
    view = Namespace(view="person", size=16, frames=2, step=1)
    its = dataset.KeyframeClips(files, files.keyframes("train"), view)
    _, kept, boxes = dataset.collate([*its])
    clips, same = dataset.shown(kept, boxes, False)
    assert clips.shape == (2, 3, 2, 16, 16)
    pixels = (clips * dataset.STD + dataset.MEAN).transpose(1, 2) * 255
    assert torch.allclose(pixels, kept.float(), atol=0.01)
    assert torch.allclose(torch.cat(same), torch.cat(boxes), atol=1e-4)
    changed, moved = dataset.shown(kept, boxes, True)
    assert not torch.allclose(changed, clips, atol=0.1)
    assert not torch.allclose(moved[0] - same[0], moved[1] - same[1], atol=0.01)


@pytest.mark.parametrize("backbone", ["r3d_18", "mc3_18", "r2plus1d_18", "flat"])
def test_every_narrow_backbone_has_the_same_grid(example, backbone):
    options = Namespace(backbone=backbone, width=4, frames=5, pretrained=False)
    model = example("model").build(3, options)
    features = model.backbone(torch.zeros(1, 3, 5, 32, 32))
    assert features.shape[:2] == (1, 16)
    assert features.shape[-2:] == (4, 4)
    assert (features.shape[2] == 1) == (backbone == "flat")


def test_average_precision_is_that_of_the_evaluator(example):
    train, dataset = example("train"), example("dataset")
    boxes = torch.tensor([[0.1, 0.2, 0.3, 0.9], [0.6, 0.2, 0.8, 0.9]])

    def keyframe(at, labels):
        return dataset.Keyframe(("a", at), boxes, torch.tensor(labels), torch.ones(2))

    truth = [keyframe(902, [[1.0], [1.0]]), keyframe(903, [[0.0], [1.0]])]
    found = [keyframe(902, [[0.9], [0.2]]), keyframe(903, [[0.5], [0.4]]),
             keyframe(999, [[1.0], [1.0]])]  # fmt: skip
    # right, wrong, right, right: precisions 1, 2/3 and 3/4; the envelope raises 2/3 to 3/4
    assert train.frame_map(truth, found) == {0: pytest.approx((1 + 3 / 4 + 3 / 4) / 3)}
    assert train.frame_map([keyframe(902, [[0.0], [0.0]])], found) == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["VideoMAE", "VJEPA2"])
def test_a_video_transformer_can_be_the_backbone(release, tmp_path, kind):
    """With random weights in the smallest size, saved and loaded as published ones are."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {
        "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "tubelet_size": 2,
        "patch_size": 8,
    }  # fmt: skip
    if kind == "VideoMAE":
        config = transformers.VideoMAEConfig(
            image_size=32, num_frames=4, intermediate_size=24, **sizes
        )
    else:
        config = transformers.VJEPA2Config(
            crop_size=32, frames_per_clip=4, pred_hidden_size=24, pred_num_hidden_layers=1,
            pred_num_attention_heads=2, **sizes,
        )  # fmt: skip
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path / "weights")
    run(
        release, "--out", tmp_path, "--backbone", f"hf:{tmp_path / 'weights'}",
        "--view", "person", *SMALL,
    )  # fmt: skip
    assert (tmp_path / "metrics.json").exists()


def test_a_release_without_frames_says_what_to_do(release, tmp_path, example):
    (tmp_path / "manifest.json").write_bytes((release / "manifest.json").read_bytes())
    with pytest.raises(SystemExit, match="has no frames"):
        example("dataset").Release(tmp_path)


def test_faults_are_only_in_the_labels_of_train(release, tmp_path):
    before = ava.load_labels((release / "annotations/ava_train.csv").read_bytes())
    after = {
        fault: ava.load_labels(
            (
                with_fault(release, tmp_path / fault, fault) / "annotations/ava_train.csv"
            ).read_bytes()
        )
        for fault in FAULTS
    }
    assert [row.box for row in after["mirrored"]] == ["0.7000,0.2000,0.9000,0.9000"] * 3
    assert [row.box for row in after["swapped"]] == ["0.2000,0.1000,0.9000,0.3000"] * 3
    assert [row.timestamp for row in after["late"]] == [903, 903, 904]
    actions = [sorted(row.action_id for row in rows) for rows in (before, after["shuffled"])]
    assert actions[0] == actions[1]
    for fault in FAULTS:
        for name in ("ava_val.csv", "ava_val_predicted_boxes.csv"):
            changed = (tmp_path / fault / "annotations" / name).read_bytes()
            assert changed == (release / "annotations" / name).read_bytes()
    assert RIGHT in (tmp_path / "late/annotations/ava_val.csv").read_text()
