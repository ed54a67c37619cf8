import threading
import time

import pytest

from tracking.core.feeding import ahead, batches, behind


def counted(made: list[int], count: int = 1000):
    for number in range(count):
        made.append(number)
        yield number


def test_everything_comes_once_and_in_order():
    assert list(ahead(range(10))) == list(range(10))
    assert list(ahead([])) == []


def test_batches_are_full_but_for_the_last():
    assert list(batches(range(10), size=4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(batches([], size=4)) == []


def test_the_next_ones_are_made_while_the_caller_works():
    ready = threading.Event()

    def items():
        yield from range(2)
        ready.set()
        yield from range(4)

    made = ahead(items())
    next(made)
    assert ready.wait(timeout=10)
    made.close()


def test_no_more_is_made_than_may_wait():
    made: list[int] = []
    numbers = ahead(counted(made), most=2)
    next(numbers)
    time.sleep(0.1)
    assert made == [0, 1, 2]
    numbers.close()


def test_an_error_comes_after_what_was_made_before_it():
    def items():
        yield from range(4)
        raise ValueError("the fifth is broken")

    numbers = ahead(items())
    assert [next(numbers) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="the fifth"):
        next(numbers)


def test_closing_early_ends_the_thread():
    before = threading.active_count()
    numbers = ahead(counted([]))
    next(numbers)
    numbers.close()
    assert threading.active_count() == before


def test_what_is_made_is_worked_on_meanwhile():
    reached = threading.Event()

    def work(items):
        for item in items:
            if item == 1:
                reached.set()
        return "done"

    def items():
        yield from range(2)
        assert reached.wait(timeout=10)

    assert behind(work, items()) == "done"


def test_an_error_of_the_maker_ends_the_work():
    def items():
        yield 1
        raise ValueError("the second is broken")

    taken: list[int] = []
    with pytest.raises(ValueError, match="the second"):
        behind(taken.extend, items())
    assert taken == [1]


def test_an_error_of_the_work_is_raised_when_all_is_made():
    made: list[int] = []
    with pytest.raises(TypeError):
        behind(lambda items: sum(items) + "", counted(made, 5))
    assert made == list(range(5))
