"""What a loop shows of its work: a live table on a terminal, else a line for each row."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from django.core.management.base import CommandError, OutputWrapper
from django.db import connections
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from avaproject.base.work import Stage
from workers.loop import Loop, Outcome, Stop
from workers.pipeline import Step

SECONDS_BETWEEN_LOOKS = 1.0
ROWS_SHOWN = 4


def counts_table(steps: Sequence[Step]) -> Table:
    """What each step has done, is at, has before it, and could not do."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step")
    for stage in Stage:
        table.add_column(stage.value, justify="right")
    table.add_column("at work on", no_wrap=True)
    table.add_column("")
    for step in steps:
        counts = step.rows.counts()
        if not any(counts.values()):
            continue
        style = "red" if counts[Stage.FAILED] else None
        figures = [str(counts[stage.value] or "") for stage in Stage]
        running = list(step.rows.filter(stage=Stage.RUNNING).order_by("pk")[:ROWS_SHOWN])
        names = "\n".join(escape(str(row)) for row in running)
        bars = Table.grid()
        for row in running:
            bars.add_row(ProgressBar(total=1.0, completed=row.progress, width=24))
        table.add_row(step.name, *figures, names, bars, style=style)
    return table


def line(outcome: Outcome) -> str:
    """One row's outcome, for a reader or a log.

    >>> line(Outcome("cut", "lobby-c0001", 1.24))
    'cut: lobby-c0001 [dim]1.2 s[/]'
    >>> line(Outcome("standardise", "aisle", 0.1, "aisle.mp4 has no video stream"))
    'standardise: aisle [red]failed[/]: aisle.mp4 has no video stream'
    """
    head = f"{outcome.step}: {escape(outcome.row)}"
    if outcome.error:
        return f"{head} [red]failed[/]: {escape(outcome.error)}"
    return f"{head} [dim]{outcome.seconds:.1f} s[/]"


class Display:
    """Shows `steps` on `console` while inside; `is_live` draws the table again each second."""

    def __init__(self, console: Console, steps: Sequence[Step], *, is_live: bool) -> None:
        self.console = console
        self._steps = steps
        self._live = Live(console=console, transient=True) if is_live else None
        self._over = threading.Event()
        self._looker = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
            self._looker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._over.set()
            self._looker.join()
            self._live.stop()

    def tell(self, outcome: Outcome) -> None:
        self.console.print(line(outcome), soft_wrap=True)

    def say(self, sentence: str) -> None:
        self.console.print(sentence, style="yellow", soft_wrap=True)

    def _look(self) -> None:
        try:
            while self._live and not self._over.wait(SECONDS_BETWEEN_LOOKS):
                self._live.update(counts_table(self._steps))
        finally:
            connections.close_all()


def work_off(console: Console, steps: Sequence[Step]) -> Loop:
    """Do all work of `steps` that waits, shown on `console`. Raises CommandError if stopped."""
    with (
        Display(console, steps, is_live=console.is_terminal) as display,
        Stop(display.say) as stop,
    ):
        loop = Loop(steps=steps, tell=display.tell, stop=stop)
        loop.run(once=True)
    check_stop(stop)
    return loop


def check_stop(stop: Stop) -> None:
    """Raise CommandError if somebody asked to stop."""
    if stop.asked:
        raise CommandError(
            "Stopped before all was done; run it again to go on.", returncode=130
        )


def unwrapped(stream: Any) -> TextIO:
    """The stream itself: Django's wrappers end each write with a new line, rich does so too."""
    while isinstance(stream, OutputWrapper):
        stream = stream._out
    return stream
