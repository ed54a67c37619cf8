"""Planning: create the missing rows of every step, at the cost of what has changed.

A planner looks at everything in its first round and every ten minutes, else only at rows that
changed since its last round began; steps that read no such row are passed over. A plan that
fails stops nothing else: its sentence is a row, which the page Work and `doctor` show until the
plan works again.
"""

import logging
import socket
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Model
from django.db.models.functions import Now

from avaproject.base.temporary import remove_stale
from avaproject.base.work import StagedQuerySet, changed_models, exist
from workers.models import PlanFault
from workers.pipeline import STEPS, Step
from workers.versions import check_version

logger = logging.getLogger(__name__)

FULL_INTERVAL = 600.0  # seconds
MARGIN = timedelta(minutes=1)  # a transaction may commit that long after its changes
FAULT_AGE = timedelta(minutes=15)  # a machine that plans reports its faults more often


class Planner:
    """Plans `steps` in rounds: all, or only those whose plans move files, or all others."""

    def __init__(
        self, steps: Sequence[Step] = STEPS, *, moves_files: bool | None = None
    ) -> None:
        self.steps = steps
        self._planned = [
            step for step in steps if moves_files is None or step.moves_files == moves_files
        ]
        self._since: datetime | None = None
        self._next_full = 0.0
        self._due = dict.fromkeys(steps, 0.0)
        self._reads = {model for step in steps for model in step.reads or ()}
        self.faults: dict[str, str] = {}  # of the steps whose last plan failed

    def run_round(self) -> list[Step]:
        """Plan every step; return those with rows that wait or run.

        Raises DatabaseError only if the database does not answer.
        """
        started, faulty = _now_and_faulty_steps()
        now = time.monotonic()
        since = self._since if now < self._next_full else None
        changed = None if since is None else changed_models(self._reads, since)
        for step in self._planned:
            was_faulty = step.name in faulty
            is_due = now >= self._due[step] and (was_faulty or _has_news(step, changed))
            if is_due:
                self._due[step] = now + step.interval
                self._plan(step, since, was_faulty=was_faulty)
        if since is None:
            self._next_full = now + FULL_INTERVAL
        self._since = started - MARGIN
        return open_steps(self.steps)

    def _plan(self, step: Step, since: datetime | None, *, was_faulty: bool) -> None:
        """Plan `step`, or keep the sentence that says why it cannot be planned."""
        row: dict[str, Any] = {"step": step.name, "host": socket.gethostname()}
        try:
            step.plan(None if was_faulty else since)
        except Exception as error:
            if isinstance(error, DatabaseError | InterfaceError) and not connection.is_usable():
                raise
            logger.exception("Step %s could not be planned", step.name)
            message = self.faults[step.name] = f"{type(error).__name__}: {error}"
            fault = {"message": message, "seen_at": Now()}
            PlanFault.objects.update_or_create(**row, defaults=fault)
        else:
            self.faults.pop(step.name, None)
            if was_faulty:
                PlanFault.objects.filter(**row).delete()


def _has_news(step: Step, changed: set[type[Model]] | None) -> bool:
    """Whether the plan of `step` can find something; `changed` is None for everything."""
    return changed is None or step.reads is None or not changed.isdisjoint(step.reads)


def open_steps(steps: Sequence[Step]) -> list[Step]:
    """The steps with rows that wait or run; one query for all."""
    there = exist({step.name: step.rows.open() for step in steps})
    return [step for step in steps if step.name in there]


def end_dead_claims(rows: StagedQuerySet) -> int:
    """End the claims of workers that have exited; return how many rows are given up.

    Their temporary files are removed.
    """
    if rows.expire_dead_workers():
        remove_stale()
    return rows.fail_exhausted()


def current_faults() -> list[PlanFault]:
    """Plans that failed lately, by step and machine."""
    return list(PlanFault.objects.filter(seen_at__gte=Now() - FAULT_AGE))


def _now_and_faulty_steps() -> tuple[datetime, set[str]]:
    """The database's clock, and the steps whose plans failed on this machine."""
    faults = PlanFault.objects.filter(host=socket.gethostname())
    return check_version(), set(faults.values_list("step", flat=True))
