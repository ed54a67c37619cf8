"""Releases by command."""

import json
import zipfile
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from qc.core.release.checks.run_checks import check_release
from qc.models import (
    Release,
    Review,
)
from tests.qc.release.corner import (
    files_of,
)

pytestmark = pytest.mark.django_db


def test_the_command_makes_a_release_and_copies_it(dataset, tmp_path):
    out = StringIO()
    call_command(
        "make_release", "--dataset", "corner", "--out", str(tmp_path / "out"), stdout=out
    )
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
            "make_release", "--dataset", "corner", "--split-list",
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
            "make_release", "--dataset", "corner", "--split-list", str(tmp_path / "splits.csv")
        )
    assert not Release.objects.exists()


def test_the_command_reports_errors(dataset):
    with pytest.raises(CommandError, match="no dataset 'shop'; there are: corner"):
        call_command("make_release", "--dataset", "shop")
    Review.objects.update(verdict="rejected")
    with pytest.raises(CommandError, match="no approved clip"):
        call_command("make_release", "--dataset", "corner", stdout=StringIO())


def test_the_command_checks_a_release_folder(dataset, tmp_path):
    out = StringIO()
    call_command(
        "make_release", "--dataset", "corner", "--out", str(tmp_path), stdout=StringIO()
    )
    folder = tmp_path / "corner-release-1"
    call_command("check_release", str(folder), stdout=out)
    assert f"{folder} passed all 26 checks." in out.getvalue()
    (folder / "README.md").unlink()
    with pytest.raises(CommandError, match="corner-release-1 failed 2 of 26 checks"):
        call_command("check_release", str(folder), stdout=out)
    assert "FAILED  documents: README.md cannot be read" in out.getvalue()
    with pytest.raises(CommandError, match="is not a folder; unpack the zip first"):
        call_command("check_release", f"{folder}.zip")
    (folder / "manifest.json").unlink()
    with pytest.raises(
        CommandError, match=r"corner-release-1 is not a release: .* manifest\.json"
    ):
        call_command("check_release", str(folder), stdout=out)
