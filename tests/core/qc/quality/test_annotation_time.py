import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.quality.annotation_time import SubmittedTask, median_seconds, seconds_spent

MINUTE = 60.0


def test_a_task_took_at_most_the_time_since_the_last_answers():
    tasks = [SubmittedTask(n, assigned_at=0, submitted_at=n * 20 * MINUTE) for n in (1, 2, 3)]
    assert seconds_spent(tasks) == dict.fromkeys((1, 2, 3), 20 * MINUTE)


def test_a_task_took_no_longer_than_since_it_was_given_out():
    tasks = [
        SubmittedTask(1, assigned_at=0, submitted_at=600),
        SubmittedTask(2, assigned_at=86_400, submitted_at=87_000),
    ]
    assert seconds_spent(tasks) == {1: 600, 2: 600}


def test_answers_brought_together_share_the_time_before_them():
    tasks = [SubmittedTask(n, assigned_at=0, submitted_at=10_000 + n * 30) for n in range(10)]
    assert seconds_spent(tasks) == dict.fromkeys(range(10), pytest.approx(1027))


def test_who_only_clicks_through_is_quick_even_in_a_row():
    careful = [
        SubmittedTask(n, assigned_at=0, submitted_at=n * 20 * MINUTE) for n in range(1, 8)
    ]
    hasty = [SubmittedTask(n, assigned_at=0, submitted_at=n * 50) for n in range(10, 13)]
    spent = seconds_spent(careful) | seconds_spent(hasty)
    assert median_seconds(spent) == 20 * MINUTE
    assert max(spent[n] for n in (10, 11, 12)) < 0.2 * 20 * MINUTE


def test_a_package_written_again_after_its_answers_took_no_time():
    assert seconds_spent([SubmittedTask(1, assigned_at=500, submitted_at=400)]) == {1: 0.0}


def test_nothing_came_nothing_was_spent():
    assert seconds_spent([]) == {}
    assert median_seconds({}) is None


times = st.floats(0, 1e6)


@given(st.lists(st.tuples(times, times), max_size=12))
def test_time_is_never_negative_nor_longer_than_the_whole_stretch(moments):
    tasks = [SubmittedTask(n, *sorted(one)) for n, one in enumerate(moments)]
    spent = seconds_spent(tasks)
    assert spent.keys() == set(range(len(moments)))
    if tasks:
        whole = max(one.submitted_at for one in tasks) - min(one.assigned_at for one in tasks)
        assert sum(spent.values()) <= whole * (1 + 1e-9) + 1e-6
        assert min(spent.values()) >= 0
