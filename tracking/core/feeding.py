"""Things made ahead, in a thread of their own, while the caller works on those before them."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches_ahead(
    items: Iterable[T], *, size: int, most: int = 2
) -> Generator[list[T], None, None]:
    """`items` in lists of `size`, the last may be shorter, made while the caller works.

    Args:
        items: Taken in one other thread, one after the other. What goes wrong there is raised
            here, in place of the batch that it spoilt.
        size: Items a batch.
        most: Batches that are made and wait at any time; this bounds the memory.

    Closing the iterator early waits for the item that is being made.

    >>> list(batches_ahead(range(5), size=2))
    [[0, 1], [2, 3], [4]]
    """
    source = iter(items)
    thread = ThreadPoolExecutor(1, thread_name_prefix="feeding")
    try:
        waiting = deque(thread.submit(_taken, source, size) for _ in range(most))
        while batch := waiting.popleft().result():
            waiting.append(thread.submit(_taken, source, size))
            yield batch
    finally:
        thread.shutdown(cancel_futures=True)


def _taken(source: Iterator[T], size: int) -> list[T]:
    return list(islice(source, size))
