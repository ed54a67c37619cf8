import json
import pickle
import time
import zipfile

import numpy as np
import pytest

from datasets.core import manifest as manifests
from datasets.core.bundle import BundleError
from tests.prototype import boxes_of, picture, write_prototype
from tracking.core.prototype import adopt, is_prototype

CLIP = "street_1_clip_000"


def adopted(folder, tmp_path, **options):
    """The notes, the manifest and the track files that come of the files in `folder`."""
    target = tmp_path / "bundle"
    target.mkdir()
    notes = adopt(folder, target, **options)
    with zipfile.ZipFile(target / "tracking_jsons.zip") as archive:
        tracks = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    return notes, manifests.load((target / "manifest.json").read_bytes()), tracks


def test_bare_files_are_told_from_a_bundle_of_ours():
    assert is_prototype({"frames.zip", "dense_proposals.pkl"})
    assert not is_prototype({"frames.zip", "dense_proposals.pkl", "manifest.json"})


def test_every_clip_is_a_video_of_its_own_with_its_pictures_and_tracks(tmp_path):
    notes, manifest, tracks = adopted(write_prototype(tmp_path / "bare"), tmp_path)
    assert notes == []
    assert manifest.annotation_fps == 1
    assert [video.name for video in manifest.videos] == [
        "street-1-clip-000",
        "street-1-clip-001",
    ]
    video = manifest.videos[0]
    assert (video.original_name, video.width, video.height) == (CLIP, 640, 360)
    assert (video.frame_count, video.picture_rate) == (450, 1)
    assert video.clips[0].persons == {1: 1, 2: 2}
    track = tracks["street-1-clip-000-c0000.tracks.json"]["tracks"][0]
    assert track["frames"] == list(range(421))
    assert track["boxes"][60] == [104.0, 50.0, 144.0, 200.0]
    assert track["scores"][60] == 0.8
    assert track["scores"][61] is None  # between two pictures nobody looked


def test_the_pictures_come_over_as_they_are(tmp_path):
    adopted(write_prototype(tmp_path / "bare"), tmp_path)
    with zipfile.ZipFile(tmp_path / "bundle" / "frames.zip") as archive:
        name = "street-1-clip-000-c0000/street-1-clip-000-c0000_frame_0003.jpg"
        assert archive.read(name) == picture(30)


def test_pictures_may_be_numbered_from_one(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15}, first=1)
    _, manifest, tracks = adopted(folder, tmp_path)
    assert manifest.videos[0].frame_count == 450
    assert tracks["street-1-clip-000-c0000.tracks.json"]["tracks"][0]["frames"][0] == 0


def test_a_track_that_was_lost_for_over_a_second_stays_in_two_parts(tmp_path):
    dense = {CLIP: boxes_of(CLIP, persons=1)}
    dense[CLIP][f"{CLIP}_frame_0005.jpg"] = []
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    (file,) = adopted(folder, tmp_path)[2].values()
    frames = file["tracks"][0]["frames"]
    assert frames == [*range(121), *range(180, 421)]


def test_pictures_at_five_a_second_are_known_by_the_boxes_at_one(tmp_path):
    dense = {CLIP: dict(list(boxes_of(CLIP, seconds=75).items())[::5])}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 75})
    _, manifest, tracks = adopted(folder, tmp_path)
    assert (manifest.annotation_fps, manifest.videos[0].frame_count) == (5, 450)
    assert len(tracks["street-1-clip-000-c0000.tracks.json"]["tracks"][0]["frames"]) == 421


def test_boxes_at_every_second_second_do_not_make_a_film_faster(tmp_path):
    dense = {CLIP: dict(list(boxes_of(CLIP).items())[::2])}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    assert adopted(folder, tmp_path)[1].annotation_fps == 1


def test_somebody_who_knows_may_say_the_rate(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 30})
    assert adopted(folder, tmp_path, rate=2)[1].videos[0].frame_count == 450
    with pytest.raises(BundleError, match="7 pictures a second do not divide 30"):
        adopt(folder, tmp_path, rate=7)


def test_track_ids_may_be_in_the_tracks_alone(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15})
    dense = {CLIP: {f: [row[:5] for row in rows] for f, rows in boxes_of(CLIP).items()}}
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    assert adopted(folder, tmp_path)[1].videos[0].clips[0].persons == {1: 1, 2: 2}
    (folder / "tracking_jsons.zip").unlink()
    with pytest.raises(BundleError, match=r"bring tracking_jsons\.zip"):
        adopt(folder, tmp_path)


def test_track_ids_of_a_crowd_are_found_in_seconds(tmp_path):
    crowd = {
        frame: [[3.0 * n, 50.0, 3.0 * n + 2, 200.0, 0.8, n + 1] for n in range(200)]
        for frame in boxes_of(CLIP)
    }
    folder = write_prototype(tmp_path / "bare", {CLIP: crowd}, clips={CLIP: 15})
    dense = {CLIP: {f: [row[:5] for row in rows] for f, rows in crowd.items()}}
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    began = time.process_time()
    _, manifest, _ = adopted(folder, tmp_path)
    assert manifest.videos[0].clips[0].persons == {n: n for n in range(1, 201)}
    assert time.process_time() - began < 6  # asking numpy for each pair took 12 s


