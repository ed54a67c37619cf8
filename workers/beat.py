"""Beat plans: it advances the pipeline in its own process, and sends the other periodic tasks.

A message that asks a worker to plan would wait behind rows that take hours.
"""

import logging
import time
from pathlib import Path
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from django.conf import settings
from django.db import close_old_connections, connection

from workers.tasks import advance
from workers.versions import VersionError

logger = logging.getLogger(__name__)


class PlanningScheduler(Scheduler):
    """Celery's scheduler, which runs `advance` itself; a fault ends only that round."""

    _last_tick = 0.0

    def tick(self, *args: Any, **options: Any) -> float:
        """Run what is due. After a step back of the clock, what was to come begins anew."""
        now = time.time()
        if now < self._last_tick:
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._last_tick = now
        return float(super().tick(*args, **options))

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if entry.task != advance.name:
            super().apply_entry(entry, producer=producer)
            return
        close_old_connections()
        try:
            advance()
        except VersionError as error:
            logger.error("%s", error)
            raise SystemExit(1) from error
        except Exception:
            logger.exception("The pipeline could not be advanced; it is tried again.")
            connection.close()
        else:
            Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).touch()  # it is healthy
