"""Database-backed job rows: claim, lease with heartbeat, fencing token, deferral, retry.

    waiting --claim--> running --finish--> done
       ^                 |  |
       +-----defer-------+  +----fail----> failed --retry--> waiting

Every stage of the pipeline is such a row. The row is the work order, a message only a hint.
A claim is a lease that a heartbeat renews while the work goes on. A worker that dies leaves its
row `running`; it may be claimed again when the lease has expired or the process is known to be
gone, `MAX_ATTEMPTS` times. When a storage or a server is unavailable, the row is deferred: it
waits until `not_before`, and that claim does not count. `claim_token` is the fencing token: it
only grows, so a worker whose claim is over can neither renew nor finish it.

Times in claims are the database's clock (`Now()`), because the clocks of machines differ.
`modified_at` says when a row last changed, other than by heartbeat or progress: planners look
only at what has changed.
"""

import errno
import logging
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

from avaproject.base.processes import has_exited, this_process
from avaproject.base.storage import StorageError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
STORAGE_PAUSES = (1, 5)  # leases to wait after the first and the second storage fault
RESEND_AFTER = timedelta(seconds=50)  # plus one round of planning: at most a minute
HEARTBEATS_PER_LEASE = 4
SECONDS_BETWEEN_REPORTS = 1.0
WILL_RETRY = "It will be retried automatically."


class ClaimLostError(RuntimeError):
    """Another worker has claimed the row while this one was still working on it."""


class ShutdownInterrupt(KeyboardInterrupt):
    """The worker stops: the row it works on is released, and the task ends as if done."""


