import threading
import time

import pytest

from tracking.core.prefetch import batches, map_behind, prefetch, run_consumer


def counted(made: list[int], count: int = 1000):
    for number in range(count):
        made.append(number)
        yield number


def test_everything_comes_once_and_in_order():
    assert list(prefetch(range(10))) == list(range(10))
    assert list(prefetch([])) == []


def test_batches_are_full_but_for_the_last():
    assert list(batches(range(10), size=4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(batches([], size=4)) == []


def test_the_next_items_are_produced_while_the_caller_works():
    ready = threading.Event()

    def items():
        yield from range(2)
        ready.set()
        yield from range(4)

    made = prefetch(items())
    next(made)
    assert ready.wait(timeout=10)
    made.close()


def test_no_more_is_produced_than_the_buffer_holds():
    made: list[int] = []
    numbers = prefetch(counted(made), buffer_size=2)
    next(numbers)
    time.sleep(0.1)
    assert made == [0, 1, 2]
    numbers.close()


def test_an_error_comes_after_what_was_made_before_it():
    def items():
        yield from range(4)
        raise ValueError("the fifth is broken")

    numbers = prefetch(items())
    assert [next(numbers) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="the fifth"):
        next(numbers)


def test_closing_early_ends_the_thread():
    before = threading.active_count()
    numbers = prefetch(counted([]))
    next(numbers)
    numbers.close()
    assert threading.active_count() == before


def test_results_come_once_and_in_order():
    assert list(map_behind(str, range(4))) == ["0", "1", "2", "3"]
    assert list(map_behind(str, [])) == []


def test_the_next_item_is_made_while_the_one_before_is_worked_on():
    second = threading.Event()

    def items():
        yield 1
        second.set()
        yield 2

    assert list(map_behind(lambda item: (item, second.wait(timeout=10)), items())) == [
        (1, True),
        (2, True),
    ]


def test_no_more_is_made_than_the_item_after():
    made: list[int] = []
    results = map_behind(str, counted(made))
    assert next(results) == "0"
    assert made == [0, 1]
    before = threading.active_count()
    results.close()
    assert threading.active_count() == before - 1


def test_an_error_of_an_item_comes_after_the_results_before_it():
    def items():
        yield from range(2)
        raise ValueError("the third is broken")

    results = map_behind(str, items())
    assert [next(results), next(results)] == ["0", "1"]
    with pytest.raises(ValueError, match="the third"):
        next(results)


def test_an_error_of_the_function_comes_in_place_of_its_result():
    results = map_behind(lambda item: 1 / item, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_consumer_works_while_items_are_produced():
    reached = threading.Event()

    def consume(items):
        for item in items:
            if item == 1:
                reached.set()
        return "done"

    def items():
        yield from range(2)
        assert reached.wait(timeout=10)

    assert run_consumer(consume, items()) == "done"


def test_an_error_of_the_producer_ends_the_consumer():
    def items():
        yield 1
        raise ValueError("the second is broken")

    taken: list[int] = []
    with pytest.raises(ValueError, match="the second"):
        run_consumer(taken.extend, items())
    assert taken == [1]


def test_an_error_of_the_consumer_is_raised_at_the_end():
    made: list[int] = []
    with pytest.raises(TypeError):
        run_consumer(lambda items: sum(items) + "", counted(made, 5))
    assert made == list(range(5))
