"""Releases by command."""

import json
import re
import zipfile
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse

from qc.core.release.checks.run_checks import check_release
from qc.models import (
    Release,
    Review,
)
from tests import make
from tests.core.qc.release.breaking import with_sums
from tests.core.qc.release.street_release import write_street
from tests.qc.release.corner import files_of
from tests.tracking.detectors.test_onnx_with_nms import f32, save

pytestmark = pytest.mark.django_db


def test_the_command_makes_a_release_and_copies_it(dataset, tmp_path):
    out = StringIO()
    call_command(
        "make_release", "--dataset", "corner", "--licence", "none",
        "--out", str(tmp_path / "out"), stdout=out,
    )  # fmt: skip
    assert "passed  checksums" in out.getvalue()
    assert str(tmp_path / "out" / "corner-release-1.zip") in out.getvalue()
    assert (tmp_path / "out" / "corner-release-1" / "README.md").is_file()
    assert all(c["passed"] for c in check_release(tmp_path / "out" / "corner-release-1"))
    assert zipfile.is_zipfile(tmp_path / "out" / "corner-release-1.zip")


def test_the_command_has_options(dataset, tmp_path):
    (tmp_path / "splits.csv").write_text("# mine\nshop,val\nyard,train\n")
    call_command(
        "make_release", "--dataset", "corner", "--frames", "none", "--format", "mot",
        "--split-list", str(tmp_path / "splits.csv"), "--licence", "CC-BY-4.0",
        "--author", "Ada Lovelace", "--official-names", stdout=StringIO(),
    )  # fmt: skip
    release = Release.objects.get()
    assert release.counts["split_of"] == {"shop": "val", "yard": "train"}
    files = files_of(release)
    assert not [name for name in files if name.startswith("rawframes/")]
    assert "formats/mot/train/yard-c0000/gt/gt.txt" in files
    assert files["annotations/ava_val_v2.2.csv"] == files["annotations/ava_val.csv"]
    assert b"license: CC-BY-4.0" in files["CITATION.cff"]
    assert b"Ada Lovelace" in files["CITATION.cff"]
    assert json.loads(files["settings.json"])["release"]["authors"] == ["Ada Lovelace"]
    (tmp_path / "splits.csv").write_text("shop,train\n")
    with pytest.raises(CommandError, match="shop in train, but it was in val in an earlier"):
        call_command(
            "make_release", "--dataset", "corner", "--licence", "none", "--split-list",
            str(tmp_path / "splits.csv"), stdout=StringIO(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        pytest.param("shop,left\n", "line 1 of the split list is not", id="no such split"),
        pytest.param("\nlane,val\n", "line 2 of the split list names lane", id="no video"),
        pytest.param("shop val\nshop train", "line 2 .* a second split", id="twice"),
    ],
)
def test_a_split_list_that_cannot_be_meant_is_refused(dataset, tmp_path, listed, sentence):
    (tmp_path / "splits.csv").write_text(listed)
    with pytest.raises(CommandError, match=sentence):
        call_command(
            "make_release", "--dataset", "corner", "--licence", "none",
            "--split-list", str(tmp_path / "splits.csv"),
        )  # fmt: skip
    assert not Release.objects.exists()


def test_options_that_do_not_go_together_are_refused_at_once(dataset, client):
    with pytest.raises(CommandError, match="FiftyOne refers to the files of clips"):
        call_command(
            "make_release", "--dataset", "corner", "--frames", "annotations",
            "--format", "fiftyone", "--licence", "none",
        )  # fmt: skip
    client.force_login(make.make_user("boss", is_superuser=True))
    form = {"frames": "annotations", "formats": ["fiftyone"], "licence": "none"}
    answer = client.post(reverse("qc:release-create", args=["corner"]), form)
    assert answer.status_code == 422
    assert "FiftyOne refers to the files of clips" in answer.content.decode()
    assert not Release.objects.exists()


