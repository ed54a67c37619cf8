"""Threads beside the detector: read the next frames ahead, describe and track people behind."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(items: Iterable[T], *, buffer_size: int = 2) -> Generator[T, None, None]:
    """`items`, each produced in another thread while the caller works on those before it.

    Args:
        items: Iterated in one other thread. An error there is raised here, in place of the
            item.
        buffer_size: Items in production or waiting at any time; this bounds the memory.

    Closing the iterator early waits for the item in production.

    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    source = iter(items)
    thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        waiting = deque(thread.submit(_next, source) for _ in range(buffer_size))
        while item := waiting.popleft().result():
            waiting.append(thread.submit(_next, source))
            yield from item
    finally:
        thread.shutdown(cancel_futures=True)


def _next(source: Iterator[T]) -> list[T]:
    """The next item in a list, or an empty list at the end."""
    return list(islice(source, 1))


def batches(items: Iterable[T], *, size: int) -> Iterator[list[T]]:
    """`items` in lists of `size`; the last may be shorter.

    >>> list(batches(range(5), size=2))
    [[0, 1], [2, 3], [4]]
    """
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def map_behind(function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """`function` of each item, in another thread while this one produces the item after it.

    An error in `function` is raised here, in place of its result; one of `items` after the
    results of those before it. Closing the iterator early waits for the result in production.

    >>> list(map_behind(abs, [-1, -2, -3]))
    [1, 2, 3]
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="behind") as thread:
        results: list[Future[R]] = []  # at most one
        while True:
            try:
                made = _next(source)
            except BaseException:
                yield from (one.result() for one in results)
                raise
            following = [thread.submit(function, item) for item in made]
            yield from (one.result() for one in results)
            if not following:
                return
            results = following


def run_consumer(consumer: Callable[[Iterator[T]], R], items: Iterable[T]) -> R:
    """`consumer(items)` in another thread, while this thread produces the items.

    An error in either is raised here; if the items end in an error, `consumer` finishes with
    those before it, and its result is dropped.

    >>> run_consumer(sum, [1, 2, 3])
    6
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="consumer") as thread:
        result = thread.submit(consumer, iter(queue.get, end))
        try:
            for item in items:
                queue.put(item)
        finally:
            queue.put(end)
        return result.result()
