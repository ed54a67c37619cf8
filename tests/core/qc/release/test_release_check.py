"""A tiny release, whole and then broken in one place at a time."""

import json
import pickle
import shutil

import numpy as np
import pytest

from qc.core.release.checks.run_checks import check_release
from qc.core.release.formats import FORMATS
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.core.release.records import ReleasedProposal
from qc.core.release.writer import add_official_names
from tests.core.qc.release.breaking import edit, failures, with_sums
from tests.core.qc.release.tiny_release import (
    CLIPS,
    LEFT,
    RIGHT,
    a_clip,
    a_person,
    write_release,
)


def test_a_whole_release_passes_every_check(whole):
    checks = check_release(whole)
    assert [check["sentence"] for check in checks if not check["passed"]] == []
    assert len(checks) == 42
    assert all(check["sentence"].endswith(".") for check in checks)


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "sentence"),
    [
        pytest.param(
            "ava_train.csv", b"0.3000,0.9000,1,1", b"1.3000,0.9000,1,1",
            "coordinates", "row 1 (shop-c0000 at 902) has the box 0.1000,0.2000,1.3000,0.9000",
            id="outside the frame",
        ),
        pytest.param(
            "ava_train.csv", b"0.1000,0.2000,0.3000", b"64,20,300",
            "rows", "annotations/ava_train.csv: row 1 is not a label row", id="pixels",
        ),
        pytest.param(
            "ava_val.csv", b",2,10000", b",4,10000",
            "actions", "ava_val.csv row 1 has the action 4", id="unknown action",
        ),
        pytest.param(
            "ava_val.csv", b",2,10000", b",2,0",
            "rows", "annotations/ava_val.csv: row 1 is not a label row", id="person 0",
        ),
        pytest.param(
            "ava_train.csv", b"0.3000,0.9000,3,1", b"0.3500,0.9000,3,1",
            "persons", "ava_train.csv row 2 (shop-c0000 at 902) gives person 1 a second box",
            id="two boxes of one person",
        ),
        pytest.param(
            "ava_train.csv", b"0.9000,3,1", b"0.9000,3,5",
            "persons", "ava_train.csv row 2 (shop-c0000 at 902) gives one box to two persons",
            id="one box of two persons",
        ),
        pytest.param(
            "ava_train.csv", b",0903,", b",0904,",
            "keyframes", "row 3 (shop-c0000 at 904) is not at an annotated keyframe",
            id="no keyframe",
        ),
        pytest.param(
            "ava_train.csv", b"shop-c0000,0903", b"yard-c0000,0903",
            "keyframes", "ava_train.csv row 3 (yard-c0000 at 903) is in the wrong split",
            id="wrong split",
        ),
        pytest.param(
            "ava_val_predicted_boxes.csv", b",0.8000", b",0.7000",
            "proposals", "street-c0000,0902 has other boxes in the pkl of val than in the csv",
            id="other score",
        ),
        pytest.param(
            "ava_val.csv", b"street-c0000,0902", b"street-c0000,0903",
            "excluded timestamps", "ava_val.csv row 1 has street-c0000,903, an excluded",
            id="excluded keyframe with a label",
        ),
        pytest.param(
            "ava_val_excluded_timestamps.csv", b"street-c0000,0903\n", b"",
            "excluded timestamps", "street-c0000,903 is excluded in the manifest or in the csv",
            id="not excluded",
        ),
        pytest.param(
            "ava_val_activitynet.csv", b"yard-c0000,0902\n", b"",
            "empty keyframes", "is wrong about yard-c0000,902 being empty", id="empty keyframe",
        ),
        pytest.param(
            "ava_action_list.pbtxt", b"label_id: 3", b"label_id: 2",
            "actions", "the ids of ava_action_list.pbtxt are [1, 2, 2]", id="an id twice",
        ),
        pytest.param(
            "ava_train_boxes_and_labels_include_negative.csv", b",3,0.9000", b",2,0.9000",
            "negatives", "include_negative.csv is wrong about the box 0.1000,0.2000,",
            id="negatives with another action",
        ),
        pytest.param(
            "ava_train.csv", b"shop-c0000,0902,0.1000,0.2000,0.3000,0.9000,3,1",
            b"shop-c0000,0902,0.1000,0.2000,0.3000,0.9000,1,1",
            "evaluation", "action 1 of train gets only 0.5000 against itself", id="said twice",
        ),
        pytest.param(
            "../frame_lists/val_all.csv",
            b'street-c0000 0 7 street-c0000/img_00008.jpg ""\n', b"",
            "frame lists", "val_all.csv: row 9 is not frame 7 of video 0",
            id="frame left out of all",
        ),
        pytest.param(
            "../AVA_dataset.csv", b",2,1,train", b",3,1,train",
            "all splits together", "AVA_dataset.csv has other rows", id="all splits",
        ),
        pytest.param(
            "../frame_lists/val.csv", b'street-c0000 0 7 street-c0000/img_00008.jpg ""\n', b"",
            "frame lists", "val.csv: row 9 is not frame 7 of video 0", id="frame left out",
        ),
        pytest.param(
            "../configs/slowfast_ava.yaml", b"NUM_CLASSES: 3", b"NUM_CLASSES: 80",
            "training configurations", "has NUM_CLASSES: 80, not 3", id="number of classes",
        ),
        pytest.param(
            "../README.md", b"card", b"CARD",
            "checksums", "README.md is not the file of the manifest", id="changed file",
        ),
    ],
)  # fmt: skip
def test_a_broken_row_is_named(broken, file, old, new, check, sentence):
    edit(broken / "annotations" / file, old, new)
    assert sentence in failures(broken)[check]


