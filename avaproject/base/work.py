"""Database-backed job rows: claim, lease with heartbeat, fencing token, deferral, retry.

    waiting --claim--> running --finish--> done
       ^                 |  |
       +-----defer-------+  +----fail----> failed --retry--> waiting

Every stage of the pipeline is such a row. The row is the work order, a message only a hint.
A claim is a lease that a heartbeat renews while the work goes on. A worker that dies leaves its
row `running`; it may be claimed again when the lease has expired or the process is known to be
gone. When a storage or a server is unavailable, the row is deferred: it waits until
`not_before`, and that claim does not count. `claim_token` is the fencing token: it only grows,
so a worker whose claim is over can neither renew nor finish it, nor store files.

Whether a row kills its workers or the machine does cannot be told from one death. So a row is
given up after `MAX_ATTEMPTS` of them, with growing pauses in between (`DEATH_PAUSES`), which a
machine in trouble outlives and a row that is the cause does not. An attempt that got further
than those before it starts the count anew (`got_further`).

Times in claims are the database's clock (`Now()`), because the clocks of machines differ.
`modified_at` says when a row last changed, other than by heartbeat or progress: planners look
only at what has changed.
"""

import socket
import time
from collections.abc import Collection, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

from avaproject.base.claimed_work import RELEASED, WILL_RETRY, ClaimLostError, working
from avaproject.base.database_faults import FAULTS, has_lost_connection, outlast_faults
from avaproject.base.processes import has_exited, this_process
from avaproject.base.shutdown import shutdown

Key = TypeVar("Key", bound=Hashable)

MAX_ATTEMPTS = 5
DEATH_PAUSES = (0.0, 0.25, 1.0, 4.0)  # leases to wait after each death of a worker
RESEND_AFTER = timedelta(seconds=50)  # plus one round of planning: at most a minute
SECONDS_BETWEEN_REPORTS = 1.0
GIVEN_UP = f"The worker died {MAX_ATTEMPTS} times at this"


def this_worker() -> str:
    """A name for this process, unique over all machines: the host, and the process there."""
    return f"{socket.gethostname()}/{this_process()}"


class Stage(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class IsOpen(models.Func):
    """Whether a row waits or runs, in the words of the partial index: SQLite compares them."""

    template = "%(expressions)s IN ('waiting', 'running')"
    output_field = models.BooleanField()


class IsFailed(IsOpen):
    """Whether a row failed, likewise."""

    template = "%(expressions)s = 'failed'"


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

    def failed(self) -> Self:
        """Rows that failed; a partial index holds only these."""
        return self.filter(IsFailed("stage"))

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
            error=f"{GIVEN_UP}; see its log, then try again.",
        )

    def given_up(self) -> Self:
        """Failed rows whose workers died `MAX_ATTEMPTS` times."""
        return self.failed().filter(error__startswith=GIVEN_UP)

    def held_up(self) -> Self:
        """Open rows that a fault keeps waiting: `error` says what, `not_before` until when.

        A row whose worker has died waits until its lease ends.
        """
        return self.open().exclude(error="")

    def expire_dead_workers(self) -> int:
        """End the leases of workers that have certainly exited; return how many rows.

        The lease becomes the pause until the next attempt.
        """
        running = self.open().filter(stage=Stage.RUNNING)
        workers = running.order_by().values_list("worker", flat=True).distinct()
        dead = [worker for worker in workers if has_exited(worker.rpartition("/")[2])]
        if not dead:
            return 0
        past = Now() - timedelta(seconds=1)
        pauses = [
            models.When(attempts=F("deferrals") + deaths, then=Now() + settings.LEASE * pause)
            for deaths, pause in enumerate(DEATH_PAUSES, 1)
            if pause
        ]
        return running.filter(worker__in=dead).update(
            lease_until=models.Case(*pauses, default=past),
            worker="",
            enqueued_at=None,
            error=f"Its worker died. {WILL_RETRY}",
        )

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


