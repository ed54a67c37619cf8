"""Process supervisor: restarts programs that exit, with exponential backoff.

Each child is the leader of its own session, so Ctrl-C reaches only the supervisor, which then
terminates the children. If the supervisor itself is killed, the kernel terminates them (Linux;
the death signal follows the forking thread, so children are started from the main thread).
"""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

POLL_SECONDS = 0.2
FIRST_DELAY = 1.0
MAX_DELAY = 60.0
HEALTHY_AFTER = 60.0  # a program that ran this long restarts without delay
PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """A command to keep running; with `is_once` one that is not started again when it ends.

    `failures` counts the early exits in a row, `due` is the time of the next start (monotonic).
    """

    name: str
    command: Sequence[str]
    is_once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  the commands are our own
            self.command,
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()) if sys.platform == "linux" else None,
        )

    def schedule_restart(self, now: float) -> float:
        """Set the next start; return the seconds until then, doubled after each early exit."""
        self.process = None
        self.failures = 0 if now - self.started >= HEALTHY_AFTER else self.failures + 1
        delay = min(FIRST_DELAY * 2 ** (self.failures - 1), MAX_DELAY) if self.failures else 0.0
        self.due = now + delay
        return delay


class Supervisor:
    """Keeps programs running until Ctrl-C, SIGTERM or SIGHUP."""

    def __init__(self, log: Callable[[str], object], *, grace: float = 10.0) -> None:
        self.programs: list[Program] = []
        self.stopping = False
        self._log = log
        self._grace = grace

    def handle_signals(self) -> None:
        """From now on a signal only asks `run` to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(self, programs: Sequence[Program]) -> None:
        """Start `programs`, restart those that exit, and stop all of them on a signal."""
        self.programs = list(programs)
        try:
            while not self.stopping:
                for program in self.programs:
                    self._poll(program)
                time.sleep(POLL_SECONDS)
        finally:
            self._stop_all()

    def _poll(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None:
            if now >= program.due and not self.stopping:
                program.start()
            return
        code = program.process.poll()
        if code is not None and program.is_once:
            program.process, program.due = None, math.inf
        elif code is not None:
            delay = program.schedule_restart(now)
            self._log(f"{program.name} {_describe_exit(code)}; restart in {delay:.0f} s.")

    def _stop_all(self) -> None:
        running = [program.process for program in self.programs if program.process]
        for process in running:
            process.terminate()
        end = time.monotonic() + self._grace
        for process in running:
            try:
                process.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                _kill_session(process)


def _describe_exit(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has exited meanwhile
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return set_death_signal