def test_track_ids_from_zero_are_moved_to_one(tmp_path):
    frames = boxes_of(CLIP)
    dense = {CLIP: {f: [[*row[:5], row[5] - 1] for row in rows] for f, rows in frames.items()}}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    assert adopted(folder, tmp_path)[1].videos[0].clips[0].persons == {1: 1, 2: 2}


def test_what_is_not_taken_is_said(tmp_path):
    clips = {CLIP: 15, "short": 3}
    dense = {clip: boxes_of(clip, seconds=count) for clip, count in clips.items()}
    dense["elsewhere"] = boxes_of("elsewhere")
    notes, manifest, _ = adopted(
        write_prototype(tmp_path / "bare", dense, clips=clips), tmp_path
    )
    assert notes == [
        "elsewhere: dense_proposals.pkl names it, frames.zip lacks it",
        "short: 3 pictures at 1 a second are less than 4 s",
    ]
    assert len(manifest.videos) == 1


def changed(**changes):
    """One box of the clip's frame 5 with other values."""
    names = ("x1", "y1", "x2", "y2", "score", "track_id")
    frames = boxes_of(CLIP)
    row = frames[f"{CLIP}_frame_0005.jpg"][0]
    for name, value in changes.items():
        row[names.index(name)] = value
    return {CLIP: frames}


@pytest.mark.parametrize(
    ("dense", "sentence"),
    [
        pytest.param(changed(x1=float("nan")), "a value that is nan", id="nan"),
        pytest.param(changed(x2=0), "without area", id="inverted"),
        pytest.param(changed(x1=0.1, y1=0.1, x2=0.3, y2=0.4), "without area", id="normalised"),
        pytest.param(changed(x1=3000, x2=3100), "not in the picture of 640x360", id="outside"),
        pytest.param(changed(score=1.5), "not from 0 to 1", id="score"),
        pytest.param(changed(track_id=2), "2 is there twice", id="twice"),
        pytest.param(changed(track_id=1.5), "no number of a track", id="half a track"),
        pytest.param(changed(track_id=-7), "no number of a track", id="negative track"),
        pytest.param({CLIP: {f"{CLIP}_frame_0015.jpg": []}}, "lacks", id="no such picture"),
        pytest.param({CLIP: {"other_frame_0001.jpg": []}}, "no picture of", id="other clip"),
        pytest.param({CLIP: {"../../etc/passwd": []}}, "no picture of", id="path"),
        pytest.param({"elsewhere": {}}, None, id="nobody at all"),
    ],
)
def test_values_that_cannot_be_right_are_refused_by_name(tmp_path, dense, sentence):
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15}, with_tracks=False)
    if sentence is None:
        assert adopted(folder, tmp_path)[1].videos[0].clips[0].persons == {}
        return
    with pytest.raises(BundleError, match=sentence):
        adopted(folder, tmp_path)


def test_tracks_of_another_run_do_not_belong_to_the_pickle(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15})
    dense = {CLIP: boxes_of(CLIP)}
    dense[CLIP][f"{CLIP}_frame_0003.jpg"][0][:4] = [300, 100, 400, 300]
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    with pytest.raises(BundleError, match="do not belong together"):
        adopted(folder, tmp_path)


def frames_of(members):
    def write(folder):
        with zipfile.ZipFile(folder / "frames.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


ALL = {f"{CLIP}_frame_{second:04d}.jpg": picture(second) for second in range(15)}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(lambda f: (f / "frames.zip").unlink(), r"lacks frames\.zip", id="none"),
        pytest.param(lambda f: (f / "frames.zip").write_bytes(b"x"), "damaged", id="no zip"),
        pytest.param(frames_of({"a.txt": b""}), "no pictures named", id="no pictures"),
        pytest.param(
            frames_of({n: c for n, c in ALL.items() if "0007" not in n}), "lacks picture 7",
            id="a hole",
        ),
        pytest.param(
            frames_of(ALL | {f"x/{CLIP}_frame_0001.jpg": b""}), "twice", id="a name twice"
        ),
        pytest.param(
            frames_of(ALL | {f"{CLIP}_frame_0003.jpg": b"text"}), "no JPEG", id="no JPEG"
        ),
        pytest.param(
            frames_of(ALL | {f"{CLIP}_frame_0003.jpg": picture(1, width=64, height=36)}),
            "64x36", id="another size",
        ),
        pytest.param(
            frames_of(ALL | {f"{CLIP}_frame_0003.jpg": b"\0" * (70 << 20)}),
            "more than 64 MB", id="a bomb",
        ),
        pytest.param(
            lambda f: (f / "tracking_jsons.zip").write_bytes(b"x"), "damaged", id="tracks"
        ),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_by_name(tmp_path, spoil, sentence):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15})
    spoil(folder)
    with pytest.raises(BundleError, match=sentence):
        adopted(folder, tmp_path)


def test_the_numbers_of_numpy_are_numbers(tmp_path):
    frames = {f: [np.array(row) for row in rows] for f, rows in boxes_of(CLIP).items()}
    folder = write_prototype(tmp_path / "bare", {CLIP: frames}, clips={CLIP: 15},
                             with_tracks=False)  # fmt: skip
    assert adopted(folder, tmp_path)[1].videos[0].clips[0].persons == {1: 1, 2: 2}
