"""Work in threads beside the caller's own: what comes before it, and what comes after it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterable[T], *, most: int = 2) -> Generator[T, None, None]:
    """`items`, made while the caller works on those before them.

    Args:
        items: Taken in one other thread, one after the other. What goes wrong there is raised
            here, in place of the item that it spoilt.
        most: Items that are made or wait at any time; this bounds the memory.

    Closing the iterator early waits for the item that is being made.

    >>> list(ahead(range(3)))
    [0, 1, 2]
    """
    source = iter(items)
    thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting = deque(thread.submit(_next, source) for _ in range(most))
        while item := waiting.popleft().result():
            waiting.append(thread.submit(_next, source))
            yield from item
    finally:
        thread.shutdown(cancel_futures=True)


def _next(source: Iterator[T]) -> list[T]:
    """The next one alone, or nothing at the end."""
    return list(islice(source, 1))


def batches(items: Iterable[T], *, size: int) -> Iterator[list[T]]:
    """`items` in lists of `size`; the last may be shorter.

    >>> list(batches(range(5), size=2))
    [[0, 1], [2, 3], [4]]
    """
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def behind(work: Callable[[Iterator[T]], R], items: Iterable[T]) -> R:
    """`work(items)`, done in a thread of its own while the caller's makes the items.

    What goes wrong in either is raised here; if items end in an error, `work` is let finish
    with those before it, and what it returns is dropped.

    >>> behind(sum, [1, 2, 3])
    6
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="behind") as thread:
        result = thread.submit(work, iter(queue.get, end))
        try:
            for item in items:
                queue.put(item)
        finally:
            queue.put(end)
        return result.result()