def test_files_under_ava_s_own_names_are_checked(broken):
    edit(broken / "manifest.json", b'"first_frame"', b'"official_names": true, "first_frame"')
    assert "annotations/ava_train_v2.2.csv is missing" in failures(broken)["official names"]
    add_official_names(broken)
    assert "official names" not in failures(broken)
    edit(broken / "annotations/ava_val_v2.2.csv", b",2,10000", b",1,10000")
    assert failures(broken)["official names"] == (
        "annotations/ava_val_v2.2.csv is not ava_val.csv."
    )


def test_the_measure_of_many_persons_is_not_spoiled_by_rounding(tmp_path):
    """24 steps of 1 / 24 make a little less than 1."""
    boxes = [f"0.{n:04d},0.2000,0.{n + 90:04d},0.9000" for n in range(100, 9700, 400)]
    persons = [a_person(902, n, box, (1,)) for n, box in enumerate(boxes, start=1)]
    crowd = a_clip("shop-c0000", "train", source="shop", persons=persons, proposals={})
    write_release(tmp_path, [crowd, *CLIPS[2:]])
    assert failures(tmp_path) == {}


def test_boxes_with_negatives_say_what_those_persons_do(whole):
    rows = (whole / "annotations/ava_train_boxes_and_labels_include_negative.csv").read_text()
    assert rows.splitlines() == [
        f"shop-c0000,0902,{LEFT},1,0.9000",
        f"shop-c0000,0902,{LEFT},3,0.9000",
        f"shop-c0000,0902,{RIGHT},,0.4000",
        f"shop-c0000,0903,{LEFT},2,0.7000",
    ]


def test_a_clip_whose_boxes_are_all_weak_is_in_the_list_of_all(tmp_path):
    weak = a_clip(
        "lane-c0000", "val", source="lane", persons=[a_person(902, 1, LEFT, (1,))],
        proposals={902: [ReleasedProposal(RIGHT, 0.1)]},
    )  # fmt: skip
    write_release(tmp_path, [weak, *CLIPS])
    lists = tmp_path / "frame_lists"
    assert "lane-c0000" not in (lists / "val.csv").read_text()
    assert "lane-c0000" in (lists / "val_all.csv").read_text()
    assert failures(tmp_path) == {}


def test_a_source_video_in_two_splits_is_named(broken):
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["videos"][3]["source_video"] = "shop"
    (broken / "manifest.json").write_text(json.dumps(manifest))
    assert failures(broken)["splits"] == "the source video shop is in train and val."


