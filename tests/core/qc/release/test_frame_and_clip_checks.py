"""The frames and clips of a tiny release, broken in one place at a time."""

import json
import shutil

import cv2
import numpy as np
import pytest

from qc.core.release.checks.run_checks import check_release
from qc.core.release.packing import write_manifest
from tests.core.qc.release.breaking import edit, failures, with_sums
from tests.core.qc.release.tiny_release import SIZE, make_video_file, scene


def test_a_missing_frame_of_a_keyframe_is_named(broken):
    (broken / "rawframes/shop-c0000/img_00061.jpg").unlink()
    failed = failures(broken)
    assert "rawframes/shop-c0000/img_00061.jpg is missing" in failed["frame content"]
    assert "rawframes/shop-c0000/img_00061.jpg is in the manifest only" in failed["checksums"]


def test_the_frame_of_another_second_is_named(broken):
    folder = broken / "rawframes/shop-c0000"
    shutil.copyfile(folder / "img_00091.jpg", folder / "img_00061.jpg")
    assert failures(broken)["frame content"] == (
        "rawframes/shop-c0000/img_00061.jpg shows something else than the clip (32 grey "
        "levels)."
    )


def test_a_clip_compared_before_is_only_sampled_and_its_sums_tell(broken):
    folder = broken / "rawframes/shop-c0000"
    shutil.copyfile(folder / "img_00001.jpg", folder / "img_00091.jpg")
    checks = {c["name"]: c for c in check_release(broken, compared=["shop-c0000"])}
    assert checks["frame content"]["sentence"] == (
        "All 600 frames are those of the clips (149 of them made from these very clips)."
    )
    assert "img_00091.jpg is not the file of the manifest" in checks["checksums"]["sentence"]


def test_a_truncated_frame_is_named(broken):
    path = broken / "rawframes/shop-c0000/img_00061.jpg"
    path.write_bytes(path.read_bytes()[:100])
    assert "img_00061.jpg" in failures(broken)["frame content"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        pytest.param("img_00100.jpg", "img_00101.jpg", "shows the frame after", id="late"),
        pytest.param("img_00100.jpg", "img_00099.jpg", "shows the frame before", id="early"),
        pytest.param("img_00100.jpg", "half", "shows something else", id="half a frame"),
        pytest.param("img_00100.jpg", "small", "is no frame of 64x36", id="another size"),
        pytest.param("img_00150.jpg", "empty", "is missing or broken", id="empty"),
    ],
)
def test_any_image_that_is_not_its_frame_is_named(broken, name, content, sentence):
    folder = broken / "rawframes/shop-c0000"
    image = (folder / name).read_bytes()
    made = {"half": image[: -len(image) // 8] + b"\xff\xd9", "empty": b""}
    if content == "small":
        coded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
        made["small"] = cv2.imencode(".jpg", coded[:-1])[1].tobytes()
    (folder / name).write_bytes(
        made[content] if content in made else (folder / content).read_bytes()
    )
    with_sums(broken)
    failed = failures(broken)
    assert f"{name} {sentence}" in failed.pop("frame content")
    assert failed == {}


def test_files_that_are_no_frames_are_named(broken):
    (broken / "rawframes/shop-c0000/Thumbs.db").write_bytes(b"")
    failed = failures(broken)
    assert "rawframes/shop-c0000/Thumbs.db does not belong there" in failed["frames"]
    assert "Thumbs.db is not in the manifest" in failed["checksums"]


def test_links_are_named_for_they_do_not_travel(broken):
    path = broken / "rawframes/shop-c0000/img_00061.jpg"
    path.symlink_to(path.rename(path.with_suffix(".png")))
    assert "img_00061.jpg is a link" in failures(broken)["checksums"]


def test_a_clip_that_ends_too_early_is_named(broken):
    make_video_file(broken / "clips/shop-c0000.mp4", list(map(scene, range(60))))
    failed = failures(broken)
    assert "clips/shop-c0000.mp4 ends before frame 149" in failed["frame content"]
    assert "clips/shop-c0000.mp4 has 60 frames at 30 a second" in failed["clips"]


def test_a_clip_of_another_length_is_named(broken):
    images = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 30
    make_video_file(broken / "clips/shop-c0000.mp4", images)
    assert "clips/shop-c0000.mp4 has 30 frames at 30" in failures(broken)["clips"]
    (broken / "clips/shop-c0000.mp4").unlink()
    assert "clips/shop-c0000.mp4 cannot be read" in failures(broken)["clips"]


def test_a_release_of_clips_alone_needs_no_frames(broken):
    shutil.rmtree(broken / "rawframes")
    edit(
        broken / "manifest.json",
        b'"included": true',
        b'"included": false',
    )
    manifest = json.loads((broken / "manifest.json").read_text())
    (broken / "manifest.json").unlink()
    write_manifest(broken, {key: said for key, said in manifest.items() if key != "files"})
    assert failures(broken) == {}
