import threading
import time

import pytest

from tracking.core.feeding import batches_ahead


def counted(made: list[int], count: int = 1000):
    for number in range(count):
        made.append(number)
        yield number


def test_everything_comes_once_and_in_order():
    batches = list(batches_ahead(range(10), size=4))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(batches_ahead([], size=4)) == []


def test_the_next_batches_are_made_while_the_caller_works():
    ready = threading.Event()

    def items():
        yield from range(4)
        ready.set()
        yield from range(4)

    batches = batches_ahead(items(), size=2)
    next(batches)
    assert ready.wait(timeout=10)
    batches.close()


def test_no_more_is_made_than_may_wait():
    made: list[int] = []
    batches = batches_ahead(counted(made), size=3, most=2)
    next(batches)
    time.sleep(0.1)
    assert len(made) == 9
    batches.close()


def test_an_error_comes_after_what_was_made_before_it():
    def items():
        yield from range(4)
        raise ValueError("the fifth is broken")

    batches = batches_ahead(items(), size=2)
    assert [next(batches), next(batches)] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="the fifth"):
        next(batches)


def test_closing_early_ends_the_thread():
    before = threading.active_count()
    batches = batches_ahead(counted([]), size=2)
    next(batches)
    batches.close()
    assert threading.active_count() == before
