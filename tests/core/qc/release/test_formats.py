"""Every further format, read back by a library that knows it or as its readers do."""

import configparser
import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pycocotools.coco import COCO

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats import ava, cvat_xml
from datasets.core.formats.cvat_labels import answers_from
from datasets.core.media.clips_and_keyframes import export_window
from qc.core.release.formats import FORMATS, FormatContext
from qc.core.release.formats.parquet import agreement_of
from qc.core.release.records import (
    ANNOTATED,
    EXCLUDED,
    Origin,
    ReleaseAnswer,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)

WIDTH, HEIGHT, FRAMES = 640, 360, 300
ACTIONS = [
    ava.AvaAction(1, "stand", "PERSON_MOVEMENT"),
    ava.AvaAction(2, "walk", "PERSON_MOVEMENT"),
    ava.AvaAction(3, "wave", "OBJECT_MANIPULATION"),
]
GROUPS = [
    ActionGroupSpec("posture", "one", True, ("stand", "walk")),
    ActionGroupSpec("doing", "many", False, ("wave",)),
]
LEFT, RIGHT = "0.1000,0.2000,0.3000,0.9000", "0.6000,0.2000,0.8000,0.9000"


def person(at, person_id, *ids, box=LEFT):
    votes = ((1, "walk"), (2, "stand"))
    origins = (
        Origin(
            "doing", tuple(i for i in ids if i == 3), "majority", ((1, ["wave"]), (2, ["wave"]))
        ),
        Origin("posture", tuple(i for i in ids if i < 3), "adjudicated", votes, 1),
    )
    return ReleasedPerson(at, person_id, box, ids, (1, 2), origins)


def a_clip(name, split, persons, *, excluded=()):
    keyframes = {at: EXCLUDED if at in excluded else ANNOTATED for at in range(902, 909)}
    return ReleaseClip(
        name, split, name.partition("-")[0], WIDTH, HEIGHT,
        export_window(0, FRAMES, video_frame_count=FRAMES), keyframes, persons,
        {902: [ReleasedProposal(LEFT, 0.9)]}, (ReleaseAnswer(1, 1, "ab"),),
    )  # fmt: skip


