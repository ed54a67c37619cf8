"""Work done right here: rows are claimed and carried out one after another, without a broker.

Any number of these loops, on any number of machines, share the work of one database: a row is
claimed once. Rows nearest to a release go first, so that somebody who waits for an answer does
not wait for all the videos brought in since.
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType, TracebackType
from typing import NamedTuple, Self

from django.db import close_old_connections, connection

from avaproject.base.work import ClaimLostError, Stage, this_worker
from workers.pipeline import QUEUES, STEPS, Queue, Step

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PLANS = 10.0
ROWS_BETWEEN_PLANS = 100
SECONDS_OF_A_PAUSE = 1.0


class Outcome(NamedTuple):
    """What became of one row; `error` is empty if it is done."""

    step: str
    row: str
    seconds: float
    error: str = ""


Tell = Callable[[Outcome], object]


class Stop:
    """The wish to stop, as it comes from the keyboard or the operating system.

    The first Ctrl-C lets the row in hand be finished. A second one, or SIGTERM, interrupts it.
    """

    def __init__(self, say: Callable[[str], object] = logger.info) -> None:
        self.asked = False
        self._say = say

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._hear)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        is_urgent = self.asked or number == signal.SIGTERM
        self.asked = True
        if is_urgent:
            raise KeyboardInterrupt
        self._say("Stopping after the piece in hand; Ctrl-C again stops at once.")

    def pause(self, seconds: float) -> None:
        """Wait, but not on after somebody asked to stop."""
        end = time.monotonic() + seconds
        while not self.asked and time.monotonic() < end:
            time.sleep(0.05)


class Loop:
    """Carries out the rows of `steps` that belong to `queues`, telling each outcome."""

    def __init__(
        self,
        *,
        steps: Sequence[Step] = STEPS,
        queues: Sequence[Queue] = QUEUES,
        tell: Tell = logger.info,
        stop: Stop | None = None,
    ) -> None:
        self.steps = steps
        self.queues = queues
        self.outcomes: list[Outcome] = []
        self.stop = stop or Stop()
        self._tell = tell
        self._refused: set[tuple[str, int]] = set()

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.error]

    def run(self, *, once: bool) -> None:
        """Work until asked to stop, or if `once` until nothing is left to do anywhere.

        A row in hand when interrupted goes back to the others as if it had not been touched.
        """
        try:
            while not self.stop.asked:
                if not connection.in_atomic_block:  # as tests have it
                    close_old_connections()
                if self.round() or self.stop.asked:
                    continue
                if once and not self.is_anything_left():
                    return
                self.stop.pause(SECONDS_OF_A_PAUSE)
        except KeyboardInterrupt:
            self.stop.asked = True

    def round(self) -> int:
        """Write the missing work orders, then carry some out; return how many."""
        for step in self.steps:
            self._plan(step)
        end = time.monotonic() + SECONDS_BETWEEN_PLANS
        count = 0
        for step, pk in self._waiting():
            count += self._carry_out(step, pk)
            if self.stop.asked or time.monotonic() > end:
                break
        return count

    def is_anything_left(self) -> bool:
        """Whether a row waits for these queues, or runs anywhere (more may come of it)."""
        if any(step.rows.filter(stage=Stage.RUNNING).exists() for step in self.steps):
            return True
        return bool(self._waiting())

    def put_off(self) -> list[datetime]:
        """When each row for these queues that was put off may be tried again, soonest first."""
        steps = [step for step in self.steps if step.queue in self.queues]
        rows = [row for step in steps for row in step.rows.put_off().iterator()]
        return sorted(row.waits_until for row in rows if row.waits_until)

    def _plan(self, step: Step) -> None:
        step.plan()
        step.rows.take_back_from_the_dead()
        lost = step.rows.give_up()
        if lost:
            self._note(Outcome(step.name, f"{lost} rows", 0.0, "killed its worker too often"))

    def _waiting(self) -> list[tuple[Step, int]]:
        """Rows for these queues, a release before all else."""
        found = [
            (step, pk)
            for step in reversed(self.steps)
            if step.queue in self.queues
            for pk in step.rows.claimable()
            .order_by("pk")
            .values_list("pk", flat=True)[:ROWS_BETWEEN_PLANS]
        ]
        return [(step, pk) for step, pk in found if (step.name, pk) not in self._refused]

    def _carry_out(self, step: Step, pk: int) -> bool:
        """Let the step's task try row `pk`; False if the row was in other hands already."""
        began = time.monotonic()
        try:
            # apply() keeps and logs whatever a task raises: one bad row must not stop the rest.
            result = step.task.apply((pk,), throw=False)
        except KeyboardInterrupt:
            step.rows.put_back(pk)
            raise
        seconds = time.monotonic() - began
        row = step.rows.filter(
            pk=pk, worker=this_worker(), stage__in=(Stage.DONE, Stage.FAILED)
        ).first()
        if row is not None:
            self._note(Outcome(step.name, str(row), seconds, row.error))
            return True
        if result.failed() and not isinstance(result.result, ClaimLostError):
            self._refused.add((step.name, pk))
            sentence = f"{type(result.result).__name__}: {result.result}"
            self._note(Outcome(step.name, f"row {pk}", seconds, sentence))
        return False

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._tell(outcome)
