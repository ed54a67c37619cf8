import json

import pytest

from datasets.core.formats.bundle_manifest import (
    ClipEntry,
    FileEntry,
    Manifest,
    ManifestError,
    VideoEntry,
    dump,
    load,
)

CLIP = ClipEntry("aisle-c0000", 0, 0, 450, {1: 3, 2: 1})
VIDEO = VideoEntry("aisle", "Aisle.MOV", "a" * 64, 640, 360, 460, (CLIP,))
MANIFEST = Manifest("shop", "test/1", 5, (VIDEO,), {"frames.zip": FileEntry(3, "b" * 64)})


def test_a_manifest_is_read_back():
    assert load(dump(MANIFEST)) == MANIFEST


def test_the_same_manifest_gives_the_same_bytes():
    assert dump(MANIFEST) == dump(load(dump(MANIFEST)))


def test_the_format_is_the_documented_one():
    raw = json.loads(dump(MANIFEST))
    assert raw["format"] == "ava-studio-bundle/2"
    assert raw["videos"][0]["clips"][0]["persons"] == {"1": 3, "2": 1}
    assert raw["files"]["frames.zip"] == {"size": 3, "sha256": "b" * 64}


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        pytest.param(["format"], "other/1", "of format 'other/1'", id="format"),
        pytest.param(["annotation_fps"], 7, "do not divide 30", id="rate"),
        pytest.param(["config_key"], "x" * 121, "not a valid name", id="config_key too long"),
        pytest.param(["videos", 0, "name"], "../up", "'../up'", id="path as a name"),
        pytest.param(["videos", 0, "sha256"], "abc", "'abc'", id="hash"),
        pytest.param(["videos", 0, "width"], -1, "whole number", id="size"),
        pytest.param(["videos", 0, "frame_count"], 449, "ends after its video", id="length"),
        pytest.param(["videos", 0, "clips", 0, "index"], 1, "not numbered", id="index"),
        pytest.param(
            ["videos", 0, "clips", 0, "persons"], {"1": 3, "2": 3}, "same person", id="persons"
        ),
        pytest.param(
            ["videos", 0, "clips", 0, "persons"], {"1": 2**31}, "too large", id="large id"
        ),
        pytest.param(["videos", 0, "clips"], [], "has no clips", id="no clips"),
        pytest.param(["videos", 0, "original_name"], "a\0b", "not a valid name", id="zero"),
        pytest.param(["videos", 0, "original_name"], "\ud800", "not a valid", id="half a sign"),
        pytest.param(["files", "frames.zip", "size"], 1e400, "whole number", id="endless"),
        pytest.param(["files", "frames.zip", "size"], -1, "whole number", id="less than none"),
        pytest.param(["videos"], None, "not the manifest", id="no videos"),
        pytest.param(
            ["files"], {"../x": {"size": 1, "sha256": "b" * 64}}, "x'", id="file path"
        ),
    ],
)
def test_an_inconsistent_manifest_is_refused(place, value, sentence):
    raw = json.loads(dump(MANIFEST))
    *way, last = place
    target = raw
    for step in way:
        target = target[step]
    target[last] = value
    with pytest.raises(ManifestError, match=sentence):
        load(json.dumps(raw).encode())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({}, "videos are called", id="name"),
        pytest.param({"name": "other"}, "of the same file", id="file"),
        pytest.param({"name": "other", "sha256": "c" * 64}, "clips are called", id="clip"),
    ],
)
def test_duplicates_in_a_manifest_are_refused(changes, sentence):
    raw = json.loads(dump(MANIFEST))
    raw["videos"].append(raw["videos"][0] | changes)
    with pytest.raises(ManifestError, match=sentence):
        load(json.dumps(raw).encode())


def test_clips_of_a_video_do_not_overlap():
    raw = json.loads(dump(MANIFEST))
    again = raw["videos"][0]["clips"][0] | {"name": "aisle-c0001", "index": 1}
    raw["videos"][0]["clips"].append(again)
    with pytest.raises(ManifestError, match="begins before the clip before it ends"):
        load(json.dumps(raw).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"nothing", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(ManifestError):
        load(content)
