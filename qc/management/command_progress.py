"""A progress bar for commands that do a row of work, or wait for the worker that does it."""

import time
from collections.abc import Callable
from typing import TypeVar

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from avaproject.base.work import Stage
from qc.models import Release, ReleaseSync

POLL_SECONDS = 1.0
Row = TypeVar("Row", Release, ReleaseSync)


def run_or_wait(row: Row, work: Callable[[Callable[..., None]], Row | None]) -> Row:
    """The finished row: of `work` here, or of another worker.

    Args:
        row: Work that was requested.
        work: Does it and tells its listener the share done, maybe with the current step; None
            if another worker has it.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(str(row), total=1.0)

        def on_progress(share: float, step: str = "") -> None:
            text = f"{row}: {step}" if step else str(row)
            bar.update(task, completed=share, description=text)

        while (done := work(on_progress)) is None:
            row.refresh_from_db()
            if row.stage in (Stage.DONE, Stage.FAILED):
                return row
            on_progress(row.progress, "done by another worker")
            time.sleep(POLL_SECONDS)
        return done
