import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from tracking.core.tracks_file import FORMAT, Track, TracksFile, TracksFileError, dump, load


def a_file(**changes) -> TracksFile:
    track = Track(
        1,
        np.array([0, 2]),
        np.array([[0.126, 1, 5, 9], [1, 2, 6, 10]]),
        np.array([0.91239, np.nan]),
    )
    fields = {
        "clip": "a-c0000",
        "width": 64,
        "height": 36,
        "frame_count": 450,
        "tracks": [track],
        "made_by": {"tracker": "x"},
        "cuts": [200],
    }
    return TracksFile(**(fields | changes))


def test_what_is_written_reads_back():
    file = load(dump(a_file()))
    assert (file.clip, file.width, file.height, file.frame_count) == ("a-c0000", 64, 36, 450)
    assert (file.fps, file.made_by, file.cuts) == (30, {"tracker": "x"}, [200])
    (track,) = file.tracks
    assert track.frames.tolist() == [0, 2]
    assert track.boxes.tolist() == [[0.13, 1, 5, 9], [1, 2, 6, 10]]
    assert track.scores[0] == 0.9124
    assert np.isnan(track.scores[1])


def test_a_file_read_and_written_again_has_the_same_bytes():
    once = dump(a_file())
    assert dump(load(once)) == once


def test_a_file_from_before_cuts_were_looked_for_has_none():
    content = json.loads(gzip.decompress(dump(a_file())))
    del content["cuts"]
    assert load(gzip.compress(json.dumps(content).encode())).cuts == []


def test_what_a_track_is_reads_back_and_is_a_person_unless_it_says_so():
    (track,) = a_file().tracks
    vehicle = load(dump(a_file(tracks=[replace(track, label="vehicle")])))
    assert [one.label for one in vehicle.tracks] == ["vehicle"]
    assert b"label" not in gzip.decompress(dump(a_file()))
    content = json.loads(gzip.decompress(dump(a_file())))
    content["tracks"][0]["label"] = "x" * 81
    with pytest.raises(TracksFileError, match="label that is no short text"):
        load(gzip.compress(json.dumps(content).encode()))


def test_no_tracks_read_back():
    assert load(dump(a_file(tracks=[]))).tracks == []


def test_the_mean_score_is_of_detected_frames_alone():
    assert a_file().tracks[0].mean_score == pytest.approx(0.91239)
    unseen = Track(1, np.array([0]), np.zeros((1, 4)), np.array([np.nan]))
    assert unseen.mean_score == 0.0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not gzip", id="not gzip"),
        pytest.param(dump(a_file())[:-20], id="cut off"),
        pytest.param(gzip.compress(b"[1]"), id="other JSON"),
        pytest.param(gzip.compress(b'{"format": "mot"}'), id="another format"),
        pytest.param(gzip.compress(json.dumps({"format": FORMAT}).encode()), id="no tracks"),
    ],
)
def test_other_bytes_are_refused_with_a_sentence(content):
    with pytest.raises(TracksFileError, match="tracks file"):
        load(content)
