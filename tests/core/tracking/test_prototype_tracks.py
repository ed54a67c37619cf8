import gzip
import json
import pickle
import shutil
import time
import zipfile

import numpy as np
import pytest

from datasets.core.formats.bundle_files import BundleError, read_manifest
from datasets.core.formats.prototype_frames import convert_prototype, is_prototype_bundle
from tests.prototype_files import boxes_of, grey_jpeg, write_prototype
from tracking.core.prototype_tracks import PrototypeTracks
from tracking.core.tracks_file import dump

CLIP = "street_1_clip_000"
OURS = "street-1-clip-000-c0000"


def converted(folder, tmp_path, **options):
    """The notes, the manifest and the tracks files that come of the files in `folder`."""
    target = tmp_path / "bundle"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    notes = convert_prototype(folder, target, **options)
    manifest, source = read_manifest(target), PrototypeTracks(target)
    files = {
        clip.name: source.tracks_of(video, clip)
        for video in manifest.videos
        for clip in video.clips
    }
    tracks = {name: json.loads(gzip.decompress(dump(file))) for name, file in files.items()}
    return notes, manifest, tracks


def ids(tracks):
    """The track ids of the clip."""
    return [track["track_id"] for track in tracks[OURS]["tracks"]]


def test_bare_files_are_distinguished_from_a_bundle():
    assert is_prototype_bundle({"frames.zip", "dense_proposals.pkl"})
    assert not is_prototype_bundle({"frames.zip", "dense_proposals.pkl", "manifest.json"})
    assert not is_prototype_bundle({"frames.zip", "dense_proposals.pkl", "clips.zip"})


def test_every_clip_becomes_a_video_with_its_frames_and_tracks(tmp_path):
    notes, manifest, tracks = converted(write_prototype(tmp_path / "bare"), tmp_path)
    assert notes == []
    assert manifest.annotation_fps == 1
    assert [video.name for video in manifest.videos] == [
        "street-1-clip-000",
        "street-1-clip-001",
    ]
    video = manifest.videos[0]
    assert (video.original_name, video.width, video.height) == (CLIP, 640, 360)
    assert (video.frame_count, video.frame_rate) == (450, 1)
    assert ids(tracks) == [1, 2]
    track = tracks[OURS]["tracks"][0]
    assert track["frames"] == list(range(421))
    assert track["boxes"][60] == [104.0, 50.0, 144.0, 200.0]
    assert track["scores"][60] == 0.8
    assert track["scores"][61] is None  # between two frames nothing was detected


def test_the_frames_are_copied_unchanged(tmp_path):
    converted(write_prototype(tmp_path / "bare"), tmp_path)
    with zipfile.ZipFile(tmp_path / "bundle" / "frames.zip") as archive:
        name = "street-1-clip-000-c0000/street-1-clip-000-c0000_frame_0003.jpg"
        assert archive.read(name) == grey_jpeg(30)


def test_frames_may_be_numbered_from_one(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15}, first=1)
    _, manifest, tracks = converted(folder, tmp_path)
    assert manifest.videos[0].frame_count == 450
    assert tracks[OURS]["tracks"][0]["frames"][0] == 0


def test_a_track_that_was_lost_for_over_a_second_stays_in_two_parts(tmp_path):
    dense = {CLIP: boxes_of(CLIP, persons=1)}
    dense[CLIP][f"{CLIP}_frame_0005.jpg"] = []
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    (file,) = converted(folder, tmp_path)[2].values()
    frames = file["tracks"][0]["frames"]
    assert frames == [*range(121), *range(180, 421)]


def test_frames_at_five_a_second_are_recognised_by_boxes_at_one(tmp_path):
    dense = {CLIP: dict(list(boxes_of(CLIP, seconds=75).items())[::5])}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 75})
    _, manifest, tracks = converted(folder, tmp_path)
    assert (manifest.annotation_fps, manifest.videos[0].frame_count) == (5, 450)
    assert len(tracks[OURS]["tracks"][0]["frames"]) == 421


def test_boxes_at_every_second_second_do_not_make_a_video_faster(tmp_path):
    dense = {CLIP: dict(list(boxes_of(CLIP).items())[::2])}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    assert converted(folder, tmp_path)[1].annotation_fps == 1


def test_the_rate_may_be_given(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 30})
    assert converted(folder, tmp_path, rate=2)[1].videos[0].frame_count == 450
    with pytest.raises(BundleError, match="7 frames a second do not divide 30"):
        convert_prototype(folder, tmp_path, rate=7)


def test_track_ids_may_be_in_the_tracks_alone(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15})
    dense = {CLIP: {f: [row[:5] for row in rows] for f, rows in boxes_of(CLIP).items()}}
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    assert ids(converted(folder, tmp_path)[2]) == [1, 2]
    (folder / "tracking_jsons.zip").unlink()
    with pytest.raises(BundleError, match=r"import tracking_jsons\.zip"):
        converted(folder, tmp_path)


