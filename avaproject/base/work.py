"""The life of one piece of background work; every stage of the pipeline is a row of this kind.

    waiting --claim--> running --finish--> done
                          |
                          +----fail------> failed --retry--> waiting

The row is the work order: the database knows what is left to do, a message is only a hint.
A claim is a lease that a heartbeat renews while the work goes on. A worker that dies leaves its
row `running`; when the lease has run out, or the worker is known to be dead, the row may be
claimed again. A row whose work the storage broke off waits, and its lease says until when.
Either way a row is claimed at most `MAX_ATTEMPTS` times.
"""

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Self

import psutil
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, models
from django.db.models import F, Q
from django.utils import timezone

from avaproject.base.storage import StorageError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
STORAGE_PAUSES = (1, 5)  # leases to wait after the first and the second fault of the storage
PATIENCE = timedelta(minutes=15)
HEARTBEATS_PER_LEASE = 4
SECONDS_BETWEEN_REPORTS = 1.0


class ClaimLostError(RuntimeError):
    """Another worker took the row over while this one was still working on it."""


@cache
def _started_at(pid: int) -> str:
    return f"{psutil.Process(pid).create_time():.0f}"


def this_worker() -> str:
    """This process, told apart from every other on any host: `host/pid/start time`."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started_at(os.getpid())}"


def is_dead_here(worker: str) -> bool:
    """Whether `worker` ran on this host and runs no more; False if nothing can be said."""
    host, _, rest = worker.partition("/")
    pid, _, started = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        process = psutil.Process(int(pid))
        gone = process.status() == psutil.STATUS_ZOMBIE
        return gone or f"{process.create_time():.0f}" != started
    except psutil.NoSuchProcess:
        return True


def _sentence(error: Exception) -> str:
    """What an operator reads of an expected error."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({settings.DATA_DIR}); make room, then try again."
    return str(error)


class Stage(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class StagedQuerySet(models.QuerySet):
    def claimable(self) -> Self:
        """Rows a worker may take now: waiting, or with an expired lease."""
        begun = Q(stage__in=(Stage.WAITING, Stage.RUNNING), lease_until__lt=timezone.now())
        return self.filter(Q(stage=Stage.WAITING, lease_until=None) | begun)

    def put_off(self) -> Self:
        """Rows given back until what was away may be there again; their `error` names it."""
        waiting = self.filter(stage=Stage.WAITING).exclude(error="")
        return waiting.exclude(pk__in=self.claimable().values("pk"))

    def done(self) -> Self:
        return self.filter(stage=Stage.DONE)

    def claim(self, pk: int, *, lease: timedelta | None = None) -> Any | None:
        """Take row `pk`; None if it is done, failed, or in other hands.

        One conditional UPDATE, so two workers can never both win, on SQLite or PostgreSQL.
        The lease is `settings.LEASE` unless given; `working` renews it.
        """
        now = timezone.now()
        won = (
            self.claimable()
            .filter(pk=pk, attempts__lt=MAX_ATTEMPTS)
            .update(
                stage=Stage.RUNNING,
                lease_until=now + (settings.LEASE if lease is None else lease),
                attempts=F("attempts") + 1,
                worker=this_worker(),
                started_at=now,
                finished_at=None,
                progress=0.0,
                error="",
            )
        )
        return self.get(pk=pk) if won else None

    def hand_out(self, limit: int) -> list[int]:
        """Keys of up to `limit` claimable rows that no message went out for lately."""
        now = timezone.now()
        quiet = Q(handed_out_at=None) | Q(handed_out_at__lt=now - PATIENCE)
        # That message is used up: a worker took the row with it, and died.
        used_up = Q(stage=Stage.RUNNING, handed_out_at__lt=F("lease_until"))
        rows = self.claimable().filter(quiet | used_up).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:limit])
        self.filter(pk__in=keys).update(handed_out_at=now)
        return keys

    def give_up(self) -> int:
        """Fail the rows whose workers died `MAX_ATTEMPTS` times; return how many."""
        hopeless = self.claimable().filter(attempts__gte=MAX_ATTEMPTS)
        if not hopeless.exists():  # SQLite has one writer: do not take its turn for nothing
            return 0
        return hopeless.update(
            stage=Stage.FAILED,
            finished_at=timezone.now(),
            error=f"The worker died {MAX_ATTEMPTS} times at this; see its log, then try again.",
        )

    def take_back_from_the_dead(self) -> int:
        """End the leases of workers of this host that run no more; return how many rows."""
        running = self.filter(stage=Stage.RUNNING)
        workers = running.order_by().values_list("worker", flat=True).distinct()
        dead = [worker for worker in workers if is_dead_here(worker)]
        past = timezone.now() - timedelta(seconds=1)
        return running.filter(worker__in=dead).update(lease_until=past, handed_out_at=None)

    def put_back(self, pk: int) -> int:
        """Undo this worker's claim of row `pk`, as if it had never been; 1 if it had one."""
        mine = self.filter(pk=pk, stage=Stage.RUNNING, worker=this_worker())
        return mine.update(
            stage=Stage.WAITING,
            attempts=F("attempts") - 1,
            lease_until=None,
            handed_out_at=None,
            progress=0.0,
        )

    def retry(self) -> int:
        """Send failed rows back to the start of this stage; return how many."""
        return self.filter(stage=Stage.FAILED).update(
            stage=Stage.WAITING, attempts=0, handed_out_at=None, error="", progress=0.0
        )

    def counts(self) -> dict[str, int]:
        """How many rows are in each stage; every stage is a key."""
        found = self.order_by().values_list("stage").annotate(models.Count("pk"))
        return {stage.value: 0 for stage in Stage} | dict(found)


