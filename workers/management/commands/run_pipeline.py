"""`run_pipeline`: the worker loop of one process, without a broker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from rich.console import Console

from avaproject.base.bootstrap import check_migration_history
from workers.loop import Loop, ShutdownSignal
from workers.pipeline import QUEUES, STEPS
from workers.terminal_progress import Display, raise_if_stopped, raw_stream, steps_table
from workers.versions import check_version

EX_TEMPFAIL = 75  # sysexits.h: temporary failure, retry later


class Command(BaseCommand):
    help = "Do the waiting work of the pipeline in this process, without a broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="exit when no work is left")
        parser.add_argument(
            "--queue",
            choices=QUEUES,
            help="gpu: detection and tracking; cpu: everything else (default: both)",
        )
        parser.add_argument(
            "--plain", action="store_true", help="print lines instead of a live table"
        )

    def handle(self, *, once: bool, queue: Any, plain: bool, **options: Any) -> None:
        console = Console(file=raw_stream(self.stdout), soft_wrap=True, highlight=False)
        is_live = self.stdout.isatty() and not plain
        check_migration_history()
        check_version()
        with (
            Display(console, STEPS, is_live=is_live) as display,
            ShutdownSignal(display.log) as shutdown,
        ):
            queues = (queue,) if queue else QUEUES
            loop = Loop(queues=queues, on_result=display.on_result, shutdown=shutdown)
            loop.run(once=once)
        if is_live or once:
            console.print(steps_table(STEPS))
        if once:
            raise_if_stopped(shutdown)
            self._raise_if_incomplete(loop)

    def _raise_if_incomplete(self, loop: Loop) -> None:
        """Raise CommandError if rows failed or are deferred."""
        sentences = []
        if loop.failures:
            sentences.append(
                f"{len(loop.failures)} of {len(loop.outcomes)} rows failed, see above. "
                "Correct the cause, then press Try again on the page of the dataset."
            )
        if deferred := loop.deferred():
            first, last = (
                f"{localtime(time):%H:%M:%S}" for time in (deferred[0], deferred[-1])
            )
            until = first if first == last else f"{first} to {last}"
            sentences.append(
                f"{len(deferred)} deferred until {until}, because the storage or CVAT is "
                "unavailable. Run the command again then."
            )
        if sentences:
            raise CommandError(
                " ".join(sentences), returncode=1 if loop.failures else EX_TEMPFAIL
            )
