"""The checker that a release carries, run as a receiver runs it: with nothing of ours."""

import os
import shutil
import subprocess
import sys

import pytest

from qc.core.release.packing import release_entries
from tests.core.qc.release.breaking import edit, with_sums

WITHOUT = """
import runpy, sys
for name in {absent}:
    sys.modules[name] = None
sys.argv = ["check.py", *{arguments}]
runpy.run_path({command!r}, run_name="__main__")
"""


def check(folder, *arguments, absent=()):
    """Exit code and output of `check.py` of a folder, without these packages."""
    code = WITHOUT.format(
        absent=list(absent), arguments=list(arguments), command=str(folder / "check.py")
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_release_checks_itself_and_is_left_as_it_was(broken):
    before = list(release_entries(broken))
    code, output = check(broken)
    assert (code, "passed all 42 checks." in output) == (0, True), output
    assert list(release_entries(broken)) == before


def test_what_is_broken_is_named_by_the_release_itself(broken):
    edit(broken / "annotations/ava_val.csv", b",2,10000", b",4,10000")
    with_sums(broken)
    code, output = check(broken)
    assert code == 1
    assert "FAILED  actions: ava_val.csv row 1 has the action 4" in output


def test_without_libraries_the_text_files_are_checked_and_the_rest_is_said_not_to_be(broken):
    absent = ["av", "cv2", "pyarrow", "yaml", "django", "scipy"]
    code, output = check(broken, absent=absent)
    assert code == 0, output
    assert "passed  rows: All" in output
    assert "passed  training configurations:" in output
    assert "frame content: Not checked: av is not installed." in output
    assert "votes: Not checked: pyarrow is not installed." in output
    assert "were not checked." in output
    edit(broken / "annotations/ava_val.csv", b",2,10000", b",4,10000")
    assert check(broken, absent=absent)[0] == 1


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        pytest.param(["rawframes"], "rawframes/ are not in this download", id="frames"),
        pytest.param(["rawframes", "clips"], "This download has no clips/", id="all media"),
    ],
)
def test_a_part_download_checks_as_what_it_is(broken, parts, sentence):
    for part in parts:
        shutil.rmtree(broken / part)
    code, output = check(broken)
    assert (code, sentence in output) == (0, True), output
    assert check(broken, "--complete")[0] == 1


def test_a_folder_that_is_no_release_is_said_to_be_none(broken, tmp_path):
    (tmp_path / "empty").mkdir()
    code, output = check(broken, str(tmp_path / "empty"))
    assert (code, "empty is not a release: it has no manifest.json." in output) == (1, True)
