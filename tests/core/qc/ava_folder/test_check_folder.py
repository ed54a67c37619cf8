"""Any AVA folder: what it is, who reads it, and what is wrong with it."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from datasets.core.formats import ava
from qc.core.ava_folder.check import check_folder
from qc.core.ava_folder.faults import (
    CONSUMERS,
    EVALUATOR,
    MMACTION2,
    PYTORCHVIDEO,
    SLOWFAST,
)

GOOD = "0.100,0.100,0.200,0.900"
ROWS = {
    "ava_train.csv": f"street,0902,{GOOD},1,0\nstreet,0903,{GOOD},2,0\n",
    "ava_val.csv": f"yard,0902,{GOOD},1,0\nyard,0904,{GOOD},2,0\n",
}
ACTIONS = 'item {\n  name: "stand"\n  id: 1\n}\nitem {\n  name: "walk"\n  id: 2\n}\n'
LAST = {"street": 903, "yard": 904}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set that all four read."""
    (tmp_path / "annotations").mkdir()
    for name, rows in ROWS.items():
        write(tmp_path, f"annotations/{name}", rows)
    write(tmp_path, "annotations/ava_action_list.pbtxt", ACTIONS)
    for split, video in (("train", "street"), ("val", "yard")):
        write(tmp_path, f"annotations/ava_{split}_excluded_timestamps.csv", f"{video},1700\n")
        write(
            tmp_path, f"annotations/ava_{split}_predicted_boxes.csv",
            f"{video},0902,{GOOD},,0.9500\n",
        )  # fmt: skip
        count = (LAST[video] - 900) * 30 + 46
        header = f"{ava.FRAME_HEADER}\n".encode()
        rows = ava.dump_frames(video, number=0, frame_count=count)
        write(tmp_path, f"frame_lists/{split}.csv", (header + rows).decode())
        frames = tmp_path / "rawframes" / video
        frames.mkdir(parents=True)
        for number in range(1, count + 1):
            (frames / f"img_{number:05d}.jpg").touch()
        keys = [f"{video},{at:04d}" for at in range(902, LAST[video] + 1)]
        content = {key: np.array([[0.1, 0.1, 0.2, 0.9, 0.95]]) for key in keys}
        path = tmp_path / f"annotations/dense_proposals_{split}.pkl"
        path.write_bytes(ava.dump_for_old_numpy(content))
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    (folder / name).write_bytes(text.encode())


def words(folder: Path) -> dict[str, str]:
    return {one.consumer: one.word for one in check_folder(folder).verdicts}


def test_a_good_folder_is_read_by_all(folder):
    report = check_folder(folder)
    assert report.faults == []
    assert {one.word for one in report.verdicts} == {"reads it"}
    assert any("num_classes is 3" in hint for hint in report.hints)


@pytest.mark.parametrize(
    ("row", "stopped", "misled", "mend"),
    [
        ("video_id,timestamp,x1,y1,x2,y2,action_id,person_id", CONSUMERS, (), "first line"),
        ("", CONSUMERS, (), "empty lines"),
        (f"street,2,{GOOD},1,0", (SLOWFAST,), (PYTORCHVIDEO, MMACTION2), "Add 900"),
        (f"street,1850,{GOOD},1,0", (SLOWFAST,), (PYTORCHVIDEO, MMACTION2), "Cut long videos"),
        (f"street,1799,{GOOD},1,0", (SLOWFAST,), (PYTORCHVIDEO,), "Cut long videos"),
        (f"street,902.5,{GOOD},1,0", (MMACTION2, SLOWFAST, EVALUATOR), (), "whole number"),
        ("street,0902,12,30,200,400,1,0", (), CONSUMERS, "Divide x by the width"),
        ("street,0902,0.5,0.5,0.2,0.2,1,0", (), CONSUMERS, "not a width and a height"),
        ("street,0902,a,0.5,0.2,0.2,1,0", CONSUMERS, (), "Write x1,y1,x2,y2"),
        (f"street,0902,{GOOD},0,0", (SLOWFAST,), (MMACTION2,), "from 1"),
        (f"street,0902,{GOOD},stand,0", CONSUMERS, (), "action's id, not its name"),
        (f"street,0902,{GOOD},99,0", (SLOWFAST,), (MMACTION2, EVALUATOR), "ids up to 80"),
        (f"street,0902,{GOOD},3,0", (), (MMACTION2, EVALUATOR), "Add it to the action list"),
        (f"street,0902,{GOOD},1", (MMACTION2,), (), "person_id in the last column"),
        ("street,0902", (MMACTION2, SLOWFAST, PYTORCHVIDEO), (), "evaluator only"),
        (f"street,0902,{GOOD},1,0,train", CONSUMERS, (), "Write video_id,timestamp"),
        ("street,0902,0.1,0.1,0.2,0.9,2,0", (), (SLOWFAST,), "number of decimals"),
        ("street,0902,0.300,0.1,0.400,0.9,2,0", (), (MMACTION2,), "number of their own"),
        (f"street,0902,{GOOD},2,1", (), (MMACTION2, SLOWFAST), "one person_id"),
        (f"street,0902,{GOOD},1,0", (), (EVALUATOR,), "Remove one"),
        (f"my street,0902,{GOOD},1,0", (SLOWFAST, PYTORCHVIDEO), (), "split at spaces"),
        (f"yard,0902,{GOOD},1,0", (), CONSUMERS, "one split"),
    ],
)
def test_a_bad_row_names_whom_it_stops_or_misleads_and_what_mends_it(
    folder, row, stopped, misled, mend
):
    before = ROWS["ava_train.csv"]
    is_header = row.startswith("video_id")
    write(
        folder,
        "annotations/ava_train.csv",
        f"{row}\n{before}" if is_header else before + f"{row}\n",
    )
    faults = check_folder(folder).faults
    (meant,) = [fault for fault in faults if mend in fault.mend][:1]
    assert set(meant.stops) <= set(stopped)
    assert set(stopped) <= {one for fault in faults for one in fault.stops}
    assert set(misled) <= {one for fault in faults for one in fault.misleads}
    assert all(fault.where.startswith(("annotations", "frame")) for fault in faults)


