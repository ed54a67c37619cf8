"""Terminal output of a worker loop: a live table on a terminal, otherwise one line per row."""

import threading
from collections.abc import Sequence
from typing import Any, Self, TextIO

from django.core.management.base import CommandError, OutputWrapper
from django.db import connections
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from avaproject.base.work import Stage
from workers.loop import Loop, Outcome, ShutdownSignal
from workers.pipeline import Step

REFRESH_SECONDS = 1.0
MAX_ROWS = 4


def steps_table(steps: Sequence[Step]) -> Table:
    """The number of rows of each step by stage, and the progress of those that run."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step")
    for stage in Stage:
        table.add_column(stage.value, justify="right")
    table.add_column("now", no_wrap=True)
    table.add_column("")
    for step in steps:
        counts = step.rows.counts()
        if not any(counts.values()):
            continue
        style = "red" if counts[Stage.FAILED] else None
        figures = [str(counts[stage.value] or "") for stage in Stage]
        running = list(step.rows.filter(stage=Stage.RUNNING).order_by("pk")[:MAX_ROWS])
        names = "\n".join(escape(str(row)) for row in running)
        bars = Table.grid()
        for row in running:
            bars.add_row(ProgressBar(total=1.0, completed=row.progress, width=24))
        table.add_row(step.name, *figures, names, bars, style=style)
    return table


def outcome_line(outcome: Outcome) -> str:
    """One row's outcome as a line of a log.

    >>> outcome_line(Outcome("cut", "lobby-c0001", 1.24))
    'cut: lobby-c0001 [dim]1.2 s[/]'
    >>> outcome_line(Outcome("standardise", "aisle", 0.1, "aisle.mp4 has no video stream"))
    'standardise: aisle [red]failed[/]: aisle.mp4 has no video stream'
    """
    head = f"{outcome.step}: {escape(outcome.row)}"
    if outcome.error:
        return f"{head} [red]failed[/]: {escape(outcome.error)}"
    return f"{head} [dim]{outcome.seconds:.1f} s[/]"


class Display:
    """Shows `steps` on `console` while entered; `is_live` redraws a table every second."""

    def __init__(self, console: Console, steps: Sequence[Step], *, is_live: bool) -> None:
        self.console = console
        self._steps = steps
        self._live = Live(console=console, transient=True) if is_live else None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._render, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._closed.set()
            self._thread.join()
            self._live.stop()

    def on_result(self, outcome: Outcome) -> None:
        self.console.print(outcome_line(outcome), soft_wrap=True)

    def log(self, message: str) -> None:
        self.console.print(message, style="yellow", soft_wrap=True)

    def _render(self) -> None:
        try:
            while self._live and not self._closed.wait(REFRESH_SECONDS):
                self._live.update(steps_table(self._steps))
        finally:
            connections.close_all()


def run_until_done(console: Console, steps: Sequence[Step]) -> Loop:
    """Do all waiting work of `steps`, shown on `console`. Raises CommandError if stopped."""
    with (
        Display(console, steps, is_live=console.is_terminal) as display,
        ShutdownSignal(display.log) as shutdown,
    ):
        loop = Loop(steps=steps, on_result=display.on_result, shutdown=shutdown)
        loop.run(once=True)
    raise_if_stopped(shutdown)
    return loop


def raise_if_stopped(shutdown: ShutdownSignal) -> None:
    """Raise CommandError if a stop was requested."""
    if shutdown.requested:
        raise CommandError(
            "Stopped before all work was done; run it again to go on.", returncode=130
        )


def raw_stream(stream: Any) -> TextIO:
    """The stream inside Django's wrappers, which add a newline to each write as rich does."""
    while isinstance(stream, OutputWrapper):
        stream = stream._out
    return stream
