"""The faults of a chaos run: each is done once, at a moment that the seed chooses."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from avaproject.base.work import Stage
from tests.chaos.services import Installation
from workers.pipeline import STEPS

BUCKET_AWAY, REDIS_AWAY = 60.0, 5.0  # seconds
STOPPED_FOR = 1.6  # leases that a worker stands still


@dataclass
class Kind:
    """One kind of fault.

    Attributes:
        weight: How many of a hundred faults are of this kind.
        least: How many of them there are at least.
        recovered: Seconds from each to the next row that was finished.
    """

    name: str
    inject: Callable[[], bool]  # False if there was nothing to do it to
    weight: int
    least: int = 1
    count: int = 0
    recovered: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)


class Faults:
    """All kinds of faults of an installation; `chance` chooses among them."""

    def __init__(self, made: Installation, chance: random.Random, lease: float) -> None:
        self._made, self._chance, self._lease = made, chance, lease
        self._threads: list[threading.Thread] = []
        self._locks = {name: threading.Lock() for name in ("bucket", "redis", "postgres")}
        self.kinds = [
            Kind("kill -9 of a process of the pool", self._kill_child, 22),
            Kind("kill -9 of the process that has a row", self._kill_busy, 10),
            Kind("kill -9 of a worker with its pool", self._kill_worker, 8),
            Kind("SIGTERM of a worker", lambda: self._end("cpu", "gpu"), 5),
            Kind("kill -9 of beat", lambda: self._kill("beat"), 7),
            Kind("kill -9 of the web server", lambda: self._kill("web"), 7),
            Kind("Redis emptied", self._empty_redis, 9),
            Kind("Redis killed, away for 5 s", self._redis_away, 5),
            Kind("PostgreSQL restarted", lambda: self._restart_postgres("fast"), 3),
            Kind("PostgreSQL crashed", lambda: self._restart_postgres("immediate"), 3),
            Kind("PostgreSQL's connections ended", self._end_connections, 8),
            Kind("the bucket away for a minute", self._bucket_away, 1),
            Kind("CVAT answers 502, twenty times", self._cvat_502, 7),
            Kind("a worker stopped past its lease", self._stand_still, 4),
        ]
        if made.clock:
            self.kinds.append(Kind("the clock stepped", self._step_clock, 8))

    def schedule(self, count: int) -> list[Kind]:
        """`count` faults in an order of chance; every kind is there."""
        drawn = [kind for kind in self.kinds for _ in range(kind.least)]
        weights = [kind.weight for kind in self.kinds]
        drawn += self._chance.choices(self.kinds, weights, k=max(count - len(drawn), 0))
        self._chance.shuffle(drawn)
        return drawn

    def end(self) -> None:
        """Wait for the faults that last, and set the clock right."""
        for thread in self._threads:
            thread.join()
        if self._made.clock:
            self._made.step_clock(0)

    def _kill_child(self) -> bool:
        children = self._made.programs.children(self._chance.choice(("cpu", "cpu", "gpu")))
        return bool(children) and _signal(self._chance.choice(children), signal.SIGKILL)

    def _busy(self) -> list[int]:
        """The processes that have a row now."""
        workers = [
            worker
            for step in STEPS
            for worker in step.rows.filter(stage=Stage.RUNNING).values_list("worker", flat=True)
        ]
        return [int(worker.split("-")[-2]) for worker in workers if worker.count("-") >= 3]

    def _kill_busy(self) -> bool:
        busy = self._busy()
        return bool(busy) and _signal(self._chance.choice(busy), signal.SIGKILL)

    def _kill_worker(self) -> bool:
        return self._kill(self._chance.choice(("cpu", "gpu")))

    def _kill(self, name: str) -> bool:
        with suppress(ProcessLookupError, KeyError):
            os.killpg(self._made.programs.pid(name), signal.SIGKILL)
            return True
        return False

    def _end(self, *names: str) -> bool:
        return _signal(self._made.programs.pid(self._chance.choice(names)), signal.SIGTERM)

    def _empty_redis(self) -> bool:
        if self._locks["redis"].locked():
            return False
        self._made.redis.empty()
        return True

    def _redis_away(self) -> bool:
        def away() -> None:
            with self._locks["redis"]:
                self._made.redis.go()
                time.sleep(REDIS_AWAY)
                self._made.redis.come()

        return self._start(away)

    def _restart_postgres(self, how: str) -> bool:
        with self._locks["postgres"]:
            self._made.postgres.go(how)
            self._made.postgres.come()
        return True

    def _end_connections(self) -> bool:
        self._made.postgres.end_connections()
        return True

    def _bucket_away(self) -> bool:
        def away() -> None:
            with self._locks["bucket"]:
                self._made.bucket.go()
                time.sleep(BUCKET_AWAY)
                self._made.bucket.come()

        return self._start(away)

    def _cvat_502(self) -> bool:
        self._made.cvat.do("fail", ".*", ".*", times=20, status=502)
        return True

    def _step_clock(self) -> bool:
        self._made.step_clock(self._chance.choice((-600, -90, -5, 5, 90, 600, 0)))
        return True

    def _stand_still(self) -> bool:
        busy = self._busy()
        if not busy:
            return False
        pid = self._chance.choice(busy)

        def stand() -> None:
            time.sleep(STOPPED_FOR * self._lease)
            _signal(pid, signal.SIGCONT)

        return _signal(pid, signal.SIGSTOP) and self._start(stand)

    def _start(self, lasting: Callable[[], None]) -> bool:
        thread = threading.Thread(target=lasting, daemon=True)
        thread.start()
        self._threads.append(thread)
        return True


def _signal(pid: int, number: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