def test_the_first_row_of_a_fault_is_named_with_how_often_it_occurs(folder):
    write(folder, "annotations/ava_train.csv", "street,0902,10,10,20,90,1,0\n" * 3)
    (fault, *_) = [one for one in check_folder(folder).faults if "pixels" in one.text]
    assert str(fault).startswith("annotations/ava_train.csv row 1: the box")
    assert fault.times == 3


def test_an_action_list_that_line_scanners_read_in_part_is_a_fault(folder):
    write(
        folder,
        "annotations/ava_action_list.pbtxt",
        'item { name: "stand" id: 1 }\n' + ACTIONS[30:],
    )
    (fault, *_) = [one for one in check_folder(folder).faults if "pbtxt" in one.where]
    assert "find 1 of its 2 actions" in fault.text
    assert set(CONSUMERS) <= set(fault.misleads)


def test_proposals_whose_keys_are_never_found_are_a_fault(folder):
    table = {"street,902": np.array([[0.1, 0.1, 0.2, 0.9, 0.9]])}
    path = folder / "annotations/dense_proposals_train.pkl"
    path.write_bytes(ava.dump_for_old_numpy(table))
    faults = [one for one in check_folder(folder).faults if "pkl" in one.where]
    assert any("four digits" in fault.mend for fault in faults)
    assert words(folder)[MMACTION2] == "stops"


@pytest.mark.parametrize(("side", "mend"), [(1.002, "Clip them"), (640.0, "by the width")])
def test_proposals_a_little_outside_are_no_pixels(folder, side, mend):
    table = {"street,0902": np.array([[0.1, 0.1, side, 0.9, 0.9]])}
    path = folder / "annotations/dense_proposals_train.pkl"
    path.write_bytes(ava.dump_for_old_numpy(table))
    faults = [one for one in check_folder(folder).faults if "902' has" in one.text]
    assert [(mend in one.mend, one.misleads) for one in faults] == [(True, (MMACTION2,))]


def test_a_pickle_that_wants_to_run_something_is_not_read(folder):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    path = folder / "annotations/dense_proposals_train.pkl"
    path.write_bytes(pickle.dumps({"street,0902": Evil()}))
    assert any("no pickle of proposals" in one.text for one in check_folder(folder).faults)


def test_frames_at_another_rate_or_of_other_names_are_faults(folder):
    frames = folder / "rawframes/street"
    for path in list(frames.iterdir()):
        path.unlink()
    for number in range(20):
        (frames / f"street_{number:06d}.jpg").touch()
    texts = [fault.text + fault.mend for fault in check_folder(folder).faults]
    assert any("filename_tmpl='{video}_{:06}.jpg'" in text for text in texts)
    assert any("begin with 0" in text for text in texts)
    assert any("Extract 30 frames a second" in text for text in texts)


def test_a_frame_list_with_a_video_without_boxes_stops_slowfast(folder):
    path = folder / "frame_lists/train.csv"
    extra = ava.dump_frames("empty", number=1, frame_count=3)
    path.write_bytes(path.read_bytes() + extra)
    assert words(folder) == {
        MMACTION2: "reads it", SLOWFAST: "stops", PYTORCHVIDEO: "reads it",
        EVALUATOR: "reads it",
    }  # fmt: skip


def test_annotations_alone_say_what_the_others_need(tmp_path):
    write(tmp_path, "ava_val_v2.2.csv", ROWS["ava_val.csv"])
    write(tmp_path, "list.pbtxt", ACTIONS)
    report = check_folder(tmp_path)
    assert {one.consumer: one.word for one in report.verdicts} == {
        MMACTION2: "reads it", SLOWFAST: "lacks files", PYTORCHVIDEO: "lacks files",
        EVALUATOR: "reads it",
    }  # fmt: skip
    assert any("no frames" in hint for hint in report.hints)


def test_a_folder_without_labels_is_no_ava_dataset(tmp_path):
    write(tmp_path, "notes.txt", "hello\n")
    report = check_folder(tmp_path)
    assert report.title.startswith("no AVA dataset")
    assert {one.word for one in report.verdicts} == {"lacks files"}
