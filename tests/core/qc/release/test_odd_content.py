"""A release whose files hold values of another kind: named by file and place, and no crash."""

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.core.release.checks import run_checks
from qc.core.release.formats import FORMATS
from qc.core.release.options import ReleaseOptions
from tests.core.qc.release.breaking import edit, failures, with_sums
from tests.core.qc.release.tiny_release import write_release


@pytest.fixture(scope="module")
def lean(tmp_path_factory):
    """A release of annotations alone, in all formats that it can have."""
    formats = sorted(FORMATS.keys() - {"fiftyone"})
    folder = tmp_path_factory.mktemp("lean") / "1"
    return write_release(folder, formats=formats, options=ReleaseOptions.chosen("annotations"))


@pytest.fixture
def odd(lean, tmp_path):
    return shutil.copytree(lean, tmp_path / "1")


def set_value(path, places, value):
    """Set a value inside a JSON file, by its keys and places."""
    content = json.loads(path.read_text())
    inside = content
    for place in places[:-1]:
        inside = inside[place]
    inside[places[-1]] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("places", "value", "check", "sentence"),
    [
        (["counts"], "x", "counts", "manifest.json cannot be understood: counts is 'x'."),
        (["counts", "train", "actions"], None, "counts", "counts.train.actions is None."),
        (["counts", "train", "actions"], {"1": 1, "2": 1, "3": 1, "x": 1}, "counts",
         "counts 1 labels of action x"),
        (["oracle_ap"], "x", "oracle mAP", "oracle_ap is 'x'."),
        (["origins"], "2", "votes", "origins is '2'."),
        (["formats"], None, "further formats", "formats is None."),
        (["videos"], None, "looks", "videos is None."),
        (["videos", 0], {}, "splits", "manifest.json has no proper `videos`: 'video_id'."),
        (["videos", 0, "video_id"], ["a"], "looks", "videos[0].video_id is ['a']."),
        (["videos", 0, "source_video"], None, "splits", "videos[0].source_video is None."),
        (["videos", 0, "split"], ["val"], "split sizes", "videos[0].split is ['val']."),
        (["videos", 0, "source_start_sec"], float("nan"), "manifest", "at nan."),
        (["videos", 0, "source_start_sec"], float("inf"), "manifest", "at inf."),
        (["videos", 0, "n_frames"], True, "manifest", "gives shop-c0000 (True, 64, 36)"),
        (["keyframes", 0, "timestamp"], True, "keyframes", "keyframes[0].timestamp is True."),
        (["keyframes", 0, "video_id"], ["a"], "coverage", "keyframes[0].video_id is ['a']."),
        (["keyframes", 0, "video_id"], "no", "coverage", "902 of 'no', which is none of its"),
        (["files", "README.md"], None, "checksums", "files.README.md is None."),
        (["files", "/etc/passwd"], "0", "checksums", "/etc/passwd is in the manifest only."),
    ],
)  # fmt: skip
def test_a_manifest_with_an_odd_value_is_named(odd, places, value, check, sentence):
    set_value(odd / "manifest.json", places, value)
    assert sentence in failures(odd)[check]


@pytest.mark.parametrize("name", ["manifest.json", "settings.json"])
def test_json_that_other_readers_would_not_take_is_named(odd, name):
    path = odd / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    sentence = f"{name} begins with a byte order mark."
    assert sentence in failures(odd)["vocabulary" if name == "settings.json" else "rows"]
    path.write_text(path.read_bytes().decode("utf-8-sig"), encoding="utf-16")
    assert f"{name} is not UTF-8." in failures(odd).values()


@pytest.mark.parametrize(
    ("name", "content", "check", "sentence"),
    [
        ("settings.json", {"groups": None}, "vocabulary", "groups is None."),
        ("settings.json", {"groups": [{"actions": "x"}]}, "votes", "groups[0].actions is 'x'."),
        ("croissant.json", {"distribution": [1]}, "croissant", "distribution[0] is 1."),
        ("croissant.json", {"recordSet": [{"field": [{"source": {"extract": "x"}}]}]},
         "croissant", "recordSet[0].field[0].source.extract is 'x'."),
        ("README.md", "---\nconfigs: x\n---\n", "documents", "configs is 'x'"),
        ("README.md", "---\nconfigs:\n  - data_files:\n    - path: [1]\n---\n", "documents",
         "configs[0].data_files[0].path is [1]"),
        ("CITATION.cff", f"a: {'[' * 5000}{']' * 5000}\n", "documents",
         "CITATION.cff: it is nested too deeply."),
        ("configs/slowfast_ava.yaml", "".join(" " * n + "a:\n" for n in range(3000)),
         "training configurations", "slowfast_ava.yaml: it is nested too deeply."),
        ("configs/slowfast_ava.yaml", f"a: {'9' * 5000}\n", "training configurations",
         "has no AVA"),
        ("configs/slowfast_ava.yaml", "AVA:\n  DETECTION_SCORE_THRESH: high\n", "frame lists",
         "has DETECTION_SCORE_THRESH: 'high', which is not a number."),
        ("configs/mmaction2_ava.py", f"x = {'-' * 5000}1\n", "training configurations",
         "mmaction2_ava.py cannot be understood"),
        ("configs/mmaction2_ava.py", "", "training configurations",
         "configs/mmaction2_ava.py has no model.roi_head.bbox_head."),
        ("configs/mmaction2_ava.py", "model = dict(roi_head=dict(bbox_head='x'))\n",
         "training configurations", "has model.roi_head.bbox_head: 'x', which is no mapping."),
        ("annotations/dense_proposals_val.pkl", "", "proposals",
         "not a pickle of arrays: it ends too early."),
    ],
)  # fmt: skip
def test_a_file_with_odd_content_is_named(odd, name, content, check, sentence):
    text = content if isinstance(content, str) else json.dumps(content)
    (odd / name).write_text(text)
    with_sums(odd)
    assert sentence in failures(odd)[check]


