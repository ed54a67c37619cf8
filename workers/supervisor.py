"""Several programs run as one: what dies is started again, and all stop together.

The children are sessions of their own, so that Ctrl-C reaches only the supervisor, which then
ends them in order. Should it be killed itself, the kernel ends them (Linux; the death signal
follows the thread that forks, so children are started from the main thread).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

POLL = 0.2
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
HEALTHY_AFTER = 60.0  # a program that lived so long starts again without delay
PR_SET_PDEATHSIG = 1

Say = Callable[[str], object]


@dataclass
class Program:
    """A command to keep running.

    `waits` counts the restarts in a row, `due` is when the next start may be (monotonic).
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    waits: int = field(default=0)

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  the commands are our own
            self.command,
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()) if sys.platform == "linux" else None,
        )

    def note_death(self, code: int, now: float) -> float:
        """Plan the next start; return the seconds until then, doubling each time."""
        self.process = None
        self.waits = 0 if now - self.started >= HEALTHY_AFTER else self.waits + 1
        wait = min(FIRST_WAIT * 2 ** (self.waits - 1), LONGEST_WAIT) if self.waits else 0.0
        self.due = now + wait
        return wait


class Supervisor:
    """Keeps `programs` running until asked to stop by Ctrl-C, SIGTERM or SIGHUP."""

    def __init__(self, say: Say, *, grace: float = 10.0) -> None:
        self.programs: list[Program] = []
        self.stopping = False
        self._say = say
        self._grace = grace

    def listen(self) -> None:
        """From now on a signal to stop is a wish, carried out by `run`."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(self, programs: Sequence[Program]) -> None:
        """Start `programs`, start again what dies, and end all when asked to stop."""
        self.programs = list(programs)
        try:
            while not self.stopping:
                for program in self.programs:
                    self._look_after(program)
                time.sleep(POLL)
        finally:
            self._end_all()

    def _look_after(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None:
            if now >= program.due and not self.stopping:
                program.start()
            return
        code = program.process.poll()
        if code is not None:
            wait = program.note_death(code, now)
            self._say(f"{program.name} {_how_it_ended(code)}; it starts again in {wait:.0f} s.")

    def _end_all(self) -> None:
        living = [program.process for program in self.programs if program.process]
        for process in living:
            process.terminate()
        end = time.monotonic() + self._grace
        for process in living:
            try:
                process.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                _kill_session(process)


def _how_it_ended(code: int) -> str:
    return (
        f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    )


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it went in this very moment
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return set_death_signal