def exist(wanted: Mapping[Key, models.QuerySet[Any]]) -> set[Key]:
    """The keys of querysets without parameters that have a row; one query for all."""
    if not wanted:
        return set()
    parts = [str(rows.order_by().values("pk")[:1].query) for rows in wanted.values()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"EXISTS ({part})" for part in parts))
        flags = cursor.fetchone()
    return {key for key, flag in zip(wanted, flags, strict=True) if flag}


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
        f"WHERE {quote(changed_at(model))} >= %s)"
        for model in wanted
    )
    moment = connection.ops.adapt_datetimefield_value(since)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {parts}", [moment] * len(wanted))
        flags = cursor.fetchone()
    return {model for model, flag in zip(wanted, flags, strict=True) if flag}


def changed_at(model: type[models.Model]) -> str:
    """The column that says when a row last changed; rows of some models never change."""
    return str(getattr(model, "CHANGED_AT", "modified_at"))


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
        indexes = [
            models.Index("id", condition=Q(stage__in=OPEN), name="%(class)s_open"),
            models.Index("id", condition=Q(stage=Stage.FAILED), name="%(class)s_failed"),
        ]

    def save(self, *, update_fields: Iterable[str] | None = None, **how: Any) -> None:
        """Store the row; a change is stamped with `modified_at`, so that it is planned for."""
        is_change = not self._state.adding
        if is_change:
            self.modified_at = Now()
            if update_fields is not None:
                update_fields = {*update_fields, "modified_at"}
        super().save(update_fields=update_fields, **how)
        if is_change:
            del self.modified_at  # read again when it is asked for

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
        self.claimed_rows().update(lease_until=Now() + settings.LEASE)

    def got_further(self) -> None:
        """This attempt has kept more than those before it: their deaths don't count.

        Raises ClaimLostError if the claim is over.
        """
        if not outlast_faults(lambda: self.claimed_rows().update(attempts=F("deferrals") + 1)):
            raise ClaimLostError(f"{self} was cancelled, or is in another worker's hands")

    def check_claim(self) -> None:
        """Raises ClaimLostError if this worker's claim is over: cancelled, or taken over."""
        if not outlast_faults(self.claimed_rows().exists):
            raise ClaimLostError(f"{self} was cancelled, or is in another worker's hands")

    def report(self, progress: float) -> None:
        """Store the progress, 0 to 1; writes at most once a second."""
        now = time.monotonic()
        if now - getattr(self, "_reported", 0.0) >= SECONDS_BETWEEN_REPORTS:
            self._reported = now
            try:
                self.claimed_rows().update(progress=min(max(progress, 0.0), 1.0))
            except FAULTS as error:  # work goes on: the next one may succeed
                if not has_lost_connection(error):
                    raise

    def working(self, *expected: type[Exception]) -> AbstractContextManager[None]:
        """Do the work of a claimed row: renew its lease, and store its errors on the row.

        Expected errors end here; all others are stored and raised again. When the storage is
        unavailable, the row is deferred as `STORAGE_PAUSES` says, then it fails. When the
        database does not answer, it is deferred as soon as that answers again. When the worker
        is told to stop, the claim is released: the attempt does not count. Of a claim that is
        over no file stays whose row is gone.
        """
        return working(self, expected)

    def undo_claim(self, **changes: Any) -> None:
        """Undo this claim: the attempt does not count."""
        outlast_faults(lambda: self.claimed_rows().update(**RELEASED | changes))

    def claimed_rows(self) -> models.QuerySet[Any]:
        """This row as long as the claim holds; else no row."""
        return type(self)._default_manager.filter(
            pk=self.pk, stage=Stage.RUNNING, claim_token=self.claim_token
        )

    def _end_claim(self, stage: Stage, **changes: Any) -> None:
        changes = {"lease_until": None, "finished_at": Now()} | changes
        if not outlast_faults(lambda: self.claimed_rows().update(stage=stage, **changes)):
            # Only this claim can have ended itself so: then the database's answer was lost.
            its_own = {"stage": stage, "claim_token": self.claim_token}
            found = type(self)._default_manager.filter(pk=self.pk, **its_own)
            if stage == Stage.WAITING or not found.exists():
                raise ClaimLostError(f"{self._meta.label} {self.pk}, claim {self.claim_token}")
        self.refresh_from_db()