def test_track_ids_of_a_crowd_are_found_in_seconds(tmp_path):
    crowd = {
        frame: [[3.0 * n, 50.0, 3.0 * n + 2, 200.0, 0.8, n + 1] for n in range(200)]
        for frame in boxes_of(CLIP)
    }
    folder = write_prototype(tmp_path / "bare", {CLIP: crowd}, clips={CLIP: 15})
    dense = {CLIP: {f: [row[:5] for row in rows] for f, rows in crowd.items()}}
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    began = time.process_time()
    _, _, tracks = converted(folder, tmp_path)
    assert ids(tracks) == list(range(1, 201))
    assert time.process_time() - began < 6  # asking numpy for each pair took 12 s


def test_track_ids_from_zero_are_moved_to_one(tmp_path):
    frames = boxes_of(CLIP)
    dense = {CLIP: {f: [[*row[:5], row[5] - 1] for row in rows] for f, rows in frames.items()}}
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15})
    assert ids(converted(folder, tmp_path)[2]) == [1, 2]


def test_what_is_skipped_is_reported(tmp_path):
    clips = {CLIP: 15, "short": 3}
    dense = {clip: boxes_of(clip, seconds=count) for clip, count in clips.items()}
    dense["elsewhere"] = boxes_of("elsewhere")
    notes, manifest, _ = converted(
        write_prototype(tmp_path / "bare", dense, clips=clips), tmp_path
    )
    assert notes == [
        "elsewhere: dense_proposals.pkl names it, frames.zip lacks it",
        "short: 3 frames at 1 a second are less than 4 s",
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
        pytest.param(changed(x1=3000, x2=3100), "not in the image of 640x360", id="outside"),
        pytest.param(changed(score=1.5), "not from 0 to 1", id="score"),
        pytest.param(changed(track_id=2), "2 is there twice", id="twice"),
        pytest.param(changed(track_id=1.5), "not a track id", id="half a track"),
        pytest.param(changed(track_id=-7), "not a track id", id="negative track"),
        pytest.param({CLIP: {f"{CLIP}_frame_0015.jpg": []}}, "lacks", id="no such frame"),
        pytest.param({CLIP: {"other_frame_0001.jpg": []}}, "not a frame of", id="other clip"),
        pytest.param({CLIP: {"../../etc/passwd": []}}, "not a frame of", id="path"),
        pytest.param({"elsewhere": {}}, None, id="nobody at all"),
    ],
)
def test_values_that_cannot_be_right_are_refused_by_name(tmp_path, dense, sentence):
    folder = write_prototype(tmp_path / "bare", dense, clips={CLIP: 15}, with_tracks=False)
    if sentence is None:
        assert ids(converted(folder, tmp_path)[2]) == []
        return
    with pytest.raises(BundleError, match=sentence):
        converted(folder, tmp_path)


def test_tracks_of_another_run_do_not_belong_to_the_pickle(tmp_path):
    folder = write_prototype(tmp_path / "bare", clips={CLIP: 15})
    dense = {CLIP: boxes_of(CLIP)}
    dense[CLIP][f"{CLIP}_frame_0003.jpg"][0][:4] = [300, 100, 400, 300]
    (folder / "dense_proposals.pkl").write_bytes(pickle.dumps(dense))
    with pytest.raises(BundleError, match="do not belong together"):
        converted(folder, tmp_path)


def frames_of(members):
    def write(folder):
        with zipfile.ZipFile(folder / "frames.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


ALL = {f"{CLIP}_frame_{second:04d}.jpg": grey_jpeg(second) for second in range(15)}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(lambda f: (f / "frames.zip").unlink(), r"lacks frames\.zip", id="none"),
        pytest.param(lambda f: (f / "frames.zip").write_bytes(b"x"), "damaged", id="no zip"),
        pytest.param(frames_of({"a.txt": b""}), "no frames named", id="no frames"),
        pytest.param(
            frames_of({n: c for n, c in ALL.items() if "0007" not in n}), "lacks frame 7",
            id="a hole",
        ),
        pytest.param(
            frames_of(ALL | {f"x/{CLIP}_frame_0001.jpg": b""}), "twice", id="a name twice"
        ),
        pytest.param(
            frames_of(ALL | {f"{CLIP}_frame_0003.jpg": b"text"}), "not a JPEG", id="not a JPEG"
        ),
        pytest.param(
            frames_of(ALL | {f"{CLIP}_frame_0003.jpg": grey_jpeg(1, width=64, height=36)}),
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
        converted(folder, tmp_path)


def test_the_numbers_of_numpy_are_numbers(tmp_path):
    frames = {f: [np.array(row) for row in rows] for f, rows in boxes_of(CLIP).items()}
    folder = write_prototype(tmp_path / "bare", {CLIP: frames}, clips={CLIP: 15},
                             with_tracks=False)  # fmt: skip
    assert ids(converted(folder, tmp_path)[2]) == [1, 2]
