"""Worker loop without a broker: claims waiting rows and runs their tasks in this process.

Any number of loops, on any number of machines, share one database, because a row is claimed
once. Steps nearest to a release go first, so that a release does not queue behind new videos.
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType
from typing import NamedTuple, Self

from django.db import close_old_connections, connection

from avaproject.base.claimed_work import ClaimLostError
from avaproject.base.database_faults import FAULTS, has_lost_connection
from avaproject.base.work import Stage, this_worker
from workers.pipeline import QUEUES, STEPS, Queue, Step
from workers.planning import Planner, end_dead_claims, open_steps

logger = logging.getLogger(__name__)

PLAN_INTERVAL = 10.0  # seconds
ROWS_PER_PLAN = 100
IDLE_SECONDS = 1.0
SECONDS_WITHOUT_DATABASE = 5.0
LONGEST_OUTAGE = 600.0  # seconds, of a loop that is to end


class Outcome(NamedTuple):
    """The result of one row; `error` is empty if it is done."""

    step: str
    row: str
    seconds: float
    error: str = ""


Listener = Callable[[Outcome], object]


class ShutdownSignal:
    """A request to stop, by Ctrl-C or SIGTERM.

    The first Ctrl-C lets the current row finish. A second one, or SIGTERM, interrupts it.
    """

    def __init__(self, log: Callable[[str], object] = logger.info) -> None:
        self.requested = False
        self._log = log

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_urgent = self.requested or number == signal.SIGTERM
        self.requested = True
        if is_urgent:
            raise KeyboardInterrupt
        self._log("Stopping after the current row; press Ctrl-C again to stop at once.")

    def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or a stop is requested."""
        end = time.monotonic() + seconds
        while not self.requested and time.monotonic() < end:
            time.sleep(0.05)


class Loop:
    """Runs the waiting rows of `steps` in `queues`; `on_result` gets each outcome."""

    def __init__(
        self,
        *,
        steps: Sequence[Step] = STEPS,
        queues: Sequence[Queue] = QUEUES,
        on_result: Listener = logger.info,
        shutdown: ShutdownSignal | None = None,
    ) -> None:
        self.steps = steps
        self.queues = queues
        self.outcomes: list[Outcome] = []
        self.shutdown = shutdown or ShutdownSignal()
        self._on_result = on_result
        self._planner = Planner(steps)
        self._failing_since = 0.0
        self._unclaimable: set[tuple[str, int]] = set()

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.error]

    def run(self, *, once: bool) -> None:
        """Work until a stop is requested, or if `once` until no row waits or runs anywhere.

        The claim on an interrupted row is released, as if the row had never been claimed.
        """
        try:
            is_over = False
            while not is_over and not self.shutdown.requested:
                if not connection.in_atomic_block:  # as in tests
                    close_old_connections()
                is_over = self._work(once=once)
        except KeyboardInterrupt:
            self.shutdown.requested = True

    def _work(self, *, once: bool) -> bool:
        """A round; True if all is done. It outlives a restart of the database.

        Raises OperationalError and InterfaceError if `once`, and the database does not answer
        for minutes.
        """
        try:
            if self.run_round() or self.shutdown.requested:
                return False
            if once and not self.has_work():
                return True
        except FAULTS as error:
            now = time.monotonic()
            self._failing_since = self._failing_since or now
            if once and now - self._failing_since > LONGEST_OUTAGE:
                raise
            logger.warning("The database does not answer (%s); it is tried again.", error)
            if not connection.in_atomic_block:
                connection.close()
            self.shutdown.sleep(SECONDS_WITHOUT_DATABASE)
            return False
        self._failing_since = 0.0
        self.shutdown.sleep(IDLE_SECONDS)
        return False

    def run_round(self) -> int:
        """Plan all steps, then run waiting rows for a while; return how many were run."""
        before = dict(self._planner.faults)
        ready = self._planner.run_round()
        for name, message in self._planner.faults.items() - before.items():
            self._record(Outcome(name, "planning", 0.0, message))
        for step in ready:
            self._expire(step)
        end = time.monotonic() + PLAN_INTERVAL
        count = 0
        for step, pk in self._waiting(ready):
            count += self._run_row(step, pk)
            if self.shutdown.requested or time.monotonic() > end:
                break
        return count

    def has_work(self) -> bool:
        """Whether a row waits in these queues or runs anywhere (it may lead to more work)."""
        ready = open_steps(self.steps)
        if any(step.rows.open().filter(stage=Stage.RUNNING).exists() for step in ready):
            return True
        return bool(self._waiting(ready))

    def deferred(self) -> list[datetime]:
        """When each deferred row of these queues may be tried again, soonest first."""
        steps = [step for step in open_steps(self.steps) if step.queue in self.queues]
        rows = [row for step in steps for row in step.rows.deferred().iterator()]
        return sorted(row.not_before for row in rows)

    def _expire(self, step: Step) -> None:
        if exhausted := end_dead_claims(step.rows):
            message = "killed its worker too often"
            self._record(Outcome(step.name, f"{exhausted} rows", 0.0, message))

    def _waiting(self, steps: Sequence[Step]) -> list[tuple[Step, int]]:
        """Claimable rows of `steps` in these queues, the last step first."""
        found = [
            (step, pk)
            for step in reversed(steps)
            if step.queue in self.queues
            for pk in step.rows.claimable()
            .order_by("pk")
            .values_list("pk", flat=True)[:ROWS_PER_PLAN]
        ]
        return [(step, pk) for step, pk in found if (step.name, pk) not in self._unclaimable]

    def _run_row(self, step: Step, pk: int) -> bool:
        """Run the step's task on row `pk`; False if another worker has claimed the row."""
        began = time.monotonic()
        try:
            # apply() catches and logs what a task raises: one bad row must not stop the rest.
            result = step.task.apply((pk,), throw=False)
        except KeyboardInterrupt:
            step.rows.release_claim(pk)
            raise
        seconds = time.monotonic() - began
        row = step.rows.filter(
            pk=pk, worker=this_worker(), stage__in=(Stage.DONE, Stage.FAILED)
        ).first()
        if row is not None:
            self._record(Outcome(step.name, str(row), seconds, row.error))
            return True
        if isinstance(result.result, FAULTS):
            if has_lost_connection(result.result):
                raise result.result
            logger.warning(
                "Row %s of %s could not be claimed: %s", pk, step.name, result.result
            )
            return False
        if result.failed() and not isinstance(result.result, ClaimLostError):
            self._unclaimable.add((step.name, pk))
            message = f"{type(result.result).__name__}: {result.result}"
            self._record(Outcome(step.name, f"row {pk}", seconds, message))
        return False

    def _record(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._on_result(outcome)
