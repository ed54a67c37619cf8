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
def test_clips_are_adjacent_and_leave_nothing(frame_count, seconds):
    bounds = clip_bounds(frame_count, clip_seconds=seconds)
    whole = seconds * 30
    starts = [clip.start_frame for clip in bounds]
    covered = sum(clip.frame_count for clip in bounds)
    assert starts == [index * whole for index in range(len(bounds))]
    assert covered == (frame_count if frame_count >= MIN_CLIP_FRAMES else 0)
    assert all(clip.frame_count == whole for clip in bounds[:-1])
    assert all(MIN_CLIP_FRAMES <= each.frame_count < whole + MIN_CLIP_FRAMES for each in bounds)


RANGES = st.lists(st.tuples(LENGTHS, st.integers(1, 2000)), max_size=5)


@given(LENGTHS, RANGES, RANGES, SECONDS)
def test_clips_have_every_good_second_of_a_part_of_four(frame_count, bad, held, seconds):
    unreadable = [FrameRange(start, start + length) for start, length in bad]
    stills = [FrameRange(start, start + length) for start, length in held]
    clips = clip_bounds(frame_count, unreadable, stills, clip_seconds=seconds)
    shown = {frame for start, count in clips for frame in range(start, start + count)}
    for start, count in clips:
        assert start % 30 == 0
        assert (start + count) % 30 == 0 or start + count == frame_count
    assert all(a.start_frame + a.frame_count <= b.start_frame for a, b in pairwise(clips))
    lost = {frame for start, stop in unreadable for frame in range(start, stop)}
    assert not shown & lost
    still = {
        frame
        for start, stop in stills
        if stop - start > seconds * 30
        for frame in range(start, stop)
    }
    run = 0
    for second in range(frame_count // 30):
        frames = set(range(second * 30, second * 30 + 30))
        run = run + 1 if not frames & lost and not frames <= still else 0
        if run >= 4:
            assert frames <= shown


@given(LENGTHS, RANGES)
def test_keyframes_have_their_window_in_readable_video(frame_count, bad):
    unreadable = [FrameRange(start, start + length) for start, length in bad]
    for clip in clip_bounds(frame_count, unreadable):
        for second in keyframe_seconds(
            *clip, video_frame_count=frame_count, unreadable=unreadable
        ):
            frame = clip.start_frame + 30 * second
            assert 60 <= frame <= frame_count - 45
            assert all(frame + 45 <= start or frame - 60 >= stop for start, stop in unreadable)


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
