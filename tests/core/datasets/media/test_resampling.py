from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.core.media.resampling import Clock, Timed, TimingError, slot_of, slots


def steady(count, rate):
    step = 1 / Fraction(rate)
    return [Timed(number * step, step, number) for number in range(count)]


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        pytest.param("30", 90, 90, id="30"),
        pytest.param("25", 825, 990, id="25"),
        pytest.param("30000/1001", 480, 480, id="29.97"),
        pytest.param("60000/1001", 600, 300, id="59.94"),
        pytest.param("5", 25, 150, id="5"),
        pytest.param("24", 1, 1, id="one picture"),
    ],
)
def test_a_steady_film_keeps_its_length(rate, count, expected):
    assert len(list(slots(steady(count, rate), most_seconds=99))) == expected


@given(st.lists(st.integers(min_value=1, max_value=9000), min_size=1, max_size=60))
def test_each_slot_shows_the_last_picture_that_has_begun(gaps):
    """The rule itself, slot by slot, on any clock of a 90 000th of a second."""
    times, tick = [], 0
    for gap in gaps:
        times.append(Fraction(tick, 90_000))
        tick += gap
    timed = [Timed(time, Fraction(1, 30), place) for place, time in enumerate(times)]
    shown = list(slots(timed, most_seconds=99))
    begun = [slot_of(time) for time in times]
    assert shown == [
        max(place for place, begin in enumerate(begun) if begin <= slot)
        for slot in range(len(shown))
    ]
    assert len(shown) == max(1, slot_of(times[-1] + Fraction(1, 30)))


def test_no_pictures_give_no_slots():
    assert list(slots([], most_seconds=9)) == []


def test_a_gap_of_more_than_ten_seconds_is_refused():
    hole = [Timed(Fraction(0), Fraction(1), "a"), Timed(Fraction(11), Fraction(1), "b")]
    with pytest.raises(TimingError, match="gap of 11 s"):
        list(slots(hole, most_seconds=99))


def test_a_film_longer_than_its_header_says_is_stopped():
    with pytest.raises(TimingError, match="longer than the 2 s"):
        list(slots(steady(900, 30), most_seconds=2))


def test_the_first_stamp_becomes_zero():
    assert [tick for tick, _ in Clock(step=3).joined([(90, "a"), (93, "b")])] == [0, 3]


def test_a_clock_that_begins_anew_is_joined():
    clock = Clock(step=1)
    stamps = [*range(100, 120), *range(0, 20)]
    assert [tick for tick, _ in clock.joined((s, s) for s in stamps)] == list(range(40))
    assert (clock.restarts, clock.dropped) == (1, 0)


def test_a_few_pictures_from_before_are_damage_and_left_out():
    clock = Clock(step=1)
    stamps = [*range(20), 3, 4, 5, *range(20, 40)]
    assert [tick for tick, _ in clock.joined((s, s) for s in stamps)] == list(range(40))
    assert (clock.restarts, clock.dropped) == (0, 3)


def test_pictures_without_a_stamp_follow_on():
    assert [t for t, _ in Clock(step=2).joined([(None, "a"), (None, "b")])] == [0, 2]