CLIPS = [
    a_clip(
        "shop-c0000", "train",
        [person(902, 1, 2, 3), person(902, 2, box=RIGHT), person(903, 1, 2, box=RIGHT),
         person(905, 1, 1)],
        excluded=[904],
    ),
    a_clip("yard-c0000", "val", [person(902, 1, 1)]),
    a_clip("yard-c0001", "val", []),
]  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Writes one format into a release folder and gives its folder."""

    def write(name, clips=CLIPS, **about):
        folder = tmp_path / "formats" / name
        folder.mkdir(parents=True)
        context = FormatContext(
            folder, "corner release 1", ACTIONS, GROUPS, ["train", "val"], **about
        )
        writer = FORMATS[name].writer(context)
        for clip in clips:
            writer.add(clip)
        writer.finish()
        return folder

    return write


def test_pycocotools_reads_coco_video(written):
    folder = written("coco")
    assert len(COCO(folder / "val.json").dataset["videos"]) == 2
    coco = COCO(folder / "train.json")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["person"]
    images = coco.loadImgs(coco.getImgIds())
    assert [image["timestamp"] for image in images] == [902, 903, 905, 906, 907, 908]
    assert images[0]["file_name"] == "shop-c0000/img_00061.jpg"
    first, second = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert first["bbox"] == [64.0, 72.0, 128.0, 252.0]
    assert first["area"] == 128 * 252
    assert (first["action_ids"], first["instance_id"]) == ([2, 3], 1)
    assert (second["action_ids"], second["instance_id"]) == ([], 2)
    result = coco.loadRes([{**first, "score": 1.0}])
    assert len(result.anns) == 1


def with_a_vehicle():
    """The clips, person 2 of the first a vehicle."""
    first, *others = CLIPS
    persons = [
        one._replace(label="vehicle") if one.person_id == 2 else one for one in first.persons
    ]
    return [replace(first, persons=persons), *others]


def test_formats_say_the_class_of_what_is_no_person(written):
    about = {"clips": with_a_vehicle(), "labels": ["person", "vehicle"]}
    coco = COCO(written("coco", **about) / "train.json")
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["person", "vehicle"]
    categories = [one["category_id"] for one in coco.loadAnns(coco.getAnnIds(imgIds=[1]))]
    assert categories == [1, 2]
    mot = written("mot", **about) / "train" / "shop-c0000" / "gt"
    assert (mot / "labels.txt").read_text() == "person\nvehicle\n"
    rows = [line.split(",") for line in (mot / "gt.txt").read_text().splitlines()]
    assert {(row[1], row[7]) for row in rows} == {("1", "1"), ("2", "2")}
    table = pq.read_table(written("parquet", **about) / "train.parquet").to_pylist()
    assert {(one["person_id"], one["class"]) for one in table} == {
        (1, "person"), (2, "vehicle"),
    }  # fmt: skip
    document = cvat_xml.load((written("cvat", **about) / "shop-c0000.xml").read_bytes())
    assert document.labels == ("person", "vehicle")
    assert [track.label for track in document.tracks] == ["person", "vehicle"]
    path = written("fiftyone", **about) / "labels" / "shop-c0000.json"
    objects = json.loads(path.read_text())["frames"]["61"]["objects"]["objects"]
    assert [one["label"] for one in objects] == ["person", "vehicle"]


def test_formats_of_persons_have_no_classes(written):
    assert not list(written("mot").rglob("labels.txt"))
    assert "class" not in pq.read_schema(written("parquet") / "train.parquet").names
    assert written("coco").joinpath("train.json").read_text().count('"category_id": 1') == 4


def test_our_own_reader_of_cvat_reads_the_consensus(written):
    document = cvat_xml.load((written("cvat") / "shop-c0000.xml").read_bytes())
    assert (document.task_name, document.frame_count) == ("shop-c0000", FRAMES)
    first, second = document.tracks
    shapes = [(shape.frame, shape.outside) for shape in first.shapes]
    assert shapes == [(60, False), (90, False), (91, True), (150, False), (151, True)]
    assert first.shapes[0].box == (64.0, 72.0, 192.0, 324.0)
    said = answers_from(first.shapes[0].attributes, GROUPS)
    assert said == {"posture": "walk", "doing": ["wave"]}
    unknown = answers_from(second.shapes[0].attributes, GROUPS)
    assert unknown == {"posture": "unknown", "doing": []}


def test_pandas_reads_the_parquet_with_votes_and_agreement(written):
    folder = written("parquet")
    rows = pd.read_parquet(folder / "train.parquet")
    assert list(rows["timestamp"]) == [902, 902, 903, 905]
    assert list(rows["actions"][0]) == ["walk", "wave"]
    assert rows["frame"][0] == "rawframes/shop-c0000/img_00061.jpg"
    assert json.loads(rows["votes"][0])["posture"] == {"1": "walk", "2": "stand"}
    assert rows["agreement"][0] == 0.5
    assert pq.read_table(folder / "val.parquet").num_rows == 1


def test_agreement_of_one_annotator_is_not_defined():
    alone = person(902, 1, 2)._replace(
        origins=(Origin("posture", (2,), "single", ((1, "walk"),)),)
    )
    assert agreement_of(alone) is None


def test_fiftyone_s_index_leads_to_clips_and_boxes(written):
    folder = written("fiftyone")
    index = json.loads((folder / "manifest.json").read_text())["index"]
    assert index[0]["data"] == "../../clips/shop-c0000.mp4"
    labels = json.loads((folder / index[0]["labels"]).read_text())
    (walker, other) = labels["frames"]["61"]["objects"]["objects"]
    assert walker["bounding_box"] == {
        "top_left": {"x": 0.1, "y": 0.2}, "bottom_right": {"x": 0.3, "y": 0.9},
    }  # fmt: skip
    said = {attr["name"]: attr["value"] for attr in walker["attrs"]["attrs"]}
    # names of attributes with dots, as "turn (e.g., a screwdriver)" has, are refused
    assert said == {"action_2": "walk", "action_3": "wave"}
    assert other["index"] == 2
    assert labels["frames"]["181"]["objects"]["objects"] == []


def test_mot_rows_have_nine_columns_and_a_sequence_that_says_its_length(written):
    folder = written("mot")
    columns = ["frame", "id", "x", "y", "w", "h", "conf", "class", "visibility"]
    path = folder / "train" / "shop-c0000" / "gt" / "gt.txt"
    rows = pd.read_csv(path, names=columns)
    assert rows.iloc[0].tolist() == [61, 1, 65.0, 73.0, 128.0, 252.0, 1, 1, 1]
    assert list(rows["id"]) == [1, 1, 1, 2]
    info = configparser.ConfigParser()
    info.read(folder / "train" / "shop-c0000" / "seqinfo.ini")
    assert info["Sequence"]["seqLength"] == str(FRAMES)
    assert (folder / "val" / "yard-c0001" / "gt" / "gt.txt").read_text() == ""


def test_tubes_have_every_frame_of_a_run_and_the_keys_that_act_reads(written):
    content = (written("tubes") / "tubes.pkl").read_bytes()
    assert b"numpy._core" not in content
    found = pickle.loads(content)
    assert found["labels"] == ["stand", "walk", "wave"]
    assert found["train_videos"] == [["shop-c0000"]]
    assert found["test_videos"] == [["yard-c0000", "yard-c0001"]]
    assert (found["nframes"]["shop-c0000"], found["resolution"]["shop-c0000"]) == (
        FRAMES, (HEIGHT, WIDTH),
    )  # fmt: skip
    (walk,) = found["gttubes"]["shop-c0000"][1]
    assert walk.dtype == np.float32
    assert walk[:, 0].tolist() == list(range(61, 92))
    assert walk[15, 1] == pytest.approx((64 + 384) / 2)  # half way between two keyframes
    (stand,) = found["gttubes"]["shop-c0000"][0]
    assert stand.shape == (1, 5)
    assert found["gttubes"]["yard-c0001"] == {}


def test_ava_kinetics_has_rows_of_two_columns_for_empty_keyframes(written):
    folder = written("kinetics")
    rows = ava.load_evaluation((folder / "ava_kinetics_train.csv").read_bytes())
    assert rows[0] == ava.LabelRow("shop-c0000", 902, LEFT, 2, 1)
    assert ava.Keyframe("shop-c0000", 906) in rows
    assert not [row for row in rows if row[1] == 904]
    assert ava.load_actions((folder / "ava_kinetics_action_list.pbtxt").read_bytes()) == ACTIONS


def test_activitynet_segments_are_within_the_clip(written):
    content = json.loads((written("activitynet") / "activity_net.json").read_text())
    assert content.keys() == {"version", "taxonomy", "database"}
    shop = content["database"]["shop-c0000"]
    assert (shop["subset"], shop["duration"]) == ("training", 10.0)
    assert {"label": "walk", "segment": [1.5, 3.5]} in shop["annotations"]
    for video in content["database"].values():
        for annotation in video["annotations"]:
            start, end = annotation["segment"]
            assert 0 <= start < end <= video["duration"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_clips_give_the_same_bytes(written, tmp_path, name):
    first = {p.name: p.read_bytes() for p in written(name).rglob("*") if p.is_file()}
    (tmp_path / "formats" / name).rename(tmp_path / "before")
    second = {p.name: p.read_bytes() for p in written(name).rglob("*") if p.is_file()}
    assert first == second
    assert first
