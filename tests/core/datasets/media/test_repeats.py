import numpy as np
import pytest

from datasets.core.media.fingerprints import (
    from_bytes,
    hash_a_second,
    hashes,
    read_thumbnails,
    thumbnails_of,
)
from datasets.core.media.repeats import likeness, look_alike, repeats
from tests.video_files import make_video_file, standard_of


def walk(seed, seconds, *, place=0, start=0.0):
    """Thumbnails of a fixed camera: blobs walk before a place, five samples a second."""
    there, random = np.random.default_rng(place), np.random.default_rng([seed, 1])
    ground = there.uniform(40, 200, (8, 8))
    paths = [(random.uniform(0, 8, 2), random.uniform(-1, 1, 2)) for _ in range(4)]
    rows, columns = np.mgrid[:8, :8]
    found = []
    for sample in range(round(seconds * 5)):
        now = start + sample / 5
        image = ground.copy()
        for begin, speed in paths:
            x, y = (begin + speed * now + 2 * np.sin(now * speed * 3)) % 10 - 1
            image += 50 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 1.5)
        found.append(np.clip(image, 0, 255).astype(np.uint8).reshape(64))
    return np.array(found)


def found_in(one, other):
    if not look_alike(hashes(one), hash_a_second(other)):
        return []
    return repeats(one, other)


def test_a_trimmed_copy_is_found_with_the_seconds_that_match():
    (stretch,) = found_in(walk(1, 12, start=7.1), walk(1, 30))
    assert stretch.start == pytest.approx(0, abs=0.5)
    assert stretch.other_start == pytest.approx(7.1, abs=0.5)
    assert stretch.seconds == pytest.approx(12, abs=0.8)


def test_the_same_place_at_another_time_is_no_repeat():
    assert found_in(walk(1, 30), walk(2, 30)) == []


def test_two_stills_of_one_place_are_no_repeat():
    still = np.repeat(walk(1, 0.2), 100, axis=0)
    assert found_in(still, still.copy()) == []


def test_a_still_beside_movement_that_matches_belongs_to_it():
    video = np.concatenate([walk(1, 12), np.repeat(walk(1, 0.2, start=12), 40, axis=0)])
    (stretch,) = found_in(video, video.copy())
    assert stretch.seconds == pytest.approx(20, abs=0.8)


def test_a_part_that_is_repeated_inside_another_video_is_found():
    other = np.concatenate([walk(3, 10, place=3), walk(1, 9, start=4), walk(4, 9, place=4)])
    (stretch,) = found_in(walk(1, 30), other)
    assert stretch.start == pytest.approx(4, abs=0.6)
    assert stretch.other_start == pytest.approx(10, abs=0.6)
    assert stretch.seconds == pytest.approx(9, abs=1.2)


@pytest.mark.parametrize("seconds", [0, 0.2, 2])
def test_very_short_videos_share_nothing(seconds):
    assert found_in(walk(1, seconds), walk(1, 30)) == []
    assert found_in(walk(1, 30), walk(1, seconds)) == []


def test_brightness_does_not_change_how_alike_two_thumbnails_look():
    one = walk(1, 0.2)[0]
    assert likeness(one, (one * 0.5).astype(np.uint8)) > 0.99
    assert likeness(one, walk(1, 0.2, place=5)[0]) < 0.6


def test_thumbnails_made_while_standardising_are_those_of_the_standard_video(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=95)
    target, _ = standard_of(source, thumbnails=tmp_path / "thumbnails")
    made = from_bytes((tmp_path / "thumbnails").read_bytes())
    assert made.shape == (16, 64)
    again = read_thumbnails(target)
    assert again.shape == made.shape
    assert likeness(made[7], again[7]) > 0.999


def test_thumbnails_of_a_copied_video_are_made_too(tmp_path):
    first, _ = standard_of(make_video_file(tmp_path / "video.mkv", frames=95))
    source = first.rename(tmp_path / "again.mp4")
    _, made = standard_of(source, thumbnails=tmp_path / "thumbnails")
    assert made.changes[0].startswith("Copied")
    assert from_bytes((tmp_path / "thumbnails").read_bytes()).shape == (16, 64)


def test_no_frames_have_no_thumbnails():
    assert thumbnails_of([]).shape == (0, 64)
    assert hashes(thumbnails_of([])).shape == (0,)