def test_a_licence_is_asked_for_and_never_guessed(dataset, client):
    with pytest.raises(CommandError, match="no licence was said, and none is guessed"):
        call_command("make_release", "--dataset", "corner")
    client.force_login(make.make_user("boss", is_superuser=True))
    answer = client.post(reverse("qc:release-create", args=["corner"]), {"frames": "full"})
    assert answer.status_code == 422
    assert "Choose a licence, or none" in answer.content.decode()
    assert not Release.objects.exists()
    call_command("make_release", "--dataset", "corner", "--licence", "none", stdout=StringIO())
    files = files_of(Release.objects.get())
    assert b"No licence is given: this release may not be passed on." in files["README.md"]
    assert b"license: other\n" in files["README.md"]
    assert b"license:" not in files["CITATION.cff"]
    assert b'"licence": null' in files["manifest.json"]


def test_the_command_reports_errors(dataset):
    with pytest.raises(CommandError, match="no dataset 'shop'; there are: corner"):
        call_command("make_release", "--dataset", "shop")
    Review.objects.update(verdict="rejected")
    with pytest.raises(CommandError, match="no approved clip"):
        call_command(
            "make_release", "--dataset", "corner", "--licence", "none", stdout=StringIO()
        )


def test_the_command_checks_a_release_folder(dataset, tmp_path):
    out = StringIO()
    call_command(
        "make_release", "--dataset", "corner", "--licence", "none",
        "--out", str(tmp_path), stdout=StringIO(),
    )  # fmt: skip
    folder = tmp_path / "corner-release-1"
    call_command("check_release", str(folder), stdout=out)
    assert f"{folder} passed all 42 checks." in out.getvalue()
    (folder / "README.md").unlink()
    with pytest.raises(CommandError, match="corner-release-1 failed 3 of 42 checks"):
        call_command("check_release", str(folder), stdout=out)
    assert "FAILED  documents: README.md cannot be read" in out.getvalue()
    with pytest.raises(CommandError, match="is not a folder; unpack the zip first"):
        call_command("check_release", f"{folder}.zip")
    (folder / "manifest.json").unlink()
    with pytest.raises(
        CommandError, match=r"corner-release-1 is not a release: .* manifest\.json"
    ):
        call_command("check_release", str(folder), stdout=out)


def test_a_detector_finds_the_boxes_again_or_the_check_says_so(tmp_path):
    folder = write_street(tmp_path / "1")
    weights = settings.WEIGHTS_DIR
    weights.mkdir(parents=True, exist_ok=True)
    model = [1, 3, 144, 256]
    save(weights / "none.onnx", model, {"output0": f32([0, 0, 9, 9, 0.1, 0])})
    boxes = [[x, y, x + 22, y + 52, 0.9, 0] for y in (4, 30, 56) for x in range(0, 240, 3)]
    save(weights / "all.onnx", model, {"output0": f32(*boxes)})
    out = StringIO()
    call_command("check_release", str(folder), "--detector", "all.onnx", stdout=out)
    assert re.search(r"passed  detector: The detector finds \d\d of \d\d boxes", out.getvalue())
    with pytest.raises(CommandError, match="failed 1 of 43 checks"):
        call_command("check_release", str(folder), "--detector", "none.onnx", stdout=out)
    assert "FAILED  detector: The detector finds 0 of" in out.getvalue()
    assert "do the boxes belong to these frames?" in out.getvalue()
    classes = [
        f"{source},{number},{'person' if number == 1 else 'vehicle'}"
        for source in ("dock", "lane", "mall", "park", "pier") for number in (1, 2, 3)
    ]  # fmt: skip
    (folder / "persons.csv").write_text(
        "\n".join(["source_video,person_id,class", *classes, ""])
    )
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("check_release", str(folder), "--detector", "none.onnx", stdout=out)
    assert re.search(r"finds 0 of 15 boxes of 15 .* It misses person 1 of", out.getvalue())
    (folder / "persons.csv").unlink()
    said = json.loads((folder / "settings.json").read_text())
    said["dataset"] = {"weights": "none.onnx"}
    (folder / "settings.json").write_text(json.dumps(said))
    with_sums(folder)
    with pytest.raises(CommandError, match="failed 1 of 43 checks"):
        call_command("check_release", str(folder), stdout=StringIO())
    with pytest.raises(CommandError, match=r"missing\.onnx are missing"):
        call_command("check_release", str(folder), "--detector", "missing.onnx", stdout=out)