def test_a_keyframe_without_frames_around_it_is_named(broken):
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["keyframes"].append(
        {"video_id": "shop-c0000", "timestamp": 904, "status": "annotated"}
    )
    (broken / "manifest.json").write_text(json.dumps(manifest))
    assert "keyframe 904 of shop-c0000 has too few frames" in failures(broken)["keyframes"]


def test_a_pickle_with_a_wrong_key_or_shape_is_named(broken):
    path = broken / "annotations/dense_proposals_val.pkl"
    path.write_bytes(pickle.dumps({"street-c0000,902": np.zeros((1, 5))}))
    assert "'street-c0000,902' is not `video_id,timestamp`" in failures(broken)["proposals"]
    path.write_bytes(pickle.dumps({"street-c0000,0902": np.zeros((1, 4))}))
    assert "boxes of shape (1, 4)" in failures(broken)["proposals"]


def test_many_faults_are_counted_and_the_first_three_named(broken):
    path = broken / "annotations/ava_train.csv"
    path.write_bytes(path.read_bytes() + path.read_bytes() + path.read_bytes())
    assert failures(broken)["persons"].endswith("; and 3 more.")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "ava-studio-release/1"}'])
def test_a_bad_manifest_fails_the_checks_and_nothing_else(broken, content):
    (broken / "manifest.json").write_text(content)
    assert "manifest.json" in failures(broken)["frames"]


def test_an_empty_folder_fails_with_sentences(tmp_path):
    checks = check_release(tmp_path)
    assert not any(check["passed"] for check in checks)
    assert all("cannot be read" in check["sentence"] for check in checks)


def swap(path, first, second):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[first], lines[second] = lines[second], lines[first]
    path.write_bytes(b"".join(lines))


def test_rows_out_of_order_are_named(broken):
    annotations = broken / "annotations"
    for name in ("ava_train.csv", "ava_train_activitynet.csv"):
        swap(annotations / name, 0, 1)
    swap(broken / "AVA_dataset.csv", 1, 2)
    with_sums(broken)
    failed = failures(broken)
    assert "annotations/ava_train.csv row 2 is not in its place" in failed.pop("order")
    assert set(failed) == {"all splits together", "provenance"}


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "sentence"),
    [
        pytest.param(
            "annotations/label_map.txt", b"2: walk", b"2: run",
            "actions", "label_map.txt has other actions", id="label map",
        ),
        pytest.param(
            "annotations/label_map.txt", b"\n", b"\r\n", "actions", "label_map", id="CRLF",
        ),
        pytest.param(
            "annotations/ava_action_list.pbtxt", b"\n  name", b"\n    name",
            "actions", "row 1 does not start an action", id="indent",
        ),
        pytest.param(
            "annotations/ava_action_list.pbtxt", b"PERSON_MOVEMENT", b"MOVING",
            "actions", "the action stand has the type 'MOVING'", id="type",
        ),
        pytest.param(
            "annotations/ava_included_timestamps.txt", b"0903\n", b"",
            "included timestamps", "other timestamps than the annotated", id="included",
        ),
        pytest.param(
            "annotations/unlabelled_boxes.csv", b",,2", b",,1",
            "persons", "says that a person does nothing who acts", id="nobody and somebody",
        ),
        pytest.param(
            "manifest.json", b'"fps": 30', b'"fps": 25', "manifest", "says fps 25", id="clock",
        ),
        pytest.param(
            "manifest.json", b'"name": "walk"', b'"name": "run"',
            "actions", "manifest.json has other actions", id="actions of the manifest",
        ),
        pytest.param(
            "manifest.json", b'"score_threshold": 0.4', b'"score_threshold": 0.5',
            "oracle mAP", "the best threshold of scores is 0.4, the manifest says 0.5",
            id="threshold",
        ),
        pytest.param(
            "manifest.json", b'"val": 1.0', b'"val": 0.9',
            "oracle mAP", "allow a mAP of 1.0, the manifest says 0.9", id="oracle mAP",
        ),
        pytest.param(
            "manifest.json", b'"n_frames": 150', b'"n_frames": "150"',
            "clips", "gives shop-c0000 ('150', 64, 36)", id="length as text",
        ),
        pytest.param(
            "configs/mmaction2_ava.py", b"'/ava_train.csv'", b"'/train.csv'",
            "training configurations", "/../annotations/train.csv' in train_dataloader",
            id="a file that is not there",
        ),
        pytest.param(
            "configs/mmaction2_slowfast_r50.py", b"timestamp_start=900", b"timestamp_start=0",
            "training configurations", "has timestamp_start=0 in train_dataloader",
            id="another clock",
        ),
        pytest.param(
            "configs/mmaction2_ava.py", b"num_classes = 4", b"num_classes = __import__('os')",
            "training configurations", "cannot be understood: line", id="code",
        ),
        pytest.param(
            "configs/slowfast_ava.yaml", b"FULL_TEST_ON_VAL: True", b"FULL_TEST_ON_VAL: False",
            "training configurations", "only every fourth second", id="a quarter measured",
        ),
        pytest.param(
            "configs/slowfast_ava.yaml", b"GROUNDTRUTH_FILE: ava_val", b"GROUNDTRUTH_FILE: x",
            "training configurations", "has GROUNDTRUTH_FILE: x.csv", id="another truth",
        ),
        pytest.param(
            "settings.json", b"{", b"", "documents", "settings.json cannot be read",
            id="settings",
        ),
        pytest.param(
            "provenance.parquet", b"PAR1", b"", "provenance", "cannot be read", id="provenance",
        ),
    ],
)  # fmt: skip
def test_what_no_sum_would_tell_is_named(broken, file, old, new, check, sentence):
    edit(broken / file, old, new)
    with_sums(broken)
    assert sentence in failures(broken)[check]


