"""Random scenes for training, and the shape of what the detector learns from."""

import numpy as np

from demo.world.rehearsal import FIRST_HELD_OUT, other_story, random_spec, samples
from demo.world.scene import small_world, truth_of_source


def test_the_same_seed_gives_the_same_scene_and_another_one_does_not():
    assert random_spec(7) == random_spec(7)
    assert random_spec(7) != random_spec(FIRST_HELD_OUT + 7)


def test_another_story_keeps_the_place_and_changes_the_people():
    stage = small_world()[0]
    other = other_story(stage, 3)
    assert (other.style, other.props, other.seed) == (stage.style, stage.props, stage.seed)
    assert truth_of_source(other, 60) != truth_of_source(stage, 60)


def test_samples_are_square_with_boxes_inside():
    seen = list(samples(random_spec(4), frames=2, size=64, crops=True))
    assert len(seen) == 4
    for one in seen:
        assert one.picture.shape == (64, 64, 3)
        assert one.picture.dtype == np.uint8
        assert len(one.boxes) == len(one.visible)
        assert ((one.boxes >= 0) & (one.boxes <= 1)).all()
        assert ((one.visible >= 0) & (one.visible <= 1)).all()


def test_samples_of_the_same_scene_are_the_same():
    def first():
        return next(samples(other_story(small_world()[0], 5), frames=1, size=64, crops=False))

    assert (first().picture == first().picture).all()
