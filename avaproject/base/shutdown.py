"""The stop of a worker process: the row in work is released, and no other is claimed."""

from collections.abc import Iterator
from contextlib import contextmanager


class ShutdownInterrupt(KeyboardInterrupt):
    """The worker stops: the row it works on is released, and the task ends as if done."""


class Shutdown:
    """Whether this process is about to stop; `request` is called by a signal handler."""

    def __init__(self) -> None:
        self.is_requested = False
        self._is_working = False

    def request(self, *signal: object) -> None:
        """Interrupt the row in work, and claim no other from now on."""
        self.is_requested = True
        if self._is_working:
            self._is_working = False
            raise ShutdownInterrupt

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Inside, `request` raises ShutdownInterrupt."""
        outer, self._is_working = self._is_working, True
        try:
            yield
        finally:
            self._is_working = outer and not self.is_requested


shutdown = Shutdown()
