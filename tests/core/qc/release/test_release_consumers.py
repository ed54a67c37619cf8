"""A tiny release as its consumers read it: SlowFast, MMAction2, the evaluator."""

import pickle
from collections import defaultdict

import pytest
import yaml

from qc.core.release.docs.training_configs import (
    ConfigValues,
    mmaction2_data,
    mmaction2_slowfast,
)
from qc.core.release.oracle_ap import PrecisionRecallCurve
from qc.core.release.packing import release_entries
from qc.core.release.records import ReleasedPerson, ReleasedProposal
from qc.core.release.writer import EvaluationSettings
from tests.core.qc.release.tiny_release import LEFT, RIGHT, write_release


def slowfast_boxes(folder, files, threshold):
    """SlowFast's parse_bboxes_file, as far as it decides which videos there are."""
    boxes = defaultdict(lambda: defaultdict(dict))
    for name, is_truth in files:
        for line in (folder / "annotations" / name).read_text().splitlines():
            row = line.strip().split(",")
            if not is_truth and float(row[7]) < threshold:
                continue
            label = -1 if row[6] == "" else int(row[6])
            assert label == -1 or 1 <= label <= 80
            boxes[row[0]][int(row[1])].setdefault(",".join(row[2:6]), []).append(label)
    return boxes


@pytest.mark.parametrize("with_proposals", [True, False])
def test_slowfast_finds_the_videos_of_its_boxes_in_its_frame_lists(whole, with_proposals):
    settings = yaml.safe_load((whole / "configs/slowfast_ava.yaml").read_text())["AVA"]
    threshold = settings["DETECTION_SCORE_THRESH"]
    train = [(name, True) for name in settings["TRAIN_GT_BOX_LISTS"]]
    if with_proposals:
        train.append(("ava_train_predicted_boxes.csv", False))
    test = [(name, False) for name in settings["TEST_PREDICT_BOX_LISTS"]]
    for lists, files in ((settings["TRAIN_LISTS"], train), (settings["TEST_LISTS"], test)):
        lines = (whole / "frame_lists" / lists[0]).read_text().splitlines()[1:]
        listed = defaultdict(list)
        for line in lines:
            row = line.split()
            assert len(row) == 5
            listed[row[0]].append(whole / settings["FRAME_DIR"] / row[3])
        boxes = slowfast_boxes(whole, files, threshold)
        assert boxes.keys() == listed.keys()
        for video, seconds in boxes.items():
            for second in seconds:
                centre = listed[video][(second - 900) * 30]
                assert centre.name == f"img_{30 * (second - 900) + 1:05d}.jpg"
                assert centre.is_file()
    assert settings["FULL_TEST_ON_VAL"] is True


def test_mmaction2_finds_proposals_by_the_keys_of_its_rows(whole):
    with (whole / "annotations/dense_proposals_train.pkl").open("rb") as file:
        proposals = pickle.load(file)
    for line in (whole / "annotations/ava_train.csv").read_text().splitlines():
        row = line.split(",")
        boxes = proposals[f"{row[0]},{int(row[1]):04d}"]
        assert boxes.shape[1] == 5
        assert boxes.max() <= 1
        assert list(map(float, row[2:6])) in boxes[:, :4].tolist()


@pytest.mark.parametrize("text", [mmaction2_data, mmaction2_slowfast])
def test_the_configuration_of_mmaction2_knows_the_classes_in_four_places(text, whole):
    source = text(
        ConfigValues("t", 3, EvaluationSettings(0.4, has_labels=True, has_boxes=True))
    )
    settings = {}
    exec(source.replace("{{ fileDirname }}", str(whole / "configs")), settings)  # noqa: S102
    places = [
        settings["train_dataloader"]["dataset"],
        settings["val_dataloader"]["dataset"],
        settings["val_evaluator"],
        settings["model"]["roi_head"]["bbox_head"],
    ]
    assert [place["num_classes"] for place in places] == [4] * 4
    assert places[0]["person_det_score_thr"] == places[1]["person_det_score_thr"] == 0.4
    assert settings["model"]["roi_head"]["bbox_head"]["topk"] == (1,)
    for place in places[:3]:
        for key, path in place.items():
            if key.endswith("_file"):
                assert (whole / path).exists()


@pytest.mark.parametrize(("top", "topk"), [(1, (1,)), (4, (1,)), (5, (3, 5)), (80, (3, 5))])
def test_topk_is_below_the_number_of_classes(top, topk):
    assert (
        ConfigValues("t", top, EvaluationSettings(0.5, has_labels=True, has_boxes=True)).topk
        == topk
    )


def test_the_official_names_are_rows_of_ava(whole):
    rows = (whole / "annotations/ava_train.csv").read_text()
    assert rows == (
        f"shop-c0000,0902,{LEFT},1,1\nshop-c0000,0902,{LEFT},3,1\nshop-c0000,0903,{LEFT},2,1\n"
    )
    unlabelled = (whole / "annotations/unlabelled_boxes.csv").read_text()
    assert unlabelled == f"shop-c0000,0902,{RIGHT},,2\n"
    assert (whole / "annotations/ava_included_timestamps.txt").read_text() == "0902\n0903\n"
    first, *rest = (whole / "AVA_dataset.csv").read_text().splitlines()
    assert first == "video_id,timestamp,x1,y1,x2,y2,action_id,person_id,split"
    assert [row.rpartition(",")[2] for row in rest] == ["train", "train", "train", "val"]


def test_a_clip_without_labels_trains_nothing(whole):
    assert "shop-c0001" not in (whole / "annotations/ava_train_predicted_boxes.csv").read_text()
    assert "shop-c0001,0902\n" in (whole / "annotations/ava_train_activitynet.csv").read_text()


def test_the_threshold_has_the_best_f1():
    curve = PrecisionRecallCurve()
    truth = [ReleasedPerson(902, 1, LEFT, ()), ReleasedPerson(902, 2, RIGHT, ())]
    wrong = "0.4000,0.0000,0.5000,0.1000"
    curve.add(
        [ReleasedProposal(LEFT, 0.9), ReleasedProposal(LEFT, 0.8), ReleasedProposal(RIGHT, 0.6),
         ReleasedProposal(wrong, 0.5), ReleasedProposal(wrong, 0.4)],
        truth, split="train",
    )  # fmt: skip
    curve.add([ReleasedProposal(wrong, 0.99)], [], split="val")
    # F1 from 0.9 on: 2/3, 2/4, 4/5, 4/6, 4/7
    assert curve.best_threshold() == 0.6
    assert PrecisionRecallCurve().best_threshold() == 0.0


def test_the_same_release_gives_the_same_bytes(whole, tmp_path):
    again = write_release(tmp_path / "again")
    assert list(release_entries(again)) == list(release_entries(whole))
    for path in release_entries(whole):
        assert (again / path).read_bytes() == (whole / path).read_bytes(), path
