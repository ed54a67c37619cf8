"""Progress of backups: a bar on a terminal, else a line now and then."""

import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from datasets.core.sizes import size_text
from workers.terminal_progress import raw_stream

SECONDS_BETWEEN_LINES = 30.0


class BackupProgress:
    """Shows what is done while entered."""

    def __init__(self, stream: Any) -> None:
        self._console = Console(file=raw_stream(stream), soft_wrap=True, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[at]}"),
        )
        is_live = self._console.is_terminal
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=not is_live
        )
        self._is_live, self._last = is_live, time.monotonic()
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def report(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` (0: unknown) of `what` is done; files count in bytes."""
        if what == "rows":
            text = f"{done} of {total}" if total else f"{done}"
        else:
            text = f"{size_text(done)} of {size_text(total)}"
        if self._is_live:
            if self._task is None:
                self._task = self._bar.add_task(what, total=None, at="")
            self._bar.update(
                self._task, description=what, completed=done, total=total or None, at=text
            )
        elif time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._console.print(f"{what}: {text}")
