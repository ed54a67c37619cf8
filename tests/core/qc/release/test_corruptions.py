"""Every kind of corruption that the list has is noticed, by its file and row."""

import json
import shutil

import pytest

from qc.core.release.checks.run_checks import check_release
from qc.core.release.formats import FORMATS
from qc.core.release.options import ReleaseOptions
from tests.core.qc.release.breaking import failures
from tests.core.qc.release.corruptions import CORRUPTIONS
from tests.core.qc.release.street_release import ACTIONS, GROUPS, street, write_street
from tests.core.qc.release.tiny_release import write_release


@pytest.fixture(scope="module")
def whole_street(tmp_path_factory):
    return write_street(tmp_path_factory.mktemp("street") / "1")


def test_the_release_to_corrupt_passes_every_check(whole_street):
    checks = check_release(whole_street)
    assert [check["sentence"] for check in checks if not check["passed"]] == []


def test_boxes_in_pixels_fit_frames_that_are_smaller_than_the_clips(tmp_path):
    clips, footage_of = street()
    write_release(
        tmp_path, clips[:3], formats=sorted(FORMATS), footage_of=footage_of, actions=ACTIONS,
        groups=GROUPS, options=ReleaseOptions.chosen("128"),
    )  # fmt: skip
    assert failures(tmp_path) == {}
    content = json.loads((tmp_path / "formats/coco/val.json").read_text())
    assert {(one["width"], one["height"]) for one in content["images"]} == {(128, 72)}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_named(whole_street, tmp_path, name):
    folder = shutil.copytree(whole_street, tmp_path / "1")
    its = CORRUPTIONS[name]
    its.corrupt(folder)
    failed = failures(folder)
    assert "checksums" not in failed
    assert its.sentence in failed.get(its.check, "nothing"), failed
