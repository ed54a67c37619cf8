from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.core.media.resampling import (
    TimedFrame,
    TimestampJoiner,
    TimingError,
    output_frame_index,
    resample_to_cfr,
)


def steady(count, rate):
    step = 1 / Fraction(rate)
    return [TimedFrame(number * step, step, number) for number in range(count)]


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        pytest.param("30", 90, 90, id="30"),
        pytest.param("25", 825, 990, id="25"),
        pytest.param("30000/1001", 480, 480, id="29.97"),
        pytest.param("60000/1001", 600, 300, id="59.94"),
        pytest.param("5", 25, 150, id="5"),
        pytest.param("24", 1, 1, id="one image"),
    ],
)
def test_a_constant_frame_rate_keeps_the_length(rate, count, expected):
    assert len(list(resample_to_cfr(steady(count, rate), max_seconds=99))) == expected


@given(st.lists(st.integers(min_value=1, max_value=9000), min_size=1, max_size=60))
def test_each_output_frame_is_the_last_source_frame_that_has_started(gaps):
    """The rule itself, frame by frame, with any timestamps in 1/90 000 s."""
    times, tick = [], 0
    for gap in gaps:
        times.append(Fraction(tick, 90_000))
        tick += gap
    timed = [TimedFrame(time, Fraction(1, 30), place) for place, time in enumerate(times)]
    shown = list(resample_to_cfr(timed, max_seconds=99))
    started = [output_frame_index(time) for time in times]
    assert shown == [
        max(place for place, begin in enumerate(started) if begin <= index)
        for index in range(len(shown))
    ]
    assert len(shown) == max(1, output_frame_index(times[-1] + Fraction(1, 30)))


def test_no_frames_give_no_frames():
    assert list(resample_to_cfr([], max_seconds=9)) == []


def test_a_frame_is_held_until_the_next_one():
    hole = [
        TimedFrame(Fraction(0), Fraction(1), "a"),
        TimedFrame(Fraction(11), Fraction(1, 30), "b"),
    ]
    assert "".join(resample_to_cfr(hole, max_seconds=99)) == "a" * 330 + "b"


def test_a_video_longer_than_allowed_is_stopped():
    with pytest.raises(TimingError, match=r"longer than the 2 s .*AVA_MAX_VIDEO_SECONDS"):
        list(resample_to_cfr(steady(900, 30), max_seconds=2))


def test_the_first_timestamp_becomes_zero():
    assert [tick for tick, _ in TimestampJoiner(step=3).joined([(90, "a"), (93, "b")])] == [
        0,
        3,
    ]


def test_restarted_timestamps_are_joined():
    joiner = TimestampJoiner(step=1)
    stamps = [*range(100, 120), *range(0, 20)]
    assert [tick for tick, _ in joiner.joined((s, s) for s in stamps)] == list(range(40))
    assert (joiner.restarts, joiner.dropped) == (1, 0)


def test_a_few_earlier_timestamps_are_corruption_and_dropped():
    joiner = TimestampJoiner(step=1)
    stamps = [*range(20), 3, 4, 5, *range(20, 40)]
    assert [tick for tick, _ in joiner.joined((s, s) for s in stamps)] == list(range(40))
    assert (joiner.restarts, joiner.dropped) == (0, 3)


def test_frames_without_a_timestamp_follow_the_last_one():
    assert [t for t, _ in TimestampJoiner(step=2).joined([(None, "a"), (None, "b")])] == [0, 2]
