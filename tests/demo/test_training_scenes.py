"""Random training scenes and their samples."""

import numpy as np

from benchmarks.demo_detector.training_scenes import (
    FIRST_HELD_OUT,
    random_spec,
    samples,
    with_random_people,
)
from demo.world.renderer import small_videos, truth_of_source


def test_the_same_seed_gives_the_same_scene_and_another_one_does_not():
    assert random_spec(7) == random_spec(7)
    assert random_spec(7) != random_spec(FIRST_HELD_OUT + 7)


def test_random_people_keep_the_place():
    video = small_videos()[0]
    other = with_random_people(video, 3)
    assert (other.style, other.props, other.seed) == (video.style, video.props, video.seed)
    assert truth_of_source(other, 60) != truth_of_source(video, 60)


def test_samples_are_square_with_boxes_inside():
    seen = list(samples(random_spec(4), frames=2, size=64, crops=True))
    assert len(seen) == 4
    for one in seen:
        assert one.image.shape == (64, 64, 3)
        assert one.image.dtype == np.uint8
        assert len(one.boxes) == len(one.visible)
        assert ((one.boxes >= 0) & (one.boxes <= 1)).all()
        assert ((one.visible >= 0) & (one.visible <= 1)).all()


def test_samples_of_the_same_scene_are_the_same():
    def first():
        return next(
            samples(with_random_people(small_videos()[0], 5), frames=1, size=64, crops=False)
        )

    assert (first().image == first().image).all()
