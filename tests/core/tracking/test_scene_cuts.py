"""Videos of moving textures: 160 x 90 pixels, each scene a texture of its own."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from tracking.core.scene_cuts import SceneCutDetector, thumbnail

SIZE = 160, 90


def texture(seed: int) -> np.ndarray:
    """Soft blots, larger than a frame."""
    grain = np.random.default_rng(seed).integers(0, 255, (16, 40, 3), dtype=np.uint8)
    return cv2.resize(grain, (800, 320), interpolation=cv2.INTER_CUBIC)


def scene(seed: int, count: int, *, speed: float = 1.0) -> list[np.ndarray]:
    """A camera that turns by `speed` pixels a frame, with some noise."""
    ground, random = texture(seed), np.random.default_rng(seed)
    frames = []
    for number in range(count):
        left = int(number * speed)
        frame = ground[100 : 100 + SIZE[1], left : left + SIZE[0]].astype(float)
        noisy = frame + random.normal(0, 4, frame.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def cuts_in(frames: Sequence[np.ndarray], *, stride: int = 1) -> list[int]:
    detector = SceneCutDetector()
    indexed = [(index, one) for index, one in enumerate(frames) if index % stride == 0]
    passed = list(detector.watch(indexed))
    assert [index for index, _ in passed] == [index for index, _ in indexed]
    return list(detector)


def test_another_scene_begins_with_its_first_frame():
    video = scene(1, 40) + scene(2, 30) + scene(3, 50)
    assert cuts_in(video) == [40, 70]


def test_with_a_stride_a_cut_is_at_the_next_sampled_frame():
    video = scene(1, 40, speed=0.2) + scene(2, 40, speed=0.2)
    assert cuts_in(video, stride=7) == [42]


def test_repeated_frames_hide_no_cut_and_make_none():
    video = scene(1, 20, speed=4) + scene(2, 20, speed=4)
    assert cuts_in([frame for frame in video for _ in range(3)]) == [60]


@pytest.mark.parametrize("speed", [0, 2, 15], ids=["still", "slow", "fast"])
def test_a_camera_that_is_turned_is_no_cut(speed):
    assert cuts_in(scene(1, 40, speed=speed)) == []


def test_a_flash_is_no_cut():
    video = scene(1, 60)
    video[30] = np.full_like(video[30], 250)
    assert cuts_in(video) == []


def test_a_fade_is_no_cut():
    first, second = scene(1, 60), scene(2, 60)
    video = first[:20]
    for number in range(20, 40):
        share = (number - 20) / 20
        video.append((first[number] * (1 - share) + second[number] * share).astype(np.uint8))
    assert cuts_in(video + second[40:]) == []


@pytest.mark.parametrize("size", [(1, 1), (2, 4000), (2000, 16), (720, 1280)])
def test_frames_of_any_size_have_a_thumbnail(size):
    assert (
        thumbnail(np.full((*size, 3), 7, np.uint8)).tolist() == np.full((18, 32, 3), 7).tolist()
    )


def test_no_frame_and_one_are_no_cut():
    assert (cuts_in([]), cuts_in(scene(1, 1))) == ([], [])
