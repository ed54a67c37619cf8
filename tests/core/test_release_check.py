"""A tiny release, whole and then broken in one place at a time."""

import json
import pickle
import shutil
from collections import defaultdict

import av
import cv2
import numpy as np
import pytest
import yaml

from datasets.core import ava
from datasets.core.clipping import export_window
from qc.core.configs import ConfigValues, mmaction2_data, mmaction2_slowfast, write_configs
from qc.core.packing import release_paths, write_manifest
from qc.core.proposal_quality import ScoreCurve
from qc.core.release_check import check_release
from qc.core.release_files import (
    AnnotationWriter,
    add_official_names,
)
from qc.core.released import ANNOTATED, EXCLUDED, PersonAt, ProposedBox, ReleaseClip

SIZE = (64, 36)
FRAMES = 150
ACTIONS = [
    ava.Action(1, "stand", "PERSON_MOVEMENT"),
    ava.Action(2, "walk", "PERSON_MOVEMENT"),
    ava.Action(3, "wave", "OBJECT_MANIPULATION"),
]
LEFT, RIGHT = "0.1000,0.2000,0.3000,0.9000", "0.6000,0.2000,0.8000,0.9000"


def make_film(path, pictures, *, gop=30):
    """A small film of RGB pictures in the form of a standard video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(
            "libx264", rate=30, options={"preset": "ultrafast", "crf": "20"}
        )
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        stream.codec_context.thread_count = 1
        stream.codec_context.options |= {"sc_threshold": "0", "flags": "+cgop"}
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))
    return path


def a_clip(name, split, *, source, persons, proposals, excluded=()):
    window = export_window(0, FRAMES, video_frame_count=FRAMES)
    keyframes = {at: EXCLUDED if at in excluded else ANNOTATED for at in (902, 903)}
    return ReleaseClip(
        name, split, source, *SIZE, window, keyframes, persons, proposals
    )  # fmt: skip


CLIPS = [
    a_clip(
        "shop-c0000", "train", source="shop",
        persons=[PersonAt(902, 1, LEFT, (1, 3)), PersonAt(902, 2, RIGHT, ()),
                 PersonAt(903, 1, LEFT, (2,))],
        proposals={902: [ProposedBox(LEFT, 0.9), ProposedBox(RIGHT, 0.4)],
                   903: [ProposedBox(LEFT, 0.7)]},
    ),
    a_clip(
        "shop-c0001", "train", source="shop", persons=[],
        proposals={902: [ProposedBox(RIGHT, 0.3)]},
    ),
    a_clip(
        "street-c0000", "val", source="street", excluded=[903],
        persons=[PersonAt(902, 10_000, RIGHT, (2,))],
        proposals={902: [ProposedBox(RIGHT, 0.8)]},
    ),
    a_clip("yard-c0000", "val", source="yard", persons=[], proposals={}),
]  # fmt: skip


def write_release(folder, clips=CLIPS):
    with AnnotationWriter(folder, splits=["train", "val"]) as writer:
        for clip in clips:
            writer.add(clip)
        threshold = writer.finish(ACTIONS)
    pictures = [np.full((SIZE[1], SIZE[0], 3), n % 200, dtype=np.uint8) for n in range(FRAMES)]
    film = make_film(folder / "film.mp4", pictures)
    for clip in clips:
        rawframes = folder / "rawframes" / clip.name
        rawframes.mkdir(parents=True)
        for frame, picture in enumerate(pictures):
            cv2.imwrite(str(rawframes / ava.frame_file(frame)), picture)
        (folder / "clips").mkdir(exist_ok=True)
        shutil.copyfile(film, folder / "clips" / f"{clip.name}.mp4")
    film.unlink()
    write_configs(folder / "configs", ConfigValues("test release 1", 3, threshold))
    (folder / "README.md").write_text("a card\n")
    write_manifest(
        folder,
        {
            "videos": [
                {"video_id": c.name, "split": c.split, "source_video": c.source_video,
                 "n_frames": FRAMES, "width": c.width, "height": c.height}
                for c in clips
            ],
            "keyframes": [
                {"video_id": c.name, "timestamp": at, "status": status}
                for c in clips for at, status in c.keyframes.items()
            ],
        },
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "1")


@pytest.fixture
def broken(whole, tmp_path):
    """A copy to break."""
    return shutil.copytree(whole, tmp_path / "1")


def failures(folder):
    return {c["name"]: c["sentence"] for c in check_release(folder) if not c["passed"]}


def edit(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def test_a_whole_release_passes_every_check(whole):
    checks = check_release(whole)
    assert [check["sentence"] for check in checks if not check["passed"]] == []
    assert len(checks) == 19
    assert all(check["sentence"].endswith(".") for check in checks)


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "sentence"),
    [
        pytest.param(
            "ava_train.csv", b"0.3000,0.9000,1,1", b"1.3000,0.9000,1,1",
            "coordinates", "row 1 (shop-c0000 at 902) has the box 0.1000,0.2000,1.3000,0.9000",
            id="outside the picture",
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
            "ava_action_list.pbtxt", b"label_id: 3", b"label_id: 9",
            "actions", "the ids of ava_action_list.pbtxt are [1, 2, 9]", id="gap in the ids",
        ),
        pytest.param(
            "ava_train_boxes_and_labels_include_negative.csv", b",3,0.9000", b",2,0.9000",
            "negatives", "include_negative.csv row 2 has the action 2 of nobody there",
            id="negatives with another action",
        ),
        pytest.param(
            "ava_train.csv", b"shop-c0000,0902,0.1000,0.2000,0.3000,0.9000,3,1",
            b"shop-c0000,0902,0.1000,0.2000,0.3000,0.9000,1,1",
            "measure", "action 1 of train gets only 0.5000 against itself", id="said twice",
        ),
        pytest.param(
            "../frame_lists/val_all.csv",
            b'street-c0000 0 7 street-c0000/img_00008.jpg ""\n', b"",
            "frame lists", "val_all.csv: the frames of street-c0000 are not 1 to 150",
            id="frame left out of all",
        ),
        pytest.param(
            "../AVA_dataset.csv", b",2,1,train", b",3,1,train",
            "all splits together", "AVA_dataset.csv has other rows", id="all splits",
        ),
        pytest.param(
            "../frame_lists/val.csv", b'street-c0000 0 7 street-c0000/img_00008.jpg ""\n', b"",
            "frame lists", "the frames of street-c0000 are not 1 to 150", id="frame left out",
        ),
        pytest.param(
            "../configs/slowfast_ava.yaml", b"NUM_CLASSES: 3", b"NUM_CLASSES: 80",
            "configurations", "does not have NUM_CLASSES: 3", id="number of classes",
        ),
        pytest.param(
            "../README.md", b"card", b"CARD",
            "sums", "README.md is not the file of the manifest", id="changed file",
        ),
    ],
)  # fmt: skip
def test_a_broken_row_is_named(broken, file, old, new, check, sentence):
    edit(broken / "annotations" / file, old, new)
    assert sentence in failures(broken)[check]


def test_a_missing_picture_of_a_keyframe_is_named(broken):
    (broken / "rawframes/shop-c0000/img_00061.jpg").unlink()
    failed = failures(broken)
    assert (
        "rawframes/shop-c0000/img_00061.jpg, a keyframe, is missing"
        in failed["keyframe pictures"]
    )
    assert "rawframes/shop-c0000/img_00061.jpg is in the manifest only" in failed["sums"]


def test_the_picture_of_another_second_is_named(broken):
    folder = broken / "rawframes/shop-c0000"
    shutil.copyfile(folder / "img_00091.jpg", folder / "img_00061.jpg")
    assert failures(broken)["keyframe pictures"] == (
        "rawframes/shop-c0000/img_00061.jpg, a keyframe, shows something else than the film "
        "(30 grey levels)."
    )


def test_a_clip_compared_before_is_only_sampled_and_its_sums_tell(broken):
    folder = broken / "rawframes/shop-c0000"
    shutil.copyfile(folder / "img_00001.jpg", folder / "img_00091.jpg")
    checks = {c["name"]: c for c in check_release(broken, compared=["shop-c0000"])}
    assert checks["keyframe pictures"]["sentence"] == (
        "The pictures of all 7 keyframes are those of the films "
        "(1 of them compared when they were made)."
    )
    assert "img_00091.jpg is not the file of the manifest" in checks["sums"]["sentence"]


def test_a_film_that_ends_too_early_is_named(broken):
    pictures = [np.full((SIZE[1], SIZE[0], 3), n, dtype=np.uint8) for n in range(60)]
    make_film(broken / "clips/shop-c0000.mp4", pictures)
    failed = failures(broken)
    assert "clips/shop-c0000.mp4 ends before the keyframe 902" in failed["keyframe pictures"]
    assert "clips/shop-c0000.mp4 has 60 frames at 30 a second" in failed["films"]


def test_a_release_of_films_alone_needs_no_pictures(broken):
    shutil.rmtree(broken / "rawframes")
    edit(
        broken / "manifest.json",
        b'"first_frame"',
        b'"pictures": {"included": false}, "first_frame"',
    )
    manifest = json.loads((broken / "manifest.json").read_text())
    (broken / "manifest.json").unlink()
    write_manifest(broken, {key: manifest[key] for key in ("pictures", "videos", "keyframes")})
    assert failures(broken) == {}


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
    persons = [PersonAt(902, n, box, (1,)) for n, box in enumerate(boxes, start=1)]
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
        "lane-c0000", "val", source="lane", persons=[PersonAt(902, 1, LEFT, (1,))],
        proposals={902: [ProposedBox(RIGHT, 0.1)]},
    )  # fmt: skip
    write_release(tmp_path, [weak, *CLIPS])
    lists = tmp_path / "frame_lists"
    assert "lane-c0000" not in (lists / "val.csv").read_text()
    assert "lane-c0000" in (lists / "val_all.csv").read_text()
    assert failures(tmp_path) == {}


def test_a_picture_cut_off_is_named(broken):
    path = broken / "rawframes/shop-c0000/img_00061.jpg"
    path.write_bytes(path.read_bytes()[:100])
    assert "img_00061.jpg" in failures(broken)["keyframe pictures"]


def test_what_does_not_belong_to_the_pictures_is_named(broken):
    (broken / "rawframes/shop-c0000/Thumbs.db").write_bytes(b"")
    failed = failures(broken)
    assert "rawframes/shop-c0000/Thumbs.db does not belong there" in failed["pictures"]
    assert "Thumbs.db is not in the manifest" in failed["sums"]


def test_a_film_of_another_length_is_named(broken):
    pictures = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 30
    make_film(broken / "clips/shop-c0000.mp4", pictures)
    assert "clips/shop-c0000.mp4 has 30 frames at 30" in failures(broken)["films"]
    (broken / "clips/shop-c0000.mp4").unlink()
    assert "clips/shop-c0000.mp4 cannot be read" in failures(broken)["films"]


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
    assert "manifest.json" in failures(broken)["pictures"]


def test_an_empty_folder_fails_with_sentences(tmp_path):
    checks = check_release(tmp_path)
    assert not any(check["passed"] for check in checks)
    assert all("cannot be read" in check["sentence"] for check in checks)


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
    source = text(ConfigValues("t", max_action_id=3, threshold=0.4))
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
    assert ConfigValues("t", max_action_id=top, threshold=0.5).topk == topk


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
    curve = ScoreCurve()
    truth = [PersonAt(902, 1, LEFT, ()), PersonAt(902, 2, RIGHT, ())]
    wrong = "0.4000,0.0000,0.5000,0.1000"
    curve.add(
        [ProposedBox(LEFT, 0.9), ProposedBox(LEFT, 0.8), ProposedBox(RIGHT, 0.6),
         ProposedBox(wrong, 0.5), ProposedBox(wrong, 0.4)],
        truth, is_train=True,
    )  # fmt: skip
    curve.add([ProposedBox(wrong, 0.99)], [], is_train=False)
    # F1 from 0.9 on: 2/3, 2/4, 4/5, 4/6, 4/7
    assert curve.best_threshold() == 0.6
    assert ScoreCurve().best_threshold() == 0.0


def test_the_same_release_gives_the_same_bytes(whole, tmp_path):
    again = write_release(tmp_path / "again")
    assert release_paths(again) == release_paths(whole)
    for path in release_paths(whole):
        assert (again / path).read_bytes() == (whole / path).read_bytes(), path
