from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.core.keyframe_reduction import MIN_IOU, CvatKeyframe, reduce_keyframes
from tracking.core.boxes import pairwise_iou

KEYFRAMES = range(60, 420, 30)
STEP, TASK_FRAMES = 6, 75


def path(seed, count=450):
    """A box that wanders and changes its size smoothly."""
    rng = np.random.default_rng(seed)
    knots = np.linspace(0, count, 10)
    x, y, w, h = (
        np.interp(np.arange(count), knots, rng.uniform(low, high, 10))
        for low, high in ((0, 500), (0, 200), (20, 80), (60, 160))
    )
    return np.stack([x, y, x + w, y + h], axis=1)


def thin(frames, boxes, **changes):
    options = {"keyframes": KEYFRAMES, "step": STEP, "task_frames": TASK_FRAMES} | changes
    return reduce_keyframes(np.asarray(frames), np.asarray(boxes, float), **options)


def shown(kept, frame):
    """The box CVAT shows at a task frame, or None."""
    before = [one for one in kept if one.frame <= frame]
    if not before or before[-1].outside:
        return None
    after = [one for one in kept if one.frame > frame]
    if before[-1].frame == frame or not after:
        return before[-1].box
    a, b = before[-1], after[0]
    return a.box + (frame - a.frame) / (b.frame - a.frame) * (b.box - a.box)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 6, 30]))
def test_every_ava_keyframe_fits(seed, step):
    boxes = path(seed)
    kept = thin(np.arange(450), boxes, step=step, task_frames=450 // step)
    for frame in KEYFRAMES:
        box = shown(kept, frame // step)
        assert pairwise_iou(box[None], boxes[frame][None])[0, 0] >= MIN_IOU


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_number_of_keyframes_is_minimal(seed):
    boxes, keyframes = path(seed)[:181], range(30, 180, 30)
    kept = thin(np.arange(181), boxes, keyframes=keyframes, task_frames=31)

    def is_true(chosen):
        chain = [CvatKeyframe(f // STEP, boxes[f], False) for f in (0, *chosen, 180)]
        truth = [(shown(chain, f // STEP), boxes[f]) for f in keyframes]
        return all(pairwise_iou(a[None], b[None])[0, 0] >= MIN_IOU for a, b in truth)

    fewest = next(n for n in range(6) if any(map(is_true, combinations(keyframes, n))))
    assert len(kept) == fewest + 2


def test_a_still_box_has_its_first_and_last_only():
    kept = thin(np.arange(450), np.tile([10, 10, 60, 160], (450, 1)))
    assert [(one.frame, one.outside) for one in kept] == [(0, False), (74, False)]


def test_a_turn_at_a_keyframe_costs_one_more():
    x = np.concatenate([np.arange(240), 240 - np.arange(210)]).astype(float)
    boxes = np.stack([x, x * 0, x + 50, x * 0 + 150], axis=1)
    assert [one.frame for one in thin(np.arange(450), boxes)] == [0, 40, 74]


def test_a_gap_ends_the_track_and_begins_it_again():
    frames = [*range(60, 151), *range(240, 301)]
    kept = thin(frames, np.tile([10, 10, 60, 160], (len(frames), 1)))
    assert [(one.frame, one.outside) for one in kept] == [
        (10, False), (25, False), (26, True), (40, False), (50, False), (51, True),
    ]  # fmt: skip


def test_a_track_seen_in_one_frame_of_the_task_is_one_box():
    kept = thin(range(58, 63), np.tile([10, 10, 60, 160], (5, 1)))
    assert [(one.frame, one.outside) for one in kept] == [(10, False), (11, True)]


@pytest.mark.parametrize("frames", [[], range(0, 30), range(61, 66)])
def test_a_segment_without_an_ava_keyframe_is_left_out(frames):
    assert thin(list(frames) or np.empty(0, int), np.tile([1, 1, 9, 9], (len(frames), 1))) == []


def test_the_input_is_not_changed():
    boxes = path(1)
    before = boxes.copy()
    thin(np.arange(450), boxes)
    assert (boxes == before).all()