@pytest.mark.parametrize("change", ["numpy", "protocol", "float32"])
def test_proposals_that_old_numpy_cannot_read_are_named(broken, change):
    path = broken / "annotations/dense_proposals_val.pkl"
    proposals = pickle.loads(path.read_bytes())
    if change == "float32":
        proposals = {key: boxes.astype(np.float32) for key, boxes in proposals.items()}
    content = pickle.dumps(proposals, protocol=4 if change == "protocol" else 3)
    if change == "float32":
        content = content.replace(b"numpy._core", b"numpy.core")
    path.write_bytes(content)
    failed = failures(broken)["proposals"]
    assert ("float32" if change == "float32" else "numpy before 1.26") in failed


ALL_FORMATS = sorted(FORMATS)


@pytest.fixture(scope="session")
def with_formats(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("formats") / "1", formats=ALL_FORMATS)


def test_a_release_in_all_formats_passes_every_check(with_formats):
    assert failures(with_formats) == {}


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_a_format_that_says_something_else_is_named(with_formats, tmp_path, name):
    broken = shutil.copytree(with_formats, tmp_path / "1")
    largest = max((broken / "formats" / name).rglob("*.*"), key=lambda p: p.stat().st_size)
    content = largest.read_bytes()
    largest.write_bytes(content[: len(content) // 3])
    with_sums(broken)
    assert f"formats/{name}" in failures(broken)["further formats"]
    shutil.rmtree(broken / "formats" / name)
    assert f"formats/{name} is missing" in failures(broken)["further formats"]


@pytest.mark.parametrize("frames", ["full", "none", "annotations"])
@pytest.mark.parametrize("official", [True, False])
def test_every_pair_of_options_works_or_is_refused_at_once(tmp_path, frames, official):
    refused = ["fiftyone"] if frames == "annotations" else []
    for name in refused:
        with pytest.raises(OptionsError, match="a release of annotations only does not have"):
            ReleaseOptions.chosen(frames, formats=(name,))
    formats = [name for name in ALL_FORMATS if name not in refused]
    options = ReleaseOptions.chosen(frames, formats=tuple(formats), official_names=official)
    write_release(tmp_path, formats=formats, options=options)
    if official:
        add_official_names(tmp_path)
        edit(tmp_path / "manifest.json", b'"first_frame"', b'"official_names": true, "a"')
        edit(tmp_path / "manifest.json", b'"a"', b'"first_frame"')
        with_sums(tmp_path)
    assert failures(tmp_path) == {}