def test_the_number_of_top_actions_must_be_a_list(odd):
    path = odd / "configs/mmaction2_ava.py"
    path.write_text(re.sub(r"topk=\([^)]*\)", "topk=1", path.read_text()))
    assert "has topk=1, which 4 classes do not" in failures(odd)["training configurations"]


TEXTS, LISTS = pa.array(["x"]), pa.array([["x"]])
NOTHING = pa.nulls(1)


@pytest.mark.parametrize(
    ("name", "column", "value", "check", "sentence"),
    [
        ("", "video_id", LISTS, "drawn boxes", "has list<element: string> in the column"),
        ("", "rule", LISTS, "votes", "in the column rule."),
        ("", "votes", pa.array([1]), "votes", "provenance.parquet has int64 in the column"),
        ("", "votes", pa.array(['{"1": [[1]]}']), "votes", "[[1]] is not an answer"),
        ("", "votes", pa.array(["[" * 5000]), "votes", "it is nested too deeply"),
        ("", "group", pa.array([None], pa.string()), "votes", "is of the group None, which"),
        ("", "group", TEXTS, "votes", "is of the group x, which settings.json does not have"),
        ("", "reviewer", TEXTS, "votes", "has string in the column reviewer."),
        ("_boxes", "video_id", LISTS, "drawn boxes", "in the column video_id."),
        ("_boxes", "box", TEXTS, "drawn boxes", "row 1 is not the median of what was drawn"),
        ("_boxes", "drawn", NOTHING, "drawn boxes", "has null in the column drawn."),
        ("_boxes", "drawn", pa.array([[[1.0]]]), "drawn boxes", "is not the median"),
        ("_boxes", "is_decided", TEXTS, "drawn boxes", "has string in the column is_decided."),
        ("_boxes", "is_decided", pa.array([None], pa.bool_()), "drawn boxes",
         "has 4 rows without is_decided."),
        ("_proposals", "timestamp", TEXTS, "tracked boxes", "in the column timestamp."),
        ("_proposals", "score", TEXTS, "tracked boxes", "row 1 has the score 'x'."),
    ],
)  # fmt: skip
def test_a_provenance_with_an_odd_column_is_named(odd, name, column, value, check, sentence):
    path = odd / f"provenance{name}.parquet"
    table = pq.read_table(path)
    values = pa.concat_arrays([value] * len(table))
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), path)
    assert sentence in failures(odd)[check]


NO_NUMBER = {
    "coco/train.json": (rb'"bbox": ?\[[\d.]+', b'"bbox": [NaN'),
    "cvat/shop-c0000.xml": (rb'xtl="[\d.]+"', b'xtl="nan"'),
    "mot/train/shop-c0000/gt/gt.txt": (rb"^(\d+),(\d+),[\d.]+", rb"\1,\2,nan"),
}


@pytest.mark.parametrize("name", NO_NUMBER)
def test_a_box_that_is_no_number_is_named(odd, name):
    path = odd / "formats" / name
    old, new = NO_NUMBER[name]
    content, count = re.subn(old, new, path.read_bytes(), count=1)
    assert count
    path.write_bytes(content)
    assert "in the box nan, 0.2000, " in failures(odd)["further formats"]


def test_a_format_with_a_field_beyond_all_limits_is_named(odd):
    (odd / "formats/mot/train/shop-c0000/gt/gt.txt").write_text("1" * 200_000)
    assert "formats/mot cannot be read: field larger" in failures(odd)["further formats"]


def test_an_image_without_a_width_is_named(odd):
    path = odd / "formats/coco/train.json"
    set_value(path, ["images", 0, "width"], 0)
    assert "formats/coco cannot be read: " in failures(odd)["further formats"]


def test_a_missing_file_is_named_once(odd):
    (odd / "settings.json").unlink()
    assert failures(odd)["vocabulary"].count("settings.json") == 1


def test_a_check_that_meets_what_it_does_not_foresee_fails_and_the_others_go_on(
    odd, monkeypatch
):
    edit(odd / "annotations/ava_val.csv", b",2,10000", b",4,10000")

    def unforeseen(release):
        raise ZeroDivisionError("division by zero")

    checks = "qc.core.release.checks.run_checks._CHECKS"
    monkeypatch.setattr(checks, (("first", unforeseen), *run_checks._CHECKS))
    failed = failures(odd)
    assert "division by zero" in failed["first"]
    assert "ava_val.csv row 1 has the action 4" in failed["actions"]