class Shutdown:
    """Whether this process is about to stop; `request` is called by a signal handler."""

    def __init__(self) -> None:
        self.is_requested = False
        self._is_working = False

    def request(self, *signal: object) -> None:
        """Interrupt the row in work, and claim no other from now on."""
        self.is_requested = True
        if self._is_working:
            self._is_working = False
            raise ShutdownInterrupt

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Inside, `request` raises ShutdownInterrupt."""
        self._is_working = True
        try:
            yield
        finally:
            self._is_working = False


shutdown = Shutdown()


def this_worker() -> str:
    """A name for this process, unique over all machines: the host, and the process there."""
    return f"{socket.gethostname()}/{this_process()}"


def _error_message(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({settings.DATA_DIR}). Free some space, then try again."
    return str(error)


class Stage(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class IsOpen(models.Func):
    """Whether a row waits or runs, in the words of the partial index: SQLite compares them."""

    template = "%(expressions)s IN ('waiting', 'running')"
    output_field = models.BooleanField()


OPEN = (Stage.WAITING, Stage.RUNNING)
UNREMARKABLE = {"lease_until", "progress", "enqueued_at"}  # columns that are not a change


class StagedQuerySet(models.QuerySet):
    def update(self, **changes: Any) -> int:
        """Change the rows and stamp them with `modified_at`; return how many."""
        if not changes.keys() <= UNREMARKABLE:
            changes = {"modified_at": Now()} | changes
        return super().update(**changes)

    update.alters_data = True  # type: ignore[attr-defined]

    def changed_since(self, moment: datetime | None) -> Self:
        """Rows that have changed since `moment`; all if it is None."""
        return self if moment is None else self.filter(modified_at__gte=moment)

    def open(self) -> Self:
        """Rows that wait or run; the partial index holds only these."""
        return self.filter(IsOpen("stage"))

    def claimable(self) -> Self:
        """Rows a worker may claim now: waiting and not deferred, or with an expired lease."""
        waiting = Q(stage=Stage.WAITING) & (Q(not_before=None) | Q(not_before__lte=Now()))
        return self.open().filter(waiting | Q(stage=Stage.RUNNING, lease_until__lt=Now()))

    def deferred(self) -> Self:
        """Rows that wait for their `not_before`; their `error` says why."""
        return self.open().filter(stage=Stage.WAITING, not_before__gt=Now())

    def done(self) -> Self:
        return self.filter(stage=Stage.DONE)

    def claim(self, pk: int, *, lease: timedelta | None = None) -> Any | None:
        """Claim row `pk`; None if it is done, failed, deferred, or claimed by another worker.

        One conditional UPDATE, so two workers can never both win, on SQLite or PostgreSQL.
        The lease is `settings.LEASE` unless given; `working` renews it.
        """
        if shutdown.is_requested:
            return None
        won = (
            self.claimable()
            .filter(pk=pk, attempts__lt=MAX_ATTEMPTS + F("deferrals"))
            .update(
                stage=Stage.RUNNING,
                lease_until=Now() + (settings.LEASE if lease is None else lease),
                attempts=F("attempts") + 1,
                claim_token=F("claim_token") + 1,
                worker=this_worker(),
                not_before=None,
                started_at=Now(),
                finished_at=None,
                progress=0.0,
                error="",
            )
        )
        return self.get(pk=pk) if won else None

    def enqueue(self, limit: int, *, held: Collection[int] = ()) -> list[int]:
        """Keys of up to `limit` claimable rows without a message, marked as enqueued.

        A row whose message was sent long ago gets another one, unless the broker still has its
        key in `held`: it may have been lost with the broker or the worker.
        """
        unsent = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - RESEND_AFTER)
        # A worker has consumed that message, claimed the row with it, and died.
        consumed = Q(stage=Stage.RUNNING, enqueued_at__lt=F("lease_until"))
        rows = self.claimable().filter(unsent | consumed).exclude(pk__in=held).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:limit])
        if keys:
            self.filter(pk__in=keys).update(enqueued_at=Now())
        return keys

    def fail_exhausted(self) -> int:
        """Fail the rows whose workers died `MAX_ATTEMPTS` times; return how many."""
        exhausted = self.claimable().filter(attempts__gte=MAX_ATTEMPTS + F("deferrals"))
        if not exhausted.exists():  # SQLite has one writer: take its lock only when needed
            return 0
        return exhausted.update(
            stage=Stage.FAILED,
            finished_at=Now(),
            error=f"The worker died {MAX_ATTEMPTS} times at this; see its log, then try again.",
        )

    def expire_dead_workers(self) -> int:
        """End the leases of workers that have certainly exited; return how many rows."""
        running = self.open().filter(stage=Stage.RUNNING)
        workers = running.order_by().values_list("worker", flat=True).distinct()
        dead = [worker for worker in workers if has_exited(worker.rpartition("/")[2])]
        if not dead:
            return 0
        past = Now() - timedelta(seconds=1)
        return running.filter(worker__in=dead).update(lease_until=past, enqueued_at=None)

    def release_claim(self, pk: int) -> int:
        """Undo this worker's claim of row `pk`; 1 if it had one. The attempt does not count."""
        claimed = self.filter(pk=pk, stage=Stage.RUNNING, worker=this_worker())
        return claimed.update(**RELEASED)

    def retry(self) -> int:
        """Send failed rows back to the start of this stage; return how many."""
        return self.filter(stage=Stage.FAILED).start_over()

    def retry_now(self) -> int:
        """Let deferred rows be claimed at once; return how many."""
        waiting = self.open().filter(stage=Stage.WAITING).exclude(not_before=None)
        return waiting.update(not_before=None, enqueued_at=None)

    def start_over(self, **changes: object) -> int:
        """Send rows back to the start of this stage, except running ones; return how many."""
        fresh = {"attempts": 0, "deferrals": 0, "not_before": None, "lease_until": None}
        return self.exclude(stage=Stage.RUNNING).update(
            **fresh, stage=Stage.WAITING, enqueued_at=None, error="", progress=0.0, **changes
        )

    def counts(self) -> dict[str, int]:
        """How many rows are in each stage; every stage is a key."""
        found = self.order_by().values_list("stage").annotate(models.Count("pk"))
        return {stage.value: 0 for stage in Stage} | dict(found)


def changed_models(
    kinds: Collection[type[models.Model]], since: datetime
) -> set[type[models.Model]]:
    """Those of `kinds` with a row that has changed since then; one query for all."""
    wanted = list(kinds)
    if not wanted:
        return set()
    quote = connection.ops.quote_name
    parts = ", ".join(
        f"EXISTS (SELECT 1 FROM {quote(model._meta.db_table)} "  # noqa: S608  names of models
        f"WHERE {quote(_changed_at(model))} >= %s)"
        for model in wanted
    )
    moment = connection.ops.adapt_datetimefield_value(since)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {parts}", [moment] * len(wanted))
        flags = cursor.fetchone()
    return {model for model, flag in zip(wanted, flags, strict=True) if flag}


def _changed_at(model: type[models.Model]) -> str:
    """The column that says when a row last changed; rows of some models never change."""
    return str(getattr(model, "CHANGED_AT", "modified_at"))


RELEASED: dict[str, Any] = {
    "stage": Stage.WAITING,
    "attempts": F("attempts") - 1,
    "lease_until": None,
    "enqueued_at": None,
    "progress": 0.0,
}


