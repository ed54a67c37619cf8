from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.core.clipping import (
    CLIP_FRAMES,
    SHORTEST_CLIP_FRAMES,
    Stretch,
    clip_bounds,
    export_window,
    keyframe_seconds,
    timestamp,
)

LENGTHS = st.integers(min_value=0, max_value=20_000)


@given(LENGTHS)
def test_clips_touch_and_leave_over_less_than_four_seconds(frame_count):
    bounds = clip_bounds(frame_count)
    starts = [clip.start_frame for clip in bounds]
    covered = sum(clip.frame_count for clip in bounds)
    assert starts == [index * CLIP_FRAMES for index in range(len(bounds))]
    assert 0 <= frame_count - covered < SHORTEST_CLIP_FRAMES
    assert all(SHORTEST_CLIP_FRAMES <= clip.frame_count <= CLIP_FRAMES for clip in bounds)


@given(LENGTHS, st.lists(st.tuples(LENGTHS, st.integers(1, 2000)), max_size=5))
def test_no_clip_comes_near_an_unreadable_stretch(frame_count, places):
    inside = [(start, length) for start, length in places if start < frame_count]
    unreadable = [Stretch(start, start + length) for start, length in inside]
    clips = clip_bounds(frame_count, unreadable)
    for start, count in clips:
        assert start % 30 == 0
        assert all(start + count + 60 <= bad or start >= stop + 60 for bad, stop in unreadable)
    assert all(count == CLIP_FRAMES for _, count in clips[:-1])
    assert all(a.start_frame + a.frame_count <= b.start_frame for a, b in pairwise(clips))
    if clips and clips[-1].frame_count < CLIP_FRAMES:
        assert sum(clips[-1]) == frame_count


def test_a_video_under_four_seconds_has_no_clip():
    assert clip_bounds(119) == []


def test_a_negative_length_is_an_error():
    with pytest.raises(ValueError, match="-1 frames"):
        clip_bounds(-1)


@given(LENGTHS)
def test_keyframes_have_their_footage_in_the_video(frame_count):
    for clip in clip_bounds(frame_count):
        for second in keyframe_seconds(*clip, video_frame_count=frame_count):
            frame = clip.start_frame + 30 * second
            assert 0 <= 30 * second < clip.frame_count
            assert frame >= 60
            assert frame + 45 <= frame_count


@given(LENGTHS)
def test_keyframes_have_their_footage_in_the_exported_window(frame_count):
    """The rule of the consumers: timestamps from 902, and 30 * s + 45 frames there."""
    for clip in clip_bounds(frame_count):
        window = export_window(*clip, video_frame_count=frame_count)
        for second in keyframe_seconds(*clip, video_frame_count=frame_count):
            stamp = timestamp(second, pad_seconds=window.pad_seconds)
            place = 30 * (stamp - 900)
            assert stamp >= 902
            assert place + 45 <= window.frame_count
            assert window.start_frame + place == clip.start_frame + 30 * second


def test_all_fifteen_seconds_of_an_inner_clip_are_keyframes():
    assert keyframe_seconds(450, 450, video_frame_count=1350) == list(range(15))
