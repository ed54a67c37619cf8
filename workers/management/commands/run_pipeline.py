from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from rich.console import Console

from workers.loop import Loop, Stop
from workers.pipeline import QUEUES, STEPS, sweep
from workers.progress import Display, check_stop, counts_table, unwrapped

PUT_OFF = 75  # what sysexits.h calls a temporary failure


class Command(BaseCommand):
    help = "Carry out the work that waits, in this process and without a broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="end when nothing is left to do"
        )
        parser.add_argument(
            "--queue",
            choices=QUEUES,
            help="gpu: only detection and tracking; cpu: only the rest (default: both)",
        )
        parser.add_argument(
            "--plain", action="store_true", help="lines only, no table that redraws itself"
        )

    def handle(self, *, once: bool, queue: Any, plain: bool, **options: Any) -> None:
        console = Console(file=unwrapped(self.stdout), soft_wrap=True, highlight=False)
        is_live = self.stdout.isatty() and not plain
        sweep()
        with Display(console, STEPS, is_live=is_live) as display, Stop(display.say) as stop:
            queues = (queue,) if queue else QUEUES
            loop = Loop(queues=queues, tell=display.tell, stop=stop)
            loop.run(once=once)
        if is_live or once:
            console.print(counts_table(STEPS))
        if once:
            check_stop(stop)
        if once:
            self._judge(loop)

    def _judge(self, loop: Loop) -> None:
        """Raise CommandError if something failed or is put off."""
        sentences = []
        if loop.failures:
            sentences.append(
                f"{len(loop.failures)} of {len(loop.outcomes)} pieces failed, as said above. "
                "Mend what they name, then press Try again on the dataset's page."
            )
        if waiting := loop.put_off():
            first, last = (f"{localtime(time):%H:%M:%S}" for time in (waiting[0], waiting[-1]))
            until = first if first == last else f"{first} to {last}"
            sentences.append(
                f"Put off: {len(waiting)}, until {until}, since the storage or CVAT is away; "
                "run it again then. The pages say what each waits for."
            )
        if sentences:
            raise CommandError(" ".join(sentences), returncode=1 if loop.failures else PUT_OFF)
