import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.quality.annotation_time import Delivered, seconds_spent, usual_seconds

MINUTE = 60.0


def test_a_task_took_at_most_the_time_since_the_last_answers():
    tasks = [Delivered(n, given=0, came=n * 20 * MINUTE) for n in (1, 2, 3)]
    assert seconds_spent(tasks) == dict.fromkeys((1, 2, 3), 20 * MINUTE)


def test_a_task_took_no_longer_than_since_it_was_given_out():
    tasks = [Delivered(1, given=0, came=600), Delivered(2, given=86_400, came=87_000)]
    assert seconds_spent(tasks) == {1: 600, 2: 600}


def test_answers_brought_together_share_the_time_before_them():
    tasks = [Delivered(n, given=0, came=10_000 + n * 30) for n in range(10)]
    assert seconds_spent(tasks) == dict.fromkeys(range(10), pytest.approx(1027))


def test_who_only_clicks_through_is_quick_even_in_a_row():
    careful = [Delivered(n, given=0, came=n * 20 * MINUTE) for n in range(1, 8)]
    hasty = [Delivered(n, given=0, came=n * 50) for n in range(10, 13)]
    spent = seconds_spent(careful) | seconds_spent(hasty)
    assert usual_seconds(spent) == 20 * MINUTE
    assert max(spent[n] for n in (10, 11, 12)) < 0.2 * 20 * MINUTE


def test_a_package_written_again_after_its_answers_took_no_time():
    assert seconds_spent([Delivered(1, given=500, came=400)]) == {1: 0.0}


def test_nothing_came_nothing_was_spent():
    assert seconds_spent([]) == {}
    assert usual_seconds({}) is None


times = st.floats(0, 1e6)


@given(st.lists(st.tuples(times, times), max_size=12))
def test_time_is_never_negative_nor_longer_than_the_whole_stretch(moments):
    tasks = [Delivered(n, *sorted(one)) for n, one in enumerate(moments)]
    spent = seconds_spent(tasks)
    assert spent.keys() == set(range(len(moments)))
    if tasks:
        whole = max(one.came for one in tasks) - min(one.given for one in tasks)
        assert sum(spent.values()) <= whole * (1 + 1e-9) + 1e-6
        assert min(spent.values()) >= 0
