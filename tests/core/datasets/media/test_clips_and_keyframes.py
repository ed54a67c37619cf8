from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    MAX_CLIP_SECONDS,
    MIN_CLIP_FRAMES,
    MIN_CLIP_SECONDS,
    FrameRange,
    clip_bounds,
    export_window,
    keyframe_seconds,
    timestamp,
)

LENGTHS = st.integers(min_value=0, max_value=20_000)
SECONDS = st.integers(MIN_CLIP_SECONDS, MAX_CLIP_SECONDS)


@given(LENGTHS, SECONDS)
def test_clips_are_adjacent_and_leave_less_than_four_seconds(frame_count, seconds):
    bounds = clip_bounds(frame_count, clip_seconds=seconds)
    whole = seconds * 30
    starts = [clip.start_frame for clip in bounds]
    covered = sum(clip.frame_count for clip in bounds)
    assert starts == [index * whole for index in range(len(bounds))]
    assert 0 <= frame_count - covered < MIN_CLIP_FRAMES
    assert all(MIN_CLIP_FRAMES <= clip.frame_count <= whole for clip in bounds)
    assert all(clip.frame_count == whole for clip in bounds[:-1])


@given(LENGTHS, st.lists(st.tuples(LENGTHS, st.integers(1, 2000)), max_size=5), SECONDS)
def test_no_clip_comes_near_an_unreadable_range(frame_count, places, seconds):
    inside = [(start, length) for start, length in places if start < frame_count]
    unreadable = [FrameRange(start, start + length) for start, length in inside]
    clips = clip_bounds(frame_count, unreadable, clip_seconds=seconds)
    whole = seconds * 30
    for start, count in clips:
        assert start % 30 == 0
        assert all(start + count + 60 <= bad or start >= stop + 60 for bad, stop in unreadable)
    assert all(count == whole for _, count in clips[:-1])
    assert all(a.start_frame + a.frame_count <= b.start_frame for a, b in pairwise(clips))
    if clips and clips[-1].frame_count < whole:
        assert sum(clips[-1]) == frame_count


def test_a_video_under_four_seconds_has_no_clip():
    assert clip_bounds(119) == []


def test_a_clip_has_15_seconds_by_default():
    assert clip_bounds(9000) == clip_bounds(9000, clip_seconds=CLIP_SECONDS)
    assert clip_bounds(9000)[0].frame_count == 450


@pytest.mark.parametrize("seconds", [MIN_CLIP_SECONDS - 1, MAX_CLIP_SECONDS + 1])
def test_a_clip_length_out_of_range_is_an_error(seconds):
    with pytest.raises(ValueError, match=f"cannot have {seconds} s"):
        clip_bounds(9000, clip_seconds=seconds)


def test_a_negative_length_is_an_error():
    with pytest.raises(ValueError, match="-1 frames"):
        clip_bounds(-1)


@given(LENGTHS)
def test_keyframes_have_their_window_in_the_video(frame_count):
    for clip in clip_bounds(frame_count):
        for second in keyframe_seconds(*clip, video_frame_count=frame_count):
            frame = clip.start_frame + 30 * second
            assert 0 <= 30 * second < clip.frame_count
            assert frame >= 60
            assert frame + 45 <= frame_count


@given(LENGTHS)
def test_keyframes_have_their_window_in_the_exported_window(frame_count):
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