class StagedModel(models.Model):
    """A row of work. A subclass with its own Meta must extend `StagedModel.Meta`."""

    stage = models.CharField(max_length=10, choices=Stage, default=Stage.WAITING)
    progress = models.FloatField(default=0.0, editable=False, help_text="share done, 0 to 1")
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    not_before = models.DateTimeField(null=True, blank=True, editable=False)
    enqueued_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=200, blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    claim_token = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="grows with every claim, and is never reset"
    )
    deferrals = models.PositiveIntegerField(default=0, editable=False, help_text="in a row")
    error = models.TextField(blank=True)
    modified_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    class Meta:
        abstract = True
        # Not an index of all stages: nearly all rows are done, and databases would pick it.
        indexes = [models.Index("id", condition=Q(stage__in=OPEN), name="%(class)s_open")]

    def finish(self, **results: Any) -> None:
        """Store `results` and mark the row done. Raises ClaimLostError if the claim is lost."""
        self._end_claim(Stage.DONE, progress=1.0, error="", deferrals=0, **results)

    def fail(self, error: str) -> None:
        """Mark the row failed with a message an operator can act on."""
        self._end_claim(Stage.FAILED, error=error)

    def defer(self, pause: timedelta, error: str) -> None:
        """Release the claim until `pause` has passed; `error` is shown meanwhile."""
        self._end_claim(
            Stage.WAITING,
            not_before=Now() + pause,
            deferrals=self.deferrals + 1,
            enqueued_at=None,
            finished_at=None,
            progress=0.0,
            error=error,
        )

    def renew_lease(self) -> None:
        """Extend the lease by `settings.LEASE` from now; does nothing if the claim is lost."""
        self._claimed().update(lease_until=Now() + settings.LEASE)

    def check_claim(self) -> None:
        """Raises ClaimLostError if this worker's claim is over: cancelled, or taken over."""
        if not self._claimed().exists():
            raise ClaimLostError(f"{self} was cancelled, or is in another worker's hands")

    def report(self, progress: float) -> None:
        """Store the progress, 0 to 1; writes at most once a second."""
        now = time.monotonic()
        if now - getattr(self, "_reported", 0.0) >= SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._claimed().update(progress=min(max(progress, 0.0), 1.0))

    @contextmanager
    def working(self, *expected: type[Exception]) -> Iterator[None]:
        """Do the work of a claimed row: renew its lease, and store its errors on the row.

        Expected errors end here; all others are stored and raised again. When the storage is
        unavailable, the row is deferred as `STORAGE_PAUSES` says, then it fails. When the
        worker is told to stop, the claim is released: the attempt does not count.
        """
        stop = threading.Event()
        heartbeat = threading.Thread(target=self._send_heartbeats, args=(stop,), daemon=True)
        heartbeat.start()
        try:
            with shutdown.interrupting():
                yield
        except KeyboardInterrupt as error:
            self._claimed().update(**RELEASED)
            if not isinstance(error, ShutdownInterrupt):
                raise
        except StorageError as error:
            if self.deferrals >= len(STORAGE_PAUSES):
                self.fail(str(error))
            else:
                pause = settings.LEASE * STORAGE_PAUSES[self.deferrals]
                self.defer(pause, f"{error} {WILL_RETRY}")
        except expected as error:
            self.fail(_error_message(error))
        except ClaimLostError:
            raise
        except Exception as error:
            self.fail(f"Unexpected {type(error).__name__}: {error}")
            raise
        finally:
            stop.set()
            heartbeat.join()

    def _send_heartbeats(self, stop: threading.Event) -> None:
        while not stop.wait(settings.LEASE.total_seconds() / HEARTBEATS_PER_LEASE):
            try:
                self.renew_lease()
            except (DatabaseError, InterfaceError) as error:  # the next one may succeed
                logger.warning("The lease of %s was not renewed: %s", self._meta.label, error)
            finally:
                connection.close()

    def _claimed(self) -> models.QuerySet[Any]:
        return type(self)._default_manager.filter(
            pk=self.pk, stage=Stage.RUNNING, claim_token=self.claim_token
        )

    def _end_claim(self, stage: Stage, **changes: Any) -> None:
        changes = {"lease_until": None, "finished_at": Now()} | changes
        if not self._claimed().update(stage=stage, **changes):
            raise ClaimLostError(f"{self._meta.label} {self.pk}, claim {self.claim_token}")
        self.refresh_from_db()