class StagedModel(models.Model):
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.WAITING, db_index=True)
    progress = models.FloatField(default=0.0, editable=False, help_text="share done, 0 to 1")
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    handed_out_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=200, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def waits_until(self) -> datetime | None:
        """When a row that is put off may be claimed again."""
        return self.lease_until

    def finish(self, **results: Any) -> None:
        """Record `results` and mark the row done. Raises ClaimLostError if not ours now."""
        self._leave(Stage.DONE, progress=1.0, error="", **results)

    def fail(self, error: str) -> None:
        """Mark the row failed with a message an operator can act on."""
        self._leave(Stage.FAILED, error=error)

    def report(self, progress: float) -> None:
        """Show how far the work is, 0 to 1; writes at most once a second."""
        now = time.monotonic()
        if now - getattr(self, "_reported", 0.0) >= SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._ours().update(progress=min(max(progress, 0.0), 1.0))

    @contextmanager
    def working(self, *expected: type[Exception]) -> Iterator[None]:
        """Do the work of a claimed row: renew its lease, and keep its errors on the row.

        The expected errors end here; all others are kept and raised again. A storage that is
        away puts the row off, and fails it at the last attempt.
        """
        stop = threading.Event()
        heart = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        heart.start()
        try:
            yield
        except StorageError as error:
            self._put_off(str(error))
        except expected as error:
            self.fail(_sentence(error))
        except ClaimLostError:
            raise
        except Exception as error:
            self.fail(f"Unexpected {type(error).__name__}: {error}")
            raise
        finally:
            stop.set()
            heart.join()

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(settings.LEASE.total_seconds() / HEARTBEATS_PER_LEASE):
            try:
                self._ours().update(lease_until=timezone.now() + settings.LEASE)
            except (DatabaseError, InterfaceError) as error:  # the next beat may get through
                logger.warning("The lease of %s was not renewed: %s", self._meta.label, error)
            finally:
                connection.close()

    def _ours(self) -> models.QuerySet[Any]:
        # `attempts` is the fencing token: a late worker of an earlier attempt matches no row.
        return type(self)._default_manager.filter(
            pk=self.pk, stage=Stage.RUNNING, attempts=self.attempts
        )

    def _put_off(self, error: str) -> None:
        if self.attempts > len(STORAGE_PAUSES):
            return self.fail(error)
        pause = settings.LEASE * STORAGE_PAUSES[self.attempts - 1]
        self._leave(
            Stage.WAITING,
            lease_until=timezone.now() + pause,
            handed_out_at=None,
            finished_at=None,
            progress=0.0,
            error=f"{error} It is tried again by itself.",
        )

    def _leave(self, stage: Stage, **changes: Any) -> None:
        changes = {"lease_until": None, "finished_at": timezone.now()} | changes
        if not self._ours().update(stage=stage, **changes):
            raise ClaimLostError(f"{self._meta.label} {self.pk}, attempt {self.attempts}")
        self.refresh_from_db()
